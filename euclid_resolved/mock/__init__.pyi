from ._atlas import make_atlas as make_atlas
from ._default_model import default_model as default_model
from ._galaxies import mock_galaxies as mock_galaxies
from ._settings import MockSettings as MockSettings
