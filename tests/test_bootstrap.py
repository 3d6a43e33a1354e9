"""tools/bootstrap.py: the right commands in every situation, and nothing to do when nothing has changed."""

import ast
import sys
from dataclasses import replace
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))

import bootstrap  # noqa: E402
import facts  # noqa: E402
from facts import Facts, Refused  # noqa: E402

VENV = ".venv/bin/python"
LINUX = Facts(python="python3", version=(3, 11), system="Linux", key="now cpu", torch="2.13.0")
CREATE = ("python3", "-m", "venv", ".venv")
REBUILD = ("python3", "-m", "venv", "--clear", ".venv")
UV = (VENV, "-m", "pip", "install", "-qq", "uv")
CPU = (VENV, "-m", "uv", "pip", "install", "-q", "--python", VENV, "--torch-backend", "cpu", "torch==2.13.0")
DROP = (VENV, "-m", "pip", "uninstall", "-qq", "-y", "torch")
REST = (VENV, "-m", "pip", "install", "-qq", "-c", facts.LOCK, "-e", ".[notebooks,test,lint,site,sweep,tables,browser]")
CONDA = ("python3", "-m", "pip", "install", "-qq", "--no-deps", "--no-build-isolation", "-e", ".")

SITUATIONS = {
    "linux without a gpu takes the cpu torch through uv": (LINUX, [CREATE, UV, CPU, REST]),
    "linux with a gpu takes plain pip": (replace(LINUX, has_gpu=True, key="now cuda"), [CREATE, REST]),
    "a local folder of wheels needs plain pip only": (replace(LINUX, has_local_wheels=True), [CREATE, REST]),
    "a mac needs plain pip only": (replace(LINUX, system="Darwin"), [CREATE, REST]),
    "a usable venv is kept": (replace(LINUX, venv="usable", has_local_wheels=True), [REST]),
    "a venv made from other files is brought up to date": (
        replace(LINUX, venv="usable", stamp="before cpu", has_local_wheels=True),
        [REST],
    ),
    "a venv without pip is completed": (replace(LINUX, venv="partial"), [CREATE, UV, CPU, REST]),
    "a venv whose python is gone is built again": (replace(LINUX, venv="foreign"), [REBUILD, UV, CPU, REST]),
    "a usable venv serves an old python too": (replace(LINUX, venv="usable", version=(3, 9)), [UV, CPU, REST]),
    "a gpu that appears replaces the cpu torch": (
        replace(LINUX, venv="usable", stamp="now cpu", key="now cuda", has_gpu=True, has_cpu_torch=True),
        [DROP, REST],
    ),
    "a gpu leaves a cuda torch alone": (replace(LINUX, venv="usable", key="now cuda", has_gpu=True), [REST]),
    "up to date means nothing to do": (replace(LINUX, stamp="now cpu"), []),
    "up to date means nothing to do for an old python either": (replace(LINUX, stamp="now cpu", version=(3, 9)), []),
    "a cuda environment serves a machine without a gpu": (replace(LINUX, stamp="now cuda"), []),
    "conda installs the library and nothing else": (replace(LINUX, in_conda=True, key="now conda"), [CONDA]),
    "conda that is up to date means nothing to do": (
        replace(LINUX, in_conda=True, key="now conda", stamp="now conda"),
        [],
    ),
}


@pytest.mark.parametrize("name", SITUATIONS)
def test_the_plan(name):
    situation, expected = SITUATIONS[name]
    assert [step.argv for step in bootstrap.plan(situation)] == expected


def test_windows_has_its_own_path_to_the_interpreter():
    steps = bootstrap.plan(replace(LINUX, system="Windows"))
    assert [step.argv[0] for step in steps] == ["python3", ".venv/Scripts/python.exe"]


def test_only_the_way_to_the_cpu_torch_may_fail():
    assert [step.argv for step in bootstrap.plan(LINUX) if step.optional] == [UV, CPU]


@pytest.mark.parametrize(
    ("situation", "sentence"),
    [
        (
            replace(LINUX, version=(3, 10)),
            "Python 3.11 or newer is needed and python3 is Python 3.10.* PYTHON=python3.12",
        ),
        (replace(LINUX, has_venv_module=False), "lacks venv or ensurepip.* apt install python3-venv"),
        (replace(LINUX, in_conda=True, version=(3, 10)), "Python 3.11 or newer is needed"),
        (
            replace(LINUX, in_conda=True, conda_complaints=("cvxpy is missing", "numpy is 1.26.4, declared >=2.0")),
            "cvxpy is missing; numpy is 1.26.4, declared >=2.0. Try: conda env update -n convexnn -f environment.yml",
        ),
    ],
)
def test_what_cannot_be_made_is_refused_with_the_next_thing_to_do(situation, sentence):
    with pytest.raises(Refused, match=sentence):
        bootstrap.plan(situation)


@pytest.mark.parametrize(
    ("listing", "expected"),
    [
        ("", False),
        ("global.cert='/etc/ssl/ca.crt'\n:env:.default-timeout='180'\n", False),
        ("global.find-links='/somewhere/wheels'\n", True),
        (":env:.find-links='wheels'\n", True),
        ("install.find_links='wheels'\n", True),
        ("global.find-links=''\n", False),
        ("global.cert='find-links'\n", False),
    ],
)
def test_a_local_folder_of_wheels_is_read_from_pips_configuration(listing, expected):
    assert facts.names_local_wheels(listing) is expected


