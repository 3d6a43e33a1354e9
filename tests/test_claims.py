"""The one rule that judges a measurement: its table at every boundary, and how several statuses become one."""

from __future__ import annotations

import math
from dataclasses import FrozenInstanceError
from itertools import permutations, product
from typing import get_args

import numpy as np
import pytest

from convexnn.claims import STATUSES, Claim, Kind, Source, Status, judge, worst

SOURCE = Source("Somebody, Something")
TOL = 1e-6
ABOVE = math.nextafter(TOL, 1)  # the next float64
BELOW = math.nextafter(TOL, 0)
TINY = math.nextafter(0.0, 1)


def claim(kind: Kind, tolerance: float = TOL) -> Claim:
    return Claim("theorem.claim", "a sentence that is measured", SOURCE, kind, tolerance)


TABLE = {
    "certificate": {
        "certified": [0.0, BELOW, TOL],
        "inconclusive": [ABOVE, 1.0, math.inf, math.nan],
    },
    "agreement": {
        "holds_on_tested": [0.0, BELOW, TOL, -BELOW, -TOL],
        "contradicted": [ABOVE, -ABOVE, 1.0, -1.0, math.inf, -math.inf],
        "inconclusive": [math.nan],
    },
    "one_sided": {
        "holds_on_tested": [0.0, TOL, ABOVE, 1.0, math.inf, -BELOW, -TOL],
        "contradicted": [-ABOVE, -1.0, -math.inf],
        "inconclusive": [math.nan],
    },
    "counterexample": {
        "holds_on_tested": [ABOVE, 1.0, math.inf],
        "inconclusive": [TOL, BELOW, 0.0, -1.0, -math.inf, math.nan],
    },
}
CASES = [(kind, m, status) for kind, row in TABLE.items() for status, many in row.items() for m in many]

EXACT = [
    ("certificate", 0.0, "certified"),
    ("certificate", TINY, "inconclusive"),
    ("agreement", 0.0, "holds_on_tested"),
    ("agreement", -0.0, "holds_on_tested"),
    ("agreement", TINY, "contradicted"),
    ("agreement", -TINY, "contradicted"),
    ("one_sided", 0.0, "holds_on_tested"),
    ("one_sided", -0.0, "holds_on_tested"),
    ("one_sided", -TINY, "contradicted"),
    ("counterexample", 0.0, "inconclusive"),
    ("counterexample", TINY, "holds_on_tested"),
]

#: Weakest last.
ORDER: list[Status] = ["certified", "holds_on_tested", "inconclusive", "bad_input", "contradicted"]


def test_the_table_has_every_kind_of_claim():
    assert set(TABLE) == set(get_args(Kind))


@pytest.mark.parametrize(("kind", "measured", "status"), CASES)
def test_a_measurement_bears_a_claim_out_up_to_its_tolerance_and_no_further(kind, measured, status):
    assert judge(claim(kind), measured) == status
    assert judge(claim(kind), np.float64(measured)) == status


@pytest.mark.parametrize(("kind", "measured", "status"), EXACT)
def test_a_tolerance_of_zero_means_exactly(kind, measured, status):
    assert judge(claim(kind, 0.0), measured) == status


@pytest.mark.parametrize("kind", get_args(Kind))
def test_a_claim_can_be_missed_and_only_a_certificate_certifies(kind):
    found = {judge(claim(kind), m) for m in (-1.0, 0.0, 1.0)}
    assert found & {"inconclusive", "contradicted"}
    assert found & {"certified", "holds_on_tested"}
    assert ("certified" in found) == (kind == "certificate")
    assert found <= set(STATUSES)


@pytest.mark.parametrize("kind", get_args(Kind))
def test_nothing_is_judged_from_a_nan_even_without_limits(kind):
    assert judge(claim(kind, math.inf), math.nan) == "inconclusive"


def test_the_scope_of_a_claim_is_its_program_unless_it_says_so():
    assert claim("agreement").scope == "program"
    assert Claim("a.b", "text", SOURCE, "agreement", TOL, "network").scope == "network"


# ---- many measurements of one claim ---------------------------------------------------------------------------------


def test_the_order_of_the_statuses_has_all_of_them():
    assert sorted(ORDER) == sorted(STATUSES) == sorted(get_args(Status))


@pytest.mark.parametrize("pair", list(product(range(len(ORDER)), repeat=2)))
def test_the_weaker_of_two_statuses_counts_in_either_order(pair):
    assert worst([ORDER[k] for k in pair]) == ORDER[max(pair)]


def test_one_bad_measurement_among_many_counts_wherever_it_stands():
    for statuses in permutations(["certified", "holds_on_tested", "certified", "inconclusive"]):
        assert worst(list(statuses)) == "inconclusive"
    assert worst(["certified"] * 5) == "certified"


def test_a_claim_without_measurements_is_inconclusive():
    assert worst([]) == "inconclusive"


# ---- what a claim may be --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", ["strong_duality", ""])
def test_an_id_names_the_theorem_and_the_claim(bad):
    with pytest.raises(ValueError, match=r"claim id .* has no theorem; write it as 'theorem\.claim'"):
        Claim(bad, "text", SOURCE, "agreement", TOL)
    assert Claim("two_layer.strong_duality", "text", SOURCE, "agreement", TOL).id == "two_layer.strong_duality"


@pytest.mark.parametrize("tolerance", [-TINY, -1.0, -math.inf, math.nan])
def test_a_tolerance_is_not_negative(tolerance):
    with pytest.raises(ValueError, match=r"claim theorem\.claim: tolerance is .*it must be >= 0"):
        claim("agreement", tolerance)


def test_a_claim_cannot_be_loosened_after_it_was_declared():
    declared = claim("agreement")
    with pytest.raises(FrozenInstanceError):
        declared.tolerance = 1.0  # type: ignore[misc]


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (Source("Pilanci and Ergen"), "Pilanci and Ergen"),
        (Source("Pilanci and Ergen", "2002.10553"), "Pilanci and Ergen (arXiv 2002.10553)"),
        (Source("Pilanci and Ergen", number="Theorem 1"), "Pilanci and Ergen, Theorem 1"),
        (Source("Pilanci and Ergen", "2002.10553", "Theorem 1"), "Pilanci and Ergen (arXiv 2002.10553), Theorem 1"),
    ],
)
def test_a_source_reads_as_a_citation(source, text):
    assert str(source) == text
