"""Plain text, numbers and tables as LaTeX: what result files hold, set as a reader expects it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", "–": "--", "—": "---", "’": "'", "“": "``", "”": "''", "−": "$-$", "×": r"$\times$",
    "\xa0": "~", "≤": r"$\le$", "≥": r"$\ge$", "β": r"$\beta$",
}  # fmt: skip
RAISED = r"_\{[^{}]*\}|\^\([^()]*\)|\^[+*\d]|\^[A-Za-z](?!\w)"
MARK = rf"(?:{RAISED}|_[A-Za-z\d]+|_\+|_\((?:[^()]|\([^()]*\))*\)|\*(?=[\s()])|'(?![a-z]{{2}}))"
LOOSE = rf"(?:{RAISED}|_\+|_\d(?!\w)|_\((?:[^()]|\([^()]*\))*\))"
#: What the project writes in ASCII and a reader wants as mathematics; everything else is escaped as it is.
ASCII_MATH = re.compile(
    rf"(?P<greek>\b(?:alpha|beta|lambda|sigma|tau)\b|\b(?:alpha|beta|lambda|sigma|tau)(?=_))(?P<marks>{MARK}*)"
    rf"|(?<![\w.\\])(?P<letter>[A-Za-z1])(?P<letter_marks>{MARK}+)"
    r"|(?<![\w'.])(?<!\d )(?P<alone>[b-zB-HJ-Z]|X[uw]|(?<=[|(])a(?=[|)])|(?<== )I)(?![\w']|\.\w)"
    r"|\b(?P<power>\d+(?:\.\d+)?e[-+]?\d+)\b"
    r"|\bl(?P<norm>1|2|inf)\b"
    rf"|(?<=[)}}|\]a-z])(?P<loose>{LOOSE}+)"
    r"|(?P<relation><=|>=)|(?P<minus>(?<=\s)-(?=\s)|(?<![\w-])-(?=\d|[A-Z]\b))|`(?P<code>[^`]+)`"
)


def escape(text: str) -> str:
    """`text` with every character that LaTeX treats specially set as itself."""
    return "".join(SPECIAL.get(char, char if ord(char) < 128 else _accented(char)) for char in text)


def prose(text: str, letters: bool = True) -> str:
    """A sentence of a claim or caption: `sigma_i`, `X'`, `s^(2/L)`, `>=` as mathematics, the rest escaped.

    A letter that stands alone is a symbol unless `letters` is False: instances of benchmarks are called S, M, L.
    """
    parts, at = [], 0
    for found in ASCII_MATH.finditer(text):
        if found["alone"] and not letters:
            continue
        parts += [escape(text[at : found.start()]), _set(found)]
        at = found.end()
    return "".join([*parts, escape(text[at:])]).replace("$$", "")


def number(value: Any, form: str = ".4g") -> str:
    """A stored number by a Python format; exponents as powers of ten, words and booleans as they are."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "---" if value is None else escape(str(value))
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else r"$\infty$" if value > 0 else r"$-\infty$"
    text = str(value) if isinstance(value, int) and form == ".4g" else format(value, form)
    mantissa, exponent, power = text.partition("e")
    if not exponent:
        return f"${text}$" if text.startswith("-") else text
    factor = "" if mantissa in ("1", "-1") else mantissa + r"\times "
    return f"${'-' if mantissa == '-1' else ''}{factor}10^{{{int(power)}}}$"


def rounded(value: Any) -> str:
    """Two significant digits, three for numbers near one: enough to compare with a tolerance."""
    return number(value, ".3g" if isinstance(value, float) and 1e-2 <= abs(value) < 1e3 else ".2g")


def tabular(head: Sequence[str], rows: Iterable[Sequence[str]], align: str) -> str:
    """A booktabs table of finished headings and cells."""
    lines = [" & ".join(row) + r" \\" for row in rows]
    start = [rf"\begin{{tabular}}{{@{{}}{align}@{{}}}}", r"\toprule", " & ".join(head) + r" \\", r"\midrule"]
    return "\n".join([*start, *lines, r"\bottomrule", r"\end{tabular}"])


def column(values: Sequence[Any]) -> list[str]:
    """The cells of a column: numbers with one count of decimals, enough for four digits; words as prose."""
    floats = [abs(value) for value in values if isinstance(value, float) and value != 0]
    if not floats or not all(map(math.isfinite, floats)) or min(floats) < 1e-4:
        return [prose(value) if isinstance(value, str) else number(value) for value in values]
    largest, smallest = max(floats), min(floats)
    digits = max(0, 3 - math.floor(math.log10(smallest if largest < 1e3 * smallest else largest)))
    form = f".{digits}f"
    return [prose(value) if isinstance(value, str) else number(value, form if value else ".0f") for value in values]


def alignment(rows: Sequence[Sequence[Any]]) -> str:
    """Numbers to the right, words to the left, column by column."""
    return "".join(
        "r" if any(isinstance(cell, int | float) for cell in column) else "l" for column in zip(*rows, strict=True)
    )


def uncommented(text: str) -> str:
    """LaTeX source without its comments, its lines kept in place."""
    return re.sub(r"(?<!\\)%.*", "", text)


def _set(found: re.Match[str]) -> str:
    """One match of ASCII_MATH."""
    if found["code"]:
        return rf"\texttt{{{escape(found['code'])}}}"
    if found["power"]:
        return number(float(found["power"]), ".3g" if "." in found["power"] else ".1g")
    if found["norm"]:
        return r"$\ell_\infty$" if found["norm"] == "inf" else f"$\\ell_{found['norm']}$"
    plain = {"<=": r"$\le$", ">=": r"$\ge$", "-": "$-$"}.get(found.group())
    if plain:
        return plain
    if found["greek"]:
        return f"$\\{found['greek']}{_marks(found['marks'])}$"
    letter = found["letter"] or found["alone"]
    return f"${letter or ''}{_marks(found['letter_marks'] or found['loose'] or '')}$"


def _marks(text: str) -> str:
    return "".join(_mark(mark) for mark in re.findall(MARK, text + " "))


def _mark(mark: str) -> str:
    if mark in "'*":
        return "^*" if mark == "*" else "'"
    inside = mark[2:-1] if mark[1] in "({" else mark[1:]
    return f"{mark[0]}{{{inside if len(inside) < 3 or not inside.isalpha() else chr(92) + 'mathrm{' + inside + '}'}}}"


def _accented(char: str) -> str:
    """Letters of Latin-1 pass; anything else is named, so that a font without it cannot drop it silently."""
    return char if "\xc0" <= char <= "ſ" else f"[U+{ord(char):04X}]"
