"""The regularisation path: a gap at every point, monotone values, and a choice that cross-validation explains."""

import numpy as np
import pytest
from test_estimators import classes, regression

from convexnn.estimators import ConvexReLUClassifier, ConvexReLURegressor
from convexnn.estimators.path import COUNT, RATIO, check_betas
from convexnn.plotting.estimators import draw_regularisation_path


@pytest.fixture(scope="module")
def model():
    return ConvexReLURegressor("cv", activation="gated", patterns=12, cv=3).fit(*regression())


def test_every_point_has_its_gap_and_values_fall_with_beta(model):
    path = model.path_
    assert len(path) == COUNT and path.errors.shape == (COUNT, 3)
    assert path.solved.all() and (path.gaps <= model.tol).all()
    assert (np.diff(path.betas) < 0).all()
    np.testing.assert_allclose(path.betas[-1] / path.betas[0], RATIO)
    assert (np.diff(path.values) <= model.tol * np.maximum(1, path.values[1:])).all()
    # the derivative of the value by beta is the penalty, which therefore rises as beta falls
    assert (np.diff(path.penalties) >= -1e-2 * path.penalties.max()).all()
    assert path.neurons[0] == 0 and path.neurons[-1] > 0


def test_the_smallest_error_is_taken_and_equal_ones_give_the_larger_beta(model):
    path = model.path_
    assert model.beta_ == path.betas[path.best] and model.gap_ == path.gaps[path.best]
    assert path.mean_errors[path.best] == path.mean_errors.min()
    assert path.simplest <= path.best
    tied = path.with_errors(np.ones((COUNT, 3)), "made up")
    assert tied.best == 0 and tied.simplest == 0


def test_the_errors_are_those_of_models_fitted_on_the_folds_with_beta_in_proportion():
    from sklearn.model_selection import KFold

    X, y = regression()
    options = {"activation": "gated", "patterns": 12, "tol": 1e-8}
    top = ConvexReLURegressor(**options).program(X, y).beta_max()
    model = ConvexReLURegressor([0.5 * top, 0.1 * top], cv=3, **options).fit(X, y)
    for fold, (train, test) in enumerate(KFold(3).split(X)):
        for k, beta in enumerate(model.path_.betas):
            alone = ConvexReLURegressor(beta * len(train) / len(X), **options).fit(X[train], y[train])
            error = np.square(alone.predict(X[test]) - y[test]).mean()
            # two solves to a gap of 1e-8: predictions agree to its square root
            np.testing.assert_allclose(model.path_.errors[k, fold], error, rtol=2e-3)


def test_a_list_of_betas_is_a_choice_among_them_with_weights_and_classes():
    X, y = classes(count=3)
    w = np.random.default_rng(0).uniform(0.5, 2.0, len(X))
    model = ConvexReLUClassifier([3.0, 0.1, 0.1, 1.0], activation="gated", patterns=12, cv=3, n_jobs=1)
    model.fit(X, y, sample_weight=w)
    np.testing.assert_array_equal(model.path_.betas, [3.0, 1.0, 0.1])
    assert model.beta_ in (3.0, 1.0, 0.1)
    assert model.path_.error_name == "held-out error rate"
    assert ((model.path_.errors >= 0) & (model.path_.errors <= 1)).all()


def test_one_beta_is_a_path_of_one_point_without_errors():
    model = ConvexReLURegressor(0.5, activation="gated", patterns=8).fit(*regression())
    assert len(model.path_) == 1
    with pytest.raises(ValueError, match="no held-out errors"):
        _ = model.path_.best
    assert "reg_errors" not in model.path_.arrays()


def test_too_few_samples_for_the_folds_are_refused():
    X, y = regression(n=4)
    with pytest.raises(ValueError, match="splits"):
        ConvexReLURegressor("cv").fit(X, y)


def test_the_figure_is_drawn_with_and_without_errors(model):
    assert len(draw_regularisation_path(model.path_.arrays()).axes) == 4
    alone = ConvexReLURegressor(0.5, activation="gated", patterns=8).fit(*regression())
    assert len(draw_regularisation_path(alone.path_.arrays()).axes) == 3


def test_betas_are_distinct_and_largest_first():
    np.testing.assert_array_equal(check_betas([1, 3, 3, 2]), [3, 2, 1])
