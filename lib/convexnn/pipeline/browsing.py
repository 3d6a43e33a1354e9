"""The site as a reader's browser shows it, from disk: errors, formulas, and pages wider than a narrow screen.

Needs the `browser` extra (playwright) and a Chromium: the one that CONVEXNN_CHROMIUM names, /usr/bin/chromium, or
playwright's own.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from convexnn.pipeline.links import pages_of

#: (colour scheme, name of the width, width, height), each page is seen in all of them
VIEWS = (("light", "wide", 1280, 900), ("dark", "narrow", 390, 800))
USUAL = "/usr/bin/chromium"

#: Formulas are set once this has resolved.
SETTLED = "async () => { if (window.MathJax && MathJax.startup) await MathJax.startup.promise; }"
#: What a reader would see wrong, in words.
FAULTS = r"""() => {
  const said = [], root = document.documentElement;
  if (root.scrollWidth > root.clientWidth + 1) said.push(`is ${root.scrollWidth} pixels wide on ${root.clientWidth}`);
  const set = document.querySelectorAll('mjx-container').length, asked = document.querySelectorAll('.math').length;
  if (asked && !set) said.push(`has ${asked} formulas and sets none`);
  for (const bad of document.querySelectorAll('mjx-merror, [data-mjx-error]'))
    said.push('has a formula with an error: ' + (bad.dataset.mjxError || bad.textContent).slice(0, 80));
  const body = document.querySelector('article') || document.body;
  const walk = document.createTreeWalker(body, NodeFilter.SHOW_TEXT);
  const left = /\$\$|\\\(|\\\[|\\(frac|sum|min|max|lVert|mathrm|operatorname)\b/;
  while (walk.nextNode()) {
    const text = walk.currentNode.textContent, near = walk.currentNode.parentElement;
    if (!near.closest('pre, code, script, style, mjx-container, dl.py') && left.test(text))
      said.push('shows a formula as text: ' + text.trim().slice(0, 80));
  }
  for (const image of document.images)
    if (image.complete && !image.naturalWidth && image.offsetParent) said.push('has a broken image: ' + image.src);
  return said;
}"""


def executable() -> str | None:
    """The Chromium to start; None leaves the choice to playwright."""
    named = os.environ.get("CONVEXNN_CHROMIUM")
    return named or (USUAL if Path(USUAL).is_file() else None)


def missing() -> str:
    """Why no browser can be started, or nothing; starts none."""
    if importlib.util.find_spec("playwright") is None:
        return "playwright is not installed; pip install -e '.[browser]'"
    if executable() is not None:
        return "" if Path(str(executable())).is_file() else f"CONVEXNN_CHROMIUM names {executable()}, which is no file"
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        own = Path(driver.chromium.executable_path)
    return "" if own.is_file() else "there is no Chromium; install one, or set CONVEXNN_CHROMIUM to its path"


@contextmanager
def browser() -> Iterator[Any]:
    """A headless Chromium, without the sandbox that containers do not allow."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=executable(), args=["--no-sandbox"])
        try:
            yield started
        finally:
            started.close()


def faults(book: Path, pages: Sequence[Path] = (), views: Sequence[tuple[str, str, int, int]] = VIEWS) -> list[str]:
    """In words, what is wrong with the pages of `book` (all without `pages`)."""
    found = []
    with browser() as shown:
        for scheme, name, width, height in views:
            context = shown.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
            for path in pages or pages_of(book):
                where = f"{path.resolve().relative_to(book.resolve()).as_posix()} ({scheme}, {name})"
                found += [f"{where} {fault}" for fault in _visit(context, path)]
            context.close()
    return found


def _visit(context: Any, path: Path) -> list[str]:
    page, said = context.new_page(), []
    page.on("console", lambda message: said.append(f"says {message.text[:120]}") if message.type == "error" else None)
    page.on("pageerror", lambda error: said.append(f"fails with {str(error)[:120]}"))
    page.on("requestfailed", lambda request: said.append(f"cannot load {request.url[:120]}"))
    page.goto(path.resolve().as_uri(), wait_until="load")
    page.evaluate(SETTLED)
    said += page.evaluate(FAULTS)
    page.close()
    return said
