"""`fit` and `path` as a user types them: what is printed, and the exit codes 0, 1, 2."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from convexnn.__main__ import main
from convexnn.commands import NAMES
from convexnn.your_network.checkpoints import module_of, read_state

pytest.importorskip("pandas")


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 2))
    y = np.maximum(X @ [1.0, -2.0], 0) + 0.05 * rng.standard_normal(60)
    rows = [f"{a:.6f},{b:.6f},{c:.6f},{'up' if c > 0.5 else 'down'}" for (a, b), c in zip(X, y)]
    (folder / "t.csv").write_text("a,b,y,kind\n" + "\n".join(rows) + "\n", encoding="utf-8")
    np.savez(folder / "t.npz", X=X, y=y)
    return folder


def call(capsys, *arguments):
    with pytest.raises(SystemExit) as exit:
        main([str(argument) for argument in arguments])
    shown = capsys.readouterr()
    return exit.value.code or 0, shown.out, shown.err


FAST = ("--activation", "gated", "--patterns", "10")


def test_fit_prints_the_certificate_and_ends_with_0(tables, capsys):
    code, out, err = call(capsys, "fit", tables / "t.csv", "--target", "y", "--drop", "kind", *FAST)
    assert code == 0 and err == ""
    assert "solved" in out and "no better value than" in out and "R2" in out


def test_fit_as_json_is_one_object_with_the_judges_numbers(tables, capsys):
    code, out, _ = call(capsys, "fit", tables / "t.npz", "-t", "y", "--json", "--test-share", "0.3", *FAST)
    found = json.loads(out)
    assert code == 0 and found["status"] == "solved" and found["task"] == "regression"
    assert found["lower"] <= found["value"] and found["gap"] <= 1e-4
    assert found["rows"] + found["held_out_rows"] == 60 and found["held_out_score"] > 0.5
    assert found["features"] == ["X0", "X1"]


def test_fit_classifies_a_target_of_words(tables, capsys):
    code, out, _ = call(
        capsys, "fit", tables / "t.csv", "-t", "kind", "--drop", "y", "--json", "--loss", "logistic", *FAST
    )
    found = json.loads(out)
    assert code == 0 and found["classes"] == ["down", "up"] and found["training_score"] > 0.9


def test_fit_saves_weights_that_certify_reads(tables, capsys, tmp_path):
    saved = tmp_path / "net.pt"
    assert call(capsys, "fit", tables / "t.npz", "-t", "y", "--patterns", "8", "--save", saved)[0] == 0
    network = module_of(read_state(saved))
    assert network(torch.zeros(1, 2, dtype=torch.float64)).shape == (1, 1)


def test_fit_whose_budget_is_spent_ends_with_1_and_says_what_to_do(tables, capsys):
    short = ("--budget", "0.0001", "--tol", "1e-12")
    code, out, _ = call(capsys, "fit", tables / "t.npz", "-t", "y", *short)
    assert code == 1 and "inconclusive" in out and "what to do" in out
    assert json.loads(call(capsys, "fit", tables / "t.npz", "-t", "y", "--json", *short)[1])["status"] == "inconclusive"


BAD = {
    "no file": (("nothing.csv", "-t", "y"), "there is no file"),
    "no column": (("t.csv", "-t", "x"), "no column 'x'"),
    "text": (("t.csv", "-t", "y"), "column 'kind' holds"),
    "beta": (("t.npz", "-t", "y", "--beta", "small"), "--beta is 'small'"),
    "negative beta": (("t.npz", "-t", "y", "--beta", "-1"), "beta is -1.0"),
    "patterns": (("t.npz", "-t", "y", "--patterns", "many"), "--patterns is 'many'"),
    "loss": (("t.npz", "-t", "y", "--loss", "logistic"), "loss is 'logistic'"),
    "task": (("t.csv", "-t", "kind", "--drop", "y", "--task", "regression"), "is no number"),
    "several classes": (("t.npz", "-t", "y", "-t", "X0", "--task", "classification"), "several targets"),
    "share": (("t.npz", "-t", "y", "--test-share", "2"), "--test-share is 2"),
    "folder": (("t.npz", "-t", "y", "--patterns", "4", "--save", "none/net.pt"), "no folder"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_input_is_one_line_and_2(kind, tables, capsys, monkeypatch):
    monkeypatch.chdir(tables)
    arguments, said = BAD[kind]
    code, out, err = call(capsys, "fit", *arguments)
    assert code == 2 and out == ""
    assert err.startswith("error: ") and err.count("\n") == 1 and said in err


def test_path_shows_every_point_and_the_choice(tables, capsys, tmp_path):
    figure = tmp_path / "path.png"
    arguments = ("path", tables / "t.npz", "-t", "y", "--count", "5", "--folds", "3", *FAST)
    code, out, _ = call(capsys, *arguments, "--figure", figure)
    assert code == 0 and "smallest error" in out and figure.stat().st_size > 10_000
    found = json.loads(call(capsys, *arguments, "--json")[1])
    assert len(found["betas"]) == len(found["gaps"]) == 5 and max(found["gaps"]) <= 1e-4
    assert np.shape(found["errors"]) == (5, 3) and found["best_beta"] == found["betas"][found["best"]]


def test_path_refuses_what_makes_no_sense_with_2(tables, capsys):
    for extra, said in ((("--ratio", "1"), "--ratio is 1"), (("--figure", "path.doc"), "--figure is 'path.doc'")):
        arguments = ("path", tables / "t.npz", "-t", "y", "--count", "2", "--folds", "2", *FAST)
        code, _, err = call(capsys, *arguments, *extra)
        assert code == 2 and said in err


def test_help_is_quick_it_loads_neither_torch_nor_pandas_nor_scikit_learn():
    code = (
        "import sys, convexnn.__main__; "
        "print([name for name in ('torch', 'pandas', 'sklearn', 'cvxpy') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert found.stdout == "[]\n", found.stderr
    assert {"fit", "path"} <= set(NAMES)
