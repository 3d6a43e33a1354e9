"""The workflows name what is there: make targets and their variables; and do what docs/design.md says of them."""

import re
from pathlib import Path

import pytest

yaml = pytest.importorskip("yaml")

ROOT = Path(__file__).resolve().parent.parent
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
WORKFLOWS = {path.stem: path.read_text(encoding="utf-8") for path in (ROOT / ".github/workflows").glob("*.yml")}
CALL = re.compile(r"(?<![\w-])make(?P<words>(?: +[\w./=-]+)+)")


def parsed(text):
    """Events by name, and jobs; YAML 1.1 reads the key `on` as true."""
    doc = yaml.safe_load(text)
    return doc.get("on", doc.get(True)), doc["jobs"]


def steps(text):
    return [step for job in parsed(text)[1].values() for step in job["steps"]]


def complaints(workflow, makefile=MAKEFILE):
    """Targets and variables in `run:` lines that the Makefile does not have, and actions without a version."""
    targets = set(re.findall(r"^([a-z]+):(?!=)", makefile, re.MULTILINE))
    variables = set(re.findall(r"^(\w+) *\?=", makefile, re.MULTILINE))
    said = []
    for step in steps(workflow):
        if "uses" in step and not re.fullmatch(r"[\w./-]+@v\d+", step["uses"]):
            said.append(f"{step['uses']} has no version")
        for call in CALL.finditer(step.get("run", "")):
            words = call["words"].split()
            said += [f"no target {word}" for word in words if "=" not in word and word not in targets]
            said += [
                f"no variable {word.split('=')[0]}"
                for word in words
                if "=" in word and word.split("=")[0] not in variables
            ]
    return said


@pytest.mark.parametrize("name", WORKFLOWS)
def test_every_make_target_and_variable_exists(name):
    assert complaints(WORKFLOWS[name]) == []
    assert any("make " in step.get("run", "") for step in steps(WORKFLOWS[name]))


def test_a_target_a_variable_or_a_version_that_is_missing_is_named():
    text = WORKFLOWS["notebooks"]
    assert complaints(text.replace("make reproduce SIZE=quick", "make reproduced SIZES=quick")) == [
        *["no target reproduced", "no variable SIZES"] * 2
    ]
    assert complaints(text.replace("actions/checkout@v4", "actions/checkout"))[0].endswith("has no version")
    assert "no target diff" in complaints(text, MAKEFILE.replace("\ndiff:", "\ndiffs:"))


def test_pull_requests_validate_the_notebooks_at_quick_size_and_mondays_rebuild_them():
    events, jobs = parsed(WORKFLOWS["notebooks"])
    assert "pull_request" in events and re.fullmatch(r"\d+ \d+ \* \* [0-6]", events["schedule"][0]["cron"])
    runs = {name: [step.get("run", "") for step in job["steps"]] for name, job in jobs.items()}
    assert "pull_request" in jobs["validate"]["if"] and "schedule" in jobs["rebuild"]["if"]
    assert "make reproduce SIZE=quick" in runs["validate"] and "make reproduce SIZE=quick" in runs["rebuild"]


def test_environment_and_results_are_cached_and_the_rebuild_starts_from_nothing():
    _, jobs = parsed(WORKFLOWS["notebooks"])
    kept = {
        name: [step["with"]["path"] for step in job["steps"] if step.get("uses", "").startswith("actions/cache")]
        for name, job in jobs.items()
    }
    assert kept == {"validate": [".venv", "results"], "rebuild": []}
    for text in WORKFLOWS.values():
        for step in steps(text):
            key = step.get("with", {}).get("key", "")
            if key.startswith("venv"):
                assert all(part in key for part in ("python-version", "pyproject.toml", "requirements/constraints.txt"))


@pytest.mark.parametrize("name", WORKFLOWS)
def test_jobs_may_only_read_and_end_in_time(name):
    doc = yaml.safe_load(WORKFLOWS[name])
    assert doc["permissions"] == {"contents": "read"}
    assert all(0 < job["timeout-minutes"] <= 90 for job in doc["jobs"].values())
