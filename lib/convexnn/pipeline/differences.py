"""Two sets of results side by side, claim by claim: which verdicts changed, which numbers moved, what came and went.

A set is the folder of one result, or any folder above several (results/quick, results/sweeps/<notebook>); results are
matched by their place in it. A saved number moved when it differs by more than the tolerance it was saved with, the
measured number of a claim when it differs by more than the claim's tolerance (distances: and a share `rtol` of them).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from convexnn.claims import STATUSES, worst
from convexnn.pipeline.ledger import telling
from convexnn.pipeline.project import Project, ProjectError
from convexnn.pipeline.references import differs, summary
from convexnn.pipeline.tables import number
from convexnn.report import StoredResult, load

What = Literal["worsened", "moved", "removed", "improved", "added"]
#: The order in which changes are shown; the first three are reasons to look, and for exit code 1.
ORDER: tuple[What, ...] = ("worsened", "removed", "moved", "improved", "added")
GRAVE = ORDER[:3]
#: From the best verdict to the worst, as `claims.worst` orders them.
RANKS = (*sorted(STATUSES, key=lambda one: sum(worst([one, other]) == one for other in STATUSES)), "failed")


@dataclass(frozen=True)
class Change:
    """One claim or number that is not the same in both sets."""

    what: What
    result: str
    name: str
    before: str
    after: str
    why: str = ""


@dataclass(frozen=True)
class Differences:
    """All changes, how much was compared, and in what the runs differ (versions, commit, machine, parameters)."""

    changes: tuple[Change, ...]
    claims: int
    numbers: int
    origins: tuple[str, ...]

    def is_grave(self) -> bool:
        """Is a verdict worse, a claim gone, or a number elsewhere?"""
        return any(change.what in GRAVE for change in self.changes)

    def as_json(self) -> dict[str, Any]:
        """Plain values; counts by kind of change."""
        kinds = [change.what for change in self.changes]
        return {**asdict(self), "counts": {what: kinds.count(what) for what in ORDER}, "is_grave": self.is_grave()}

    def lines(self) -> list[str]:
        """A table to read, the grave things first, and one line that counts."""
        rows = [(c.what, c.result, c.name, c.before, c.after, c.why) for c in self.changes]
        head = ("change", "result", "claim or number", "before", "after", "")
        widths = [max(len(row[k]) for row in [head, *rows]) for k in range(len(head))]
        table = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in [head, *rows]]
        kinds = [change.what for change in self.changes]
        counts = ", ".join(f"{kinds.count(what)} {what}" for what in ORDER if what in kinds) or "no difference"
        said = [f"differs: {line}" for line in self.origins]
        return [*(table if rows else []), *said, f"{self.claims} claims and {self.numbers} numbers compared: {counts}"]


def compare(project: Project, before: str, after: str, rtol: float = 1e-3) -> Differences:
    """The differences of set `after` from set `before`; ProjectError where there is no result to read."""
    old, new = results(project, before), results(project, after)
    changes: list[Change] = []
    counts = [0, 0]
    for label, left, right in pairs(old, new):
        for what, found in enumerate((_claims(label, left, right, rtol), _numbers(label, left, right))):
            for change in found:
                counts[what] += 1
                changes += [change] if change is not None else []
    changes.sort(key=lambda change: (ORDER.index(change.what), change.result))
    both = [(old[label], new[label]) for label in old if label in new] or list(zip(old.values(), new.values()))[:1]
    return Differences(tuple(changes), counts[0], counts[1], tuple(_origins(both)))


def results(project: Project, text: str) -> dict[str, StoredResult]:
    """The results of a set by label; a failed attempt makes every claim of its result `failed`."""
    places = (Path(text), project.root / "results" / text)
    place = next((path for path in places if path.exists()), None)
    if place is None:
        raise ProjectError(
            f"result set {text!r} is not there; name a folder, e.g. results/quick, or quick/01_two_layer"
        )
    if place.name == "result.json" or (place / "result.json").is_file():
        return {(place.parent if place.is_file() else place).resolve().name: _load(place)}
    found = {}
    for file in sorted(place.rglob("result.json")):
        parts = file.parent.relative_to(place).parts
        if "failed" not in parts and not any(part.startswith(".") for part in parts):
            found["/".join(parts)] = _load(file.parent)
    if not found:
        raise ProjectError(f"result set {text!r} holds no result.json; run its notebooks first")
    return found


def pairs(
    old: Mapping[str, StoredResult], new: Mapping[str, StoredResult]
) -> Iterator[tuple[str, StoredResult | None, StoredResult | None]]:
    """Results with one label; two single results whatever they are called."""
    if len(old) == len(new) == 1:
        yield next(iter(new)), next(iter(old.values())), next(iter(new.values()))
        return
    for label in dict.fromkeys([*old, *new]):
        yield label, old.get(label), new.get(label)


def _load(place: Path) -> StoredResult:
    try:
        stored = load(place)
    except (ValueError, OSError, KeyError) as error:
        raise ProjectError(str(error)) from error
    folder = place.parent if place.is_file() else place
    if (folder / "failed.json").is_file():
        failed = {name: {**claim, "status": "failed"} for name, claim in stored.claims.items()}
        stored = StoredResult(**{**vars(stored), "claims": failed})
    return stored


def _claims(label: str, old: StoredResult | None, new: StoredResult | None, rtol: float) -> Iterator[Change | None]:
    """One entry a claim: its change, or None."""
    left, right = old.claims if old else {}, new.claims if new else {}
    for name in dict.fromkeys([*left, *right]):
        if name not in left or name not in right:
            what: What = "added" if name in right else "removed"
            yield Change(what, label, name, _verdict(left.get(name)), _verdict(right.get(name)))
        else:
            yield _claim(label, name, left[name], right[name], rtol)


def _claim(label: str, name: str, old: Mapping[str, Any], new: Mapping[str, Any], rtol: float) -> Change | None:
    before, after = _measured(old), _measured(new)
    texts = (_verdict(old), _verdict(new))
    declared = [field for field in ("kind", "tolerance", "statement") if old.get(field) != new.get(field)]
    why = f"declared with another {', '.join(declared)}" if declared else ""
    if old["status"] != new["status"]:
        is_worse = RANKS.index(new["status"]) > RANKS.index(old["status"])
        return Change("worsened" if is_worse else "improved", label, name, *texts, why)
    if new["status"] == "failed" or not _moved(new, before, after, rtol):
        return None
    return Change("moved", label, name, *texts, why or f"by more than its tolerance {new['tolerance']:.0e}")


def _verdict(claim: Mapping[str, Any] | None) -> str:
    return "" if claim is None else f"{claim['status']} {number(_measured(claim))}"


def _measured(claim: Mapping[str, Any]) -> float | str:
    value: float | str = telling(claim["kind"], claim["measurements"])["measured"]
    return value


def _moved(claim: Mapping[str, Any], before: float | str, after: float | str, rtol: float) -> bool:
    if isinstance(before, str) or isinstance(after, str):
        return before != after
    is_error = claim["kind"] in ("certificate", "agreement")
    allowed = claim["tolerance"] + (0.0 if is_error else rtol * max(abs(before), abs(after)))
    return not abs(after - before) <= allowed


def _numbers(label: str, old: StoredResult | None, new: StoredResult | None) -> Iterator[Change | None]:
    """One entry for each number or array that both results saved with a tolerance, or that one of them lacks."""
    if old is None or new is None:
        return
    left, right = summary(old, ""), summary(new, "")
    for section in ("numbers", "arrays"):
        for name in dict.fromkeys([*left[section], *right[section]]):
            before, after = left[section].get(name), right[section].get(name)
            said = differs(name, before, after)
            what: What = "moved" if before and after else "added" if after else "removed"
            yield Change(what, label, name, _shown(before), _shown(after), _reason(said[0])) if said else None


def _shown(entry: Mapping[str, Any] | None) -> str:
    if entry is None:
        return ""
    value = entry.get("value", f"array {tuple(entry.get('shape', ()))}")
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _reason(sentence: str) -> str:
    return sentence.partition(" ")[2]


def _origins(both: Sequence[tuple[StoredResult, StoredResult]]) -> Iterator[str]:
    """In what the runs differ, each difference once."""
    seen: dict[str, None] = {}
    for old, new in both:
        left, right = _facts(old), _facts(new)
        for name in dict.fromkeys([*left, *right]):
            if left.get(name) != right.get(name):
                seen[f"{name} {left.get(name, 'absent')} -> {right.get(name, 'absent')}"] = None
    yield from seen


def _facts(stored: StoredResult) -> dict[str, Any]:
    origin = stored.provenance
    nested = {name: dict(origin.get(name, {})) for name in ("machine", "threads", "packages")}
    flat = {f"{what} {name}": value for what, entries in nested.items() for name, value in entries.items()}
    parameters = {f"parameter {name}": value for name, value in stored.parameters.items()}
    return {**parameters, "commit": origin.get("commit"), "lock": origin.get("lock"), **flat}
