"""The claims of `parallel`, each about a named one of the problems that go by the name of weight decay.

power 2      1/2 sum |W|_F^2 over all layers: squared weight decay, the usual one
power L      1/2 sum |W|_F^L, L the number of layers; cubic for L = 3
P, D         optimum of a standard network with power 2, and its dual over the last two layers
"""

from __future__ import annotations

from convexnn.claims import Claim, Kind, Scope, Source

source = Source("Wang, Ergen and Pilanci, Parallel Deep Neural Networks Have Zero Duality Gap", "2110.06482")
deep = Source("Ergen and Pilanci, Global Optimality Beyond Two Layers", "2110.05518")
ours = Source("this project, derived and measured here")


def _claim(
    name: str, statement: str, kind: Kind, tolerance: float, scope: Scope = "network", by: Source = source
) -> Claim:
    return Claim(f"parallel.{name}", statement, by, kind, tolerance, scope)


claims = (
    # parallel networks, power L
    _claim("strong_duality", "parallel nets, power L: program and dual agree", "certificate", 1e-6),
    _claim("reference", "parallel nets, power L: CVXPY and the fast program agree", "agreement", 1e-6),
    _claim("printed_dual", "parallel linear nets, power L: the printed dual agrees", "agreement", 1e-6),
    _claim("recovery", "parallel nets, power L: recovered branches score the program", "agreement", 1e-6),
    _claim("no_training_below", "parallel nets, power L: no run ends below the bound", "one_sided", 1e-9),
    _claim("training_reaches", "parallel nets, power L: the best of many seeds is optimal", "agreement", 1e-6),
    _claim("enough_branches", "parallel linear nets, power L: rank W branches suffice", "agreement", 1e-6),
    _claim("few_branches", "power L, m branches: the m largest singular values are fitted", "agreement", 1e-6, by=ours),
    _claim("too_few_branches", "power L, fewer than rank W branches: above the program", "counterexample", 1e-3),
    _claim("three_layer", "parallel ReLU nets, any data, cubic: program and dual agree", "certificate", 1e-6, by=deep),
    _claim("kinked_training", "ReLU optima at kinks, either decay: the best run is close", "agreement", 1e-2, by=ours),
    _claim("three_layer_count", "any data, cubic: n branches are enough", "one_sided", 0.0, by=deep),
    # standard networks, power 2
    _claim("standard_value", "standard linear nets, power 2: training finds sum s^(2/L)", "agreement", 1e-6),
    _claim("standard_bound", "standard nets, power 2: no run ends below a proved value", "one_sided", 1e-9),
    _claim("interpolation", "one linear net, power 2 or L: descent finds the formulas", "agreement", 1e-6),
    _claim("standard_gap", "standard linear nets, power 2, L >= 3: P lies above D", "counterexample", 1e-3),
    _claim("equal_values", "power 2: equal singular values do not close the gap", "counterexample", 1e-3, by=ours),
    _claim("no_gap", "power 2, two layers or a solution of rank one: P = D", "agreement", 1e-6),
    _claim("staircase", "power 2: partial duals cost |sigma|_(2/(l+2))", "agreement", 1e-6),
    _claim("staircase_rises", "power 2: every step of the partial duals is a rise", "counterexample", 1e-3),
    _claim("trunk", "l shared layers, then branches: P of l + 2 layers", "agreement", 1e-6, by=ours),
    _claim("ray_no_gap", "standard ReLU nets, power 2, X = c a', c >= 0: P = D", "agreement", 1e-6),
    _claim("ray_gap", "power 2, X = c a', opposite signs: P lies above D", "counterexample", 1e-3, by=ours),
    _claim("ray_value", "power 2, X = c a', opposite signs: training finds P", "agreement", 1e-6, by=ours),
    _claim("whitened_gap", "power 2, whitened, two classes or signs: P above D", "counterexample", 1e-3, by=ours),
    _claim("whitened_value", "power 2, whitened, L = 3: training finds class-wise values", "agreement", 1e-6, by=ours),
    _claim("shared_layers", "standard ReLU, power 2, L >= 4: sharing beats branches", "counterexample", 1e-3, by=ours),
    _claim("shared_predict", "the sharing and the separate network predict the same", "agreement", 1e-12, by=ours),
    # one problem against the other
    _claim("parallel_squared", "parallel linear nets, power 2: no better than standard", "agreement", 1e-6, by=ours),
    _claim("power_below", "the power-L value can lie below the power-2 value", "counterexample", 1e-3, by=ours),
    _claim("power_above", "the power-L value can lie above the power-2 value", "counterexample", 1e-3, by=ours),
    # real data
    _claim("real_duality", "digits, parallel nets, power L: the program is certified", "certificate", 1e-6, by=ours),
    _claim("real_bound", "digits: no parallel or standard run ends below its bound", "one_sided", 1e-9, by=ours),
    _claim("real_reaches", "digits, parallel nets, power L: training is optimal", "agreement", 1e-5, by=ours),
    _claim("real_standard", "digits, standard nets, power 2: best run above D", "counterexample", 1e-3, by=ours),
)
