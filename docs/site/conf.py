"""Sphinx settings of the site; `python -m convexnn site` copies this next to the pages it gathers."""

import inspect
import re

BINDER, COLAB = "https://mybinder.org", "https://colab.research.google.com"
project = "convexnn"
author = "the convexnn authors"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx-mathjax-offline"]
html_theme = "sphinx_book_theme"
html_title = "convexnn"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_theme_options = {
    "show_toc_level": 2,
    "use_fullscreen_button": False,
    "use_download_button": True,
    "navbar_persistent": [],
}
html_context = {"default_mode": "auto"}  # without it the theme logs an error on a first visit
repository = ""  # written by `python -m convexnn site` from `repository-code` in CITATION.cff
if repository:
    html_theme_options |= {
        "repository_url": repository,
        "repository_branch": "main",
        "use_repository_button": True,
        "launch_buttons": {"binderhub_url": BINDER, "colab_url": COLAB},
    }
html_show_sphinx = False
nb_output_stderr = "remove"  # warnings name files of the machine that ran the notebook
nb_execution_mode = "off"  # the notebooks were run by the pipeline; the site shows what came out
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 3
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
suppress_warnings = ["mystnb.unknown_mime_type", "myst.header"]


def as_written(app, what, name, obj, options, lines):
    """Docstrings are set in plain text with aligned formulas: the first paragraph as prose, the rest as it stands."""
    text = inspect.cleandoc("\n".join(lines)).splitlines()
    first = next((k for k, line in enumerate(text) if not line.strip()), len(text))
    lines[:] = [re.sub(r"([*|_\\])", r"\\\1", line).replace("`", "``") for line in text[:first]]
    if any(line.strip() for line in text[first:]):
        lines += ["", "::", "", *[f"    {line}" for line in text[first + 1 :]], ""]


def setup(app):
    app.connect("autodoc-process-docstring", as_written)
