"""How tests share a machine: whoever starts bots takes turns, so that no bot starves; all others run beside them."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put tests that start bots into one group, which one worker runs in order, unless a test names its own."""
    for item in items:
        if item.get_closest_marker("bots") is not None and item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group("bots"))
