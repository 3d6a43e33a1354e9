"""One list of dependencies and its readers: pip's lock, conda's environment.yml, the Makefile.

`packaging`, which pip itself uses, is the judge of versions here; tools/ has a reader that needs nothing installed.
"""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))

import environment  # noqa: E402
import facts  # noqa: E402
import lock  # noqa: E402

LOCK = (ROOT / "requirements" / "constraints.txt").read_text(encoding="utf-8")
PYPROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")

# The lock agrees with pyproject.toml


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def disagreements(pyproject: str, lock_text: str) -> list[str]:
    """Every declared requirement that the lock lacks, or pins outside its range."""
    project = tomllib.loads(pyproject)["project"]
    wanted = [
        *project["dependencies"],
        *(line for lines in project["optional-dependencies"].values() for line in lines),
    ]
    pins = [Requirement(line) for line in lock_text.splitlines()]
    said = []
    for requirement in map(Requirement, wanted):
        versions = [str(pin.specifier)[2:] for pin in pins if canonical(pin.name) == canonical(requirement.name)]
        if not versions:
            said.append(f"{requirement.name} is not in the lock")
        said += [
            f"{requirement} is locked at {version}" for version in versions if version not in requirement.specifier
        ]
    return said


def impurities(lock_text: str) -> list[str]:
    """Lines that are more than a name, a version and a marker: an address, a hash, a path, an option, a comment."""
    pin = re.compile(
        r"[a-z0-9][a-z0-9.-]*==[0-9][a-z0-9.]*( ; [a-z_]+ [a-zA-Z0-9_.'()=!<>* ]+| ; \([a-zA-Z0-9_.'()=!<>* ]+)?"
    )
    return [line for line in lock_text.splitlines() if not pin.fullmatch(line)]


def test_every_declared_dependency_is_locked_inside_its_range():
    assert disagreements(PYPROJECT, LOCK) == []


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('"numpy>=2.0"', '"numpy>=99"', "numpy>=99 is locked at"),
        ('"cvxpy>=1.6,<2"', '"cvxpy>=1.6,<1.7"', "cvxpy<1.7,>=1.6 is locked at"),
        ('"rich>=13"', '"rich>=13", "unlocked-package>=1"', "unlocked-package is not in the lock"),
    ],
)
def test_a_range_that_the_lock_misses_is_named(old, new, complaint):
    assert old in PYPROJECT
    assert any(complaint in said for said in disagreements(PYPROJECT.replace(old, new), LOCK))


def test_the_lock_holds_names_versions_and_markers_only():
    assert impurities(LOCK) == []
    assert len(LOCK.splitlines()) > 100


@pytest.mark.parametrize(
    "line",
    [
        "torch @ https://example.org/torch.whl",
        "torch @ file:///somewhere/torch.whl",
        "--some-option https://example.org/simple",
        "numpy==2.0 --hash=sha256:00",
        "numpy==2.0 ; sys_platform == 'linux' @ https://example.org",
        "torch==2.13.0+cpu",
        "numpy>=2.0",
        "# made on example.org",
        "./wheels/torch.whl",
    ],
)
def test_an_address_a_hash_a_path_or_a_build_in_the_lock_is_caught(line):
    assert impurities(f"{LOCK}{line}\n") == [line]


def test_the_lock_pins_one_torch_for_every_platform_and_the_locker_agrees():
    assert [line for line in LOCK.splitlines() if line.startswith("torch==")] == [f"torch=={lock.TORCH}"]
    assert facts.locked(ROOT, "torch") == lock.TORCH


def test_the_lock_starts_at_the_oldest_python_that_is_supported():
    required = SpecifierSet(tomllib.loads(PYPROJECT)["project"]["requires-python"])
    assert lock.OLDEST_PYTHON in required
    assert ".".join(map(str, facts.MINIMUM)) == lock.OLDEST_PYTHON
    assert f"{facts.MINIMUM[0]}.{facts.MINIMUM[1] - 1}" not in required


# environment.yml agrees with pyproject.toml

