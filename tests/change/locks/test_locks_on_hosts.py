"""One run at a time on a host: real SSH servers, connections that are cut, an operator's process that is killed."""

from __future__ import annotations

import fcntl
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from runbook_lib.change.locks import Holder, HostLock, host_lock, host_locks
from runbook_lib.errors import CommandFailed, HostError, Locked, ParamsError, Unreachable

if TYPE_CHECKING:
    from tests.change.locks.conftest import Operator, Town

pytestmark = pytest.mark.hosts

FIRST = Holder("2025-11-23-lab", "anna", 4711, "desk", "aaaa", 1_763_900_000.0, "runbook run --site lab")
SECOND = replace(FIRST, change="2025-11-24-lab", by="bert", pid=4712, run="bbbb")
ANNA = (
    "anna is at work on change 2025-11-23-lab since 2025-11-23 12:13:20 UTC"
    " (runbook run --site lab; process 4711 on desk)"
)


def eventually(condition: Callable[[], object], seconds: float = 10.0) -> None:
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds
        time.sleep(0.02)


def free(operator: Operator, name: str) -> bool:
    """Whether somebody else would get the lock now."""
    with operator() as fleet:
        try:
            with host_lock(fleet[name], replace(SECOND, by="cleo", run="cccc")):
                return True
        except Locked:
            return False


def test_the_second_is_refused_and_told_who_was_first(operator: Operator) -> None:
    with host_lock(operator()["73"], FIRST) as first:
        with pytest.raises(Locked) as caught, host_lock(operator()["73"], SECOND):
            pass
        first.still_held()
    assert (caught.value.host, caught.value.what) == ("73", ANNA)
    assert "`runbook status --change 2025-11-23-lab`" in caught.value.remedy


def test_two_on_one_connection_are_two(operator: Operator) -> None:
    session = operator()["73"]
    with host_lock(session, FIRST), pytest.raises(Locked), host_lock(session, SECOND):
        pass


def test_it_is_free_and_nothing_runs_on_the_host_afterwards(operator: Operator, town: Town) -> None:
    with host_lock(operator()["73"], FIRST):
        assert town.processes("73")
        assert not free(operator, "73")
    assert town.processes("73") == []
    assert free(operator, "73")


def test_hosts_are_locked_one_by_one(operator: Operator) -> None:
    with host_lock(operator()["73"], FIRST), host_lock(operator()["72"], SECOND):
        pass


def test_work_goes_on_beside_it(operator: Operator) -> None:
    session = operator()["73"]
    with host_lock(session, FIRST) as lock:
        assert session.run("echo on").text == "on\n"
        lock.still_held()


def test_what_is_kept_there_is_private_and_tells_who(operator: Operator, town: Town) -> None:
    kept = town.hosts["73"].home / ".runbook"
    with host_lock(operator()["73"], FIRST):
        assert Holder.read((kept / "lock").read_text()) == FIRST
        assert (kept.stat().st_mode & 0o777, (kept / "lock").stat().st_mode & 0o777) == (0o700, 0o600)


def test_nobody_looks_while_another_takes_it(operator: Operator, town: Town) -> None:
    """Between the moment in which a lock is taken and that in which its holder stands in it."""
    kept = town.hosts["73"].home / ".runbook"
    kept.mkdir()
    with ThreadPoolExecutor() as pool:
        with (kept / "lock.turn").open("wb") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)
            other = pool.submit(free, operator, "73")
            eventually(lambda: town.processes("73"))
            with pytest.raises(TimeoutError):
                other.result(0.5)
        assert other.result(10)


def test_a_longer_name_leaves_nothing_to_a_shorter_one(operator: Operator, town: Town) -> None:
    long = replace(FIRST, command="x" * 3000)
    for holder in (long, FIRST):
        with host_lock(operator()["73"], holder):
            assert Holder.read((town.hosts["73"].home / ".runbook" / "lock").read_text()) == holder
            with pytest.raises(Locked) as caught, host_lock(operator()["73"], SECOND):
                pass
            assert caught.value.what == holder.describe()


def test_a_kernel_finds_what_its_own_run_has_locked(operator: Operator) -> None:
    kernel = replace(FIRST, pid=4713, command="kernel")
    with host_lock(operator()["73"], FIRST):
        with host_lock(operator()["73"], kernel) as shared:
            shared.still_held()
        assert not free(operator, "73")  # it was not the kernel's to let go


