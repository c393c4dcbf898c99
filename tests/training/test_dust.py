"""Dust, which a pixel with stars may lack: its missing pixels are missing for it alone."""

from dataclasses import replace

import numpy as np
import pytest

from euclid_resolved import (
    Galaxy,
    InputError,
    LinearRegression,
    RandomForest,
    SpatialMap,
    calibrate,
    evaluate,
    make_atlas,
    read,
    read_atlas,
    train,
    write,
)
from euclid_resolved.cli import main
from euclid_resolved.diagnostics import diagnose, estimates
from euclid_resolved.io import read_sample, write_sample
from euclid_resolved.maps import PROPERTIES, get_property
from euclid_resolved.testing import example_galaxies
from euclid_resolved.training import coverage, extract, shared_variance

DUST, DENSITY, AGE = "dust_mass_density", "stellar_mass_density", "stellar_age"


def dusty(n=6, first=1, without=0.5):
    """Galaxies whose dust is a thousandth of a power of their stars, and that have none on one side."""
    made = []
    for i, one in enumerate(example_galaxies(first + n - 1)[first - 1 :]):
        density = one.maps[DENSITY].data
        dust = 1e-3 * density.astype(float) ** 0.8
        dust[:, : round(without * dust.shape[1])] = 0.0
        maps = {**one.maps, DUST: SpatialMap(dust, property=DUST)}
        made.append(Galaxy(f"dusty {first + i}", one.image, maps))
    return made


def test_dust_is_a_property_and_none_of_the_three():
    dust = get_property(DUST)
    assert dust.sparse and dust.density and dust.atlas == "dustmass" and str(dust.unit) == "solMass / pc2"
    assert DUST not in PROPERTIES and not any(one.sparse for one in PROPERTIES.values())
    assert train(dusty(2), "all", LinearRegression()).properties == tuple(PROPERTIES)
    with pytest.raises(InputError, match="known are .*, dust_mass_density; did you mean 'dust_mass_density'"):
        get_property("dust_mass")


def test_pixels_without_dust_are_missing_for_dust_alone():
    galaxies = dusty(4)
    pixels = extract(galaxies, (DENSITY, DUST))
    assert len(pixels) == len(extract(galaxies, (DENSITY,))) and pixels.without_truth == 0
    known = np.isfinite(pixels.truth[DUST])
    assert 0.3 < known.mean() < 0.7 and np.isfinite(pixels.truth[DENSITY]).all()
    # Asked for alone, dust has the pixels that have some.
    with pytest.warns(UserWarning, match="pixels above the clip have no usable truth"):
        alone = extract(galaxies, (DUST,))
    assert len(alone) == known.sum() and alone.without_truth == (~known).sum()


@pytest.mark.parametrize(
    "estimator",
    [LinearRegression(), RandomForest(n_trees=3, n_jobs=1), RandomForest(n_trees=3, n_jobs=1, joint=True)],
)
def test_each_property_learns_from_its_own_pixels(estimator):
    """Beside dust, density is what it is without; dust is what it is of the pixels with dust alone."""
    galaxies, unseen = dusty(4), dusty(2, first=5)
    both = train(extract(galaxies, (DENSITY, DUST)), (DENSITY, DUST), estimator)
    density = train(galaxies, DENSITY, replace(estimator))
    pixels = extract(unseen, (DENSITY, DUST))
    np.testing.assert_array_equal(estimates(both, pixels, DENSITY)[1], estimates(density, pixels, DENSITY)[1])
    table = evaluate(both, unseen)
    n = {str(row["property"]): int(row["n_pixels"]) for row in table}
    assert n[DENSITY] == len(pixels) and n[DUST] == np.isfinite(pixels.truth[DUST]).sum()
    assert all(row["r2"] > 0.7 for row in table) and np.isfinite(both.training["validation"][DUST]["r2"])


def test_an_exact_relation_of_dust_is_learned_and_mapped(tmp_path):
    """Dust is a power of density, and density nearly one of light: so is dust, wherever there is light."""
    galaxies = dusty(6)
    model = train(galaxies[:5], (DENSITY, DUST), LinearRegression())
    maps = model.predict_maps(galaxies[5].image)
    known = ~maps[DUST].mask & (galaxies[5].maps[DUST].data > 0)
    ratio = np.log10(maps[DUST].data) - (0.8 * np.log10(maps[DENSITY].data) - 3)
    assert np.abs(ratio[known]).max() < 0.05
    write(tmp_path / "maps.fits", maps)
    assert list(read(tmp_path / "maps.fits")) == [DENSITY, DUST]
    write(tmp_path / "model.asdf", model)
    again = read(tmp_path / "model.asdf").predict(galaxies[5].image, DUST)
    np.testing.assert_array_equal(again.data, maps[DUST].data)
    assert again.unit == get_property(DUST).unit


def test_chains_intervals_and_diagnostics_take_what_there_is():
    galaxies = dusty(24)
    model = train(galaxies[:4], (DUST, AGE), LinearRegression(), chain=True)
    assert model.outputs[AGE].chain == (DUST,)
    model = calibrate(train(galaxies[:4], (DENSITY, DUST), LinearRegression()), galaxies[4:])
    own = dusty(4, first=40)
    inside = coverage(model, own)
    pixels = extract(own, (DENSITY, DUST))
    assert len(inside[DENSITY]) == len(pixels) and len(inside[DUST]) == np.isfinite(pixels.truth[DUST]).sum()
    assert np.isfinite(list(shared_variance(model, dusty(5, first=50)).values())).all()
    for name, options in (
        ("permutation_importance", {"repeats": 1}),
        ("lofo", {}),
        ("epistemic_scatter", {"runs": 2}),
    ):
        table = diagnose(
            name, train(galaxies[:4], (DENSITY, DUST), LinearRegression()), galaxies[:4], own, **options
        )
        part = table[table["property"] == DUST]
        assert len(part) and np.isfinite(np.asarray(part[part.colnames[2]].value)).all(), name


def test_a_sample_and_an_atlas_have_dust(tmp_path):
    galaxies = dusty(3)
    sample = write_sample(tmp_path / "sample", galaxies, (DENSITY, DUST))
    again = read_sample(tmp_path / "sample")
    np.testing.assert_array_equal(again.truth[DUST], extract(galaxies, (DENSITY, DUST)).truth[DUST])
    assert list(sample.truth) == [DENSITY, DUST]
    atlas = make_atlas(tmp_path / "atlas", 5, pixels=32, progress=False)
    assert DUST not in read_atlas(atlas)[0].maps
    maps = read_atlas(atlas, properties=(DUST,))[0].maps
    assert list(maps)[-1] == DUST and 0 < np.nansum(maps[DUST].data) < np.nansum(maps[DENSITY].data)
    words = [
        "train",
        str(atlas),
        "-o",
        str(tmp_path / "m.asdf"),
        "--estimator",
        "linear",
        "--test-fraction",
        "0.4",
    ]
    assert main([*words, "--property", DENSITY, DUST]) == 0
    assert main(["evaluate", str(tmp_path / "m.asdf"), str(atlas)]) == 0


def test_no_dust_at_all_is_said():
    with pytest.raises(InputError, match="dust_mass_density: no pixel to learn from has any"):
        train(dusty(3, without=1.0), (DENSITY, DUST), LinearRegression())
