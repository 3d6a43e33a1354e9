"""One torch thread: tests run side by side, and two threads in two processes are slower than one in each."""

import numpy as np
import pytest
import torch
from hypothesis import settings

torch.set_num_threads(1)
settings.register_profile("laws", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("laws")


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    """A generator whose seed is the test's `seed` parameter, 0 without one."""
    callspec = getattr(request.node, "callspec", None)
    return np.random.default_rng(callspec.params.get("seed", 0) if callspec else 0)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The file that runs every notebook first: it is the longest, and a file stays on one worker."""
    items.sort(key=lambda item: item.path.name != "test_references.py")
