"""A model as the tree of a file, and what makes a model again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from euclid_resolved.errors import InputError
from euclid_resolved.features._image_sets import golden_planes, image_sets
from euclid_resolved.features._known import features_of_known
from euclid_resolved.features._scale import Scale
from euclid_resolved.features._seeing import look
from euclid_resolved.features._sets import column_units, feature_columns
from euclid_resolved.maps._properties import get_property
from euclid_resolved.models._asking import CLOSE, checked_predict, registered_name
from euclid_resolved.models._domain import Domain
from euclid_resolved.models._interval_sets import intervals_to_tree, tree_to_intervals
from euclid_resolved.models._intervals import Interval
from euclid_resolved.models._likeness import Likeness
from euclid_resolved.models._missing import MissingBands
from euclid_resolved.models._output import Output, append
from euclid_resolved.models._provenance import changed_since, look_for, plugins_to_tree, tree_to_plugins

if TYPE_CHECKING:
    from euclid_resolved.models._model import Model


def model_to_tree(model: Model) -> dict[str, Any]:
    """The model as nested dicts and lists of arrays, numbers and text; order is kept in lists."""
    return {
        "bands": list(model.bands),
        "features": list(model.features),
        "columns": list(model.columns),
        "column_units": list(model.column_units),
        "clip": None if model.clip is None else float(model.clip),
        "clip_band": model.clip_band,
        "feature_scale": _scale_tree(model.feature_scale),
        "domain": {
            "columns": list(model.domain.columns),
            **_scale_tree(model.domain.scale),
            **({} if model.domain.reference is None else {"reference": model.domain.reference}),
            **({} if model.domain.noise is None else {"noise": model.domain.noise}),
            **({"limit": model.domain.limit} if np.isfinite(model.domain.limit) else {}),
        },
        "outputs": [
            {
                "property": output.property,
                "unit": get_property(output.property).unit.to_string(),
                "estimator": registered_name(output.estimator),
                "settings": output.estimator.settings(),
                "scale": _scale_tree(output.scale),
                "state": output.estimator.state(),
                "golden": output.golden,
                "chain": list(output.chain),
                **({} if output.interval is None else {"interval": output.interval.to_tree()}),
                **(
                    {"intervals_without": intervals_to_tree(output.intervals_without)}
                    if output.intervals_without
                    else {}
                ),
            }
            for output in model.outputs.values()
        ],
        "golden_rows": model.golden_rows,
        **({} if model.golden_brightness is None else {"golden_brightness": model.golden_brightness}),
        **({} if model.golden_image is None else {"golden_image": model.golden_image}),
        **({"plugins": plugins_to_tree(model.plugins)} if model.plugins else {}),
        **({} if model.missing is None else {"missing": model.missing.to_tree()}),
        **({} if model.likeness is None else {"likeness": model.likeness.to_tree()}),
        "training": model.training,
        "versions": model.versions,
    }


def tree_to_fields(tree: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a model from what `model_to_tree` gave; nothing in it is trusted."""
    columns, features, bands = tuple(tree["columns"]), tuple(tree["features"]), tuple(tree["bands"])
    clip, units = tree["clip"], tuple(tree["column_units"])
    plugins = tree_to_plugins(tree.get("plugins", ()))
    for name in features:
        look_for("features", name, plugins)
    possible = column_units(bands, features) if bands else {}
    unknown = set(columns) - set(possible)
    if unknown or len(set(columns)) != len(columns):
        raise InputError(f"columns {', '.join(columns)} are not what {', '.join(features)} make")
    now = tuple(possible[column] for column in columns)
    if units != now:
        raise InputError(f"its columns have units {units}, but {', '.join(features)} make {now}")
    if clip is not None and not np.isfinite(float(clip)):
        raise InputError(f"the model's clip is {clip}")
    feature_scale = Scale(tree["feature_scale"]["minimum"], tree["feature_scale"]["maximum"])
    domain = _restore_domain(tree["domain"])
    rows = np.ascontiguousarray(tree["golden_rows"], dtype=np.float32)
    clip_band = str(tree["clip_band"])
    if clip_band not in bands or set(domain.columns) - set(feature_columns(bands, ("bands", "colours"))):
        raise InputError("the model's clip or domain speaks of bands it does not have")
    domain.check(bands)
    if len(feature_scale.minimum) != len(columns) or len(domain.scale.minimum) != len(domain.columns):
        raise InputError("the model's ranges do not fit its columns")
    if rows.ndim != 2 or rows.shape[1] != len(columns) or not 0 < len(rows) <= 10_000:
        raise InputError("the model's golden rows do not fit its columns")
    missing = MissingBands.from_tree(tree["missing"], bands) if "missing" in tree else None
    if missing is not None and image_sets(features):
        raise InputError("a model that looks at surroundings needs all its bands")
    if np.isinf(rows).any() or (missing is None and np.isnan(rows).any()):
        raise InputError("the model's golden rows contain NaN or infinity")
    light = _restore_brightness(tree.get("golden_brightness"), bands, rows, missing)
    if light is not None:
        _compare_features(light, rows, bands, features, columns, feature_scale, plugins)
    golden_image = _restore_image(tree.get("golden_image"), bands, features, plugins)
    outputs: dict[str, Output] = {}
    for entry in tree["outputs"]:
        prop = get_property(entry["property"])
        if prop.name in outputs or entry["unit"] != prop.unit.to_string():
            raise InputError(f"{prop.name} comes twice, or its unit is not {prop.unit}")
        outputs[prop.name] = _restore_output(prop.name, entry, rows, outputs, plugins, missing)
    if not outputs:
        raise InputError("the model estimates nothing")
    return dict(
        bands=bands,
        features=features,
        columns=columns,
        column_units=units,
        clip=None if clip is None else float(clip),
        clip_band=clip_band,
        feature_scale=feature_scale,
        domain=domain,
        outputs=outputs,
        golden_rows=rows,
        golden_brightness=light,
        golden_image=golden_image,
        plugins=plugins,
        missing=missing,
        likeness=Likeness.from_tree(tree["likeness"], bands) if "likeness" in tree else None,
        training=dict(tree["training"]),
        versions=dict(tree["versions"]),
    )


