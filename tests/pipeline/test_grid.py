"""A grid means what it says, and what it cannot mean is refused before any kernel starts."""

import math

import pytest
from tiny_projects import GAUGE, LOSS, SWEPT, tiny

from convexnn.pipeline import notebooks, sweep
from convexnn.pipeline.grid import MOST, parse
from convexnn.pipeline.project import ProjectError


@pytest.fixture
def project(tmp_path):
    return tiny(
        tmp_path, _01_gauge=GAUGE, _02_loss=LOSS, _03_swept=SWEPT, _04_plain='# %% tags=["parameters"]\nk = 1\n'
    )


def notebook(project, name="03"):
    return notebooks.find(project, [name])[0]


@pytest.mark.parametrize(
    ("text", "axes"),
    [
        ("seed=0:3", {"seed": (0, 1, 2)}),
        ("seed=4,7,1:3", {"seed": (4, 7, 1, 2)}),
        ("seed=5:0:-2", {"seed": (5, 3, 1)}),
        ("seed=-2:0", {"seed": (-2, -1)}),
        ("beta=1e-3,1", {"beta": (0.001, 1.0)}),
        ("beta=1:3", {"beta": (1.0, 2.0)}),
        ("size=quick,full  seed=0", {"size": ("quick", "full"), "seed": (0,)}),
        ("word=a:b,0:5", {"word": ("a:b", "0:5")}),
    ],
)
def test_a_grid_is_read_as_the_values_it_lists(project, text, axes):
    grid = parse(notebook(project), text)
    assert dict(grid.axes) == axes
    assert len(grid) == math.prod(map(len, axes.values())) == len(list(grid.points()))


def test_points_are_the_product_and_the_last_axis_moves_fastest(project):
    grid = parse(notebook(project), "seed=0:2 beta=1,2")
    assert [tuple(point.values()) for point in grid.points()] == [(0, 1.0), (0, 2.0), (1, 1.0), (1, 2.0)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the grid is empty"),
        ("   ", "the grid is empty"),
        ("seed", "'seed' of the grid has no values"),
        ("=1", "has no values"),
        ("seed=", "empty value"),
        ("seed=1,,2", "empty value"),
        ("seed=0:2 seed=5", "seed is in the grid twice"),
        ("sed=0:2", "has no parameter 'sed'.*Did you mean 'seed'"),
        ("seed=0.5", "it takes int"),
        ("beta=high", "it takes float"),
        ("beta=1e999", "parameter beta is inf"),
        ("beta=nan", "it takes float"),
        ("seed=5:5", "5:5 of seed is empty"),
        ("seed=5:0", "5:0 of seed is empty"),
        ("seed=0:5:0", "'0:5:0' is no range for seed"),
        ("seed=0:", "'0:' is no range for seed"),
        ("beta=0.1:1", "'0.1:1' is no range for beta"),
        ("seed=1,1", "the value 1 more than once"),
        ("seed=0:3,2", "the value 2 more than once"),
        ("beta=0.1,1e-1", "the value 0.1 more than once"),
        ("size=quick,huge", "size is 'huge' in the grid; it is one of quick, full"),
        ("seed=0:1000000000000000000000000", f"more than {MOST} values"),
        ("seed=0:200 beta=" + ",".join(map(str, range(200))), f"40000 points, more than {MOST}"),
    ],
)
def test_what_a_grid_cannot_mean_is_refused_with_a_remedy(project, text, words):
    with pytest.raises(ProjectError, match=words):
        sweep.plan(project, "03", text)


def test_a_notebook_without_sizes_cannot_be_swept_over_them(project):
    with pytest.raises(ProjectError, match="has no parameter 'size'"):
        parse(notebook(project, "04"), "size=quick,full")


def test_every_point_has_a_folder_of_its_own_whatever_its_values_are_called(project):
    planned = sweep.plan(project, "03", "word=a/b,a:b,a_b,a,../x seed=0,1 size=quick,full")
    folders = [request.slot.folder for request in planned.requests]
    assert len(set(folders)) == len(folders) == 20
    assert {folder.parent for folder in folders} == {project.root / "results/sweeps/03_swept/points"}


def test_a_point_lies_in_the_same_folder_whatever_grid_it_belongs_to(project):
    first, second = (sweep.plan(project, "03", text) for text in ("seed=0:2", "beta=0.1,1 seed=1"))
    assert first.requests[1].slot == second.requests[0].slot
    assert first.folder(project) != second.folder(project)
