"""The paper holds no number that a result file does not hold, names what is missing, and is the same byte for byte."""

import base64
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from tiny_projects import GAUGE, LOSS, tiny, write

from convexnn import report
from convexnn.__main__ import main
from convexnn.claims import Claim, Source
from convexnn.pipeline import paper, paper_tables
from convexnn.pipeline.latex import column, escape, number, prose, rounded, uncommented
from convexnn.pipeline.ledger import Row
from convexnn.pipeline.paper_values import MACROS, Values, requests
from convexnn.pipeline.project import Project, ProjectError

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "paper").rglob("*.tex"))

needs_latex = pytest.mark.skipif(bool(paper.missing()), reason="LaTeX is not installed")

MAIN = r"""
\documentclass{article}
\input{preamble}
\begin{document}
\input{values}
\section{Tiny} \today.
The value is \val[.3f]{01_gauge}{value}, the loss \val{02_loss}{loss}; \howmany{certified} certified.
See Figure~\ref{fig:01_gauge:curve} and \cell{01_gauge}{both}{1}{name}. % \val{nowhere}{nothing}
\resultfigure{01_gauge}{curve} \resulttable{01_gauge}{both} \runs
\input{theorems}
\bibliographystyle{plainnat}\bibliography{references}
\end{document}
"""
BIB = "@article{tiny,\n title = {Tiny},\n author = {T. Iny},\n year = {2000},\n eprint = {0000.00000},\n}\n"


def draw(stored):
    from matplotlib.figure import Figure

    figure = Figure()
    figure.subplots().plot([0, 1], [0, stored["value"]])
    return figure


