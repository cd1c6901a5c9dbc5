"""On a real host over SSH: a service is killed, stays down, and comes back; so it does after whoever did it died.

Such a death is played by its journal: what stands in it while the service is down is all that anybody else has.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from test_rollback_over_ssh import UNITS, OneHost

from runbook_lib.change.engine import Engine
from runbook_lib.change.journal import Journal
from runbook_lib.change.outage import Outage, outage
from runbook_lib.change.resources import File, Unit, Wanted
from runbook_lib.change.rollback import Rollback
from runbook_lib.change.undo import differences, origins
from runbook_lib.errors import ApplyFailed
from runbook_lib.fleet import Units, UnitState

pytestmark = pytest.mark.hosts
NAME = "producer.service"
SERVICE = (
    b"[Service]\nExecStart=/bin/sleep 1000\nRestart=on-failure\nRestartSec=20ms\n[Install]\nWantedBy=default.target\n"
)
RUNS = Wanted("73", (Unit(NAME),))


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OneHost]:
    """One host, on which a change has brought a service that runs."""
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    made = OneHost(tmp_path)
    try:
        made.forward(Wanted("73", (File(f"{UNITS}/{NAME}", SERVICE), Unit(NAME))))
        yield made
    finally:
        made.close()


def now(host: OneHost) -> UnitState:
    return Units(host.session, "user").observe([NAME])[NAME]


def killed(host: OneHost) -> AbstractContextManager[Outage]:
    journal = Journal(host.journal.path, "70_failover_drill")
    return outage(journal, "user", [(host.session, NAME)], settle_seconds=0.2)


def left_behind(host: OneHost) -> Journal:
    """Return what the journal would be if whoever writes it died now."""
    path = host.journal.path.with_name("left-behind.jsonl")
    path.write_bytes(host.journal.path.read_bytes())
    return Journal(path, "70_failover_drill")


def test_it_is_killed_in_earnest_and_comes_back(host: OneHost) -> None:
    before = now(host)
    with killed(host):
        with pytest.raises(ProcessLookupError):
            os.kill(before.main_pid, 0)
        down = now(host)
        assert (down.main_pid, down.enabled) == (0, True)
        assert down.active in {"inactive", "failed"}
        assert "status=9/KILL" in Units(host.session, "user").log_tail(NAME)
    after = now(host)
    assert after.running
    assert after.main_pid not in {0, before.main_pid}


def test_after_a_death_the_plan_starts_it_again(host: OneHost) -> None:
    with killed(host):
        engine = Engine(left_behind(host), "user")
        plan = engine.plan(host.session, RUNS)
        assert plan.describe() == [f"start {NAME}"]
        engine.apply(host.session, plan, RUNS)
        assert now(host).running
        assert engine.plan(host.session, RUNS).empty


def rolled_back_while_down(host: OneHost) -> None:
    with killed(host):
        journal = left_behind(host)
        rollback = Rollback(journal, "user")
        origin = origins(journal.events())["73"]
        rollback.apply(host.session, rollback.plan(host.session, origin))
        assert differences(origin, rollback.observe(host.session, origin)) == []


def test_after_a_death_a_rollback_takes_all_of_it_away(host: OneHost) -> None:
    with pytest.raises(ApplyFailed, match="could not be started"):  # this one lives, and finds it gone
        rolled_back_while_down(host)
    assert not (host.home / UNITS / NAME).exists()
