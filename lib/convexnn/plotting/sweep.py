"""The measured numbers of a sweep's claims against the swept parameter, one panel a claim.

`draw_sweep` takes a sweep's summary (results/sweeps/NOTEBOOK/GRID/summary.json) and nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from convexnn.plotting import BLACK, BLUE, GREEN, ORANGE, PINK, RED, SKY, canvas, styled

Rows = Sequence[Mapping[str, Any]]

LINES = (BLUE, ORANGE, GREEN, PINK, SKY, BLACK)
#: Filled: the claim is borne out. The other verdicts differ in shape, not only in colour.
MARKERS = {
    "certified": ("o", "certified or holds on tested"),
    "holds_on_tested": ("o", "certified or holds on tested"),
    "inconclusive": ("s", "inconclusive"),
    "contradicted": ("X", "contradicted"),
    "bad_input": ("D", "bad input"),
}
FLOOR = 1e-17
#: Share of the horizontal axis between two colours at one place.
APART = 0.02


@styled
def draw_sweep(summary: Mapping[str, Any]) -> Figure:
    """Points are verdicts, lines are medians; a dashed line is the claim's tolerance.

    The horizontal axis is the first axis with several values that is not the seed, the next such axis gives the
    colours, all others lie on top of each other. Numbers that are not finite stand above the panel.
    """
    axis, colour = axes_of(summary["axes"])
    names = list(summary["claims"])
    columns = min(3, len(names))
    rows = math.ceil(len(names) / columns)
    figure, panels = canvas(columns, rows, width=4.2, height=2.7)
    shown: set[str] = set()
    odd = False
    for panel, name in zip(panels, names):
        found = [row for row in summary["points"] if name in row["claims"]]
        points = [{**row["claims"][name], "values": row["values"]} for row in found]
        shown |= {point["status"] for point in points}
        odd |= any(isinstance(point["measured"], str) for point in points)
        _panel(panel, summary, name, points, (axis, colour))
    for panel in panels[len(names) :]:
        panel.set_visible(False)
    for panel in panels[max(0, len(names) - columns) : len(names)]:
        panel.set_xlabel(f"{axis} (dimensionless)" if _is_numeric(summary["axes"][axis]) else axis)
    handles = _legend(summary["axes"], colour, shown)
    handles += [Line2D([], [], ls="", label="above a panel: not a finite number")] if odd else []
    figure.legend(handles=handles, loc="outside lower center", ncol=min(len(handles), 2 * columns))
    return figure


def axes_of(axes: Mapping[str, Sequence[Any]]) -> tuple[str, str | None]:
    """(horizontal axis, axis of the colours): axes with several values first, the seed last."""
    order = sorted(axes, key=lambda name: (len(axes[name]) < 2, name == "seed"))
    colours = [name for name in order[1:] if len(axes[name]) > 1 and name != "seed"]
    return order[0], next((name for name in colours if len(axes[name]) <= len(LINES)), None)


def _panel(panel: Axes, summary: Mapping[str, Any], name: str, points: Rows, shown: tuple[str, str | None]) -> None:
    (axis, colour), claim = shown, summary["claims"][name]
    ticks = summary["axes"][axis]
    is_odd = any(isinstance(point["measured"], str) for point in points)
    panel.set_title(name, fontsize=9, pad=16 if is_odd else 6)
    panel.margins(y=0.12)
    panel.set_ylabel(_what(claim["kind"]), fontsize=9)
    finite = [point for point in points if not isinstance(point["measured"], str)]
    heights = [_height(claim, point) for point in finite]
    groups = summary["axes"][colour] if colour else [None]
    for number, (value, ink) in enumerate(zip(groups, LINES)):
        chosen = [point for point in points if colour is None or point["values"][colour] == value]
        aside = APART * (number - (len(groups) - 1) / 2)
        _points(panel, chosen, claim, (axis, ticks), ink, aside)
    sign = -1.0 if claim["kind"] == "one_sided" else 1.0
    if claim["tolerance"] > 0:
        panel.axhline(sign * claim["tolerance"], color=RED, lw=1, ls="--", zorder=1)
        heights.append(sign * claim["tolerance"])
    _scale(panel, heights)
    _horizontal(panel, ticks)


def _points(
    panel: Axes, chosen: Rows, claim: Mapping[str, Any], along: tuple[str, Sequence[Any]], ink: str, aside: float
) -> None:
    """The markers of one colour, and the line through their medians; `aside` keeps the colours from hiding others."""
    axis, ticks = along
    medians = {}
    for tick in ticks:
        here = [p for p in chosen if p["values"][axis] == tick and not isinstance(p["measured"], str)]
        if here:
            medians[_place(tick, ticks, aside)] = float(np.median([_height(claim, point) for point in here]))
    if len(medians) > 1:
        panel.plot(list(medians), list(medians.values()), color=ink, lw=1.2, zorder=2)
    for point in chosen:
        x, odd = _place(point["values"][axis], ticks, aside), isinstance(point["measured"], str)
        marker = MARKERS[point["status"]][0]
        face, edge = _colours(marker, ink)
        where = panel.get_xaxis_transform() if odd else panel.transData
        y = 1.05 if odd else _height(claim, point)
        panel.plot(x, y, marker, ms=6, mfc=face, mec=edge, zorder=3, transform=where, clip_on=not odd)


def _colours(marker: str, ink: str) -> tuple[str, str]:
    """(face, edge): filled where the claim is borne out, red where it is contradicted, open in between."""
    return (RED, RED) if marker == "X" else (ink if marker == "o" else "white", ink)


def _height(claim: Mapping[str, Any], point: Mapping[str, Any]) -> float:
    """What is drawn: errors by their size and not below FLOOR, distances as they are."""
    measured = float(point["measured"])
    return max(abs(measured), FLOOR) if claim["kind"] in ("certificate", "agreement") else measured


def _scale(panel: Axes, heights: Sequence[float]) -> None:
    """Logarithmic where everything is positive; on both sides of zero where the sizes differ much; else plain."""
    sizes = [abs(height) for height in heights if height]
    if not heights or min(heights) > 0:
        panel.set_yscale("log")
    elif sizes and max(sizes) > 100 * min(sizes):
        _around_zero(panel, min(heights), max(heights), max(min(sizes), 1e-12))


def _around_zero(panel: Axes, low: float, high: float, smallest: float) -> None:
    """Powers of ten on both sides, at most four labelled on each, and half a decade for all below `smallest`."""
    panel.set_yscale("symlog", linthresh=smallest, linscale=0.5)
    panel.set_ylim(3 * low if low < 0 else -smallest, 3 * high if high > 0 else smallest)
    ticks = [0.0]
    for sign, end in ((-1, -low), (1, high)):
        first, last = math.log10(smallest), math.floor(math.log10(max(end, 1e-300)) + 1e-9)
        powers = list(range(math.ceil(min(first + 0.5, max(first, last))), last + 1))
        ticks += [sign * 10.0**power for power in powers[:: -max(1, math.ceil(len(powers) / 4))]]
    panel.set_yticks(sorted(ticks))
    panel.minorticks_off()


def _what(kind: str) -> str:
    words = {"certificate": "certified gap", "agreement": "difference", "one_sided": "distance above the bound"}
    return words.get(kind, "distance shown") + "\n(dimensionless)"


def _horizontal(panel: Axes, ticks: Sequence[Any]) -> None:
    """Words and few numbers are labelled one by one; numbers over more than a decade stand on a logarithmic axis."""
    if not _is_numeric(ticks):
        panel.set_xticks(range(len(ticks)), [str(tick) for tick in ticks])
        return
    if _is_wide(ticks):
        panel.set_xscale("log")
    if len(ticks) <= 8:
        panel.set_xticks(list(ticks), [f"{tick:g}" for tick in ticks])
        panel.minorticks_off()


def _is_numeric(values: Sequence[Any]) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


def _is_wide(ticks: Sequence[Any]) -> bool:
    return _is_numeric(ticks) and min(ticks) > 0 and max(ticks) >= 10 * min(ticks)


def _place(tick: Any, ticks: Sequence[Any], aside: float) -> float:
    """Where `tick` stands, moved by the share `aside` of the axis."""
    if _is_wide(ticks):
        return float(tick * (max(ticks) / min(ticks)) ** aside)
    places = [float(each) for each in ticks] if _is_numeric(ticks) else [float(k) for k in range(len(ticks))]
    return places[list(ticks).index(tick)] + aside * ((max(places) - min(places)) or 1.0)


def _legend(axes: Mapping[str, Sequence[Any]], colour: str | None, shown: set[str]) -> list[Line2D]:
    handles = (
        []
        if colour is None
        else [Line2D([], [], color=ink, lw=2, label=f"{colour} = {value}") for value, ink in zip(axes[colour], LINES)]
    )
    words = {MARKERS[status] for status in MARKERS if status in shown}
    for marker, word in sorted(words, key=lambda pair: "osXD".index(pair[0])):
        face, edge = _colours(marker, BLACK)
        handles.append(Line2D([], [], marker=marker, ls="", mfc=face, mec=edge, label=word))
    if sum(len(values) > 1 for values in axes.values()) > (1 if colour is None else 2):
        handles.append(Line2D([], [], color=BLACK, lw=1.2, label="median"))
    return [*handles, Line2D([], [], color=RED, lw=1, ls="--", label="tolerance of the claim")]