def finished(project, monkeypatch):
    """A finished result of 01_gauge, written through the door that notebooks use; 02_loss has none."""
    folder = project.results("quick") / "01_gauge"
    monkeypatch.setenv("CONVEXNN_RESULT_DIR", str(folder))
    monkeypatch.setenv("CONVEXNN_KEY", "0123456789abcdef")
    monkeypatch.setenv("CONVEXNN_PROVENANCE", json.dumps({"commit": "c0ffee" * 6, "dirty": False, "machine": {}}))
    result = report.Result("01_gauge", parameters={"size": "quick", "seed": 0})
    result.save(rtol=None, value=0.5, tiny=1.25e-9)
    source = Source("Tiny", "0000.00000", "Theorem 1")
    result.measure(Claim("one.gap", "the gap closes", source, "certificate", 1e-6), 1e-9)
    result.figure("curve", draw, caption="A line & 100 % of it.")
    result.table("both", ["name", "value"], [["a", 1.0], ["b", 2.5]], caption="Two rows.")
    picture = base64.b64encode((folder / "figures" / "curve.png").read_bytes()).decode()
    shown = {"cells": [{"outputs": [{"data": {"image/png": picture}}]}]}  # the ledger compares the files with it
    (folder / "notebook.ipynb").write_text(json.dumps(shown), encoding="utf-8")
    (folder / "run.json").write_text(json.dumps({"format": 1, "elapsed_s": 1.5}), encoding="utf-8")


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A tiny project with a paper of one page."""
    return prepared(tmp_path / "here", monkeypatch)


def prepared(folder, monkeypatch):
    tiny(folder, _01_gauge=GAUGE, _02_loss=LOSS)
    made = write(folder, {"paper/main.tex": MAIN, "paper/references.bib": BIB})
    shutil.copy(ROOT / "paper" / "preamble.tex", folder / "paper")
    finished(made, monkeypatch)
    return made


def gathered(project):
    paper.gather(project, "quick", project.root / "build" / "paper")
    return (project.root / "build" / "paper" / "values.tex").read_text(encoding="utf-8")


def add(project, text):
    """One more line before the end of the tiny paper."""
    path = project.root / "paper" / "main.tex"
    path.write_text(path.read_text(encoding="utf-8").replace(r"\end{document}", text + "\n\\end{document}"), "utf-8")


# ---- values ---------------------------------------------------------------------------------------------------------


def test_numbers_tables_and_claims_come_from_the_result_files(project):
    values = gathered(project)
    assert r"\setresult{val|.3f|01_gauge|value}{0.500}" in values
    assert r"\setresult{cell||01_gauge|both|1|name}{b}" in values
    assert r"\setresult{howmany||certified}{1}" in values
    assert "nowhere" not in values  # a comment is no request
    assert (project.root / "build" / "paper" / "figures" / "01_gauge-curve.pdf").is_file()


def test_captions_and_ledgers_name_notebook_key_and_commit(project):
    values = gathered(project)
    for macro in ("resultfigure||01_gauge|curve", "resulttable||01_gauge|both", "ledger||one"):
        text = values.partition(f"\\setresult{{{macro}}}")[2].partition("\\setresult")[0]
        assert r"01\_" in text and "0123456789abcdef" in text and "c0ffeec0ff" in text, macro


def test_a_notebook_that_was_not_run_is_said_in_its_place(project):
    assert r"\setresult{val||02_loss|loss}{\notrun{" in gathered(project)
    add(project, r"\claim{one.idle}")
    assert r"\setresult{claim||one.idle}{\notrun{" in gathered(project)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (r"\val{01_gauge}{valeu}", r"numbers of 01_gauge hold no 'valeu'. Did you mean 'value'"),
        (r"\val{01_gage}{value}", r"notebooks hold no '01_gage'. Did you mean '01_gauge'"),
        (r"\cell{01_gauge}{both}{2}{name}", r"rows 0 to 1, not '2'"),
        (r"\cell{01_gauge}{both}{0}{nam}", r"columns of both hold no 'nam'"),
        (r"\resulttable[name; no]{01_gauge}{both}", r"columns of both hold no 'no'"),
        (r"\resultfigure{01_gauge}{curves}", r"figures of 01_gauge hold no 'curves'"),
        (r"\claim{one.gab}", r"claims hold no 'one.gab'"),
        (r"\ledger{two}", r"groups of claims hold no 'two'"),
        (r"\howmany{certain}", r"statuses hold no 'certain'"),
        (r"\bench{gated}{S}{a}{b}", r"benchmark tables hold no 'gated'"),
        (r"\val{01_gauge}", r"takes 2 arguments, found 1"),
    ],
)
def test_a_macro_without_a_value_stops_the_build_and_names_its_line(project, text, complaint):
    add(project, text)
    line = MAIN.lstrip("\n").count("\n")
    with pytest.raises(ProjectError, match=rf"paper/main.tex:{line}: .*{complaint}"):
        gathered(project)


def test_a_theorem_without_a_text_gets_a_section_from_its_module(project):
    gathered(project)
    section = (project.root / "build" / "paper" / "sections" / "one.tex").read_text(encoding="utf-8")
    assert r"\resultfigure{01_gauge}{curve}" in section and r"\ledger{one}" in section and r"\sources{one}" in section
    assert "sections/one" in (project.root / "build" / "paper" / "theorems.tex").read_text(encoding="utf-8")


def test_one_file_is_all_that_a_theorem_needs(project):
    text = "% shape: tiny & $A$ & $g$ & none\n\\section{One}\\label{sec:one} \\citet{tiny} \\ledger{one}\n"
    write(project.root, {"paper/sections/one.tex": text})
    add(project, r"\shapes")
    values = gathered(project)
    assert r"\hyperref[sec:one]{tiny} & $A$ & $g$ & none" in values
    write(project.root, {"paper/sections/one.tex": text.replace("& none", "")})
    with pytest.raises(ProjectError, match=r"sections/one.tex: the shape has 3 cells"):
        gathered(project)


def test_citations_and_sources_have_to_be_in_the_bibliography(project):
    add(project, r"\citep{tiny, tina}")
    with pytest.raises(ProjectError, match=r"main.tex cites 'tina'"):
        gathered(project)
    write(project.root, {"paper/references.bib": BIB.replace("0000.00000", "0000.00001")})
    with pytest.raises(ProjectError, match=r"claim one.gap: .* no eprint 0000.00000"):
        gathered(project)


def test_a_ledger_row_says_what_was_required_and_shouts_when_it_failed():
    row = Row(
        "t.c", "the point is above", "Tiny (arXiv 0000.00000)", "network", "one_sided", 1e-9, "holds_on_tested", 2e-4,
        1, (0,), "", ("01_a",), "",
    )  # fmt: skip
    held = paper_tables.ledger("t", [row], ["a run"])
    assert r"the point is above & network & above $\ge$ $-10^{-9}$ & 0.0002 & holds \\" in held
    failed = replace(row, status="contradicted", kind="agreement", tolerance=0.0, source="this project")
    both = paper_tables.ledger("t", [failed, row], ["a run"])
    assert r"above\ownclaim & network & diff.\ $\le$ 0 & 0.0002 & \textbf{contradicted} \\*" in both


def test_seconds_of_solvers_say_who_proved_what():
    common = {"share": 0.01, "status": "reached", "cpu_s": 2.0}
    rows = [
        {**common, "instance": "L, 0.01", "n": 20, "contender": "peer", "certified_cpu_s": 3.0},
        {**common, "instance": "S, 0.01", "n": 10, "contender": "peer"},
        {**common, "instance": "S, 0.01", "n": 10, "contender": "interior", "certified_cpu_s": 1.0},
        {**common, "instance": "L, 0.01", "n": 20, "contender": "other", "status": "limit", "limit_s": 60.0},
        {**common, "instance": "S, 0.01", "n": 10, "contender": "other", "status": "skipped"},
        {**common, "instance": "S, 0.1", "n": 10, "contender": "elsewhere", "share": 0.1},
    ]
    table = paper_tables.solver_times(rows, 0.01).splitlines()
    assert table[2] == r"solver & S & L \\"
    assert table[4:7] == [r"\texttt{interior} & 1 & --- \\", r"other & --- & $>$60 \\", r"peer & (2) & 3 \\"]


# ---- LaTeX ----------------------------------------------------------------------------------------------------------


@needs_latex
def test_two_builds_in_two_places_are_the_same_bytes(project, tmp_path, monkeypatch):
    first = paper.build(project)
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    second = paper.build(prepared(tmp_path / "elsewhere" / "deeper", monkeypatch))
    assert first != second and first.read_bytes() == second.read_bytes()
    assert b"CreationDate" not in first.read_bytes() and b"/ID [" not in first.read_bytes()
    assert str(tmp_path).encode() not in first.read_bytes()
    made = first.stat().st_mtime_ns
    assert paper.build(project).stat().st_mtime_ns == made  # nothing changed, nothing is set again
    add(project, "More.")
    assert paper.build(project).read_bytes() != second.read_bytes()


@needs_latex
def test_what_latex_complains_about_is_said_in_a_line(project):
    add(project, r"\undefinedmacro")
    with pytest.raises(ProjectError, match=r"main.tex:\d+: Undefined control sequence"):
        paper.build(project)
    write(project.root, {"paper/main.tex": MAIN.replace("fig:01_gauge:curve", "fig:gone")})
    with pytest.raises(ProjectError, match="fig:gone"):
        paper.build(project)
    assert not (project.root / "paper" / "tiny.pdf").exists()


def test_without_results_the_error_says_what_to_run(project, monkeypatch):
    monkeypatch.setattr(paper, "missing", lambda: [])
    shutil.rmtree(project.results("quick"))
    with pytest.raises(ProjectError, match="make reproduce"):
        paper.build(project)


def test_without_latex_the_command_says_what_to_install_and_if_possible_goes_on(project, monkeypatch, capsys):
    monkeypatch.setenv("CONVEXNN_ROOT", str(project.root))
    monkeypatch.setattr(paper.shutil, "which", lambda name: None if name == "latexmk" else name)
    assert paper.missing() == ["latexmk"]
    with pytest.raises(SystemExit) as ended:
        main(["paper"])
    shown = capsys.readouterr()
    assert ended.value.code == 2 and "latexmk" in shown.err and "apt install" in shown.err
    with pytest.raises(SystemExit) as ended:
        main(["paper", "--if-possible"])
    shown = capsys.readouterr()
    assert not ended.value.code and shown.out.startswith("no paper: it needs latexmk") and shown.out.count("\n") == 1


# ---- the paper of this project --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """This project's sources without any result, and what is gathered of them."""
    folder = tmp_path_factory.mktemp("paper")
    for name in ("pyproject.toml", "benchmarks", "lib", "notebooks", "paper", "tests"):
        (folder / name).symlink_to(ROOT / name)
    project = Project.find(folder)
    return paper.gather(project, "quick", folder / "build" / "paper"), folder / "build" / "paper"


