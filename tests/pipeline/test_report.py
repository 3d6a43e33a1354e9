"""The result file: what goes in comes out, a lie does not go in."""

import json

import numpy as np
import pytest

from convexnn import report
from convexnn.claims import Claim, Source

CLAIM = Claim("one.gap", "the gap closes", Source("Tiny", "0000.00000"), "certificate", 1e-6)


@pytest.fixture
def result(tmp_path, monkeypatch):
    monkeypatch.setenv("CONVEXNN_RESULT_DIR", str(tmp_path))
    return report.Result("01_x", {"seed": 0})


def test_numbers_arrays_and_words_come_back(result, tmp_path):
    torch = pytest.importorskip("torch")
    result.save(
        rtol=1e-6, a=np.float64(0.5), k=3, word="yes", flag=True, v=[1.0, 2.0], t=torch.ones(2), s=torch.tensor(4.0)
    )
    stored = report.load(tmp_path)
    assert (stored["a"], stored["k"], stored["word"], stored["flag"], stored["s"]) == (0.5, 3, "yes", True, 4.0)
    np.testing.assert_array_equal(stored["v"], [1.0, 2.0])
    np.testing.assert_array_equal(stored["t"], [1.0, 1.0])
    assert stored.tolerances["a"] == (1e-6, 0.0)


def test_nan_and_infinity_are_words_with_a_flag(result, tmp_path):
    result.save(rtol=None, bad=float("nan"), far=-np.inf, holes=np.array([0.0, np.nan]))
    doc = json.loads((tmp_path / "result.json").read_text(), parse_constant=lambda word: pytest.fail(word))
    assert doc["numbers"]["bad"] == {"value": "NaN", "nonfinite": True, "rtol": None, "atol": 0.0}
    assert doc["numbers"]["far"]["value"] == "-Infinity" and doc["arrays"]["holes"]["nonfinite"] == 1
    assert np.isnan(report.load(tmp_path)["bad"]) and report.load(tmp_path).tolerances["bad"] is None


def test_the_worst_measurement_counts_and_nan_is_inconclusive(result, tmp_path):
    assert result.measure(CLAIM, 1e-9) == "certified"
    assert result.measure(CLAIM, float("nan"), note="diverged") == "inconclusive"
    assert report.load(tmp_path).claims["one.gap"]["status"] == "inconclusive"
    with pytest.raises(ValueError, match="another declaration"):
        result.measure(Claim("one.gap", "another", CLAIM.source, "certificate", 1.0), 0.0)


def test_what_cannot_be_stored_is_refused_by_name(result):
    for value in ({"a": 1}, np.array([1j]), np.array(["a"])):
        with pytest.raises(ValueError, match="odd"):
            result.save(rtol=1e-6, odd=value)
    with pytest.raises(ValueError, match="rtol is -1"):
        result.save(rtol=-1, a=1.0)


def test_a_figure_must_be_drawn_from_the_file(result):
    from matplotlib.figure import Figure

    with pytest.raises(ValueError, match="drew nothing from the result file"):
        result.figure("f", lambda stored: Figure(), caption="empty")
    with pytest.raises(KeyError, match="it holds"):
        result.figure("f", lambda stored: stored["missing"], caption="none")


def test_a_run_refuses_a_second_value_and_a_wrong_name(tmp_path, monkeypatch):
    monkeypatch.setenv("CONVEXNN_RESULT_DIR", str(tmp_path))
    monkeypatch.setenv("CONVEXNN_KEY", "running")
    monkeypatch.setenv("CONVEXNN_NOTEBOOK", "01_x")
    result = report.Result("01_x", {})
    result.save(rtol=1e-6, a=1.0)
    with pytest.raises(ValueError, match="hold 'a' already"):
        result.save(rtol=1e-6, a=2.0)
    assert report.load(tmp_path)["a"] == 1.0
    with pytest.raises(ValueError, match="notebook is '02_y'"):
        report.Result("02_y", {})


def test_a_cut_file_is_an_error_with_a_remedy(tmp_path):
    (tmp_path / "result.json").write_text('{"format": 1, "numb')
    with pytest.raises(ValueError, match="run the notebook again"):
        report.load(tmp_path)
