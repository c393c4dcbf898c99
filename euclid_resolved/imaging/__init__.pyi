from ._background import subtract_background as subtract_background
from ._binning import bin_voronoi as bin_voronoi
from ._compact import mask_compact as mask_compact
from ._crop import crop as crop
from ._distance import set_distance as set_distance
from ._extinction import correct_extinction as correct_extinction, query_ebv as query_ebv
from ._masking import (
    mask_neighbours as mask_neighbours,
    mask_positions as mask_positions,
    mask_saturated as mask_saturated,
)
from ._observation import Observation as Observation
from ._observe import (
    observe as observe,
    observe_atlas as observe_atlas,
)
from ._prepare import describe_history as describe_history, prepare as prepare
from ._psf import match_psf as match_psf
from ._resample import resample as resample
from ._steps import (
    MaskReason as MaskReason,
    history as history,
    mask_reasons as mask_reasons,
)