def test_every_theorem_is_in_the_paper_once_with_its_ledger_and_its_sources(checkout):
    values, folder = checkout
    texts = [(folder / f"{name}.tex").read_text(encoding="utf-8") for name in ("main", "theorems")]
    assert len(values.groups) > 11
    for group in values.groups:
        assert sum(text.count(f"{{sections/{group}}}") for text in texts) == 1, group
        section = (folder / "sections" / f"{group}.tex").read_text(encoding="utf-8")
        assert section.count(f"\\ledger{{{group}}}") == 1 and f"\\label{{sec:{group}}}" in section, group
        assert group == "solvers" or f"\\sources{{{group}}}" in section, group


def test_no_section_is_left_out(checkout):
    _, folder = checkout
    read = "".join((folder / f"{name}.tex").read_text(encoding="utf-8") for name in ("main", "theorems"))
    assert [path.stem for path in SOURCES if path.parent.name == "sections" and f"/{path.stem}}}" not in read] == []


def is_saved(name, source):
    """`name=...`, or a key like f"fit_{kind}" or f"{data}_lower"."""
    fronts, ends = (name[:at] for at in range(3, len(name))), (name[at:] for at in range(1, len(name) - 3))
    made = any(f'f"{front}{{' in source for front in fronts) or any(f'}}{end}"' in source for end in ends)
    return made or re.search(rf"\b{name}=", source)