def test_a_kernel_notices_that_its_run_has_lost_the_lock(operator: Operator) -> None:
    kernel = replace(FIRST, pid=4713, command="kernel")
    runner = operator()
    with host_lock(runner["73"], FIRST), host_lock(operator()["73"], kernel) as shared:
        runner.close()
        eventually(lambda: free(operator, "73"))
        with pytest.raises(Unreachable, match=r"73: its lock was lost, .*: nobody holds it"):
            shared.still_held()
        assert free(operator, "73")
        with (
            host_lock(operator()["73"], SECOND),
            pytest.raises(Unreachable, match="bert is at work on change 2025-11-24"),
        ):
            shared.still_held()


def test_a_cut_connection_frees_it_and_the_holder_is_told(operator: Operator, town: Town) -> None:
    with host_lock(operator()["73"], FIRST) as lock:
        town.cut("73")
        eventually(lambda: free(operator, "73"))
        with pytest.raises(Unreachable) as caught:
            lock.still_held()
        assert caught.value.what.startswith("its lock was lost, and somebody else may be at work there: ")
        assert (caught.value.host, caught.value.exit_code) == ("73", 4)
        assert "--resume" in caught.value.remedy
        with host_lock(operator()["73"], SECOND) as second:
            with pytest.raises(Unreachable):
                lock.still_held()  # it does not come back by itself
            second.still_held()


def test_a_lock_that_was_lost_is_taken_again_if_nobody_had_it_since(operator: Operator, town: Town) -> None:
    with host_lock(operator()["73"], FIRST) as lock:
        for _ in range(2):
            town.cut("73")
            lock.still_held()
            assert not free(operator, "73")
    eventually(lambda: town.processes("73") == [])
    assert free(operator, "73")


def test_a_kernel_takes_over_what_its_run_has_lost_if_nobody_had_it_since(operator: Operator, town: Town) -> None:
    kernel = replace(FIRST, pid=4713, command="kernel")
    runner = operator()
    with host_lock(runner["73"], FIRST), host_lock(operator()["73"], kernel) as shared:
        runner.close()
        eventually(lambda: len(town.processes("73")) == 1)
        shared.still_held()
        assert not free(operator, "73")
        assert Holder.read((town.hosts["73"].home / ".runbook" / "lock").read_text()) == kernel


def test_a_host_that_lost_its_power_is_told(operator: Operator, town: Town) -> None:
    with host_lock(operator()["73"], FIRST) as lock:
        town.power_off("73")
        with pytest.raises(Unreachable, match="its lock was lost"):
            lock.still_held()


