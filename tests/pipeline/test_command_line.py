"""`python -m convexnn` as a user types it; nothing here starts a kernel."""

import pytest
from tiny_projects import GAUGE, tiny

from convexnn.__main__ import main


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setenv("CONVEXNN_ROOT", str(tmp_path))
    return tiny(tmp_path, _01_gauge=GAUGE)


def call(capsys, *arguments):
    with pytest.raises(SystemExit) as exit:
        main(arguments)
    shown = capsys.readouterr()
    return exit.value.code or 0, shown.out, shown.err


@pytest.mark.parametrize(
    "arguments", [("run", "01_gage"), ("run", "-p", "sed=1"), ("run", "-p", "seed"), ("why", "07"), ("reference", "x")]
)
def test_an_expected_error_is_one_line_and_code_2(project, capsys, arguments):
    code, _, err = call(capsys, *arguments)
    assert code == 2 and err.startswith("error: ") and err.count("\n") == 1


def test_help_names_every_command(project, capsys):
    code, out, _ = call(capsys, "--help")
    assert code == 0
    for word in ("run", "sweep", "diff", "list", "why", "report", "reference", "clean", "data"):
        assert f"  {word} " in out


def test_list_why_report_and_clean_work_before_any_run(project, capsys):
    assert "never run" in call(capsys, "list")[1]
    assert call(capsys, "why", "01")[1] == "never run\n"
    assert "3 not measured" in call(capsys, "report")[1]
    assert "results/quick/index.html" in call(capsys, "report")[1]
    assert call(capsys, "clean", "--all")[1] == "removed results\n"