def test_every_name_in_the_paper_is_one_that_its_notebook_saves():
    """Against the committed references; tables, and numbers that are never compared, against the notebook's source."""
    stored = {path.stem: json.loads(path.read_text("utf-8")) for path in (ROOT / "tests" / "reference").glob("*.json")}
    claims = {claim for doc in stored.values() for claim in doc["claims"]}
    asked = [ask for path in SOURCES for ask in requests(path.read_text(encoding="utf-8"), path.name)]
    assert len(asked) > 120
    for ask in asked:
        if ask.macro in ("claim", "status"):
            assert ask.arguments[0] in claims, ask
        if ask.macro in ("val", "resultfigure"):
            notebook, name = ask.arguments
            saved = (ROOT / "notebooks" / f"{notebook}.py").read_text(encoding="utf-8")
            kept = stored[notebook]["numbers" if ask.macro == "val" else "figures"]
            assert name in kept or is_saved(name, saved), ask
        if ask.macro in ("cell", "resulttable"):
            saved = (ROOT / "notebooks" / f"{ask.arguments[0]}.py").read_text(encoding="utf-8")
            assert f'"{ask.arguments[1]}"' in saved, ask


def test_the_preamble_defines_every_macro_that_the_builder_knows():
    text = (ROOT / "paper" / "preamble.tex").read_text(encoding="utf-8")
    for name, count in MACROS.items():
        keys = "|".join(f"#{place}" for place in range(1, count + 2))
        assert f"\\NewDocumentCommand{{\\{name}}}{{O{{}}{'m' * count}}}{{\\resultof{{{name}|{keys}}}}}" in text, name


