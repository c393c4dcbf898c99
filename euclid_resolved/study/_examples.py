"""Parts of a study about single galaxies: one estimated well and one less well, face-on and edge-on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import astropy.units as u
import numpy as np
from astropy.table import Table, vstack

from euclid_resolved.diagnostics._contract import accuracy_columns
from euclid_resolved.errors import InputError
from euclid_resolved.images._pixels import pixel_scale
from euclid_resolved.io._atlas import read_galaxy
from euclid_resolved.io._galaxy_list import galaxy_key
from euclid_resolved.maps._profiles import orientation
from euclid_resolved.maps._properties import get_property
from euclid_resolved.plotting._comparison import plot_galaxy
from euclid_resolved.plotting._maps import plot_image
from euclid_resolved.study._profiles import (
    BIN,
    in_and_off_plane,
    inner_residual,
    plot_vertical,
    profile_difference,
    vertical_profile,
)
from euclid_resolved.study._published import METRICS
from euclid_resolved.study._result import Result
from euclid_resolved.training._extract import pixels_of

if TYPE_CHECKING:
    from euclid_resolved.study._description import Part
    from euclid_resolved.study._runner import Runner

_FACE_ON = 0.6  # axis ratio of a galaxy that is "somewhat face-on"


def _method(runner, part, result):
    """The method to show: the first wished for that is there, else the last of the study that is."""
    for label in part.options.get("estimators", ()):
        if label not in runner.missing:
            return label
        result.notes.append(f"{label}: {runner.missing[label]}")
    if not runner.present():
        raise InputError("no method of this study is installed")
    return runner.present()[-1]


def _choose(runner, part, label, result):
    """A test galaxy estimated well and one less well: those named, or others, and then the notes say why."""
    wanted = [galaxy_key(name) for name in part.options.get("galaxies", ())]
    tested = {galaxy_key(galaxy.group): galaxy for galaxy in runner.test}
    trained = {galaxy_key(galaxy.group) for galaxy in runner.training}
    for name in wanted:
        if name not in tested:
            why = "a training galaxy" if name in trained else "not among the galaxies of this study"
            result.notes.append(f"{name}, named in the study, is {why}; another galaxy stands in its place.")
    if wanted and all(name in tested for name in wanted):
        result.notes.append(f"The galaxies are those named in the study. Estimated by {label}.")
        return [tested[name] for name in wanted]
    model, pixels = runner.model(label), runner.test_pixels
    prop = runner.description.properties[0]
    rows = []
    for galaxy in runner.test:
        if galaxy_key(galaxy.group) in wanted and len(runner.test) > len(wanted):
            continue
        own = pixels.of([galaxy.name])
        if len(own) < 50:
            continue
        _, ratio = orientation(galaxy.image, pixels.clip_band, pixels.clip)
        rows.append((ratio, accuracy_columns(model, own, prop)["r2"], galaxy))
    face_on = [row for row in rows if row[0] >= _FACE_ON]
    if len(face_on) < 2:
        face_on = sorted(rows, key=lambda row: row[0])[-max(2, len(rows) // 2) :]
    if not face_on:
        raise InputError("no test galaxy has 50 pixels above the clip")
    ranked = [galaxy for _, _, galaxy in sorted(face_on, key=lambda row: row[1])]
    place = np.array([0.9, 0.1]) * (len(ranked) - 1)
    result.notes.append(
        f"Chosen from {len(ranked)} galaxies seen nearly face-on: those at the 90th and the 10th percentile "
        f"of the R2 of {get_property(prop).label}. Estimated by {label}."
    )
    chosen = [ranked[round(float(i))] for i in place]
    return [tested.get(name, other) for name, other in zip(wanted or [""] * 2, chosen, strict=False)]


def _rows(runner, table, model, galaxy, label):
    estimator = runner.description.methods[label].estimator
    pixels = pixels_of([galaxy], model)
    rows = []
    for name in model.properties:
        row = {"galaxy": galaxy.name, "property": name, "method": label, "pixels": len(pixels)}
        values = accuracy_columns(model, pixels, name)
        for metric in METRICS:
            row[metric] = values[metric]
            row[f"{metric}_published"] = runner.published(table, name, estimator, galaxy.name, metric)
        rows.append(row)
    return rows


def _map(model, galaxy, title, radius=None):
    """The image, the true and the estimated maps of the part that is mapped, and their figure."""
    image, truth = galaxy.load()
    known = pixel_scale(image).unit.is_equivalent(u.kpc)
    width, radius = (BIN, radius) if known else (None, None)
    maps = model.predict_maps(image)
    window = _window(~np.asarray(next(iter(maps.values())).mask))
    maps, truth = ({name: map_[window] for name, map_ in each.items()} for each in (maps, truth))
    return image[window], truth, maps, plot_galaxy(truth, maps, bin_width=width, radius=radius, title=title)


def _window(known, margin=0.1):
    """The smallest square about the centre that holds nearly all known pixels, as a pair of slices."""
    middle = (np.array(known.shape) - 1) / 2
    offset = np.abs(np.argwhere(known) - middle).max(axis=1)
    reach = np.percentile(offset, 99.5) * (1 + margin) if offset.size else middle.max()
    # The same number of pixels on either side, so that the centre stays the centre.
    return tuple(
        slice(cut := max(int(m - reach), 0), n - cut) for m, n in zip(middle, known.shape, strict=True)
    )


def example_galaxies(runner: Runner, part: Part) -> Result:
    """Images, maps, residuals and profiles of two test galaxies, and their accuracy."""
    result = Result()
    label = _method(runner, part, result)
    model = runner.model(label)
    galaxies = _choose(runner, part, label, result)
    rows = []
    radii = [*part.options.get("radii", ()), None, None]
    kinds = ("estimated well", "estimated less well")
    for galaxy, kind, radius in zip(galaxies, kinds, radii, strict=False):
        radius = None if radius is None else radius * u.kpc
        image, truth, maps, figure = _map(model, galaxy, f"{galaxy.name}, {kind}", radius)
        result.figures[f"{galaxy.name}: {', '.join(image)}"] = plot_image(image)
        result.figures[f"{galaxy.name}: maps, residuals and radial profiles ({kind})"] = figure
        rows += _rows(runner, "Table 4", model, galaxy, label)
        for row in rows[-len(model.properties) :]:
            name = row["property"]
            row |= _by_place(runner, row, truth[name], maps[name], radius)
            _keep_view(result, "face_on", galaxy, row)
    result.tables["Accuracy of the example galaxies"] = Table(rows=rows)
    result.notes.append(
        "inner: truth minus estimate within the dashed circle, or everywhere where there is none, dex: "
        "median, 16th and 84th percentile; profile difference: the largest of the radial profiles there, dex."
    )
    return result


def _by_place(runner, row, truth, guess, radius):
    """What the paper says of the pixels within a circle, and of radial profiles."""
    estimator = runner.description.methods[row["method"]].estimator
    found = {
        **inner_residual(truth, guess, radius),
        "profile_difference": profile_difference(truth, guess, radius),
    }
    paper = runner.published("Table 4", row["property"], estimator, row["galaxy"], "profile_difference")
    return found | {"profile_difference_published": paper}


def _keep_view(result, kind, galaxy, row):
    for metric in ("r2", "rmse"):
        result.values[f"view/{kind}/{galaxy.group}/{row['property']}/{metric}"] = row[metric]


def _heights(result, model, galaxy, truth, maps):
    """Truth and estimate against the height above and below the disc."""
    if not pixel_scale(next(iter(maps.values()))).unit.is_equivalent(u.kpc):
        return
    angle, _ = orientation(galaxy.image, model.clip_band, model.clip)
    profiles = {name: vertical_profile(truth[name], map_, angle) for name, map_ in maps.items()}
    result.figures[f"{galaxy.name}: profiles above and below the disc"] = plot_vertical(profiles)
    tables = []
    for name, profile in profiles.items():
        inside, outside = in_and_off_plane(profile)
        result.values[f"vertical/{galaxy.group}/{name}/in_plane"] = inside
        result.values[f"vertical/{galaxy.group}/{name}/off_plane"] = outside
        table = Table(profile)
        table.add_column([name] * len(table), name="property", index=0)
        tables.append(table)
    result.tables[f"{galaxy.name}: above and below the disc, medians within 5 kpc of its minor axis"] = (
        vstack(tables)
    )


def _sides(part):
    """The galaxies that a part names, and from where each is seen edge-on, where that is said."""
    return part.options.get("galaxies", ()), part.options.get("observers", ())


def edge_on(runner: Runner, part: Part) -> Result:
    """The same two galaxies edge-on: from the observers named, or from those who see them closest to it."""
    result = Result()
    label = _method(runner, part, result)
    others = [observer for observer in runner.observers if observer != runner.description.observer]
    if not others:
        result.notes.append(
            f"Not run: the atlas holds observer {runner.description.observer} only. A mock atlas gets others "
            "by euclid-resolved atlas make with --observer O1, O2, O3 and O4 on the same folder."
        )
        return result
    model = runner.model(label)
    named = {galaxy_key(name): side for name, side in zip(*_sides(part), strict=False)}
    rows = []
    for galaxy in _choose(runner, part, label, result):
        side, seen = named.get(galaxy_key(galaxy.group)), []
        for observer in [side] if side else others:
            try:
                other = read_galaxy(runner.atlas / f"{galaxy.group}_{observer}", runner.description.bands)
            except InputError:
                continue  # this observer has some of the galaxies only
            seen.append((orientation(other.image, model.clip_band, model.clip)[1], other))
        if not seen:
            result.notes.append(
                f"{galaxy.name}: nothing of {f'observer {side}' if side else 'another observer'}"
            )
            continue
        ratio, other = min(seen, key=lambda pair: pair[0])
        title = f"{other.name}, axis ratio {ratio:.2f}"
        if not side:
            result.values[f"axis_ratio/{galaxy.group}"] = ratio
        _, truth, maps, figure = _map(model, other, title)
        result.figures[f"{title}: maps and residuals"] = figure
        rows += _rows(runner, "Table 5", model, other, label)
        for row in rows[-len(model.properties) :]:
            _keep_view(result, "edge_on", other, row)
        _heights(result, model, other, truth, maps)
    if rows:
        result.notes.append(
            "axis ratio: of the light above the clip, 1 from above. Galaxies whose side is not named in the "
            "study are shown from the side with the least one that the atlas has."
        )
        first = {"Accuracy of the example galaxies seen nearly edge-on": Table(rows=rows)}
        result.tables = first | result.tables
    return result
