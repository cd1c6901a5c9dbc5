from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from runbook_lib.lab.hosts import HostSettings
from runbook_lib.lab.hosts.journal import tail
from runbook_lib.lab.hosts.service import JobFailed, Service
from runbook_lib.lab.hosts.supervisor import Supervisor, UnitError

WriteUnit = Callable[..., Path]
Eventually = Callable[..., Awaitable[None]]
SLEEP = "ExecStart=/bin/sleep 1000"


@pytest.fixture
async def supervisor(settings: HostSettings) -> AsyncIterator[Supervisor]:
    running = Supervisor(settings)
    yield running
    await running.shut_down()


def alive(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rsplit(")", 1)[1].split()[0] != "Z"


def command_line(service: Service) -> bytes:
    while not (found := Path(f"/proc/{service.state.main_pid}/cmdline").read_bytes()):
        continue  # still amid its exec
    return found


async def started(supervisor: Supervisor, name: str) -> Service:
    service = supervisor.service(f"{name}.service")
    await service.start()
    return service


async def test_start_and_stop(supervisor: Supervisor, write_unit: WriteUnit) -> None:
    write_unit("a", SLEEP)
    service = await started(supervisor, "a")
    pid = service.state.main_pid
    assert alive(pid)
    assert os.getpgid(pid) == os.getsid(pid) == pid
    await service.start()
    assert service.state.main_pid == pid, "started twice"
    await service.stop()
    assert not alive(pid)
    assert (service.state.active, service.state.sub, service.state.result) == ("inactive", "dead", "success")
    assert service.state.main_pid == 0


async def test_restart_after_kill_9(supervisor: Supervisor, write_unit: WriteUnit, eventually: Eventually) -> None:
    write_unit("a", SLEEP, "Restart=on-failure", "RestartSec=50ms")
    service = await started(supervisor, "a")
    first = service.state.main_pid
    os.kill(first, signal.SIGKILL)
    await eventually(lambda: service.state.sub == "auto-restart")
    assert service.state.result == "signal"
    assert service.state.status == -signal.SIGKILL
    await eventually(lambda: service.state.main_pid not in {0, first})
    assert service.state.restarts == 1
    await service.stop()
    assert service.state.active == "inactive"


async def test_no_restart_after_a_clean_end(
    supervisor: Supervisor, write_unit: WriteUnit, eventually: Eventually
) -> None:
    write_unit("a", "ExecStart=/bin/true", "Restart=on-failure", "RestartSec=10ms")
    service = await started(supervisor, "a")
    await eventually(lambda: service.state.active == "inactive")
    await asyncio.sleep(0.05)
    assert (service.state.restarts, service.state.active) == (0, "inactive")


async def test_restart_always_runs_into_the_start_limit(
    supervisor: Supervisor, write_unit: WriteUnit, eventually: Eventually, settings: HostSettings
) -> None:
    write_unit(
        "a", 'ExecStart=/bin/sh -c "echo x >> $$HOME/ran"', "Restart=always", "RestartSec=1ms", unit="StartLimitBurst=3"
    )
    service = await started(supervisor, "a")
    await eventually(lambda: service.state.active == "failed")
    assert (settings.home / "ran").read_text() == "x\n" * 3
    assert service.state.result == "start-limit-hit"
    with pytest.raises(JobFailed):
        await service.start()
    service.reset()
    await service.start()
    assert len((settings.home / "ran").read_text().split()) >= 3


async def test_no_start_once_the_host_goes_down(supervisor: Supervisor, write_unit: WriteUnit) -> None:
    write_unit("a", SLEEP)
    service = await started(supervisor, "a")
    await supervisor.shut_down()
    with pytest.raises(JobFailed, match="shutdown"):
        await service.start()
    assert service.state.main_pid == 0


async def test_stop_while_it_waits_for_its_restart(
    supervisor: Supervisor, write_unit: WriteUnit, eventually: Eventually
) -> None:
    write_unit("a", "ExecStart=/bin/false", "Restart=always", "RestartSec=1h")
    service = await started(supervisor, "a")
    await eventually(lambda: service.state.sub == "auto-restart")
    await asyncio.wait_for(service.stop(), 1)
    assert service.state.active == "inactive"


async def test_what_does_not_stop_is_killed(
    supervisor: Supervisor, write_unit: WriteUnit, settings: HostSettings, eventually: Eventually
) -> None:
    script = "trap '' TERM; touch $$HOME/ready; while :; do sleep 1; done"
    write_unit("a", f'ExecStart=/bin/sh -c "{script}"', "TimeoutStopSec=200ms")
    service = await started(supervisor, "a")
    pid = service.state.main_pid
    await eventually((settings.home / "ready").exists)
    began = time.monotonic()
    await service.stop()
    assert 0.2 <= time.monotonic() - began < 1
    assert not alive(pid)
    assert (service.state.active, service.state.result) == ("failed", "timeout")


async def test_kill_signal(
    supervisor: Supervisor, write_unit: WriteUnit, settings: HostSettings, eventually: Eventually
) -> None:
    script = "trap 'echo asked; exit 0' INT; touch $$HOME/ready; while :; do sleep 0.02; done"
    write_unit("a", f'ExecStart=/bin/sh -c "{script}"', "KillSignal=SIGINT")
    service = await started(supervisor, "a")
    await eventually((settings.home / "ready").exists)
    await service.stop()
    assert "asked" in tail(settings, "a.service", None)
    assert service.state.result == "success"


async def test_a_daemon_that_slipped_away_is_ended_too(
    supervisor: Supervisor, write_unit: WriteUnit, settings: HostSettings, eventually: Eventually
) -> None:
    write_unit("a", "ExecStart=/bin/sh -c \"setsid sh -c 'echo $$$$ > $$HOME/pid; exec sleep 1000' & sleep 1000\"")
    service = await started(supervisor, "a")
    pid_file = settings.home / "pid"
    await eventually(lambda: pid_file.exists() and pid_file.read_text().strip())
    pid = int(pid_file.read_text())
    assert os.getsid(pid) != service.state.main_pid
    await service.stop()
    assert not alive(pid)


@pytest.mark.parametrize(("mode", "left"), [("control-group", False), ("mixed", False), ("process", True)])
async def test_what_a_service_leaves_behind_ends_with_it(
    supervisor: Supervisor,
    write_unit: WriteUnit,
    settings: HostSettings,
    eventually: Eventually,
    mode: str,
    *,
    left: bool,
) -> None:
    write_unit("a", "ExecStart=/bin/sh -c 'sleep 1000 & echo $$! > $$HOME/pid; sleep 0.05'", f"KillMode={mode}")
    service = await started(supervisor, "a")
    await eventually(lambda: service.state.active == "inactive")
    pid = int((settings.home / "pid").read_text())
    assert alive(pid) == left
    if left:
        os.kill(pid, signal.SIGKILL)
        await eventually(lambda: not alive(pid))


async def test_environment_directory_umask_and_outputs(
    supervisor: Supervisor, write_unit: WriteUnit, settings: HostSettings, eventually: Eventually
) -> None:
    (settings.home / "work").mkdir()
    (settings.home / "secrets").write_text('TOKEN="of the file"\n')
    write_unit(
        "a",
        "WorkingDirectory=%h/work",
        "Environment=TOKEN=of-the-unit GREETING='hello there'",
        "EnvironmentFile=%h/secrets",
        "EnvironmentFile=-%h/missing",
        "UMask=0077",
        "StandardOutput=append:%h/out",
        "StandardError=journal",
        'ExecStart=/bin/sh -c "pwd; echo $$TOKEN; echo $$0; touch new; echo oops >&2" "${GREETING}"',
    )
    (settings.home / "out").write_text("before\n")
    service = await started(supervisor, "a")
    await eventually(lambda: service.state.active == "inactive")
    expected = ["before", str(settings.home / "work"), "of the file", "hello there"]
    assert (settings.home / "out").read_text().splitlines() == expected
    assert "oops" in tail(settings, "a", None)
    assert (settings.home / "work" / "new").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("lines", "result", "status"),
    [
        (["Type=exec", "ExecStart=/no/such/program"], "exit-code", 203),
        (["Type=exec", SLEEP, "WorkingDirectory=/no/such"], "exit-code", 200),
        ([SLEEP, "EnvironmentFile=/no/such"], "resources", 0),
        ([SLEEP, "ExecStartPre=/bin/sh -c 'exit 7'"], "exit-code", 7),
    ],
)
async def test_starts_that_fail(
    supervisor: Supervisor, write_unit: WriteUnit, lines: list[str], result: str, status: int
) -> None:
    write_unit("a", *lines)
    service = supervisor.service("a.service")
    with pytest.raises(JobFailed, match=result):
        await service.start()
    await asyncio.sleep(0)
    assert (service.state.active, service.state.result, service.state.status) == ("failed", result, status)


