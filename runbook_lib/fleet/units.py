"""systemd units on a host: what they are, and the few things done to them. The login's own or the host's."""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

from runbook_lib.errors import CommandFailed
from runbook_lib.fleet.session import Session
from runbook_lib.redaction import redact
from runbook_lib.values import CommandResult

_PROPERTIES: Final = (
    "Id,LoadState,ActiveState,SubState,UnitFileState,MainPID,NRestarts,Result,ActiveEnterTimestamp,NeedDaemonReload"
)
# A login without a seat, as by SSH, may lack the variable that leads to the user's own manager.
_RUNTIME: Final = 'export XDG_RUNTIME_DIR="${XDG_RUNTIME_DIR:-/run/user/$(id -u)}"; '
_PLAIN: Final = "LC_ALL=C TZ=UTC "
_HINDRANCES: Final = {
    "masked": "is masked: it cannot be started",
    "masked-runtime": "is masked until the next boot: it cannot be started",
    "linked": "is linked from elsewhere: to disable it again would remove the link",
    "linked-runtime": "is linked from elsewhere until the next boot: to disable it again would remove the link",
    "enabled-runtime": "is enabled until the next boot only: to disable it again would not bring that back",
    "generated": "is made by a generator: it cannot be enabled",
    "transient": "is transient: it cannot be enabled",
}
_STAMP: Final = re.compile(r"\w{3} (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(?:\.\d+)? (\S+)")


@dataclass(frozen=True, slots=True)
class UnitState:
    """A unit as systemd tells it.

    ``load``: loaded, not-found, bad-setting, masked ...; ``active``: active, failed, activating ...; ``sub``: running,
    auto-restart ...; ``enablement``: enabled, disabled, static, masked ..., empty without a file; ``main_pid``: 0 if
    none; ``restarts``: by systemd itself; ``active_since``: unix seconds; ``needs_reload``: its file was changed since
    systemd read it.
    """

    name: str
    load: str
    active: str
    sub: str
    enablement: str
    main_pid: int
    restarts: int
    result: str
    active_since: float | None
    needs_reload: bool

    @property
    def exists(self) -> bool:
        """Whether systemd has a file for it."""
        return self.load != "not-found"

    @property
    def enabled(self) -> bool:
        """Whether it starts with the host."""
        return self.enablement in {"enabled", "alias"}

    @property
    def hindrance(self) -> str:
        """Why it cannot be enabled, started and be put back as it was (systemctl(1), is-enabled); empty if it can."""
        return _HINDRANCES.get(self.enablement, "")

    @property
    def running(self) -> bool:
        """Whether it is up, and not on its way up or down."""
        return self.active == "active" and self.sub == "running"