def test_no_measured_number_is_typed_into_the_prose():
    """A decimal fraction in the text would be one; tolerances are powers of ten, and beta shares name an instance."""
    for path in SOURCES:
        calls = rf"\\({'|'.join(MACROS)})(?![a-z])(\[[^\]]*\])?(\{{[^{{}}]*\}})*"
        text = re.sub(rf"{calls}|0\.01\\,|[\d.]+\\linewidth", "", uncommented(path.read_text(encoding="utf-8")))
        found = re.findall(r"(?<![\w.])\d+\.\d+(?![\w.])", text)
        assert path.name == "preamble.tex" or found == [], (path.name, found)


@needs_latex
def test_the_paper_can_be_set_without_any_result_and_no_box_is_too_wide(checkout):
    _, folder = checkout
    assert paper.typeset(folder).is_file()
    assert paper.overfull(folder) == []


@needs_latex
def test_a_theorem_may_lose_its_text_and_the_paper_still_fits(tmp_path):
    for name in ("pyproject.toml", "benchmarks", "lib", "notebooks", "tests"):
        (tmp_path / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "paper", tmp_path / "paper", ignore=shutil.ignore_patterns("*.pdf"))
    (tmp_path / "paper" / "sections" / "attention.tex").unlink()
    folder = tmp_path / "build" / "paper"
    paper.gather(Project.find(tmp_path), "quick", folder)
    assert "one nuclear norm" in (folder / "sections" / "attention.tex").read_text(encoding="utf-8")
    assert paper.typeset(folder).is_file() and paper.overfull(folder) == []


# ---- text and numbers as LaTeX --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (
            "five points: 8 beta - 8 beta^2 for beta <= 0.3",
            r"five points: 8 $\beta$ $-$ 8 $\beta^{2}$ for $\beta$ $\le$ 0.3",
        ),
        ("the network's value, e.g. a point", "the network's value, e.g. a point"),
        ("W_l'W_l = W_{l+1} W_{l+1}'", "$W_{l}'W_{l}$ = $W_{l+1}$ $W_{l+1}'$"),
        ("|v'(Xu + b)_+| = beta", r"\textbar{}$v'$($Xu$ + $b$)$_{+}$\textbar{} = $\beta$"),
        ("#{sigma_i > tau_L(beta)}", r"\#\{$\sigma_{i}$ \textgreater{} $\tau_{L}$($\beta$)\}"),
        ("sum s^(2/L), 1e-6, 3.5e+04, 20 s", r"sum $s^{2/L}$, $10^{-6}$, $3.5\times 10^{4}$, 20 s"),
        ("a & b_c 100 % `solve`", r"a \& $b_{c}$ 100 \% \texttt{solve}"),
    ],
)
def test_ascii_mathematics_is_set_and_everything_else_escaped(text, wanted):
    assert prose(text) == wanted


def test_numbers_are_rounded_and_never_blank():
    assert number(0.30511109) == "0.3051" and number(12) == "12" and number(-2.5) == "$-2.5$"
    assert number(1e-6, ".2g") == "$10^{-6}$" and number(-1.5e-9, ".2g") == r"$-1.5\times 10^{-9}$"
    assert number(float("inf")) == r"$\infty$" and number(float("nan")) == "NaN" and number(None) == "---"
    assert number("NaN") == "NaN" and number(True) == "True" and rounded(0.0) == "0"
    assert rounded(0.4747) == "0.475" and rounded(4.1e-9) == r"$4.1\times 10^{-9}$"
    assert column([0.47569, 1.1705, 0.0]) == ["0.4757", "1.1705", "0"] and column([3, 4]) == ["3", "4"]
    assert escape("a\\b{c}~é☃") == r"a\textbackslash{}b\{c\}\textasciitilde{}é[U+2603]"


def test_values_are_asked_of_results_only(project):
    values = Values(project, "quick", {"0000.00000": "tiny"})
    request = requests(r"\val[.2e]{01_gauge}{tiny}", "x.tex")[0]
    assert values.definition(request) == r"$1.25\times 10^{-9}$"
    assert values.definition(requests(r"\sources{one}", "x.tex")[0]) == r"\citet{tiny}"
