"""The commands, as they are installed on the host: real processes that ask the supervisor by its socket."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from runbook_lib.lab.hosts import HostSettings, stand_ins
from runbook_lib.lab.hosts.control import Control
from runbook_lib.lab.hosts.supervisor import Supervisor

SLEEP = "ExecStart=/bin/sleep 1000"
WriteUnit = Callable[..., Path]


@dataclass(frozen=True)
class Ran:
    status: int
    out: str
    err: str


Run = Callable[[str], Awaitable[Ran]]


@pytest.fixture
async def run(settings: HostSettings) -> AsyncIterator[Run]:
    supervisor = Supervisor(settings)
    control = Control(supervisor)
    stand_ins.install(settings)
    await control.start()

    async def running(command: str) -> Ran:
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_shell(
            command, stdout=pipe, stderr=pipe, env=settings.environment(), cwd=settings.home
        )
        out, err = await process.communicate()
        return Ran(process.returncode or 0, out.decode(), err.decode())

    yield running
    await control.stop()
    await supervisor.shut_down()


def properties(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines())


async def test_the_life_of_a_service(run: Run, write_unit: WriteUnit, settings: HostSettings) -> None:
    fragment = write_unit("a", SLEEP, "Restart=always", "RestartSec=0", unit="Description=sleeper")
    assert await run("systemctl --user is-active a") == Ran(3, "inactive\n", "")
    assert await run("systemctl --user is-enabled a") == Ran(1, "disabled\n", "")
    assert (await run("systemctl --user enable --now a.service")).status == 0
    assert await run("systemctl --user is-active --quiet a") == Ran(0, "", "")
    assert await run("systemctl --user is-enabled a") == Ran(0, "enabled\n", "")

    names = "ActiveState,SubState,MainPID,NRestarts,ExecMainStatus,UnitFileState,LoadState,FragmentPath,Result"
    shown = properties((await run(f"systemctl --user show a -p {names} -p ActiveEnterTimestamp")).out)
    pid = int(shown.pop("MainPID"))
    assert Path(f"/proc/{pid}/comm").read_text() == "sleep\n"  # noqa: ASYNC240  a file in memory
    stamp = shown.pop("ActiveEnterTimestamp")
    assert abs(time.mktime(time.strptime(stamp.rsplit(" ", 1)[0], "%a %Y-%m-%d %H:%M:%S")) - time.time()) < 5
    assert shown == {
        "ActiveState": "active",
        "SubState": "running",
        "NRestarts": "0",
        "ExecMainStatus": "0",
        "UnitFileState": "enabled",
        "LoadState": "loaded",
        "FragmentPath": str(fragment),
        "Result": "success",
    }
    assert f"Main PID: {pid}" in (await run("systemctl --user status a --no-pager")).out

    assert (await run("systemctl --user restart a")).status == 0
    assert (await run("systemctl --user show a -p MainPID --value")).out != f"{pid}\n"
    assert (await run("systemctl --user disable --now a")).err.startswith('Removed "')
    status = await run("systemctl --user status a")
    assert (status.status, "inactive (dead)" in status.out) == (3, True)
    journal = (await run("journalctl --user -u a -n 2 --no-pager -o cat")).out
    assert journal == "systemd: a.service: Stopping sleeper...\nsystemd: a.service: Stopped sleeper.\n"
    assert (settings.journal / "a.log").exists()


async def test_killed_and_restarted(run: Run, write_unit: WriteUnit) -> None:
    write_unit("a", SLEEP, "Restart=on-failure", "RestartSec=0")
    await run("systemctl --user start a")
    pid = int((await run("systemctl --user show a -p MainPID --value")).out)
    os.kill(pid, signal.SIGKILL)
    async with asyncio.timeout(5):
        while True:
            shown = properties((await run("systemctl --user show a -p NRestarts,MainPID,ActiveState")).out)
            if shown["ActiveState"] == "active" and shown["MainPID"] != str(pid):
                break
    assert shown["NRestarts"] == "1"
    assert "status=9/KILL" in (await run("journalctl --user -u a")).out


async def test_killed_and_kept_down_in_one_command(run: Run, write_unit: WriteUnit) -> None:
    """What a drill does: the restart that the unit asks for never comes, until somebody starts it."""
    write_unit("a", SLEEP, "Restart=on-failure", "RestartSec=0.2")
    await run("systemctl --user start a")
    kill = "systemctl --user kill --signal=SIGKILL --kill-who=main -- a.service"
    assert (await run(f"{kill} && systemctl --user stop -- a.service")).status == 0
    await asyncio.sleep(0.6)
    shown = properties((await run("systemctl --user show a -p NRestarts,MainPID,ActiveState")).out)
    assert shown["ActiveState"] in {"inactive", "failed"}
    assert (shown["MainPID"], shown["NRestarts"]) == ("0", "0")
    assert "status=9/KILL" in (await run("journalctl --user -u a")).out
    await run("systemctl --user reset-failed a")
    assert (await run("systemctl --user start a")).status == 0
    assert (await run("systemctl --user is-active a")).out == "active\n"


@pytest.mark.parametrize(
    ("command", "status", "words"),
    [
        ("start nope", 5, "Failed to start nope.service: Unit nope.service not found."),
        ("restart nope", 5, "Failed to restart nope.service: Unit nope.service not found."),
        ("stop nope", 5, "Failed to stop nope.service: Unit nope.service not loaded."),
        ("enable nope", 1, "Failed to enable unit: Unit file nope.service does not exist."),
        ("disable nope", 1, "Failed to disable unit: Unit file nope.service does not exist."),
        ("status nope", 4, "Unit nope.service could not be found."),
        ("cat nope", 1, "No files found for nope.service."),
        ("is-enabled nope", 1, "Failed to get unit file state for nope.service: No such file or directory"),
        ("is-active nope", 4, ""),
        ("frobnicate nope", 1, "Unknown command verb frobnicate."),
        ("start", 1, "Too few arguments."),
        ("start --frobnicate a", 1, "systemctl: option --frobnicate not recognized"),
        ("start ../a.service", 1, "Only services are modelled: ../a.service"),
    ],
)
async def test_refusals(run: Run, command: str, status: int, words: str) -> None:
    ran = await run(f"systemctl --user {command}")
    assert (ran.status, ran.err.strip()) == (status, words)


async def test_a_unit_that_does_not_exist_is_shown_as_such(run: Run) -> None:
    ran = await run("systemctl --user show nope -p LoadState,ActiveState,FragmentPath")
    assert (ran.status, properties(ran.out)) == (
        0,
        {"LoadState": "not-found", "ActiveState": "inactive", "FragmentPath": ""},
    )


async def test_a_start_that_fails_says_so(run: Run, write_unit: WriteUnit) -> None:
    write_unit("a", "Type=exec", "ExecStart=/no/such")
    ran = await run("systemctl --user start a")
    assert ran.status == 1
    assert ran.err.startswith("Job for a.service failed because the control process exited with error code.\n")
    assert await run("systemctl --user is-failed a") == Ran(0, "failed\n", "")
    assert (await run("systemctl --user is-system-running")).out == "degraded\n"
    assert (await run("systemctl --user reset-failed a")).status == 0
    assert await run("systemctl --user is-active a") == Ran(3, "inactive\n", "")


async def test_a_bad_unit_says_which_line(run: Run, write_unit: WriteUnit) -> None:
    write_unit("a", SLEEP, "Frobnicate=yes")
    ran = await run("systemctl --user start a")
    assert ran.status == 1
    assert "Unit a.service has a bad unit file setting" in ran.err
    assert "line 5: Frobnicate=yes" in ran.err


async def test_changed_files_are_warned_about_until_the_reload(run: Run, write_unit: WriteUnit) -> None:
    path = write_unit("a", SLEEP)
    await run("systemctl --user start a")
    path.write_text(path.read_text() + "# changed\n")
    assert "changed on disk. Run 'systemctl --user daemon-reload'" in (await run("systemctl --user restart a")).err
    assert properties((await run("systemctl --user show a -p NeedDaemonReload")).out) == {"NeedDaemonReload": "yes"}
    assert await run("systemctl --user daemon-reload") == Ran(0, "", "")
    assert await run("systemctl --user restart a") == Ran(0, "", "")
    cat = await run("systemctl --user cat a")
    assert cat.out == f"# {path}\n{path.read_text()}"


async def test_there_are_user_units_only(run: Run) -> None:
    ran = await run("systemctl start a")
    assert (ran.status, "--user" in ran.err) == (1, True)


async def test_journals(run: Run, write_unit: WriteUnit, settings: HostSettings) -> None:
    assert (await run("journalctl --user -u a")).out == "-- No entries --\n"
    write_unit("a", "ExecStart=/bin/sh -c 'for i in 1 2 3; do echo line $$i; done; kill -9 $$$$'")
    await run("systemctl --user start a")
    async with asyncio.timeout(5):
        while "Failed" not in (whole := (await run("journalctl --user -u a.service -o cat --no-pager")).out):
            pass
    assert [line for line in whole.splitlines() if line.startswith("line")] == ["line 1", "line 2", "line 3"]
    last = (await run("journalctl --user -u a -n 1")).out
    assert last == f"{settings.name} a: systemd: a.service: Failed with result 'signal'.\n"
    assert (await run("journalctl --user -u a -o json")).status == 1


async def test_lingering_is_on(run: Run) -> None:
    assert (await run("loginctl enable-linger")).status == 0
    assert (await run("loginctl show-user freqai --property=Linger")).out == "Linger=yes\n"
    assert (await run("loginctl reboot")).status == 1


async def test_without_a_supervisor_there_is_an_error(settings: HostSettings) -> None:
    stand_ins.install(settings)
    process = await asyncio.create_subprocess_exec(
        settings.bin / "systemctl", "--user", "start", "a", stderr=asyncio.subprocess.PIPE, env=settings.environment()
    )
    _, err = await process.communicate()
    assert (process.returncode, err) == (1, b"Failed to connect to bus: No such file or directory\n")