CONDA_SPEC = re.compile(r"[a-z0-9_.-]+( (>=|<=|==|!=|<|>)\d+(\.\d+)*(,(>=|<=|==|!=|<|>)\d+(\.\d+)*)*)?")


def conda_specs(text: str) -> list[str]:
    return [line.removeprefix("  - ") for line in text.splitlines() if line.startswith("  - ")]


def test_the_environment_file_is_what_pyproject_says():
    assert (ROOT / "environment.yml").read_text(encoding="utf-8") == environment.render(PYPROJECT)


def test_a_stale_environment_file_fails_the_check(tmp_path):
    (tmp_path / "tools").mkdir()
    shutil.copy(ROOT / "tools" / "environment.py", tmp_path / "tools")
    (tmp_path / "environment.yml").write_text(environment.render(PYPROJECT), encoding="utf-8")
    check = [sys.executable, str(tmp_path / "tools" / "environment.py"), "--check"]
    (tmp_path / "pyproject.toml").write_text(PYPROJECT, encoding="utf-8")
    assert subprocess.run(check, check=False).returncode == 0
    (tmp_path / "pyproject.toml").write_text(PYPROJECT.replace('"numpy>=2.0"', '"numpy>=2.1"'), encoding="utf-8")
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "stale" in done.stderr


def test_every_conda_spec_is_a_name_and_plain_bounds():
    specs = conda_specs(environment.render(PYPROJECT))
    assert [spec for spec in specs if not CONDA_SPEC.fullmatch(spec)] == []
    assert len(specs) == len(environment.declared()) + 2  # python and pip


def test_packages_get_their_conda_names():
    names = [spec.split()[0] for spec in conda_specs(environment.render(PYPROJECT))]
    assert {"pytorch", "matplotlib-base", "python"} <= set(names)
    assert not {"torch", "matplotlib"} & set(names)


@pytest.mark.parametrize(
    "requirement", ["numpy[all]>=2", "numpy>=2; python_version < '3.12'", "numpy~=2.0", "numpy==2.*"]
)
def test_a_requirement_without_an_equal_in_conda_is_refused(requirement):
    with pytest.raises(ValueError, match="write it plainly"):
        environment.conda_spec(requirement)


@pytest.mark.parametrize("version", ["1.9", "2", "2.0", "2.0.0", "2.13.0+cpu", "2.6.1", "10.0", "9.2.0", "0.1.9.post1"])
@pytest.mark.parametrize("range_", ["", ">=2", ">2.0", "<2.13", "<=2.6.1", "==2.0.0", "!=2.0", ">=8,<10", ">=2.6,<3"])
def test_version_ranges_mean_what_pip_means(version, range_):
    assert environment.satisfies(version, range_) == SpecifierSet(range_).contains(version)


def test_missing_and_outdated_packages_are_named():
    have = {"numpy": "1.26.4", "torch": "2.13.0+cpu"}
    said = environment.complaints(["numpy>=2.0", "torch>=2.6", "cvxpy>=1.6,<2", "jupyter"], have.get)
    assert said == ["numpy is 1.26.4, declared >=2.0", "cvxpy is missing", "jupyter is missing"]


# The Makefile

PUBLIC = ["help", "env", "reproduce", "test", "notebooks", "bench", "site", "paper", "lab", "run"]
PUBLIC += ["sweep", "diff", "why", "report", "list", "clean", "distclean", "lock"]


