"""What a journal says about how a host was before, and what it takes to get back there."""

from __future__ import annotations

from typing import Any

import pytest

from runbook_lib.change.journal import START, Event
from runbook_lib.change.undo import owed


def event(what: str, host: str | None = "73", **detail: Any) -> Event:
    return Event(0, 0.0, "freqai@here", "30_producers", what, host, detail, START)


def host_event(*units: str) -> Event:
    return event("host", leaves=[], units=list(units))


def unit_event(what: str, name: str) -> Event:
    more = {"unit": name, "before": {"active": "active", "enabled": True}} if what == "intent" else {}
    return event(what, kind="unit", key=f"unit:{name}", act=f"restart {name}", **more)


def file_event(what: str, path: str = "config", **more: Any) -> Event:
    return event(what, kind="file", key=f"file:{path}", act=f"replace {path}", path=path, **more)


HOST, OTHER = host_event("bot.service"), host_event("one.service", "two.service")
INTENT, DONE, FAILED = (file_event(what) for what in ("intent", "done", "failed"))
RESTARTING, RESTARTED, NOT = (unit_event(what, "bot.service") for what in ("intent", "done", "failed"))
BACK, IS_BACK = file_event("undo", restarts=["bot.service"]), file_event("undone")
UNDONE = unit_event("undone", "bot.service")
COMMAND = event("intent", kind="command", key="command:nat", act="nat", name="nat", undo=None, root=True)


@pytest.mark.parametrize(
    ("events", "owing"),
    [
        ([], set()),
        ([HOST], set()),
        ([HOST, INTENT], {"bot.service"}),
        ([HOST, INTENT, DONE], {"bot.service"}),
        ([HOST, INTENT, FAILED], {"bot.service"}),
        ([HOST, COMMAND], {"bot.service"}),
        ([HOST, INTENT, DONE, RESTARTING], {"bot.service"}),
        ([HOST, INTENT, DONE, RESTARTING, NOT], {"bot.service"}),
        ([HOST, INTENT, DONE, RESTARTING, RESTARTED], set()),
        ([HOST, RESTARTING], set()),
        # resumed: the debt is older than the apply that pays it
        ([HOST, INTENT, DONE, HOST], {"bot.service"}),
        ([HOST, INTENT, DONE, HOST, RESTARTING, RESTARTED], set()),
        # a later phase on the same host, another unit: the first one's debt stays
        ([HOST, INTENT, OTHER, unit_event("done", "one.service")], {"bot.service"}),
        # undone: only what the undo itself will restart
        ([HOST, INTENT, DONE, RESTARTING, RESTARTED, BACK], {"bot.service"}),
        ([HOST, INTENT, DONE, RESTARTING, RESTARTED, BACK, IS_BACK], {"bot.service"}),
        ([HOST, INTENT, DONE, RESTARTING, RESTARTED, BACK, IS_BACK, UNDONE], set()),
        ([HOST, INTENT, DONE, RESTARTING, RESTARTED, file_event("undo", restarts=[])], set()),
        # what changes after a unit's turn is nothing that it reads
        ([OTHER, INTENT], {"one.service", "two.service"}),
        ([OTHER, INTENT, unit_event("done", "one.service")], {"two.service"}),
        ([OTHER, unit_event("done", "one.service"), INTENT], {"two.service"}),
        ([OTHER, unit_event("done", "two.service"), INTENT], {"one.service"}),
        # nobody planned the unit, or it is another host's
        ([INTENT, DONE], set()),
        ([event("host", "75", leaves=[], units=["bot.service"]), INTENT], set()),
        ([HOST, event("gate", None, gate="g", verdict="Failed")], set()),
    ],
)
def test_a_unit_owes_a_restart_from_the_first_change_until_its_own_act_is_done(
    events: list[Event], owing: set[str]
) -> None:
    assert owed(events, "73") == owing
