"""A galaxy is read when it is looked at, and its maps must lie on the grid of its image."""

import pytest
from helpers import an_image, density_map, galaxy

from euclid_resolved import Galaxy
from euclid_resolved.errors import InputError


def test_a_galaxy_is_read_on_access_and_not_before():
    read = []

    def image():
        read.append("image")
        return an_image()

    def maps():
        read.append("maps")
        return {}

    lazy = Galaxy("G1", image, maps)
    repr(lazy)
    assert read == []
    assert lazy.image.shape == (12, 14) and read == ["image"]
    lazy.load()
    assert read == ["image", "image", "maps"]


def test_maps_can_be_changed_without_changing_the_galaxy():
    one = galaxy(1)
    one.maps.clear()
    assert len(one.maps) == 3


def test_a_map_on_another_grid_is_refused():
    wrong = Galaxy("G1", an_image((12, 14)), {"stellar_mass_density": density_map([[1.0, 2.0]])})
    with pytest.raises(InputError, match=r"G1: the map of stellar_mass_density has shape \(1, 2\)"):
        wrong.load()


@pytest.mark.parametrize(
    ("kind", "text"), [(True, "star-forming"), (False, "quiescent"), (None, "kind unknown")]
)
def test_text_tells_the_kind(kind, text):
    assert repr(galaxy(7, star_forming=kind)) == f"<Galaxy G007; {text}>"