def test_a_holder_who_falls_silent_loses_it(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a laptop that was closed: its connection stands, and nothing comes."""
    monkeypatch.setattr("runbook_lib.fleet.held.HeldCommand.keep", lambda *_, **__: None)
    with host_lock(operator()["73"], FIRST, quiet_seconds=1.5) as lock:
        assert not free(operator, "73")
        eventually(lambda: free(operator, "73"))
        with pytest.raises(Unreachable, match=r"nothing was heard from its holder for 1\.5 s"):
            lock.still_held()


def test_a_holder_who_is_busy_keeps_it(operator: Operator) -> None:
    with host_lock(operator()["73"], FIRST, quiet_seconds=1.5) as lock:
        time.sleep(2.5)
        assert not free(operator, "73")
        lock.still_held()


HOLD = """
import sys
from runbook_lib.change.locks import Holder, host_locks
from runbook_lib.fleet import Fleet
from runbook_lib.params import Site
fleet = Fleet.of(Site.model_validate_json(sys.argv[1]))
with host_locks(fleet, fleet.hosts, Holder.here("2025-11-23-lab", "runbook run", run="dddd")) as locks:
    print(*locks.hosts, flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_killed_operator_leaves_no_lock(operator: Operator, town: Town, end: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, town.site.model_dump_json(exclude_none=True)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "71 72 73\n"
            fleet = operator()
            with pytest.raises(Locked, match=f"process {process.pid} on "), host_locks(fleet, fleet.hosts, SECOND):
                pass
            process.send_signal(end)
            process.wait(10)
            eventually(lambda: all(free(operator, name) for name in town.hosts))
        finally:
            process.kill()
    eventually(lambda: not any(town.processes(name) for name in town.hosts))


def test_all_or_none(operator: Operator, town: Town) -> None:
    fleet = operator()
    with host_lock(operator()["72"], FIRST):
        with pytest.raises(Locked, match=r"^72: anna is at work"), host_locks(fleet, fleet.hosts, SECOND):
            pass
        assert free(operator, "71")
        assert free(operator, "73")
    with host_locks(fleet, fleet.hosts, SECOND) as locks:
        assert (locks.hosts, locks.skipped) == (tuple(town.hosts), {})
        assert not any(free(operator, name) for name in town.hosts)
        for name in locks.hosts:
            locks.still_held(name)
    assert not any(town.processes(name) for name in town.hosts)


def test_all_hosts_that_are_taken_are_named(operator: Operator) -> None:
    fleet = operator()
    with (
        host_lock(operator()["72"], FIRST),
        host_lock(operator()["73"], FIRST),
        pytest.raises(Locked, match=r"^72: anna .* \(also failed: 73\)"),
        host_locks(fleet, fleet.hosts, SECOND),
    ):
        pass


def test_only_the_named_hosts_are_locked(operator: Operator) -> None:
    with host_locks(operator(), ["72", "71"], FIRST) as locks:
        assert locks.hosts == ("71", "72")
        assert free(operator, "73")


def test_a_host_that_nobody_knows_is_refused(operator: Operator) -> None:
    with pytest.raises(ParamsError, match="74: no such host"), host_locks(operator(), ["71", "74"], FIRST):
        pass


def test_a_host_out_of_reach_is_skipped_and_named(operator: Operator, town: Town) -> None:
    town.power_off("71")
    with host_locks(operator(), town.hosts, FIRST) as locks:
        assert locks.hosts == ("72", "73")
        assert isinstance(locks.skipped["71"], Unreachable)
        assert locks.told() == [f"71 is not locked, and nothing is done there: {locks.skipped['71'].what}"]
        with pytest.raises(Unreachable, match=r"71: nothing is done here without its lock, .* -> run this phase again"):
            locks.still_held("71")


def test_a_host_that_cannot_be_locked_is_an_error(operator: Operator, town: Town) -> None:
    (town.hosts["72"].home / ".runbook").write_text("a file where the folder should be")
    fleet = operator()
    with (
        pytest.raises(CommandFailed, match="72: the lock of this host ended with status 1: FileExistsError"),
        host_locks(fleet, fleet.hosts, FIRST),
    ):
        pass
    assert free(operator, "71")
    with host_locks(fleet, fleet.hosts, FIRST, skipping=(HostError,)) as locks:
        assert locks.hosts == ("71", "73")
        assert "FileExistsError" in locks.told()[0]


def test_of_two_who_come_together_one_gets_all_hosts(operator: Operator) -> None:
    """Neither may turn the other away, however often they meet."""
    for meeting in range(5):
        fleets, start, leave = [operator(), operator()], threading.Barrier(2), threading.Event()
        got: list[int] = []
        refused: list[int] = []

        def come(number: int) -> None:
            fleet = fleets[number]  # noqa: B023 - the thread ends within this turn of the loop
            start.wait()  # noqa: B023 - as above
            try:
                with host_locks(fleet, fleet.hosts, replace(FIRST, pid=number, run=f"run {number}")) as locks:
                    got.append(len(locks.hosts))  # noqa: B023 - as above
                    leave.wait(10)  # noqa: B023 - as above
            except Locked:
                refused.append(number)  # noqa: B023 - as above
                leave.set()  # noqa: B023 - as above

        threads = [threading.Thread(target=come, args=(number,)) for number in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert (got, len(refused)) == ([3], 1), meeting


def test_an_interrupt_while_they_are_taken_leaves_none(
    operator: Operator, town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C does not wait for the threads that are on their way: what they get then is let go."""
    taken = threading.Event()
    take, late = HostLock.__init__, threading.Event()

    def slow(lock: HostLock, session: object, *args: object, **options: object) -> None:
        if getattr(session, "name", "") == "73":
            assert late.wait(10)
        take(lock, session, *args, **options)  # type: ignore[arg-type]  # handed on as it came
        taken.set()

    monkeypatch.setattr(HostLock, "__init__", slow)
    fleet = operator()
    on_all, calls = type(fleet).on_all, []

    def interrupted(self: object, task: Callable[..., object], hosts: object, **options: object) -> object:
        calls.append(hosts)
        if len(calls) < 3:
            return on_all(self, task, hosts, **options)  # type: ignore[arg-type]  # handed on as it came
        threads = [threading.Thread(target=task, args=(fleet[name],)) for name in ("72", "73")]
        for thread in threads:
            thread.start()
        assert taken.wait(10)
        straggler.append(threads[1])
        raise KeyboardInterrupt

    straggler: list[threading.Thread] = []
    monkeypatch.setattr(type(fleet), "on_all", interrupted)
    with pytest.raises(KeyboardInterrupt), host_locks(fleet, fleet.hosts, FIRST):
        pass
    late.set()
    straggler[0].join(10)
    eventually(lambda: not any(town.processes(name) for name in town.hosts))