class Units:
    """The units of one host, in one scope: ``user`` (the login's own manager) or ``system`` (through sudo)."""

    def __init__(self, session: Session, scope: Literal["user", "system"]) -> None:
        self._session = session
        self._scope = scope

    def observe(self, names: Iterable[str]) -> dict[str, UnitState]:
        """Look at many units in one call. A unit that does not exist has a state, too."""
        wanted = list(names)
        if not wanted:
            return {}
        shown = self._systemctl(f"show --no-pager --property={_PROPERTIES}", *wanted, change=False)
        return dict(zip(wanted, parse(shown.text, wanted, self._session.name), strict=True))

    def daemon_reload(self) -> None:
        """Make systemd read the unit files again."""
        self._systemctl("daemon-reload")

    def start(self, name: str, *, deadline: float | None = None) -> None:
        """Start a unit; systemd decides when it counts as started, by its type."""
        self._systemctl("start", name, deadline=deadline)

    def stop(self, name: str, *, deadline: float | None = None) -> None:
        """Stop a unit and wait until it has."""
        self._systemctl("stop", name, deadline=deadline)

    def kill(self, name: str) -> None:
        """End a unit's main process at once, as a crash would (SIGKILL), and leave the unit down.

        One command on the host: what would start it again (``Restart=``) finds it stopped. ``--kill-who`` is what every
        systemd knows; since 252 it is also called ``--kill-whom``.
        """
        unit = shlex.quote(_full(name))
        kill = f"systemctl{self._flag} kill --signal=SIGKILL --kill-who=main -- {unit}"
        self._run(f"{kill} && {_PLAIN}systemctl{self._flag} stop -- {unit}")

    def restart(self, name: str, *, deadline: float | None = None) -> None:
        """Stop and start a unit."""
        self._systemctl("restart", name, deadline=deadline)

    def enable(self, name: str) -> None:
        """Let it start with the host."""
        self._systemctl("enable", name)

    def disable(self, name: str) -> None:
        """No longer let it start with the host."""
        self._systemctl("disable", name)

    def reset_failed(self, name: str) -> None:
        """Make systemd forget that a unit failed and how often it was started: too often, and it starts it no more."""
        self._systemctl("reset-failed", name)

    def cat(self, name: str) -> str:
        """Return a unit's file and its drop-ins, as systemd has them."""
        return self._systemctl("cat", name, change=False).text

    def log_tail(self, name: str, lines: int = 20) -> str:
        """Return the last lines that the unit wrote, secrets masked."""
        command = f"journalctl{self._flag} --no-pager --output=short --lines={lines:d} --unit={shlex.quote(name)}"
        return redact(self._run(command).text)

    def lingering(self) -> bool | None:
        """Whether the login's units run on without anybody logged in; None where the host cannot tell.

        Without it they end with the last session and do not come back after a reboot. System units always run on.
        """
        if self._scope == "system":
            return True
        answer = self._session.run('loginctl show-user "$(id -un)" --property=Linger', check=False)
        found = re.search(r"^Linger=(yes|no)$", answer.text, re.MULTILINE)
        return found[1] == "yes" if answer.status == 0 and found else None

    @property
    def _flag(self) -> str:
        return " --user" if self._scope == "user" else ""

    def _systemctl(self, verb: str, *names: str, change: bool = True, deadline: float | None = None) -> CommandResult:
        units = "".join(f" {shlex.quote(_full(name))}" for name in names)
        return self._run(f"systemctl{self._flag} {verb}{' --' if units else ''}{units}", root=change, deadline=deadline)

    def _run(self, command: str, *, root: bool = True, deadline: float | None = None) -> CommandResult:
        if self._scope == "user":
            result = self._session.run(f"{_RUNTIME}{_PLAIN}{command}", deadline=deadline, check=False)
        else:
            run = self._session.sudo if root else self._session.run
            result = run(f"{_PLAIN}{command}", deadline=deadline, check=False)
        if result.status != 0:
            raise self._session.failure(command, result)
        return result


def parse(text: str, names: Iterable[str], host: str) -> Iterator[UnitState]:
    """Read what ``systemctl show`` prints: one block of K=V lines per unit, in the order in which they were named."""
    wanted = list(names)
    blocks: list[dict[str, str]] = []
    for line in text.splitlines():
        key, separator, value = line.partition("=")
        if separator and (not blocks or key in blocks[-1]):  # the first of another unit
            blocks.append({})
        if separator:
            blocks[-1][key] = value
    if len(blocks) != len(wanted) or not all({"LoadState", "ActiveState"} <= block.keys() for block in blocks):
        raise CommandFailed(
            f"systemctl told of {len(blocks)} units where {len(wanted)} were asked for",
            remedy="is this systemd? run `systemctl show` there by hand",
            host=host,
        )
    for name, block in zip(wanted, blocks, strict=True):
        yield UnitState(
            name=name,
            load=block["LoadState"],
            active=block["ActiveState"],
            sub=block.get("SubState", ""),
            enablement=block.get("UnitFileState", ""),
            main_pid=int(block.get("MainPID") or 0),
            restarts=int(block.get("NRestarts") or 0),
            result=block.get("Result", ""),
            active_since=_seconds(block.get("ActiveEnterTimestamp", "")) if block["ActiveState"] == "active" else None,
            needs_reload=block.get("NeedDaemonReload") == "yes",
        )


def _full(name: str) -> str:
    return name if "." in name else f"{name}.service"


def _seconds(stamp: str) -> float | None:
    """Read ``Sun 2025-11-23 18:15:00 UTC`` (we ask for UTC) or the local zone's name; anything else is not known."""
    found = _STAMP.fullmatch(stamp.strip())
    if not found:
        return None
    when = datetime.fromisoformat(found[1])
    if found[2] in {"UTC", "GMT"}:
        return when.replace(tzinfo=UTC).timestamp()
    return when.astimezone().timestamp() if found[2] in time.tzname else None
