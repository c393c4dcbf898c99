"""A mock atlas of galaxies with known stellar populations, in the file layout of the TNG50-SKIRT Atlas."""

from euclid_resolved.mock.atlas import make_atlas
from euclid_resolved.mock.galaxies import mock_galaxies
from euclid_resolved.mock.settings import MockSettings

__all__ = ["make_atlas", "mock_galaxies", "MockSettings"]
