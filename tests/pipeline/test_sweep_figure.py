"""The figure of a sweep: what it reads off a summary, and that nothing in it lies on top of something else."""

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from convexnn.plotting.sweep import LINES, axes_of, draw_sweep

KINDS = {"t.gap": "certificate", "t.same": "agreement", "t.above": "one_sided", "t.far": "counterexample"}


def summary(axes, measure):
    """A summary over the product of `axes`; measure(claim, values) gives (measured, status)."""
    points = [{}]
    for name, values in axes.items():
        points = [{**point, name: value} for point in points for value in values]
    claims = {name: {"kind": kind, "tolerance": 1e-6} for name, kind in KINDS.items()}
    rows = []
    for values in points:
        found = {name: dict(zip(("measured", "status"), measure(name, values))) for name in claims}
        rows.append({"values": values, "claims": found})
    return {"axes": axes, "claims": claims, "points": rows}


def several(name, values):
    """Numbers of every kind and verdict."""
    size = values["beta"] * (1 + values["seed"])
    if name == "t.gap":
        return (1e-9 * size, "certified") if size < 20 else ("NaN", "inconclusive")
    if name == "t.same":
        return (-1e-8 * size, "holds_on_tested") if size < 20 else (1e-5, "contradicted")
    if name == "t.above":
        return (size * 1e-8 * (-1) ** values["seed"], "holds_on_tested")
    return (0.3 * size, "holds_on_tested") if size > 0.02 else (0.0, "inconclusive")


@pytest.mark.parametrize(
    ("axes", "expected"),
    [
        ({"seed": (0, 1)}, ("seed", None)),
        ({"seed": (0, 1), "beta": (0.1, 1.0)}, ("beta", None)),
        ({"seed": (0, 1), "beta": (0.1,)}, ("seed", None)),
        ({"seed": (0,), "beta": (0.1, 1.0), "size": ("quick", "full")}, ("beta", "size")),
        ({"a": (1, 2), "b": tuple(range(len(LINES) + 1)), "c": (1, 2)}, ("a", "c")),
    ],
)
def test_the_seed_is_the_axis_of_last_resort(axes, expected):
    assert axes_of(axes) == expected


def test_every_claim_has_a_panel_with_a_labelled_axis_its_tolerance_and_all_its_points():
    doc = summary({"beta": (0.01, 0.1, 1.0, 10.0), "size": ("quick", "full"), "seed": (0, 1, 2)}, several)
    figure = draw_sweep(doc)
    panels = [axes for axes in figure.axes if axes.get_visible()]
    assert [axes.get_title() for axes in panels] == list(KINDS)
    for axes, kind in zip(panels, KINDS.values()):
        markers = [line for line in axes.lines if line.get_marker() not in ("None", "")]
        assert len(markers) == len(doc["points"])
        numbers = [line for line in markers if line.get_transform() == axes.transData]
        odd = sum(isinstance(row["claims"][axes.get_title()]["measured"], str) for row in doc["points"])
        assert len(numbers) == len(doc["points"]) - odd
        for line in numbers:
            (x, y), (left, right), (low, high) = line.get_xydata()[0], axes.get_xlim(), axes.get_ylim()
            assert left <= x <= right and low <= y <= high
        assert len({line.get_xdata()[0] for line in markers}) == 4 * 2  # two sizes side by side at each of four betas
        flat = [line.get_ydata()[0] for line in axes.lines if line.get_linestyle() == "--"]
        assert flat == [-1e-6 if kind == "one_sided" else 1e-6]
        assert axes.get_ylabel().endswith("(dimensionless)")
    assert panels[-1].get_xlabel() == "beta (dimensionless)"
    words = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    assert {"size = quick", "size = full", "contradicted", "above a panel: not a finite number"} <= set(words)


def test_titles_labels_and_legend_do_not_overlap():
    figure = draw_sweep(summary({"size": ("quick", "full"), "beta": (0.01, 10.0), "seed": (0, 1)}, several))
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    panels = [axes for axes in figure.axes if axes.get_visible()]
    boxes = [axes.get_tightbbox(renderer) for axes in panels] + [figure.legends[0].get_window_extent(renderer)]
    for k, one in enumerate(boxes):
        assert not any(one.overlaps(other) for other in boxes[k + 1 :])
    assert [tick.get_text() for tick in panels[0].get_xticklabels()] == ["quick", "full"]


def test_a_sweep_of_nothing_finite_is_drawn_all_the_same():
    doc = summary({"beta": (0.1,), "seed": (0,)}, lambda name, values: ("NaN", "inconclusive"))
    assert len(draw_sweep(doc).axes) >= len(KINDS)
