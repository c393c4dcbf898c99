from ._checks import (
    check_diagnostic as check_diagnostic,
    check_estimator as check_estimator,
    check_features as check_features,
)
from ._diagnostic_rules import DIAGNOSTIC_CHECKS as DIAGNOSTIC_CHECKS
from ._estimator_rules import ESTIMATOR_CHECKS as ESTIMATOR_CHECKS
from ._examples import example_galaxies as example_galaxies
from ._feature_rules import FEATURE_CHECKS as FEATURE_CHECKS
