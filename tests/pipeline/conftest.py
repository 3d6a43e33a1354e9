"""What every test of this folder is shielded from."""

import pytest


@pytest.fixture(autouse=True)
def no_outer_run(monkeypatch):
    """A test never sees the folders of the run, or of the checkout, that it may itself be part of."""
    for name in ("ROOT", "RESULT_DIR", "KEY", "NOTEBOOK", "PROVENANCE"):
        monkeypatch.delenv(f"CONVEXNN_{name}", raising=False)
