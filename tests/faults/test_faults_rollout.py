"""A host dies, or is cut off, while the roll-out writes to it: nothing is half there, and both ways lead on."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from pathlib import Path

import pytest
from faulty_bots import CONFIG, HOSTS, NEW_UNIT, OLD, RUNNING, bots, phase, results, roll_out, units
from faulty_lab import Lab, Tripwire, look

from runbook_lib.change.locks import Holder, HostLock, host_lock
from runbook_lib.fleet import Fleet
from runbook_lib.runner import undoing

pytestmark = pytest.mark.hosts

NEW = b"new and long\n" * 400_000


def arriving(lab: Lab) -> bool:
    """Whether a part of the config has come to the second host, not to its place but beside it."""
    return any(path.stat().st_size > 1 << 18 for path in (lab.home("74") / "bot").glob(".config.json.runbook-*"))


def written(lab: Lab) -> dict[str, bytes]:
    return {name: (lab.home(name) / CONFIG).read_bytes() for name in HOSTS}


def beside(lab: Lab) -> list[str]:
    return sorted(path.name for path in (lab.home("74") / "bot").iterdir())


def test_a_host_that_is_cut_off_is_put_back(tmp_path: Path) -> None:
    with bots(tmp_path) as lab, phase(tmp_path, lab) as opened:
        before = {name: look(lab.home(name)) for name in HOSTS}
        with Tripwire(lambda: arriving(lab), lambda: lab.cut("74")) as wire:
            cut = roll_out(opened, lab, lambda _: (NEW, NEW_UNIT))
        assert wire.tripped
        assert results(cut) == ["changed", "failed, and put back as it was", "not reached"]
        assert "writing bot/config.json: cut off" in str(cut.attempts[1].error)
        assert {name: look(lab.home(name)) for name in ("74", "75")} == {name: before[name] for name in ("74", "75")}
        assert results(roll_out(opened, lab, lambda _: (NEW, NEW_UNIT)))[1:] == ["changed", "changed"]


def test_a_host_that_another_run_took_meanwhile_is_not_touched_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection that holds the lock is cut, and before ours is back another run has the host."""
    other = Holder.here("2025-11-24-other", "runbook run", run="other")
    not_cut = threading.Event()
    not_cut.set()
    ask = HostLock.still_held

    def ask_when_the_other_has_come(lock: HostLock) -> None:
        assert not_cut.wait(60)
        ask(lock)

    monkeypatch.setattr(HostLock, "still_held", ask_when_the_other_has_come)
    with bots(tmp_path) as lab, phase(tmp_path, lab) as opened, ExitStack() as stack:

        def cut_and_come() -> None:
            not_cut.clear()
            lab.cut("74")
            stack.enter_context(host_lock(stack.enter_context(Fleet.of(lab.site))["74"], other))
            taken.append(look(lab.home("74")))
            not_cut.set()

        taken: list[object] = []
        with Tripwire(lambda: arriving(lab), cut_and_come) as wire:
            lost = roll_out(opened, lab, lambda _: (NEW, NEW_UNIT))
        assert wire.tripped
        assert results(lost) == ["changed", "failed", "not reached"]
        told = [check.observed for check in lost.attempts[1].checks]
        assert "cut off" in told[0]
        assert "its lock was lost, and somebody else may be at work there" in told[1]
        assert taken == [look(lab.home("74"))]


@pytest.mark.parametrize("way", ["on", "back"])
def test_a_host_that_lost_its_power(tmp_path: Path, way: str) -> None:
    with bots(tmp_path) as lab, phase(tmp_path, lab) as opened:
        before = {name: look(lab.home(name)) for name in HOSTS}
        with Tripwire(lambda: arriving(lab), lambda: lab.power_off("74")) as wire:
            lost = roll_out(opened, lab, lambda _: (NEW, NEW_UNIT))
        assert wire.tripped
        assert results(lost) == ["changed", "failed", "not reached"]
        assert [(check.name, check.host) for check in lost.checks] == [
            ("runs with", "73"), ("changed", "74"), ("put back", "74"), ("reached", "75"),
        ]  # fmt: skip
        assert written(lab) == {"73": NEW, "74": OLD, "75": OLD}
        assert len(beside(lab)) == 3, "what was half written lies beside the config until somebody comes"
        lab.power_on("74")
        if way == "on":
            done = roll_out(opened, lab, lambda _: (NEW, NEW_UNIT))
            assert results(done) == ["already as it should be", "changed", "changed"]
            assert written(lab) == dict.fromkeys(HOSTS, NEW)
        else:
            undoing.apply(opened, undoing.plan(opened))
            now = {name: look(lab.home(name)) for name in HOSTS}
            assert {name: {**now[name], RUNNING: 0} for name in HOSTS} == {
                name: {**before[name], RUNNING: 0} for name in HOSTS
            }
            assert undoing.plan(opened).plans["74"].empty
        assert beside(lab) == ["config.json", "running"]
        assert all(state.running for state in units(lab).values())
