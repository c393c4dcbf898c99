from ._align import align as align
from ._band import Band as Band
from ._bands import (
    BANDS as BANDS,
    EUCLID_BANDS as EUCLID_BANDS,
    SURFACE_BRIGHTNESS as SURFACE_BRIGHTNESS,
)
from ._image import MultiBandImage as MultiBandImage
from ._no_data import zero_blocks as zero_blocks
from ._noise import (
    common_errors as common_errors,
    image_noise as image_noise,
    noise_correlation as noise_correlation,
)
from ._pixels import (
    pixel_area as pixel_area,
    pixel_scale as pixel_scale,
    scale_wcs as scale_wcs,
)
