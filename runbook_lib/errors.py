"""Every way to fail, drawn as one tree.

::

    RunbookError                      exit code 1
    ├── ParamsError                   2   a site file, a flag or a name that may not be
    ├── SecretError                   3   a secret that is missing, a placeholder or readable by others
    ├── HostError                     4   something about one host
    │   ├── Unreachable                   no connection: address, port, network, time
    │   ├── HostKeyRefused                host key unknown or changed
    │   ├── AuthenticationRefused         the host did not accept the operator
    │   ├── DeadlineExceeded              a command or transfer took longer than it may
    │   ├── CommandFailed                 a command ended with another status than 0
    │   ├── TransferFailed                a file did not arrive whole
    │   └── PrivilegeRefused              sudo said no
    ├── ChangeError                   5   a plan that could not be carried out
    │   ├── StalePlan                     the world has changed since the plan was made
    │   ├── ApplyFailed
    │   ├── VerifyFailed                  applied, but the host does not show it
    │   └── EditedSince                   somebody else's edit would be lost by an undo
    ├── GateError                         a gate that does not let pass
    │   ├── GateFailed                6
    │   └── GateInconclusive          7   too little data to judge
    ├── RunError                      8   a notebook that did not run to its end
    ├── RecordError                   9   a change record that is missing, torn or not what it says
    ├── LabError                     10   the lab could not be started, reached or ended
    ├── Held                         11   a hold point that nobody has approved yet
    ├── Aborted                      12   ended by an operator, for a reason
    ├── Locked                       13   somebody else is at work on this change or host
    └── Stopped                     130   Ctrl-C, SIGTERM or SIGHUP: stopped after the step in hand

Each says in one line: which host (if any), what happened, and what to do next.
"""

from __future__ import annotations

from typing import ClassVar, Final

from runbook_lib.redaction import redact


class RunbookError(Exception):
    """Base of every error that an operator may see.

    ``what`` says what happened, ``remedy`` what to do next, ``host`` where (a name of the inventory, or None).
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, *, remedy: str = "", host: str | None = None) -> None:
        self.what = what
        self.remedy = remedy
        self.host = host
        super().__init__(str(self))

    def __str__(self) -> str:
        where = f"{self.host}: " if self.host else ""
        then = f" -> {self.remedy}" if self.remedy else ""
        return redact(f"{where}{self.what}{then}")

    def _render_traceback_(self) -> list[str]:
        """Show in a notebook's cell what a terminal shows: where in this library it arose helps no operator."""
        where = f"{self.host}: " if self.host else ""
        lines = [f"\x1b[1;31m{type(self).__name__}\x1b[0m: {redact(f'{where}{self.what}')}"]
        return [*lines, f"-> {redact(self.remedy)}"] if self.remedy else lines

    def __reduce__(self) -> tuple[object, ...]:
        """Survive pickling: results cross thread and process borders."""
        return (_rebuild, (type(self), self.what, self.remedy, self.host))


def _rebuild(kind: type[RunbookError], what: str, remedy: str, host: str | None) -> RunbookError:
    return kind(what, remedy=remedy, host=host)


class ParamsError(RunbookError):
    """A site file, a flag or a name that may not be."""

    exit_code = 2


class SecretError(RunbookError):
    """A secret that is missing, a placeholder, or readable by others."""

    exit_code = 3


class HostError(RunbookError):
    """Something about one host."""

    exit_code = 4


class Unreachable(HostError):
    """No connection: address, port, network or time."""


class HostKeyRefused(HostError):
    """The host key is unknown or has changed; nothing was sent."""


class AuthenticationRefused(HostError):
    """The host did not accept the operator's key or password."""


NO_SESSION: Final = (Unreachable, HostKeyRefused, AuthenticationRefused)
"""What says that no session with a host could be had, or that it was lost."""


class DeadlineExceeded(HostError):
    """A command or a transfer took longer than it may."""


class CommandFailed(HostError):
    """A command ended with another status than 0."""


class TransferFailed(HostError):
    """A file did not arrive whole; what stood there before still stands."""


class PrivilegeRefused(HostError):
    """The host refused to run a command as another user."""


class ChangeError(RunbookError):
    """A plan that could not be carried out."""

    exit_code = 5


class StalePlan(ChangeError):
    """The world has changed since the plan was made."""


class ApplyFailed(ChangeError):
    """A resource could not be brought to its wanted state."""


class VerifyFailed(ChangeError):
    """Applied without error, but the host does not show it."""


class EditedSince(ChangeError):
    """A file is neither as it was nor as we left it: undoing would lose somebody's edit."""


class GateError(RunbookError):
    """A gate that does not let pass."""


class GateFailed(GateError):
    """At least one check of the gate failed."""

    exit_code = 6


class GateInconclusive(GateError):
    """Too little data to judge; never counts as passed."""

    exit_code = 7


class RunError(RunbookError):
    """A notebook that did not run to its end."""

    exit_code = 8


class RecordError(RunbookError):
    """A change record that is missing, torn, or not what it says."""

    exit_code = 9


class LabError(RunbookError):
    """The lab could not be started, reached or ended."""

    exit_code = 10


class Held(RunbookError):
    """A hold point that nobody has approved yet; nothing beyond it was done."""

    exit_code = 11


class Aborted(RunbookError):
    """An operator ended the run, for a reason."""

    exit_code = 12


class Locked(RunbookError):
    """Somebody else is at work on this change or this host."""

    exit_code = 13


class Stopped(RunbookError):
    """Ctrl-C, SIGTERM or SIGHUP: stopped after the step in hand."""

    exit_code = 130
