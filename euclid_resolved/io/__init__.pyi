from ._atlas import read_atlas as read_atlas, read_galaxy as read_galaxy
from ._opening import open_image as open_image
from ._read_write import read as read, write as write
from ._sample import read_sample as read_sample, write_sample as write_sample
from .euclid._cutout import read_euclid as read_euclid
from .euclid._fetch import fetch as fetch
from .euclid._mosaic import read_mosaics as read_mosaics, read_segmentation as read_segmentation
from .euclid._strips import open_large as open_large
