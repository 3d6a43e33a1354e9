"""The estimators keep scikit-learn's promises, and the certificate they report is the judge's."""

import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator
from tolerances import close

import convexnn
from convexnn.certifying import certify
from convexnn.estimators import ConvexReLUClassifier, ConvexReLURegressor
from convexnn.estimators.following import method_for
from convexnn.numerics import relative_gap
from convexnn.theorems import two_layer

#: The checks of scikit-learn that may fail: none.
EXPECTED_TO_FAIL: dict[str, str] = {}


def regression(n=60, d=3, c=1, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d)) * [1.0, 10.0, 0.1][:d] + [0.0, 5.0, -3.0][:d]
    Z = (X - X.mean(0)) / X.std(0)
    y = np.maximum(Z @ rng.standard_normal((d, 3)), 0) @ rng.standard_normal((3, c)) * 100 + 1000
    return X, y[:, 0] if c == 1 else y


def classes(n=80, count=2, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 2))
    angle = np.arctan2(X[:, 1], X[:, 0])
    return X, np.array(["ant", "bee", "cat"])[((angle + np.pi) / (2 * np.pi) * count).astype(int) % count]


@pytest.mark.parametrize("make", [ConvexReLURegressor, ConvexReLUClassifier])
@pytest.mark.filterwarnings("ignore")
def test_every_check_of_scikit_learn_passes(make):
    results = check_estimator(make(), on_skip=None, expected_failed_checks=EXPECTED_TO_FAIL)
    assert len(results) >= 45
    bad = [result["check_name"] for result in results if result["status"] not in ("passed", "skipped")]
    assert not bad
    # what is skipped are environments that are not here, such as arrays on other devices
    assert sum(result["status"] == "skipped" for result in results) <= 2


@pytest.mark.parametrize("activation", ["relu", "gated"])
def test_the_gap_is_the_one_that_the_judge_finds_from_the_point_alone(activation):
    X, y = regression()
    model = ConvexReLURegressor(0.3, activation=activation).fit(X, y)
    program = model.program(X, y)
    judged = certify(program, model.Z_, witnesses=[model.certificate_.v])
    assert model.status_ == "solved" and model.gap_ <= model.tol
    close(judged.upper, model.value_, 1e-9)
    assert judged.gap <= model.tol and judged.lower <= model.value_
    close(judged.lower, model.lower_, model.tol)  # without the solver's multipliers the judge finds its own
    assert model.gap_ == relative_gap(model.value_, model.lower_) == model.path_.gaps[0]


@pytest.mark.parametrize("activation", ["relu", "gated"])
@pytest.mark.parametrize("intercept", [True, False])
def test_the_network_in_units_of_the_data_is_the_solution_of_the_program(activation, intercept):
    X, y = regression()
    model = ConvexReLURegressor(activation=activation, fit_intercept=intercept).fit(X, y)
    program = model.program(X, y)
    order = np.lexsort(np.column_stack([X, y]).T[::-1])  # the rows of the program are sorted and all distinct here
    inner = program.predict(torch.tensor(model.Z_)).numpy()[:, 0]
    scale, offset = y.std(), y.mean() if intercept else 0.0
    # pruning may move a prediction by 1e-7 of the largest
    close(model.predict(X)[order], offset + scale * inner, 1e-6)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_weighted_loss_and_the_penalty_of_the_network_make_up_the_value(weighted):
    X, y = regression()
    w = np.random.default_rng(1).uniform(0.5, 3.0, len(X)) if weighted else np.ones(len(X))
    model = ConvexReLURegressor(fit_intercept=False).fit(X, y, sample_weight=w if weighted else None)
    spread, scale = np.sqrt(np.diag(np.cov(X.T, aweights=w, ddof=0))), np.sqrt(np.cov(y, aweights=w, ddof=0))
    residual = (model.predict(X) - y) / scale
    U, A = model.network_.U.detach().numpy() * spread, model.network_.A.detach().numpy() / scale
    penalty = (np.linalg.norm(U, axis=1) * np.abs(A[:, 0])).sum()
    close(0.5 * w @ residual**2 + model.beta_ * penalty, model.value_, 1e-6)


