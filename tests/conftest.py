"""How tests share a machine: whoever starts bots takes turns, so that no bot starves; all others run beside them."""

from __future__ import annotations

import signal

import hypothesis
import pytest

LONGEST = ("struck", "whole", "fed", "bots")

hypothesis.settings.register_profile("shared machine", deadline=None)  # bots run beside: how long says nothing
hypothesis.settings.load_profile("shared machine")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Offer what takes longer than anybody waits for each change."""
    parser.addoption(
        "--whole-sweep",
        action="store_true",
        help="strike a change down at every event in every way, not in one way each",
    )


def pytest_configure() -> None:
    """Hear a terminal that hangs up, also where whoever started the tests does not, as under nohup."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.hookimpl(tryfirst=True)  # pytest-xdist reads the groups in this hook, too
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put tests that start bots into one group, which one worker runs in order, unless a test names its own."""
    left_out = [] if config.getoption("--whole-sweep") else [i for i in items if i.get_closest_marker("whole_sweep")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in set(left_out)]
    for item in items:
        if item.get_closest_marker("bots") is not None and item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group("bots"))
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    """Return a test's turn: groups that wait for candles come first, the longest before all, and none alone at last."""
    group = item.get_closest_marker("xdist_group")
    return LONGEST.index(group.args[0]) if group is not None and group.args[0] in LONGEST else len(LONGEST)
