"""An estimator is given as an object or by name, and scikit-learn's names are answered with ours."""

import copy
import inspect
import pickle
from dataclasses import fields, replace

import pytest
from helpers import galaxies

from euclid_resolved import LinearRegression, RandomForest, retrain, train
from euclid_resolved.errors import InputError, PluginError
from euclid_resolved.estimators import GradientBoosting
from euclid_resolved.estimators._given import given_estimator
from euclid_resolved.plugins import available


def test_a_name_stands_for_the_estimator_with_its_defaults():
    assert given_estimator("random_forest") == given_estimator("RF") == RandomForest()
    assert given_estimator("lr") == LinearRegression()
    mine = RandomForest(n_trees=3)
    assert given_estimator(mine) is mine
    with pytest.raises(PluginError, match="no estimator 'forest'; there are"):
        given_estimator("forest")


def test_train_and_retrain_take_names():
    sample = galaxies(4)
    model = train(sample, "stellar_age", "mean")
    assert retrain(model, sample, estimator="LR").outputs["stellar_age"].estimator == LinearRegression()


@pytest.mark.parametrize("kind", available("estimators").values())
def test_every_estimator_shows_its_settings_and_can_be_copied(kind):
    assert list(inspect.signature(kind).parameters) == [field.name for field in fields(kind) if field.init]
    made = kind()
    assert replace(made) == copy.copy(made) == pickle.loads(pickle.dumps(made)) == made


def test_an_unknown_setting_is_still_a_type_error():
    with pytest.raises(TypeError, match="unexpected keyword argument 'trees'"):
        RandomForest(trees=3)
    with pytest.raises(InputError, match="max_iter is called n_trees here; max_leaf_nodes is called"):
        GradientBoosting(max_iter=3, max_leaf_nodes=4)
