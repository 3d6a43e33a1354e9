"""`python -m convexnn certify`: what it prints, its exit codes, and that nothing in a file is ever run."""

import json
import os
import pickle

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from examples import fitted, table, two_layer
from torch import nn

from convexnn.__main__ import commands
from convexnn.pipeline.project import ProjectError
from convexnn.your_network.checkpoints import UnsafeFile, module_of, read_state
from convexnn.your_network.reading import NotCovered

BETA = "0.3"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A trained network's state dict, and its data as .npz, .csv and .parquet."""
    place = tmp_path_factory.mktemp("certify")
    X, y = table()
    torch.save(fitted(two_layer(), X, y, 0.3, 200).state_dict(), place / "model.pt")
    np.savez(place / "data.npz", X=X, y=y)
    lines = ["a,b,y", *(f"{float(r[0])!r},{float(r[1])!r},{float(t)!r}" for r, t in zip(X, y))]
    (place / "data.csv").write_text("\n".join(lines))
    return place


def run(*arguments):
    return CliRunner().invoke(commands, ["certify", *map(str, arguments)])


def test_a_table_for_readers_and_exit_code_zero_when_certified(folder):
    done = run(folder / "model.pt", folder / "data.npz", "--beta", BETA)
    assert done.exit_code == 0, done.output
    for word in ("verdict", "objective", "lower bound", "best found", "biases penalised"):
        assert word in done.output


def test_json_is_one_object_and_csv_is_the_same_data(folder):
    found = [
        json.loads(run(folder / "model.pt", folder / name, "--beta", BETA, "--json").output)
        for name in ("data.npz", "data.csv")
    ]
    assert found[0]["status"] == "certified"
    assert found[0]["lower"] <= found[0]["best"] <= found[0]["objective"]
    assert found[0]["objective"] == pytest.approx(found[1]["objective"], rel=1e-12)


def test_an_asked_tolerance_that_is_not_reached_is_exit_code_one(folder):
    done = run(folder / "model.pt", folder / "data.npz", "--beta", BETA, "--tol", "1e-12", "--json")
    assert done.exit_code == 1
    assert json.loads(done.output)["status"] == "inconclusive"


def test_a_better_network_and_a_figure_are_written_and_the_better_one_is_certified(folder):
    extra = ["--improve", folder / "better.pt", "--figure", folder / "certificate.png", "--json"]
    first = json.loads(run(folder / "model.pt", folder / "data.npz", "--beta", BETA, *extra).output)
    assert first["improved_objective"] <= first["objective"]
    assert (folder / "certificate.png").stat().st_size > 5000
    second = run(folder / "better.pt", folder / "data.npz", "--beta", BETA, "--tol", "1e-5", "--json")
    assert second.exit_code == 0
    assert json.loads(second.output)["objective"] == pytest.approx(first["improved_objective"], rel=1e-9)


def test_two_classes_of_any_name_become_minus_and_plus_one(folder):
    X, y = table()
    rows = [f"{a!r},{b!r},{'sick' if t > 0.3 else 'well'}" for (a, b), t in zip(X.tolist(), y)]
    (folder / "classes.csv").write_text("\n".join(["a,b,state", *rows]))
    done = run(
        folder / "model.pt", folder / "classes.csv", "-t", "state", "--beta", "0.5", "--loss", "logistic", "--json"
    )
    assert json.loads(done.output)["classes"] == ["-1: sick", "+1: well"]