async def test_a_simple_service_counts_as_started_before_its_program_is_found(
    supervisor: Supervisor, write_unit: WriteUnit, eventually: Eventually
) -> None:
    write_unit("a", "ExecStart=/no/such/program")
    service = await started(supervisor, "a")
    await eventually(lambda: service.state.active == "failed")
    assert service.state.status == 203


NOTIFY = (
    "import os,socket,time; time.sleep(0.1); s=socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM);"
    "s.sendto(b'READY=1', chr(0) + os.environ['NOTIFY_SOCKET'][1:]); time.sleep(1000)"
)


async def test_a_notifying_service_is_started_when_it_says_so(supervisor: Supervisor, write_unit: WriteUnit) -> None:
    write_unit("a", "Type=notify", f'ExecStart=/usr/bin/env python3 -I -S -c "{NOTIFY}"')
    service = supervisor.service("a.service")
    start = asyncio.create_task(service.start())
    await asyncio.sleep(0.05)
    assert (service.state.active, service.state.sub) == ("activating", "start")
    await asyncio.wait_for(start, 5)
    assert service.state.active == "active"


async def test_a_notifying_service_that_never_says_so_times_out(supervisor: Supervisor, write_unit: WriteUnit) -> None:
    write_unit("a", "Type=notify", SLEEP, "TimeoutStartSec=100ms")
    service = supervisor.service("a.service")
    with pytest.raises(JobFailed, match="timeout"):
        await service.start()
    assert service.state.main_pid == 0