def test_the_bias_is_penalised_like_a_weight():
    X, y = regression()
    model = ConvexReLURegressor().fit(X, y)
    net, mean, spread = model.network_, X.mean(0), X.std(0)
    U, A = net.U.detach().numpy(), net.A.detach().numpy()[:, 0] / y.std()
    W = np.column_stack([U * spread, net.b.detach().numpy() + U @ mean])  # of ((x - mean) / spread, 1)
    residual = (model.predict(X) - y) / y.std()
    penalty = (np.linalg.norm(W, axis=1) * np.abs(A)).sum()
    close(0.5 * residual @ residual + model.beta_ * penalty, model.value_, 1e-6)


def test_all_patterns_give_a_certificate_for_every_network():
    X, y = regression(n=12, d=2)
    model = ConvexReLURegressor(patterns="all", beta=0.5).fit(X, y)
    assert model.certificate_.scope == "network"
    sampled = ConvexReLURegressor(patterns=4, beta=0.5).fit(X, y)
    assert sampled.certificate_.scope == "program"
    assert sampled.value_ >= model.lower_ * (1 - 1e-9)


def test_scope_network_goes_on_by_column_generation_to_the_value_of_all_patterns():
    X, y = regression(n=25, d=2)
    every = ConvexReLURegressor(patterns="all", beta=0.5, tol=1e-6).fit(X, y)
    found = ConvexReLURegressor(patterns=3, beta=0.5, scope="network", budget=20.0, tol=1e-6).fit(X, y)
    assert found.status_ == "solved" and found.certificate_.scope == "network"
    close(found.value_, every.value_, 3e-6)
    close(found.predict(X), every.predict(X), 1e-2)  # the square root of the gap, times the size of y


def test_repeated_rows_are_weights_to_the_last_bit_and_the_order_of_rows_plays_no_part():
    X, y = regression(n=20)
    w = np.random.default_rng(0).integers(0, 4, 20)
    weighted = ConvexReLURegressor().fit(X, y, sample_weight=w)
    repeated = ConvexReLURegressor().fit(np.repeat(X, w, axis=0), np.repeat(y, w))
    np.testing.assert_array_equal(weighted.predict(X), repeated.predict(X))
    assert weighted.n_distinct_ == (w > 0).sum()
    flipped = ConvexReLURegressor().fit(X[::-1], y[::-1])
    np.testing.assert_array_equal(flipped.predict(X), ConvexReLURegressor().fit(X, y).predict(X))


@pytest.mark.parametrize("loss", ["logistic", "cross_entropy", "squared_hinge"])
@pytest.mark.parametrize("activation", ["gated", "relu"])
def test_weights_of_other_losses_are_repeated_rows_too(loss, activation):
    X, y = classes(n=24)
    w = np.random.default_rng(0).integers(1, 4, 24)
    options = {"loss": loss, "activation": activation, "patterns": 6, "beta": 0.5, "tol": 1e-5}
    weighted = ConvexReLUClassifier(**options).fit(X, y, sample_weight=w)
    repeated = ConvexReLUClassifier(**options).fit(np.repeat(X, w, axis=0), np.repeat(y, w))
    assert weighted.status_ == "solved"
    close(weighted.value_, repeated.value_, 2e-5)  # two solves


