"""What the command ``default-model`` does: make the default model, or another like it, and check it."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path

from euclid_resolved.cli._commands import UsageError, _usage
from euclid_resolved.errors import InputError


def default_model_make(options: Namespace) -> None:
    """Make a model of mock galaxies by a recipe."""
    from euclid_resolved.io._files import check_target
    from euclid_resolved.io._leftovers import fitting_name
    from euclid_resolved.io._lock import hold
    from euclid_resolved.io._read_write import write
    from euclid_resolved.mock._recipe import Recipe, make_model

    output = Path(options.output)
    if output.suffix != ".asdf":
        raise UsageError(f"-o must end in .asdf, got {output}")
    given = {"preset": options.preset, "galaxies": options.galaxies, "n_trees": options.trees}
    given |= {"folds": options.folds, "seed": options.seed}
    given["features"] = None if options.features is None else tuple(options.features)
    with _usage():
        recipe = Recipe(**{name: value for name, value in given.items() if value is not None})
        _ = recipe.digest  # a preset that is not known
    target = check_target(output, options.overwrite)
    keep = target.with_name(fitting_name(target.name, ".part"))
    with hold(output):
        try:
            model = make_model(recipe, keep=keep)
        except KeyboardInterrupt:
            if keep.is_dir():
                print(f"Fits that are done are kept in {keep}: the same command goes on.", file=sys.stderr)
            raise
        write(output, model, overwrite=options.overwrite)
    print(f"{output}: {model.training['source']}; digest {model.digest[:12]}, recipe {recipe.digest[:12]}")


def default_model_check(options: Namespace) -> None:
    """Make the default model again and compare it with the one that comes with the package."""
    from euclid_resolved.mock._default_model import default_model, default_path
    from euclid_resolved.mock._recipe import COMMAND, Recipe, check_model, compare, make_model

    shipped = default_model()
    check_model(shipped)
    again = make_model()
    if again.digest == shipped.digest:
        print(f"{default_path().name} is what its recipe makes, to the last bit: digest {again.digest[:12]}")
        return
    apart = compare(shipped, again, Recipe())
    if apart > options.tolerance:
        raise InputError(
            f"the default model is not what its recipe makes: estimates differ by {apart:.3f} dex rms, more "
            f"than {options.tolerance:g}: run {COMMAND}"
        )
    print(
        f"{default_path().name} is what its recipe makes, with other libraries or on another machine: "
        f"estimates differ by {apart:.3f} dex rms"
    )
