from ._galaxy import Galaxy as Galaxy
from ._profiles import orientation as orientation, radial_profile as radial_profile
from ._properties import (
    PROPERTIES as PROPERTIES,
    SOLAR_METALLICITY as SOLAR_METALLICITY,
    Property as Property,
    get_property as get_property,
)
from ._region_pixels import (
    annulus as annulus,
    region_weights as region_weights,
)
from ._region_shapes import read_region as read_region
from ._regions import (
    RegionValue as RegionValue,
    mean as mean,
    median as median,
    total as total,
)
from ._spatial_map import Quality as Quality, SpatialMap as SpatialMap