@pytest.mark.parametrize("loss", ["squared", "logistic", "hinge", "squared_hinge", "cross_entropy"])
@pytest.mark.parametrize("count", [2, 3])
def test_every_loss_tells_the_classes_apart(loss, count):
    X, y = classes(count=count)
    model = ConvexReLUClassifier(loss=loss, activation="gated", patterns=20).fit(X, y)
    assert model.status_ == "solved"
    assert model.score(X, y) > 0.9
    shape = model.decision_function(X).shape
    assert shape == ((len(X),) if count == 2 else (len(X), 3))
    if loss in ("logistic", "cross_entropy"):
        chances = model.predict_proba(X)
        close(chances.sum(1), np.ones(len(X)))
        assert (model.classes_[chances.argmax(1)] == model.predict(X)).all()
    else:
        with pytest.raises(AttributeError) as refused:
            _ = model.predict_proba
        assert "use loss='logistic'" in str(refused.value.__cause__)


def test_several_outputs_are_fitted_at_once_and_each_alone_is_the_same():
    X, Y = regression(c=2)
    both = ConvexReLURegressor(beta=0.5, tol=1e-7).fit(X, Y)
    assert both.predict(X).shape == Y.shape
    values = [ConvexReLURegressor(beta=0.5, tol=1e-7).fit(X, Y[:, k]).value_ for k in range(2)]
    close(both.value_, sum(values), 1e-6)  # neurons feed one output each: the programs add up


@pytest.mark.parametrize("activation", ["relu", "gated"])
def test_pickles_clones_and_torch_modules_say_the_same(activation):
    X, y = regression()
    model = ConvexReLURegressor(activation=activation).fit(X, y)
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copy.predict(X), model.predict(X))
    assert copy.gap_ == model.gap_ and len(copy.path_) == 1
    with pytest.raises(NotFittedError):
        clone(model).predict(X)
    with torch.no_grad():
        close(model.to_torch()(torch.tensor(X)).numpy()[:, 0], model.predict(X))


def test_it_works_in_a_pipeline_in_a_grid_search_and_in_cross_validation():
    X, y = regression()
    pipe = make_pipeline(StandardScaler(), ConvexReLURegressor(activation="gated", patterns=10))
    grid = GridSearchCV(pipe, {"convexreluregressor__beta": [0.1, 1.0]}, cv=3).fit(X, y)
    assert grid.best_score_ > 0.5
    labels = classes()
    model = ConvexReLUClassifier(activation="gated", patterns=10)
    assert cross_val_score(model, *labels, cv=3, scoring="roc_auc").mean() > 0.9


def test_the_network_is_zero_above_beta_max_and_predicts_the_mean():
    X, y = regression()
    top = ConvexReLURegressor().program(X, y).beta_max()
    above = ConvexReLURegressor(beta=1.001 * top).fit(X, y)
    assert above.n_neurons_ == 0 and above.active_.size == 0
    close(above.predict(X), np.full(len(X), y.mean()))
    below = ConvexReLURegressor(beta=0.9 * top).fit(X, y)
    assert below.n_neurons_ > 0


def test_a_target_that_never_changes_is_predicted():
    X, _ = regression(n=10)
    model = ConvexReLURegressor().fit(X, np.full(10, 3.5))
    np.testing.assert_array_equal(model.predict(X), np.full(10, 3.5))


