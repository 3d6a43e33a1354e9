"""The scaling lemma and the scalar problem with exponent 2/L, against grids, a minimiser and thresholds."""

import numpy as np
import pytest
from scipy.optimize import minimize
from tolerances import VALUE, close

from convexnn.theorems.shared.schatten import decay, envelope, jump, shrink, threshold

every_depth = pytest.mark.parametrize("L", [2, 3, 4, 5, 8])
FORMULA = VALUE["closed form"]


@every_depth
def test_equal_layers_are_the_cheapest_way_to_make_a_product(L):
    rng = np.random.default_rng(L)
    s = rng.uniform(0.1, 5.0)
    close(0.5 * L * s ** (2 / L), decay(s, L), FORMULA)
    for _ in range(50):
        a = rng.uniform(0.2, 3.0, L)
        a *= (s / a.prod()) ** (1 / L)
        assert 0.5 * (a**2).sum() >= decay(s, L) - FORMULA

    def cost(logs):  # L - 1 free layers, the last one makes the product
        return 0.5 * (np.exp(2 * logs).sum() + (s / np.exp(logs.sum())) ** 2)

    found = minimize(cost, rng.standard_normal(L - 1), options={"gtol": 1e-9})
    close(found.fun, decay(s, L), 1e-8)  # a quasi-Newton method's value
    close(np.exp(found.x), np.full(L - 1, s ** (1 / L)), 1e-4)  # and its minimiser


@every_depth
@pytest.mark.parametrize("beta", [0.01, 0.3, 2.0])
def test_the_closed_form_is_the_minimum_over_a_fine_grid(L, beta):
    for sigma in np.concatenate([[0.0], threshold(beta, L) * np.array([0.3, 0.9, 0.999, 1.001, 1.1, 3.0])]):
        grid = np.linspace(0, max(sigma, 1e-3), 200_001)
        values = 0.5 * (grid - sigma) ** 2 + beta * L / 2 * grid ** (2 / L)
        assert envelope(sigma, beta, L) <= values.min() + 1e-14
        close(envelope(sigma, beta, L), values.min(), 1e-9)  # the grid's step squared
        s = shrink(sigma, beta, L)
        assert s == 0 or abs(s + beta * s ** (2 / L - 1) - sigma) <= 1e-13 * max(1.0, sigma)


@every_depth
@pytest.mark.parametrize("beta", [0.01, 0.3, 2.0])
def test_the_minimiser_leaves_zero_at_tau_and_jumps_there(L, beta):
    tau = threshold(beta, L)
    assert shrink(tau * (1 - 1e-9), beta, L) == 0
    assert shrink(tau * (1 + 1e-9), beta, L) > 0
    close(shrink(tau * (1 + 1e-12), beta, L), jump(beta, L), 1e-9)
    assert jump(beta, L) == 0 if L == 2 else jump(beta, L) > 0


def test_the_thresholds_are_the_known_ones():
    known = {3: 0.211474, 4: 0.323165, 5: 0.407376}
    for L, tau in known.items():
        assert abs(threshold(0.05, L) - tau) <= 5e-7  # six printed digits
    close(threshold(0.05, 4), 1.5 * (2 * 0.05) ** (2 / 3), FORMULA)
    assert threshold(0.7, 2) == 0.7


def test_two_layers_are_soft_thresholding():
    sigma = np.array([0.0, 0.2, 0.5, 0.51, 3.0])
    close(shrink(sigma, 0.5, 2), np.maximum(sigma - 0.5, 0), FORMULA)
    close(envelope(sigma, 0.5, 2), 0.5 * sigma**2 - 0.5 * np.maximum(sigma - 0.5, 0) ** 2, FORMULA)


@every_depth
def test_the_envelope_rises_with_sigma_and_beta_and_scales_as_stated(L):
    sigma = np.linspace(0, 4, 300)
    assert (np.diff(envelope(sigma, 0.3, L)) >= 0).all()
    assert (envelope(sigma, 0.31, L) >= envelope(sigma, 0.3, L)).all()
    kappa, eta, beta = 2.7, 3.1, 0.4
    s = np.linspace(0, 3, 300_001)
    value = (kappa * s**2 / 2 - eta * s + beta * L / 2 * s ** (2 / L)).min()
    close(kappa * envelope(eta / kappa, beta / kappa, L) - eta**2 / (2 * kappa), value, 1e-9)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: shrink(1.0, 0.1, 1), "L is 1"),
        (lambda: shrink(1.0, 0.1, 2.5), "L is 2.5"),
        (lambda: shrink(1.0, 0.0, 3), "beta is 0.0"),
        (lambda: shrink(-1.0, 0.1, 3), "sigma holds -1"),
        (lambda: envelope(np.nan, 0.1, 3), "sigma has 1 non-finite"),
        (lambda: decay(-2.0, 3), "s holds -2"),
    ],
)
def test_a_bad_argument_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
