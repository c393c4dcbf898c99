"""What a user reads of maps when they are made: in one screen, and what of it to believe."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from euclid_resolved.cli._logging import log

if TYPE_CHECKING:
    from euclid_resolved.maps._regions import RegionValue
    from euclid_resolved.maps._spatial_map import SpatialMap
    from euclid_resolved.models._model import Model
    from euclid_resolved.survey._tile import PixelCount

WIDTH = 79  # of a terminal


def say(text: str, indent: str = "") -> None:
    """Log a sentence in lines that fit a terminal."""
    further = indent + "  "
    text = text.replace(" %", "\N{NO-BREAK SPACE}%")
    lines = textwrap.wrap(
        text, WIDTH, initial_indent=indent, subsequent_indent=further, break_on_hyphens=False,
        break_long_words=False,
    )  # fmt: skip
    log.info("%s", "\n".join(lines).replace("\N{NO-BREAK SPACE}", " "))


def report_count(path: str | Path, count: PixelCount) -> None:
    """How many pixels were mapped, and what is flagged."""
    from euclid_resolved.maps._shares import SHARES

    extrapolated = ""
    if count.judged:
        share = 100 * count.extrapolated / count.judged
        extrapolated = f"; of these {share:.1f} % are extrapolations (OUT_OF_DOMAIN)"
    say(f"{path}: {count.judged} of {count.pixels} pixels mapped{extrapolated}")
    if count.bits:
        shares = (f"{name} {100 * number / count.pixels:.1f} %" for name, number in count.bits.items())
        say(f"{SHARES} {', '.join(shares)}", "  ")


def report(path: str | Path, maps: Mapping[str, SpatialMap]) -> dict[str, RegionValue]:
    """How many pixels were mapped, and what the maps say of them; the totals of densities come back."""
    import astropy.units as u
    import numpy as np

    from euclid_resolved.images._pixels import pixel_scale
    from euclid_resolved.maps._budget import budget_words
    from euclid_resolved.maps._regions import total
    from euclid_resolved.survey._tile import count_pixels

    report_count(path, count_pixels(maps))
    judged = ~np.asarray(next(iter(maps.values())).mask)
    totals: dict[str, RegionValue] = {}
    if not judged.any():
        return totals
    for name, map_ in maps.items():
        low, middle, high = np.percentile(map_.data[judged], (16, 50, 84))
        text = f"{name}: median {middle:.3g}, 16-84 % {low:.3g} to {high:.3g} {map_.unit}".rstrip()
        if map_.uncertainty is not None:
            relative = np.nanmedian(map_.uncertainty.array[judged] / map_.data[judged])
            text += f"; one sigma {100 * relative:.0f} % ({budget_words(map_)})"
        say(text, "  ")
        if map_.property is not None and map_.property.density and pixel_scale(map_).unit.is_equivalent(u.pc):
            totals[name] = total(map_)
            say(str(totals[name]), "  ")
    return totals


def report_trust(model: Model, maps: Mapping[str, SpatialMap] | None = None) -> None:
    """What the errors hold, and what the maker of the model says may be believed."""
    calibrated = any(output.interval is not None for output in model.outputs.values())
    kinds = dict.fromkeys(str(map_.meta.get("uncertainty", "")) for map_ in (maps or {}).values())
    what = "; ".join(filter(None, kinds))
    if calibrated and (what or maps is None):
        say(
            f"One sigma{f' ({what})' if what else ''} holds noise, the model's own errors and populations as "
            "varied as in its training, not zero points, nor galaxies unlike all of those."
        )
    elif what:
        say(f"One sigma is {what}.")
    unlike = _unlike(maps or {})
    if unlike:
        say(
            f"{unlike:.0f} % of the mapped pixels lie in fields whose colours or sharpness no galaxy "
            "of the training has (UNLIKE_TRAINING): how far those are off was not measured."
        )
    if "trust" in model.training:
        say(f"What to believe: {model.training['trust']}")


def _unlike(maps):
    """The percentage of the mapped pixels that lie in fields unlike the training."""
    from euclid_resolved.maps._spatial_map import Quality

    for map_ in maps.values():
        mapped = ~map_.mask
        if mapped.any():
            return 100 * float((map_.quality[mapped] & Quality.UNLIKE_TRAINING > 0).mean())
    return 0.0
