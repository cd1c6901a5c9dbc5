from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from runbook_lib.errors import CommandFailed
from runbook_lib.fleet import Session, Units
from runbook_lib.fleet.units import UnitState, parse

if TYPE_CHECKING:
    from tests.fleet.conftest import SshHost

# As systemd 252 prints it: in its own order, not in the order in which it was asked.
SHOWN = """\
MainPID=4711
Result=success
NRestarts=2
Id=freqtrade.service
LoadState=loaded
ActiveState=active
SubState=running
UnitFileState=enabled
ActiveEnterTimestamp=Sun 2025-11-23 18:15:00 UTC
NeedDaemonReload=no

MainPID=0
Result=exit-code
NRestarts=5
Id=other.service
LoadState=loaded
ActiveState=failed
SubState=failed
UnitFileState=disabled
ActiveEnterTimestamp=Sun 2025-11-23 18:00:00 UTC
NeedDaemonReload=yes

MainPID=0
Result=success
NRestarts=0
Id=none.service
LoadState=not-found
ActiveState=inactive
SubState=dead
UnitFileState=
ActiveEnterTimestamp=n/a
NeedDaemonReload=no
"""
SINCE = datetime(2025, 11, 23, 18, 15, tzinfo=UTC).timestamp()
TOOL = """\
#!/bin/sh
echo "${0##*/} $XDG_RUNTIME_DIR $TZ $*" >> "$HOME/calls"
[ "${0##*/} $*" = "systemctl --user start -- broken.service" ] && { echo "Job for broken.service failed." >&2; exit 1; }
cat "$HOME/${0##*/}.out" 2>/dev/null
exit 0
"""


@pytest.fixture
def systemd(host: SshHost) -> SshHost:
    """Give the host tools that note how they were called and print what the test laid out."""
    (host.home / "bin").mkdir()
    for name in ("systemctl", "journalctl", "loginctl"):
        (host.home / "bin" / name).write_text(TOOL)
        (host.home / "bin" / name).chmod(0o755)
    host.env["PATH"] = f"{host.home / 'bin'}:{host.env['PATH']}"
    return host


def _calls(host: SshHost) -> list[str]:
    return (host.home / "calls").read_text().splitlines()


def test_what_systemd_shows_is_read() -> None:
    running, failed, none = parse(SHOWN, ["freqtrade", "other.service", "none"], "73")
    assert running == UnitState("freqtrade", "loaded", "active", "running", "enabled", 4711, 2, "success", SINCE, False)
    assert failed == UnitState("other.service", "loaded", "failed", "failed", "disabled", 0, 5, "exit-code", None, True)
    assert (running.exists, running.running, failed.exists, failed.running) == (True, True, True, False)
    assert (none.exists, none.running, none.active_since) == (False, False, None)


@pytest.mark.parametrize("shown", ["", SHOWN.split("\n\n", maxsplit=1)[0], "Failed to connect to bus\n\n\n\nwhat"])
def test_an_answer_that_does_not_fit_is_refused(shown: str) -> None:
    with pytest.raises(CommandFailed, match="73: systemctl told of"):
        list(parse(shown, ["a", "b"], "73"))


@pytest.mark.hosts
def test_many_units_in_one_call(systemd: SshHost, session: Session) -> None:
    (systemd.home / "systemctl.out").write_text(SHOWN)
    seen = Units(session, "user").observe(["freqtrade", "other.service", "none"])
    assert list(seen) == ["freqtrade", "other.service", "none"]
    assert seen["freqtrade"].running
    assert len(systemd.commands) == 1
    (call,) = _calls(systemd)
    assert call.startswith("systemctl /run/user/")
    assert call.endswith(" -- freqtrade.service other.service none.service")
    assert " UTC --user show " in call
    assert Units(session, "user").observe([]) == {}


@pytest.mark.hosts
def test_verbs(systemd: SshHost, session: Session) -> None:
    systemd.env["XDG_RUNTIME_DIR"] = "/here"
    units = Units(session, "user")
    for verb in ("start", "stop", "restart", "enable", "disable"):
        getattr(units, verb)("it's")
    units.reset_failed("it's")
    units.daemon_reload()
    assert _calls(systemd) == [
        *(f"systemctl /here UTC --user {v} -- it's.service" for v in ("start", "stop", "restart", "enable", "disable")),
        "systemctl /here UTC --user reset-failed -- it's.service",
        "systemctl /here UTC --user daemon-reload",
    ]


@pytest.mark.hosts
def test_a_unit_is_killed_and_kept_down_in_one_command(systemd: SshHost, session: Session) -> None:
    systemd.env["XDG_RUNTIME_DIR"] = "/here"
    Units(session, "user").kill("it's")
    assert len(systemd.commands) == 1
    assert _calls(systemd) == [
        "systemctl /here UTC --user kill --signal=SIGKILL --kill-who=main -- it's.service",
        "systemctl /here UTC --user stop -- it's.service",
    ]


@pytest.mark.hosts
def test_a_verb_that_fails_says_what_systemd_said(systemd: SshHost, session: Session) -> None:
    assert systemd.home.exists()
    with pytest.raises(
        CommandFailed, match=r"h73: `systemctl --user start -- broken.service` .*Job for broken.service"
    ):
        Units(session, "user").start("broken")


@pytest.mark.hosts
def test_system_units_are_changed_through_sudo_and_looked_at_without(systemd: SshHost, session: Session) -> None:
    (systemd.home / "systemctl.out").write_text(SHOWN.split("\n\n", maxsplit=1)[0])
    (systemd.home / "bin" / "id").write_text("#!/bin/sh\necho 1000\n")
    (systemd.home / "bin" / "id").chmod(0o755)
    (systemd.home / "bin" / "sudo").write_text('#!/bin/sh\nwhile [ "$1" != -- ]; do shift; done\nshift\nexec "$@"\n')
    (systemd.home / "bin" / "sudo").chmod(0o755)
    units = Units(session, "system")
    units.observe(["freqtrade"])
    assert not any("sudo" in command for command in systemd.commands)
    units.restart("freqtrade")
    assert systemd.commands[-1].startswith("sudo -n -- sh -c ")
    assert _calls(systemd)[-1] == "systemctl  UTC restart -- freqtrade.service"
    assert units.lingering() is True


@pytest.mark.hosts
def test_the_tail_of_the_log_is_masked(systemd: SshHost, session: Session) -> None:
    (systemd.home / "journalctl.out").write_text('bot: {"ws_token": "hunter2"}\n')
    assert Units(session, "user").log_tail("freqtrade", 5) == 'bot: {"ws_token": "•••"}\n'
    assert _calls(systemd)[0].endswith("--user --no-pager --output=short --lines=5 --unit=freqtrade")


@pytest.mark.hosts
@pytest.mark.parametrize(("told", "means"), [("Linger=yes\n", True), ("Linger=no\n", False), ("", None)])
def test_lingering(systemd: SshHost, session: Session, told: str, means: bool | None) -> None:
    (systemd.home / "loginctl.out").write_text(told)
    assert Units(session, "user").lingering() is means
