"""The tower of docs/design.md: imports go down, and those on floor 3 never see each other.

The checker reads the source and runs nothing: an import in a function counts, one under `if TYPE_CHECKING:` does not.
A module is named by its path below convexnn, as "theorems.two_layer"; its unit is the first part; "" is convexnn.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "lib" / "convexnn"

# A new module is added here first: where it stands is a decision, not an accident.
FLOORS = {
    0: {"claims", "findings", "numerics", "types", "data"},
    1: {"losses", "weighted_loss", "gauges", "cones", "operators", "layered", "coupled", "patterns", "rational"},
    2: {"program", "networks", "neurons"},
    3: {"solvers", "certifying", "theorems", "training", "bounds"},
    4: {"choosing", "solving", "study", "exact", "globalize", "solver_claims", "estimators", "your_network"},
    5: {"report", "plotting"},
    6: {"pipeline", "commands", "__main__", ""},  # beside the tower: sees everything, is seen by nothing in it
}
FLOOR_OF = {unit: floor for floor, units in FLOORS.items() for unit in units}
SIBLINGS_APART = 3


def complaints(package: Path) -> list[str]:
    """One sentence for every module without a floor and every import that the tower forbids."""
    modules = {module_name(package, path): path for path in sorted(package.rglob("*.py"))}
    said = [unknown(name) for name in sorted({unit(name) for name in modules} - set(FLOOR_OF))]
    for name, path in modules.items():
        if unit(name) in FLOOR_OF:
            said += [f"{path.relative_to(package)}:{line} {why}" for line, why in forbidden(name, path, set(modules))]
    return said


def forbidden(name: str, path: Path, modules: set[str]) -> Iterator[tuple[int, str]]:
    is_package = path.name == "__init__.py"
    for line, target in imported(ast.parse(path.read_text(encoding="utf-8")), name, is_package, modules):
        reason = objection(name, target)
        if reason:
            yield line, reason


def objection(name: str, target: str) -> str:
    """Why `name` may not import `target`, or nothing."""
    here, there = FLOOR_OF[unit(name)], FLOOR_OF.get(unit(target))
    if there is None:
        return ""  # said once, by the module itself
    if there > here:
        return f"imports {shown(target)} (floor {there}) from floor {here}: imports go down"
    if here == there == SIBLINGS_APART and unit(name) != unit(target):
        return f"imports {shown(target)}: {', '.join(sorted(FLOORS[here]))} never import each other"
    if name.startswith("theorems.") and unit(target) == "theorems" and not is_at_hand(name, target):
        return f"imports {shown(target)}: a theorem imports its own package, theorems/contract.py and theorems/shared"
    return ""


def is_at_hand(name: str, target: str) -> bool:
    """The contract, a shared idea, a part of the same theorem, or `theorems` itself (discovery walks its path)."""
    second = target.partition(".")[2].split(".")[0]
    return second in ("", "contract", "shared", name.split(".")[1])


def unknown(name: str) -> str:
    place = "FLOORS in tests/test_floors.py (docs/design.md says how to choose)"
    return f"{shown(name)} has no floor: add `{unit(name)}` to {place}"


def shown(name: str) -> str:
    return f"convexnn.{name}".rstrip(".")


def unit(name: str) -> str:
    return name.split(".")[0]


def module_name(package: Path, path: Path) -> str:
    parts = path.relative_to(package).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(tree: ast.AST, name: str, is_package: bool, modules: set[str]) -> Iterator[tuple[int, str]]:
    """(line, module below convexnn) for every import of the library by itself."""
    for node in statements(tree):
        if isinstance(node, ast.Import):
            found = [inside(alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found = from_targets(node, name, is_package, modules)
        else:
            continue
        yield from ((node.lineno, target) for target in found if target is not None)


def statements(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node but those that only the type checker sees."""
    yield tree
    hidden = tree.body if isinstance(tree, ast.If) and "TYPE_CHECKING" in ast.unparse(tree.test).split(".") else []
    for child in ast.iter_child_nodes(tree):
        if child not in hidden:
            yield from statements(child)


def from_targets(node: ast.ImportFrom, name: str, is_package: bool, modules: set[str]) -> list[str | None]:
    """`from base import a, b`: base.a where that is a module, base itself where `a` is a name in it."""
    base = inside(node.module or "") if node.level == 0 else relative(node, name, is_package)
    if base is None:
        return []
    candidates = [f"{base}.{alias.name}".lstrip(".") for alias in node.names]
    return [
        candidate if candidate in modules or (unit(candidate) in FLOOR_OF and not base) else base
        for candidate in candidates
    ]


def relative(node: ast.ImportFrom, name: str, is_package: bool) -> str:
    parts = ["", *[part for part in name.split(".") if part]]  # the first stands for convexnn
    up = node.level - (1 if is_package else 0)
    kept = parts[: len(parts) - up] if up else parts
    return ".".join([*kept[1:], *(node.module or "").split(".")]).strip(".")


