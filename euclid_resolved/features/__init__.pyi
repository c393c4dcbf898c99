from ._image_sets import ImageFeatureSet as ImageFeatureSet
from ._planes import ImagePlanes as ImagePlanes
from ._scale import (
    Scale as Scale,
    from_dex as from_dex,
    to_dex as to_dex,
)
from ._sets import (
    FeatureSet as FeatureSet,
    FeatureTable as FeatureTable,
    feature_columns as feature_columns,
    make_features as make_features,
)