def _restore_domain(tree):
    """A domain from its entry in a file."""
    arrays = {name: np.asarray(tree[name]) for name in ("reference", "noise") if name in tree}
    box = Scale(tree["minimum"], tree["maximum"])
    return Domain(tuple(tree["columns"]), box, limit=float(tree.get("limit", np.inf)), **arrays)


def _restore_brightness(given, bands, rows, missing):
    """The surface brightness of the golden rows; None in files that do not have it."""
    if given is None:
        return None
    light = np.ascontiguousarray(given, dtype=np.float32)
    usable = np.isfinite(light) & (light > 0)
    if missing is not None:
        usable |= np.isnan(light)
    if light.shape != (len(rows), len(bands)) or not usable.all():
        raise InputError("the brightness of the model's golden rows does not fit its bands")
    return light


def _compare_features(light, rows, bands, features, columns, scale, plugins):
    """Make the features of the golden rows again, and refuse others than the model was made with."""
    around = {column for name in image_sets(features) for column in feature_columns(bands, name)}
    own = [column for column in columns if column not in around]
    if not own:
        return
    made = np.full(rows.shape, np.nan, np.float32)
    which = [columns.index(column) for column in own]
    made[:, which] = features_of_known(dict(zip(bands, light.T, strict=True)), features, own)
    kept = scale.invert(rows)
    # Those of surroundings are compared on a small image.
    made = np.where([column in around for column in columns], kept, made)
    # Logarithms and powers of other libraries differ in their last bits.
    size = np.maximum(np.abs(scale.minimum), np.abs(scale.maximum)) + scale.maximum - scale.minimum
    wrong = ~(np.abs(made - kept) <= 1e-5 * size) & ~(np.isnan(made) & np.isnan(kept))
    if wrong.any():
        worst = int(np.argmax(wrong.sum(axis=0)))
        pixel = int(np.flatnonzero(wrong[:, worst])[0])
        raise InputError(
            f"{', '.join(features)} no longer make the features that the model was made with: "
            f"{columns[worst]} is {made[pixel, worst]:.4g} where it was {kept[pixel, worst]:.4g}; "
            + changed_since((("features", name) for name in features), plugins)
        )