HOSTILE = {
    "NaN": (lambda X, y: (np.where(np.arange(X.size).reshape(X.shape) == 3, np.nan, X), y), {}, "NaN"),
    "text": (lambda X, y: (X.astype(str).astype(object) + "x", y), {}, "convert"),
    "one row": (lambda X, y: (X[:1], y[:1]), {}, "1 sample"),
    "lengths": (lambda X, y: (X, y[:-1]), {}, "inconsistent"),
    "beta": (None, {"beta": -1.0}, "beta is -1.0"),
    "beta NaN": (None, {"beta": float("nan")}, "beta is nan"),
    "beta word": (None, {"beta": "cvv"}, "Did you mean 'cv'"),
    "beta list": (None, {"beta": [0.1, 0.0]}, "beta is 0.0"),
    "beta empty": (None, {"beta": []}, "beta has shape"),
    "activation": (None, {"activation": "rely"}, "Did you mean 'relu'"),
    "patterns": (None, {"patterns": 0}, "patterns is 0"),
    "patterns word": (None, {"patterns": "al"}, "Did you mean 'all'"),
    "tol": (None, {"tol": 0.0}, "tol is 0.0"),
    "budget": (None, {"budget": -1.0}, "budget is -1.0"),
    "loss": (None, {"loss": "logistic"}, "choose one of 'squared'"),
    "scope": (None, {"scope": "all"}, "choose one of 'program', 'network'"),
    "device": (None, {"device": "gpu"}, "device is 'gpu'"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_makes_no_sense_is_refused_by_name(kind):
    spoil, options, said = HOSTILE[kind]
    X, y = regression(n=20)
    X, y = (X, y) if spoil is None else spoil(X, y)
    with pytest.raises(ValueError, match=said):
        ConvexReLURegressor(**options).fit(X, y)


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        (np.full(20, -1.0), "not negative"),
        (np.full(20, np.nan), "finite"),
        (np.zeros(20), "zero for every sample"),
        (np.ones(19), r"expected \(20,\)"),
    ],
)
def test_weights_that_make_no_sense_are_refused(weights, said):
    X, y = regression(n=20)
    with pytest.raises(ValueError, match=said):
        ConvexReLURegressor().fit(X, y, sample_weight=weights)


def test_one_class_is_refused_and_so_is_an_unknown_label():
    X, y = classes()
    with pytest.raises(ValueError, match="only one class"):
        ConvexReLUClassifier().fit(X, ["ant"] * len(X))
    model = ConvexReLUClassifier(activation="gated").fit(X, y)
    with pytest.raises(ValueError, match="not there in fit"):
        model.program(X, ["wasp"] * len(X))


def test_a_budget_that_runs_out_is_inconclusive_with_a_warning_and_both_bounds():
    X, y = regression(n=200)
    with pytest.warns(ConvergenceWarning, match="raise `budget`"):
        model = ConvexReLURegressor(budget=1e-3, tol=1e-9).fit(X, y)
    assert model.status_ == "inconclusive"
    assert model.lower_ <= model.value_ and np.isfinite(model.predict(X)).all()


def test_too_many_cells_for_all_patterns_are_refused_with_what_to_do():
    X, y = regression(n=400)
    with pytest.raises(ValueError, match="sample"):
        ConvexReLURegressor(patterns="all").fit(X, y)


def test_small_gated_programs_take_the_interior_point_and_large_ones_gradient_steps():
    X, y = regression(n=40)
    assert ConvexReLURegressor(activation="gated").fit(X, y).method_ == "interior"
    large = ConvexReLURegressor(activation="gated", tol=1e-2).program(*regression(n=3000))
    assert method_for(large) == "auto"


def test_scope_network_needs_relu_and_one_output():
    X, Y = regression(c=2)
    with pytest.raises(ValueError, match="one output"):
        ConvexReLURegressor(scope="network").fit(X, Y)
    with pytest.raises(ValueError, match="activation='relu'"):
        ConvexReLURegressor(scope="network", activation="gated").fit(X, Y[:, 0])


def test_the_library_does_not_load_scikit_learn_until_it_is_asked():
    code = "import sys, convexnn; assert 'sklearn' not in sys.modules; convexnn.ConvexReLURegressor(); print('late')"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert found.stdout == "late\n", found.stderr
    assert convexnn.ConvexReLUClassifier is ConvexReLUClassifier


def test_the_fitted_program_is_the_theorems_own():
    X, y = regression(n=15, d=2)
    program = ConvexReLURegressor(beta=0.7, patterns=5).fit(X, y).program(X, y)
    assert program.beta == 0.7 and program.name == "two_layer"
    again = two_layer.program(
        convexnn.Data(program.operator.X.numpy(), program.Y.numpy(), 0.7), program.model.D, loss="squared"
    )
    close(convexnn.solve(again).value, convexnn.solve(program).value, 2e-6)