class Bomb:
    """A pickle that leaves a file behind when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_a_pickle_with_code_is_refused_and_not_run(folder, tmp_path):
    mark = tmp_path / "was run"
    torch.save({"0.weight": Bomb(mark)}, tmp_path / "bomb.pt")
    (tmp_path / "plain.pt").write_bytes(pickle.dumps(Bomb(mark)))
    for name in ("bomb.pt", "plain.pt"):
        with pytest.raises(UnsafeFile, match=r"save it by torch\.save\(model\.state_dict"):
            read_state(tmp_path / name)
        done = run(tmp_path / name, folder / "data.npz", "--beta", BETA)
        assert isinstance(done.exception, ProjectError)
    np.savez(tmp_path / "bomb.npz", X=np.array([Bomb(mark)], dtype=object), y=np.zeros(1))
    assert not mark.exists()
    done = run(folder / "model.pt", tmp_path / "bomb.npz", "--beta", BETA)
    assert isinstance(done.exception, ProjectError)
    assert not mark.exists()


def test_a_whole_module_no_torch_file_and_no_file_have_a_message(folder, tmp_path):
    torch.save(two_layer(), tmp_path / "module.pt")
    with pytest.raises(UnsafeFile, match="more than weights"):
        read_state(tmp_path / "module.pt")
    for name, content in (("text.pt", b"hello"), ("empty.pt", b"")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UnsafeFile):
            read_state(tmp_path / name)
    torch.save([1, 2], tmp_path / "list.pt")
    with pytest.raises(UnsafeFile, match="holds a list"):
        read_state(tmp_path / "list.pt")
    with pytest.raises(FileNotFoundError, match="there is no file"):
        read_state(tmp_path / "absent.pt")
    assert isinstance(run(tmp_path / "absent.pt", folder / "data.npz", "--beta", BETA).exception, ProjectError)


FORMS = {
    "Linear ReLU Linear": two_layer,
    "Linear BatchNorm1d ReLU Linear": lambda: nn.Sequential(
        nn.Linear(2, 3), nn.BatchNorm1d(3), nn.ReLU(), nn.Linear(3, 1)
    ),
    "Conv2d ReLU AdaptiveAvgPool2d Flatten Linear": lambda: nn.Sequential(
        nn.Conv2d(1, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 1)
    ),
}


@pytest.mark.parametrize("names", FORMS)
def test_the_architecture_is_inferred_from_names_and_shapes(names, tmp_path):
    model = FORMS[names]()
    torch.save({"state_dict": model.state_dict()}, tmp_path / "wrapped.pt")
    found = module_of(read_state(tmp_path / "wrapped.pt"))
    assert " ".join(type(layer).__name__ for layer in found) == names
    x = torch.zeros((5, 1, 3, 3) if "Conv" in names else (5, 2))
    assert torch.equal(found(x), model(x))


def test_chains_are_declared_and_other_shapes_refused():
    chain = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 3), nn.Linear(3, 1)).state_dict()
    assert len(module_of(chain, "linear")) == 3
    with pytest.raises(NotCovered, match="--architecture linear"):
        module_of(chain)
    with pytest.raises(NotCovered, match="'odd', which is no weight"):
        module_of({"odd": torch.zeros(2)})
    with pytest.raises(NotCovered, match="without a weight"):
        module_of({"0.bias": torch.zeros(2)})
    with pytest.raises(NotCovered, match="do not fit"):
        module_of({"0.weight": torch.zeros(3, 2), "0.bias": torch.zeros(4), "2.weight": torch.zeros(1, 3)})
    with pytest.raises(NotCovered, match="dtype"):
        module_of({"0.weight": torch.zeros(3, 2, dtype=torch.int64), "2.weight": torch.zeros(1, 3)})


TABLES = {
    "a,b,y\n1,2,3\n4,,6\n7,8,10": "missing value",
    "a,b,y\n1,x,3\n4,y,6\n7,z,10": "not stored as a number",
    "a,b,y\n1,5,3\n4,5,6\n7,5,10": "same value in every row",
    "a,b,y\n1,5,3\n4,6,3\n7,8,3": "nothing to learn",
    "a,b,c,y\n1,5,2,3\n4,6,1,4\n7,8,3,5": r"takes rows \(n, 2\)",
    "a,b,z\n1,5,3\n4,6,3\n7,8,4": "no column 'y'",
}


@pytest.mark.parametrize("text", TABLES)
def test_tables_that_cannot_be_used_have_a_stated_outcome(text, folder, tmp_path):
    (tmp_path / "data.csv").write_text(text)
    done = run(folder / "model.pt", tmp_path / "data.csv", "--beta", BETA)
    assert isinstance(done.exception, ProjectError)
    with pytest.raises(ProjectError, match=TABLES[text]):
        raise done.exception


ARRAYS = {
    "X has 1 non-finite": {"X": np.array([[np.nan, 1.0], [2.0, 3.0]]), "y": np.zeros(2)},
    "no array 'y'": {"X": np.zeros((2, 2))},
    "X has 2 rows, y has 3": {"X": np.zeros((2, 2)), "y": np.zeros(3)},
    "dtype <U1": {"X": np.array([["a", "b"], ["c", "d"]]), "y": np.zeros(2)},
}


@pytest.mark.parametrize("message", ARRAYS)
def test_arrays_that_cannot_be_used_have_a_stated_outcome(message, folder, tmp_path):
    np.savez(tmp_path / "data.npz", **ARRAYS[message])
    done = run(folder / "model.pt", tmp_path / "data.npz", "--beta", BETA)
    with pytest.raises(ProjectError, match=message):
        raise done.exception


def test_one_class_and_three_classes_are_no_two(folder, tmp_path):
    X, _ = table()
    for labels, message in ((np.ones(24), "one class only"), (np.arange(24) % 3, "3 classes")):
        np.savez(tmp_path / "data.npz", X=X, y=labels)
        done = run(folder / "model.pt", tmp_path / "data.npz", "--beta", BETA, "--loss", "logistic")
        with pytest.raises(ProjectError, match=message):
            raise done.exception


def test_a_folder_that_is_not_there_is_said_before_any_work(folder):
    done = run(folder / "model.pt", folder / "data.npz", "--beta", BETA, "--improve", folder / "no" / "better.pt")
    with pytest.raises(ProjectError, match="there is no folder"):
        raise done.exception