def test_only_the_active_conda_environment_of_our_name_is_used():
    assert facts.is_our_conda(sys.prefix, "convexnn")
    assert facts.is_our_conda(sys.prefix, "somewhere/envs/convexnn")
    assert not facts.is_our_conda(sys.prefix, "base")
    assert not facts.is_our_conda("/elsewhere", "convexnn")
    assert not facts.is_our_conda("", "convexnn")


def fake_venv(root: Path, version: str = "3.11.7", with_pip: bool = True) -> Path:
    python = root / facts.venv_python("Linux")
    python.parent.mkdir(parents=True)
    python.touch()
    (root / ".venv" / "pyvenv.cfg").write_text(f"home = somewhere\nversion = {version}\n", encoding="utf-8")
    site = root / ".venv" / "lib" / "python3.11" / "site-packages"
    for name in ["numpy-2.4.6.dist-info", *(["pip-23.2.1.dist-info"] if with_pip else [])]:
        (site / name).mkdir(parents=True)
        (site / name / "RECORD").touch()
        (site / name / "INSTALLER").touch()
    return site


def test_the_state_of_a_venv_is_read_from_its_files(tmp_path):
    assert facts.venv_state(tmp_path, "Linux") == "absent"
    site = fake_venv(tmp_path)
    assert facts.venv_state(tmp_path, "Linux") == "usable"
    (site / "pip-23.2.1.dist-info" / "RECORD").unlink()
    assert facts.venv_state(tmp_path, "Linux") == "partial"
    (tmp_path / facts.venv_python("Linux")).unlink()
    assert facts.venv_state(tmp_path, "Linux") == "foreign"


def test_a_venv_of_an_old_python_is_foreign(tmp_path):
    fake_venv(tmp_path, version="3.10.2")
    assert facts.venv_state(tmp_path, "Linux") == "foreign"


def test_a_killed_installation_is_forgotten_and_finished_packages_stay(tmp_path):
    site = fake_venv(tmp_path)
    stamp = tmp_path / ".venv" / ".stamp"
    stamp.write_text("before cpu\n", encoding="utf-8")
    (site / "scipy-1.17.1.dist-info").mkdir()
    (site / "scipy-1.17.1.dist-info" / "METADATA").touch()
    (site / "~cipy").mkdir()
    bootstrap.forget(stamp, facts.site_packages(tmp_path / ".venv"))
    assert sorted(path.name for path in site.iterdir()) == ["numpy-2.4.6.dist-info", "pip-23.2.1.dist-info"]
    assert not stamp.exists()


def test_the_fingerprint_sees_each_file_the_folder_and_the_backend(tmp_path):
    def tree(name: str, pyproject: str = "a", lock_text: str = "b") -> Path:
        (tmp_path / name / "requirements").mkdir(parents=True)
        (tmp_path / name / "pyproject.toml").write_text(pyproject, encoding="utf-8")
        (tmp_path / name / facts.LOCK).write_text(lock_text, encoding="utf-8")
        return tmp_path / name

    first = tree("first")
    prints = [
        facts.fingerprint(first, "cpu"),
        facts.fingerprint(first, "cuda"),
        facts.fingerprint(tree("moved"), "cpu"),
    ]
    (first / "pyproject.toml").write_text("c", encoding="utf-8")
    prints.append(facts.fingerprint(first, "cpu"))
    (first / facts.LOCK).write_text("c", encoding="utf-8")
    prints.append(facts.fingerprint(first, "cpu"))
    assert len(set(prints)) == len(prints)
    assert prints[-1] == facts.fingerprint(first, "cpu")


def carried_out(steps: list[bootstrap.Step], failing: set[str], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    done: list[str] = []
    monkeypatch.setattr(bootstrap, "run", lambda step: done.append(step.say) or int(step.say in failing))
    bootstrap.carry_out(steps)
    return done


STEPS = [bootstrap.Step("uv", (), True), bootstrap.Step("torch", (), True), bootstrap.Step("rest", ("pip", "rest"))]


def test_after_a_failed_way_to_the_cpu_torch_plain_pip_goes_on_and_says_so(monkeypatch, capsys):
    assert carried_out(STEPS, {"uv"}, monkeypatch) == ["uv", "rest"]
    assert carried_out(STEPS, {"torch"}, monkeypatch) == ["uv", "torch", "rest"]
    assert capsys.readouterr().err.count("going on with plain pip") == 2


def test_a_failed_installation_stops_with_the_command_that_failed(monkeypatch):
    with pytest.raises(Refused, match="`pip rest` failed"):
        carried_out(STEPS, {"rest"}, monkeypatch)


def test_an_up_to_date_environment_is_left_as_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr(facts, "finds_gpu", lambda: False)
    monkeypatch.setattr(facts, "look_closer", lambda *_: pytest.fail("the dear questions were asked"))
    monkeypatch.delenv("CONDA_DEFAULT_ENV", raising=False)
    (tmp_path / "requirements").mkdir()
    (tmp_path / ".venv").mkdir()
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / facts.LOCK).touch()
    bootstrap.write_stamp(tmp_path / ".venv" / ".stamp", facts.fingerprint(tmp_path, "cpu"))
    assert bootstrap.plan(facts.gather(tmp_path)) == []


@pytest.mark.parametrize("name", ["bootstrap", "facts"])
def test_an_old_python_can_read_the_bootstrap_and_needs_no_package_for_it(name):
    tree = ast.parse((ROOT / "tools" / f"{name}.py").read_text(encoding="utf-8"), feature_version=(3, 8))
    top = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {alias.name for node in top if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module.split(".")[0] for node in top if isinstance(node, ast.ImportFrom) and node.module}
    assert names - {"facts", "tomllib"} <= set(sys.stdlib_module_names)
    assert "tomllib" not in names  # 3.11
    assert "__future__" in names
