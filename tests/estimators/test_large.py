"""Large samples: gated ReLU by first-order steps within a budget, ReLU refused with what to do, memory as estimated."""

import subprocess
import sys

import numpy as np
import pytest

from convexnn.estimators import ConvexReLUClassifier, ConvexReLURegressor
from convexnn.estimators.sizing import memory_gib

FIT = """
import resource, warnings
import numpy as np
from convexnn.estimators import ConvexReLURegressor

warnings.simplefilter("ignore")
rng = np.random.default_rng(0)
X = rng.standard_normal(({n}, 5))
y = np.maximum(X @ rng.standard_normal((5, 3)), 0).sum(1)
ConvexReLURegressor(activation="gated", patterns=8).fit(X[:100], y[:100])  # imports and caches
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
model = ConvexReLURegressor(activation="gated", patterns=32, tol=1e-2, budget=3.0).fit(X, y)
unit = 1 if __import__("sys").platform == "darwin" else 1024
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * unit / 2**30, model.method_, model.gap_)
"""


def test_thirty_thousand_rows_are_fitted_by_first_order_steps_in_the_memory_that_was_estimated():
    pytest.importorskip("resource")
    found = subprocess.run([sys.executable, "-c", FIT.format(n=30_000)], capture_output=True, text=True, check=True)
    peak, method, gap = found.stdout.split()
    assert method == "fista"
    assert 0 <= float(gap) < 0.1
    # the peak counts what malloc and the page size add; 0.1 GiB are the imports of the first large solve
    assert float(peak) <= memory_gib(30_000, 6, 1, 32, "gated") + 0.1


def test_a_million_rows_fit_for_gated_relu_and_are_refused_for_relu_with_what_to_do():
    assert memory_gib(10**6, 6, 1, 32, "gated") < 3.0
    assert memory_gib(10**6, 6, 1, 32, "relu") > 1000.0  # the n x n matrix alone
    X = np.random.default_rng(0).standard_normal((3000, 5))
    with pytest.raises(ValueError) as refused:
        ConvexReLURegressor(memory_limit_gib=0.05).fit(X, X[:, 0])
    said = str(refused.value)
    assert "3000 distinct rows" in said and "activation='gated'" in said and "memory_limit_gib" in said
    rows = int(said.split("a sample of ")[1].split()[0])
    assert memory_gib(rows, 6, 1, 32, "relu") <= 0.05 < memory_gib(2 * rows, 6, 1, 32, "relu")


def test_fewer_patterns_are_proposed_where_they_fit():
    X = np.random.default_rng(0).standard_normal((3000, 5))
    with pytest.raises(ValueError, match="use patterns=") as refused:
        ConvexReLUClassifier(activation="gated", patterns=10_000, memory_limit_gib=0.1).fit(X, X[:, 0] > 0)
    fewer = int(str(refused.value).split("use patterns=")[1].split(",")[0])
    assert memory_gib(3000, 6, 1, fewer, "gated") <= 0.1


def test_repeated_rows_of_a_large_sample_cost_nothing():
    X = np.repeat(np.random.default_rng(0).standard_normal((50, 2)), 2000, axis=0)
    model = ConvexReLURegressor(memory_limit_gib=0.01).fit(X, X[:, 0])
    assert model.n_distinct_ == 50 and model.status_ == "solved"