def golden_image(bands: Sequence[str], features: Sequence[str]) -> np.ndarray | None:
    """What features that look at surroundings make of a small image; None where there are none.

    Parameters
    ----------
    bands, features : sequence of str

    Returns
    -------
    planes : `~numpy.ndarray` or None
        float32, shape (planes, ny, nx): the light of every band, then every column.
    """
    if not image_sets(features):
        return None
    light, around = look(golden_planes(bands), features)
    return np.array([*light.brightness.values(), *around.values()], np.float32)


def _restore_image(given, bands, features, plugins):
    """The golden image of a file, after features made of it what they made before."""
    now = golden_image(bands, features)
    if given is None and now is None:
        return None
    if given is None or now is None:
        raise InputError("the model's golden image does not fit its features")
    kept = np.ascontiguousarray(given, dtype=np.float32)
    if kept.shape != now.shape or not np.allclose(kept, now, rtol=1e-4, atol=1e-4, equal_nan=True):
        names = image_sets(features)
        raise InputError(
            f"{', '.join(names)} no longer make the features that the model was made with; "
            + changed_since((("features", name) for name in names), plugins)
        )
    return kept


def _restore_output(name, entry, rows, earlier, plugins, missing):
    """An output from its entry in a file, after its golden rows gave what they gave before."""
    chain = tuple(entry.get("chain", ()))
    if set(chain) - set(earlier):
        raise InputError(f"{name} is chained to {', '.join(chain)}, which do not come before it")
    rows = append(rows, [earlier[other].golden for other in chain])
    estimator_class = look_for("estimators", entry["estimator"], plugins)
    try:
        settings = {key: tuple(v) if isinstance(v, list) else v for key, v in entry["settings"].items()}
        fresh = estimator_class(**settings)
        for other in fresh.uses:
            look_for("estimators", other, plugins)
        estimator = fresh.restore(entry["state"])
    except (InputError, MemoryError, KeyboardInterrupt):
        raise
    except BaseException as error:  # a plugin's restore may raise anything on a damaged state
        raise InputError(
            f"{entry['estimator']} refuses its state: {type(error).__name__}: {error}"
        ) from error
    golden = np.asarray(entry["golden"], dtype=np.float32)
    again = checked_predict(estimator, rows, name, nan=missing is not None)
    if golden.shape != again.shape or not np.allclose(golden, again, **CLOSE):
        kinds = [("estimators", each) for each in (entry["estimator"], *fresh.uses)]
        raise InputError(
            f"{name}: the estimator no longer gives the predictions stored with it; the file is damaged, "
            f"or {entry['estimator']} has changed: {changed_since(kinds, plugins)}"
        )
    scale = Scale(entry["scale"]["minimum"], entry["scale"]["maximum"])
    interval = Interval.from_tree(entry["interval"]) if "interval" in entry else None
    bands = () if missing is None else missing.bands
    without = tree_to_intervals(entry.get("intervals_without", ()), bands)
    if missing is not None and interval is not None:
        missing.check_intervals(without)
    return Output(name, estimator, scale, golden, chain, interval, without)


def _scale_tree(scale):
    return {"minimum": scale.minimum, "maximum": scale.maximum}


def hash_tree(sha, path, value):
    """Feed a tree to a hash, each leaf with its path, so that structure counts."""
    if isinstance(value, dict):
        for key in sorted(value):
            hash_tree(sha, f"{path}/{key}", value[key])
    elif isinstance(value, list | tuple):
        for i, item in enumerate(value):
            hash_tree(sha, f"{path}/{i}", item)
    elif isinstance(value, np.ndarray):
        little = value.dtype.newbyteorder("<")
        sha.update(f"{path}:{little.str}{value.shape}".encode())
        sha.update(np.ascontiguousarray(value.astype(little, copy=False)))
    else:
        # NumPy 1 and 2 print their scalars differently.
        value = value.item() if isinstance(value, np.generic) else value
        sha.update(f"{path}={value!r}".encode())