async def test_files_count_only_from_the_reload_on(supervisor: Supervisor, write_unit: WriteUnit) -> None:
    path = write_unit("a", SLEEP)
    service = await started(supervisor, "a")
    path.write_text(path.read_text().replace("1000", "2000"))
    assert supervisor.needs_reload("a.service")
    await service.stop()
    assert command_line(await started(supervisor, "a")) == b"/bin/sleep\0001000\0"
    supervisor.reload()
    assert not supervisor.needs_reload("a.service")
    await service.stop()
    assert command_line(await started(supervisor, "a")) == b"/bin/sleep\0002000\0"


async def test_drop_ins(supervisor: Supervisor, write_unit: WriteUnit, settings: HostSettings) -> None:
    write_unit("a", SLEEP)
    service = supervisor.service("a.service")
    drop_ins = settings.units / "a.service.d"
    drop_ins.mkdir()
    (drop_ins / "10-longer.conf").write_text("[Service]\nExecStart=\nExecStart=/bin/sleep 3000\n")
    assert supervisor.needs_reload("a.service")
    supervisor.reload()
    assert service.unit.exec_start.words == ("/bin/sleep", "3000")


async def test_a_unit_that_broke_is_refused_and_one_that_went_is_unknown(
    supervisor: Supervisor, write_unit: WriteUnit
) -> None:
    path = write_unit("a", SLEEP)
    supervisor.service("a.service")
    path.write_text("[Service]\nExecStart=/bin/a\nFrobnicate=yes\n")
    supervisor.reload()
    with pytest.raises(UnitError, match="Frobnicate"):
        supervisor.service("a.service")
    path.unlink()
    supervisor.reload()
    with pytest.raises(UnitError, match="not found"):
        supervisor.service("a.service")


async def test_enabled_units_start_at_boot(
    supervisor: Supervisor, write_unit: WriteUnit, settings: HostSettings
) -> None:
    fragment = write_unit("a", SLEEP)
    write_unit("b", SLEEP)
    write_unit("broken", "ExecStart=/bin/x", "Frobnicate=yes")
    (settings.units / "default.target.wants").mkdir()
    (settings.units / "default.target.wants" / "broken.service").symlink_to(settings.units / "broken.service")
    link = settings.units / "default.target.wants" / "a.service"
    assert supervisor.enable("a.service") == [f"Created symlink {link} → {fragment}."]
    assert link.readlink() == fragment
    assert supervisor.unit_file_state("a.service") == "enabled"

    next_boot = Supervisor(settings)
    await next_boot.boot()
    assert [(s.unit.name, s.state.active) for s in next_boot.services()] == [("a.service", "active")]
    await next_boot.shut_down()

    assert supervisor.disable("a.service") == [f'Removed "{link}".']
    assert supervisor.unit_file_state("a.service") == "disabled"
    assert [left.name for left in link.parent.iterdir()] == ["broken.service"]
    (link.parent / "broken.service").unlink()
    supervisor.enable("a.service")
    supervisor.disable("a.service")
    assert not link.parent.exists()
    after = Supervisor(settings)
    await after.boot()
    assert after.services() == []
