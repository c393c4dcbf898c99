"""The kit for plugin authors: does an estimator, a set of features or a diagnostic keep its contract?

`check_estimator`, `check_features` and `check_diagnostic` run every check. To see each rule as a test of its
own, parametrise over the lists::

    @pytest.mark.parametrize("check", ESTIMATOR_CHECKS)
    def test_contract(check):
        check(NearestNeighbours(k=5))

A broken rule raises `AssertionError` with one sentence, several with a line for each. The checks run in the
test's own process: an estimator that crashes on a damaged state takes the test run down with it, which no one
overlooks.
"""

from euclid_resolved._lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(__name__, __file__)
