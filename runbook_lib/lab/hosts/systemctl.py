"""The verbs of ``systemctl --user`` on an embedded host: words, exit codes and wording are systemd 252's."""

from __future__ import annotations

import asyncio
import getopt
import signal
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from runbook_lib.lab.hosts import show
from runbook_lib.lab.hosts.service import JobFailed
from runbook_lib.lab.hosts.supervisor import Supervisor, UnitError

LONG = [
    *("user", "system", "no-pager", "quiet", "now", "no-block", "no-legend", "plain", "full", "all", "value"),
    *("property=", "signal=", "kill-who=", "kill-whom=", "lines=", "output=", "type=", "state=", "no-ask-password"),
    *("no-reload", "force", "version"),
]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command prints, and its exit status."""

    status: int = 0
    out: str = ""
    err: str = ""


class Systemctl:
    """One call of systemctl: options, then one verb for any number of units."""

    def __init__(self, supervisor: Supervisor, argv: Sequence[str]) -> None:
        self._supervisor = supervisor
        options, words = getopt.gnu_getopt(list(argv), "qalp:s:n:o:t:f", LONG)
        self._options: dict[str, str] = {}
        self._properties: list[str] = []
        for key, value in options:
            if key in {"-p", "--property"}:
                self._properties += value.split(",")
            else:
                self._options[key] = value
        self._verb, *names = words or ["list-units"]
        self._names = [name if "." in name else f"{name}.service" for name in names]

    async def run(self) -> Answer:
        """Carry it out."""
        if "--version" in self._options:
            return Answer(out="systemd 252 (embedded host of the lab)\n")
        if "--user" not in self._options:
            return Answer(1, err="Failed to connect to system bus: this host has user-scope units only, use --user\n")
        for_all: dict[str, Callable[[], Answer]] = {
            "daemon-reload": self._daemon_reload,
            "is-system-running": self._is_system_running,
            "list-units": lambda: Answer(out=show.listing(self._supervisor.services())),
        }
        if self._verb in for_all:
            return for_all[self._verb]()
        return await self._for_each()

    async def _for_each(self) -> Answer:
        verbs: dict[str, Callable[[str], Awaitable[Answer]]] = {
            "start": self._start,
            "stop": self._stop,
            "restart": self._restart,
            "try-restart": self._try_restart,
            "enable": self._enable,
            "disable": self._disable,
            "is-active": self._is_active,
            "is-failed": self._is_failed,
            "is-enabled": self._is_enabled,
            "status": self._status,
            "show": self._show,
            "cat": self._cat,
            "kill": self._kill,
            "reset-failed": self._reset,
        }
        if self._verb not in verbs:
            return Answer(1, err=f"Unknown command verb {self._verb}.\n")
        if not self._names:
            return Answer(1, err="Too few arguments.\n")
        if any(not name.endswith(".service") or "/" in name for name in self._names):
            return Answer(1, err=f"Only services are modelled: {' '.join(self._names)}\n")
        return _together(await asyncio.gather(*(verbs[self._verb](name) for name in self._names)))

    def _daemon_reload(self) -> Answer:
        self._supervisor.reload()
        return Answer()

    def _is_system_running(self) -> Answer:
        failed = any(service.state.active == "failed" for service in self._supervisor.services())
        return Answer(int(failed), "degraded\n" if failed else "running\n")

    async def _start(self, name: str) -> Answer:
        return await self._job("start", name)

    async def _restart(self, name: str) -> Answer:
        return await self._job("restart", name)

    async def _try_restart(self, name: str) -> Answer:
        loaded = self._supervisor.loaded(name)
        running = loaded and loaded.service and loaded.service.state.active == "active"
        return await self._job("restart", name) if running else Answer()

    async def _job(self, verb: str, name: str) -> Answer:
        warning = self._warning(name)
        try:
            service = self._supervisor.service(name)
        except UnitError as error:
            return Answer(error.status, err=f"{warning}Failed to {verb} {name}: {error}\n")
        if verb == "restart":
            await service.stop()
        try:
            await service.start()
        except JobFailed as failure:
            return Answer(1, err=warning + _job_failed(name, str(failure)))
        return Answer(err=warning)

    async def _stop(self, name: str) -> Answer:
        warning = self._warning(name)
        loaded = self._supervisor.loaded(name)
        if loaded is None:
            return Answer(5, err=f"Failed to stop {name}: Unit {name} not loaded.\n")
        if loaded.service is not None:
            await loaded.service.stop()
        return Answer(err=warning)

    async def _enable(self, name: str) -> Answer:
        try:
            said = self._supervisor.enable(name)
        except UnitError as error:
            return Answer(error.status, err=f"{error}\n")
        if self._supervisor.unit_file_state(name) == "static":
            said.append("The unit files have no installation config (WantedBy=): they are not meant to be enabled.")
        answer = Answer(err="".join(f"{line}\n" for line in said))
        return _together([answer, await self._start(name)]) if "--now" in self._options else answer

    async def _disable(self, name: str) -> Answer:
        try:
            said = self._supervisor.disable(name)
        except UnitError as error:
            return Answer(error.status, err=f"{error}\n")
        answer = Answer(err="".join(f"{line}\n" for line in said))
        return _together([answer, await self._stop(name)]) if "--now" in self._options else answer

    async def _is_active(self, name: str) -> Answer:
        loaded = self._supervisor.loaded(name)
        active = loaded.service.state.active if loaded and loaded.service else "inactive"
        status = 4 if loaded is None else 0 if active == "active" else 3
        return Answer(status, "" if self._quiet else f"{active}\n")

    async def _is_failed(self, name: str) -> Answer:
        loaded = self._supervisor.loaded(name)
        active = loaded.service.state.active if loaded and loaded.service else "inactive"
        return Answer(0 if active == "failed" else 1, "" if self._quiet else f"{active}\n")

    async def _is_enabled(self, name: str) -> Answer:
        state = self._supervisor.unit_file_state(name)
        if not state:
            return Answer(1, err=f"Failed to get unit file state for {name}: No such file or directory\n")
        return Answer(int(state in {"disabled", "bad"}), "" if self._quiet else f"{state}\n")

    async def _status(self, name: str) -> Answer:
        if self._supervisor.loaded(name) is None:
            return Answer(4, err=f"Unit {name} could not be found.\n")
        out, status = show.status(self._supervisor, name, int(self._option("-n", "--lines", "10")))
        return Answer(status, out, self._warning(name))

    async def _show(self, name: str) -> Answer:
        found = show.properties(self._supervisor, name)
        wanted = self._properties or list(found)
        value_only = "--value" in self._options
        return Answer(
            out="".join(
                f"{value if value_only else f'{key}={value}'}\n" for key, value in found.items() if key in wanted
            )
        )

    async def _cat(self, name: str) -> Answer:
        files = self._supervisor.files(name).read()
        if not files:
            return Answer(1, err=f"No files found for {name}.\n")
        return Answer(out="\n".join(f"# {path}\n{text}" for path, text in files), err=self._warning(name))

    async def _kill(self, name: str) -> Answer:
        word = self._option("-s", "--signal", "SIGTERM")
        number = int(word) if word.isdigit() else getattr(signal, word if word.startswith("SIG") else f"SIG{word}", 0)
        loaded = self._supervisor.loaded(name)
        if loaded is None or loaded.service is None or not loaded.service.state.main_pid or not number:
            return Answer(1, err=f"Failed to kill unit {name}: Unit {name} not loaded.\n")
        loaded.service.kill(number, main_only=self._option("--kill-who", "--kill-whom", "all") == "main")
        return Answer()

    async def _reset(self, name: str) -> Answer:
        loaded = self._supervisor.loaded(name)
        if loaded is None:
            return Answer(1, err=f"Failed to reset failed state of unit {name}: Unit {name} not loaded.\n")
        if loaded.service:
            loaded.service.reset()
        return Answer()

    @property
    def _quiet(self) -> bool:
        return "-q" in self._options or "--quiet" in self._options

    def _option(self, short: str, long: str, default: str) -> str:
        return self._options.get(short, self._options.get(long, default))

    def _warning(self, name: str) -> str:
        if not self._supervisor.needs_reload(name):
            return ""
        return (
            f"Warning: The unit file, source configuration file or drop-ins of {name} changed on disk."
            " Run 'systemctl --user daemon-reload' to reload units.\n"
        )


def _together(answers: Sequence[Answer]) -> Answer:
    """Join the answers for several units; the exit status is the first that is not 0."""
    status = next((answer.status for answer in answers if answer.status), 0)
    return Answer(status, "".join(answer.out for answer in answers), "".join(answer.err for answer in answers))


def _job_failed(name: str, result: str) -> str:
    why = {
        "exit-code": "the control process exited with error code",
        "timeout": "a timeout was exceeded",
        "signal": "a fatal signal was delivered to the control process",
        "resources": "of unavailable resources or another system error",
    }.get(result)
    return (
        f"Job for {name} failed{f' because {why}' if why else ''}.\n"
        f'See "systemctl --user status {name}" and "journalctl --user -xeu {name}" for details.\n'
    )