def make(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CONDA", "MAKE", "MFLAGS"))}
    command = ["make", "--no-print-directory", *arguments]
    return subprocess.run(command, cwd=ROOT, env=kept | environ, capture_output=True, text=True, check=False)


def test_every_target_is_documented_and_listed_by_make_alone():
    targets = re.findall(r"^([a-z]+):(?!=)", MAKEFILE, re.MULTILINE)
    assert targets == PUBLIC
    listed = re.findall(r"^  make (\S+) +\S+", make().stdout, re.MULTILINE)
    assert listed == PUBLIC


def test_every_target_is_phony():
    phony = re.search(r"^\.PHONY: ((?:.*\\\n)*.*)$", MAKEFILE, re.MULTILINE)
    assert phony is not None
    targets = re.findall(r"^([a-z_]+):(?!=)", MAKEFILE, re.MULTILINE)
    assert set(phony[1].replace("\\", "").split()) == set(targets)


def test_make_runs_in_the_venv_unless_our_conda_environment_is_active():
    assert ".venv/bin/python -m convexnn why x --size quick" in make("-n", "why", "NB=x").stdout
    base = make("-n", "why", "NB=x", CONDA_DEFAULT_ENV="base", CONDA_PREFIX="/c")
    assert ".venv/bin/python -m convexnn why x --size quick" in base.stdout
    ours = make("-n", "why", "NB=x", CONDA_DEFAULT_ENV=facts.CONDA_NAME, CONDA_PREFIX="/c").stdout.splitlines()
    assert ours[-2:] == ["/c/bin/python tools/bootstrap.py", "/c/bin/python -m convexnn why x --size quick"]


def test_make_reproduce_passes_the_size_and_the_number_of_jobs():
    assert "-m convexnn run --size quick ; ended=" in make("-n", "reproduce").stdout
    full = make("-n", "reproduce", "SIZE=full", "JOBS=3").stdout
    assert "run --size full --jobs 3; ended=" in full
    for made in ("site", "paper"):  # a failed notebook costs neither
        assert f"-m convexnn {made} --size full --if-possible" in full
    assert full.rstrip().endswith("exit $ended")


def test_make_sweep_and_make_diff_pass_what_they_are_given():
    grid = 'sweep 01 --grid "seed=0:5 beta=0.1,1" --size full --jobs 2 --scheduler tcp://h:1'
    given = ("NB=01", "GRID=seed=0:5 beta=0.1,1", "SIZE=full", "JOBS=2", "SCHEDULER=tcp://h:1")
    assert grid in make("-n", "sweep", *given).stdout
    assert (
        '-m convexnn diff "results/before" "results/quick"'
        in make("-n", "diff", "A=results/before", "B=results/quick").stdout
    )
    done = make("diff", "A=x")
    assert done.returncode != 0 and "B=results/quick" in done.stderr


@pytest.mark.parametrize("target", ["run", "sweep", "why"])
def test_a_target_that_needs_a_notebook_asks_for_it_before_anything_is_installed(target):
    done = make(target)
    assert done.returncode != 0
    assert "NB=" in done.stderr
    assert "env:" not in done.stderr


def test_one_thread_each_unless_the_caller_says_otherwise():
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        assert re.search(rf"^{name} +\?= 1$", MAKEFILE, re.MULTILINE)
        assert re.search(rf"^export .*\b{name}\b", MAKEFILE, re.MULTILINE)


def test_every_command_the_makefile_gives_to_the_library_exists():
    from convexnn.__main__ import commands

    used = set(re.findall(r"-m convexnn (\w+)", MAKEFILE))
    assert used == {"run", "sweep", "diff", "why", "report", "list", "reference", "site", "paper"}
    assert used <= set(commands.commands)


# The sanitizer of nbval


def sanitized(text: str) -> str:
    """What nbval does with the file: each regex in turn."""
    import configparser

    rules = configparser.RawConfigParser()
    rules.read(ROOT / "tests" / "nbval_sanitize.cfg", encoding="utf-8")
    for section in rules.sections():
        text = re.sub(rules.get(section, "regex"), rules.get(section, "replace"), text)
    return text


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("<Line2D at 0x7f3a5c>", "<Line2D at 0x7f9911>"),
        ("in ipykernel_4711/12345.py:3", "in ipykernel_815/998.py:3"),
        ("50%|### | 5/10 [00:01<00:02, 4.71it/s]", "50%|### | 5/10 [00:02<00:03, 3.3it/s]"),
        ("gap 0.12345678", "gap 0.12349999"),
    ],
)
def test_what_differs_between_two_runs_is_wiped_out(one, other):
    assert sanitized(one) == sanitized(other)


@pytest.mark.parametrize(
    ("one", "other"), [("gap 0.1234", "gap 0.1235"), ("certified", "inconclusive"), ("[1, 2]", "[1, 3]")]
)
def test_what_a_claim_says_is_not_wiped_out(one, other):
    assert sanitized(one) != sanitized(other)
