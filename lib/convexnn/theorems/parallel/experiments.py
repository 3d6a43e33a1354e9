"""The paper's table of duality gaps, and what is told of it that does not hold. The paper has no other experiment."""

from __future__ import annotations

from convexnn.findings import Finding
from convexnn.theorems.parallel.claim_list import ours, source

findings = (
    Finding(
        "parallel.T1", "experiment",
        "Table 1: which networks have a duality gap. Standard ones of three layers or more can have one, two layers "
        "and parallel ones with the L-th power have none",
        source,
        claims=(
            "parallel.strong_duality", "parallel.no_gap", "parallel.standard_gap", "parallel.ray_no_gap",
            "parallel.three_layer",
        ),
        here="linear and ReLU networks of two to five layers: Gaussian, rank-one and whitened data, 35 rows",
    ),
    Finding(
        "parallel.equal_spectrum", "erratum",
        "Equal singular values do not close the gap of a standard linear network; at most one that is not zero does",
        ours, claims=("parallel.equal_values",),
        tests=("tests/theorems/test_parallel_gaps.py::test_equal_singular_values_do_not_close_the_gap",),
    ),
    Finding(
        "parallel.rays", "erratum",
        "On rank-one data a standard ReLU network has no gap when c >= 0 or both parts of the target have one sign; "
        "with opposite signs it has a gap",
        ours, claims=("parallel.ray_no_gap", "parallel.ray_gap"),
    ),
    Finding(
        "parallel.other_power", "erratum",
        "No gap is a statement about a network and its own dual: the value with the L-th power can lie above or "
        "below that of squared decay, and is no bound for it",
        ours, claims=("parallel.power_above", "parallel.power_below"),
    ),
    Finding(
        "parallel.whitened", "counterexample",
        "Standard three-layer ReLU networks on whitened rows have a gap as soon as there are two classes or two "
        "signs",
        ours, claims=("parallel.whitened_gap",),
    ),
    Finding(
        "parallel.sharing", "counterexample",
        "Under squared decay a standard network that shares neurons between classes beats one branch a class, from "
        "four layers on",
        ours, claims=("parallel.shared_layers", "parallel.shared_predict"),
    ),
    Finding(
        "parallel.branch_count", "counterexample",
        "With fewer branches than the rank of the solution the parallel network ends above its program",
        source, claims=("parallel.too_few_branches",),
    ),
)  # fmt: skip
