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


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """`--dist loadgroup`: a file stays on one worker, for its fixtures, unless its tests name groups of their own."""
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(item.path.name))