def inside(dotted: str) -> str | None:
    """ "program" for "convexnn.program", "" for "convexnn", None for anything else."""
    first, _, rest = dotted.partition(".")
    return rest if first == "convexnn" else None


def test_every_import_of_the_library_goes_down():
    assert not complaints(PACKAGE), "\n".join(complaints(PACKAGE))


def test_the_checker_reads_the_real_library():
    arrows = [
        (name, target)
        for path in PACKAGE.rglob("*.py")
        for name in [module_name(PACKAGE, path)]
        for _, target in imported(ast.parse(path.read_text(encoding="utf-8")), name, path.name == "__init__.py", set())
    ]
    assert any(unit(name) == "theorems" and target == "program" for name, target in arrows)


def planted(folder: Path, **files: str) -> list[str]:
    """Complaints about a small tree; a file is named theorems__two_layer for theorems/two_layer.py."""
    for name, source in files.items():
        path = folder / (name.replace("__", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
    return complaints(folder)


PROGRAM = "import math\n"
UPWARD = [
    "import convexnn.study\n",
    "from convexnn import study\n",
    "from convexnn.study import run\n",
    "from . import study\n",
    "from .study import run\n",
    "def late():\n    from convexnn import study\n",
    "try:\n    import convexnn.study as s\nexcept ImportError:\n    s = None\n",
]


@pytest.mark.parametrize("source", UPWARD)
def test_a_planted_upward_import_is_caught(tmp_path, source):
    said = planted(tmp_path, losses=source, study="run = None\n")
    assert len(said) == 1
    assert "losses.py:" in said[0]
    assert "convexnn.study (floor 4) from floor 1: imports go down" in said[0]


def test_a_planted_downward_import_is_allowed(tmp_path):
    assert (
        planted(tmp_path, study="from convexnn import losses\nfrom .losses import squared\n", losses="squared = 1\n")
        == []
    )


@pytest.mark.parametrize("guard", ["TYPE_CHECKING", "typing.TYPE_CHECKING"])
def test_an_import_for_the_type_checker_alone_is_allowed(tmp_path, guard):
    upward = f"if {guard}:\n    from convexnn.study import run\n"
    assert planted(tmp_path, losses=upward, study="run = None\n") == []
    assert planted(tmp_path, losses=upward + "else:\n    from convexnn.study import run\n") != []


@pytest.mark.parametrize("other", ["certifying", "training", "solvers", "solvers.newton"])
def test_a_theorem_that_imports_a_neighbour_on_its_floor_is_caught(tmp_path, other):
    said = planted(tmp_path, theorems__two_layer=f"import convexnn.{other}\n", solvers__newton=PROGRAM)
    assert len(said) == 1
    assert "never import each other" in said[0]


def test_solvers_may_import_each_other(tmp_path):
    assert planted(tmp_path, solvers__newton="from convexnn.solvers import fista\n", solvers__fista=PROGRAM) == []


@pytest.mark.parametrize(
    ("source", "other"),
    [
        ("from convexnn.theorems import deep\n", "theorems__deep"),
        ("from .deep import program\n", "theorems__deep"),
        ("from .deep.layers import W\n", "theorems__deep__layers"),
    ],
)
def test_a_theorem_that_imports_another_theorem_is_caught(tmp_path, source, other):
    said = planted(tmp_path, theorems__two_layer=source, **{other: "program = W = 1\n"})
    assert len(said) == 1
    assert "its own package" in said[0]


def test_a_theorem_may_import_the_contract_its_own_parts_and_a_shared_idea(tmp_path):
    source = "from convexnn.theorems.shared.gates import gate\nfrom ..contract import Theorem\nfrom . import faces\n"
    shelf = {"theorems__shared__gates": PROGRAM, "theorems__contract": PROGRAM, "theorems__deep__faces": PROGRAM}
    assert planted(tmp_path, theorems__deep__layers=source, **shelf) == []


@pytest.mark.parametrize("home", ["theorems__contract", "theorems__shared__gates"])
def test_a_shared_idea_that_imports_a_theorem_is_caught(tmp_path, home):
    source = "from convexnn.theorems import two_layer\n"
    assert planted(tmp_path, **{home: source}, theorems__two_layer=PROGRAM) != []


@pytest.mark.parametrize(
    "source", ["import convexnn\n", "from convexnn import solve\n", "from convexnn.pipeline import keys\n"]
)
def test_the_tower_does_not_see_what_stands_beside_it(tmp_path, source):
    assert planted(tmp_path, report=source) != []


def test_the_pipeline_sees_everything(tmp_path):
    assert planted(tmp_path, pipeline__run="from convexnn import report, study, losses, solve\n") == []


def test_a_module_without_a_floor_is_named_with_the_place_to_add_it(tmp_path):
    said = planted(tmp_path, helpers=PROGRAM)
    assert said == [unknown("helpers")]
    assert "add `helpers` to FLOORS in tests/test_floors.py" in said[0]


def test_no_module_stands_on_two_floors():
    assert sum(len(units) for units in FLOORS.values()) == len(FLOOR_OF)
