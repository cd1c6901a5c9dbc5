"""One service while it lives: start, watch, restart, stop. The states and results are systemd's."""

from __future__ import annotations

import asyncio
import signal
import time
import uuid
from asyncio.subprocess import Process
from collections import deque
from dataclasses import dataclass

from runbook_lib.lab.hosts.notify import Notifications
from runbook_lib.lab.hosts.processes import POLL_SECONDS, marked, send, send_group
from runbook_lib.lab.hosts.settings import HostSettings
from runbook_lib.lab.hosts.spawn import INVOCATION, SpawnError, journal_file, spawn
from runbook_lib.lab.hosts.units import Command, ServiceUnit

CLEAN_SIGNALS = frozenset({signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGPIPE})
RESTARTS = {
    "no": (),
    "always": ("success", "exit-code", "signal", "timeout", "resources"),
    "on-success": ("success",),
    "on-failure": ("exit-code", "signal", "timeout", "resources"),
    "on-abnormal": ("signal", "timeout"),
    "on-abort": ("signal",),
}


class JobFailed(Exception):
    """A start that did not lead to a running service. Says why, in systemd's words."""


@dataclass
class State:
    """What ``systemctl show`` knows. ``status``: exit code, negative for a signal. Times in unix seconds."""

    active: str = "inactive"
    sub: str = "dead"
    result: str = "success"
    main_pid: int = 0
    status: int = 0
    restarts: int = 0
    invocation: str = ""
    entered: float | None = None
    started: float | None = None


class Service:
    """Keeps one service as its unit wants it. All methods run in the host's event loop."""

    def __init__(self, unit: ServiceUnit, host: HostSettings) -> None:
        self.unit = unit
        self.state = State()
        self._host = host
        self._task: asyncio.Task[None] | None = None
        self._stop = asyncio.Event()
        self._starts: deque[float] = deque()
        self._retired = False

    async def start(self) -> None:
        """Start, and return when systemd would; raise JobFailed otherwise. Started already: nothing happens."""
        if self._retired:
            raise JobFailed("shutdown")
        if self.state.active == "deactivating" or self.state.sub == "auto-restart":
            await self.stop()
        if self.state.active == "active":
            return
        if self._task is None or self._task.done():
            self._stop.clear()
            self.state.restarts = 0
            self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._task = asyncio.create_task(self._keep())
        await asyncio.shield(self._ready)

    async def stop(self) -> None:
        """Stop and wait until all of its processes have ended."""
        if self._task is not None and not self._task.done():
            self._stop.set()
            await asyncio.shield(self._task)

    async def retire(self) -> None:
        """Stop for good: the host goes down, and a start that is still asked for is refused."""
        self._retired = True
        await self.stop()

    async def lose_power(self) -> None:
        """End all of its processes at once, for good."""
        self._retired = True
        self._stop.set()
        while self._task is not None and not self._task.done():
            send(self._members(), signal.SIGKILL)
            await asyncio.wait({self._task}, timeout=POLL_SECONDS)

    def kill(self, number: int, *, main_only: bool) -> None:
        """Signal the service from outside; what follows is up to its unit."""
        send([self.state.main_pid] if main_only else self._members(), number)

    def reset(self) -> None:
        """Forget a failure and the starts counted so far."""
        self._starts.clear()
        if self.state.active == "failed":
            self._enter("inactive", "dead")
            self.state.result = "success"

    async def _keep(self) -> None:
        while True:
            result = await self._live()
            self.state.result = result
            self._tell(JobFailed(result) if result != "success" else None)
            again = result in RESTARTS[self.unit.restart] and self.state.status not in self.unit.restart_prevented
            if self._stop.is_set() or not again:
                break
            self._enter("activating", "auto-restart")
            await self._pause(self.unit.restart_seconds)
            if self._stop.is_set():
                self._enter("inactive", "dead")
                return
            self.state.restarts += 1
            self._say(f"Scheduled restart job, restart counter is at {self.state.restarts}.")
        if result == "success":
            self._enter("inactive", "dead")
        else:
            self._enter("failed", "failed")
            self._say(f"Failed with result '{result}'.")

    async def _live(self) -> str:
        """Live once, from start to end; return the result."""
        now = time.monotonic()
        while self._starts and now - self._starts[0] > self.unit.start_limit_seconds:
            self._starts.popleft()
        if self.unit.start_limit_burst and len(self._starts) >= self.unit.start_limit_burst:
            self._say("Start request repeated too quickly.")
            return "start-limit-hit"
        self._starts.append(now)
        self.state.invocation = uuid.uuid4().hex
        self.state.started = time.time()
        self.state.status = 0
        notifications = Notifications(self.state.invocation)
        extra = {INVOCATION: self.state.invocation}
        try:
            for command in self.unit.exec_start_pre:
                self._enter("activating", "start-pre")
                if result := await self._prepare(command, extra):
                    return result
            if self.unit.type == "notify":
                extra |= await notifications.open()
            try:
                process = await spawn(self._host, self.unit, self.unit.exec_start, extra)
            except SpawnError as error:
                return self._not_spawned(error)
            return await self._watch(process, notifications)
        except SpawnError as error:
            return self._not_spawned(error)
        finally:
            notifications.close()
            self.state.main_pid = 0

    def _not_spawned(self, error: SpawnError) -> str:
        self._say(str(error))
        self.state.status = error.status or 0
        if error.status and self.unit.type == "simple":
            self._tell(None)  # a simple service counts as started once it is forked, before the program is found
        return "exit-code" if error.status else "resources"

    async def _prepare(self, command: Command, extra: dict[str, str]) -> str:
        """Run one ExecStartPre; return the result if the service must not go on."""
        process = await spawn(self._host, self.unit, command, extra)
        stopped = await self._ended_or_stopped(process, self.unit.start_seconds)
        if stopped:
            return await self._terminate(process) if stopped == "stop" else "timeout"
        status = process.returncode or 0
        if status and not command.may_fail:
            self._say(f"Control process exited, {_words(status)}")
            self.state.status = status
            return "signal" if status < 0 else "exit-code"
        return ""

    async def _watch(self, process: Process, notifications: Notifications) -> str:
        self.state.main_pid = process.pid
        stopped = ""
        if self.unit.type == "notify":
            self._enter("activating", "start")
            stopped = await self._until_ready(process, notifications)
        if not stopped and process.returncode is None:
            self._enter("active", "running")
            self._say(f"Started {self.unit.description}.")
            self._tell(None)
            stopped = await self._ended_or_stopped(process, None)
        if stopped == "stop":
            self._say(f"Stopping {self.unit.description}...")
        if stopped:
            result = await self._terminate(process)
            return "timeout" if stopped == "timeout" else result
        result = self._judge(process.returncode or 0)
        self._say(f"Main process exited, {_words(self.state.status)}")
        await self._end_rest()
        return result

    async def _until_ready(self, process: Process, notifications: Notifications) -> str:
        ready = asyncio.create_task(notifications.ready.wait())
        try:
            return await self._ended_or_stopped(process, self.unit.start_seconds, ready)
        finally:
            ready.cancel()

    async def _ended_or_stopped(
        self, process: Process, seconds: float | None, other: asyncio.Task[bool] | None = None
    ) -> str:
        """Wait for the end of the process, ``other``, a stop (returns "stop") or the deadline (returns "timeout")."""
        ended, stop = asyncio.create_task(process.wait()), asyncio.create_task(self._stop.wait())
        waiting: set[asyncio.Task[int] | asyncio.Task[bool]] = {ended, stop}
        try:
            done, _ = await asyncio.wait(
                waiting | {other} if other else waiting, timeout=_finite(seconds), return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            for task in (ended, stop):
                task.cancel()
        if not done:
            self._say("Start operation timed out. Terminating.")
            return "timeout"
        return "" if ended in done or stop not in done else "stop"

    async def _terminate(self, process: Process) -> str:
        """Ask to end, wait, then kill; return the result."""
        self._enter("deactivating", "stop-sigterm")
        main_only = self.unit.kill_mode in {"mixed", "process"}
        for number in (self.unit.kill_signal, signal.SIGCONT):
            send([process.pid] if main_only else self._members(), number)
        try:
            await asyncio.wait_for(self._all_ended(process), _finite(self.unit.stop_seconds))
        except TimeoutError:
            self._say("State 'stop-sigterm' timed out. Killing." if self.unit.send_sigkill else "Still around, left.")
            self._enter("deactivating", "stop-sigkill")
            if self.unit.send_sigkill:
                send_group(process.pid, signal.SIGKILL)
                await self._end_rest()
                await process.wait()
                self.state.status = process.returncode or 0
            return "timeout"
        await self._end_rest()
        self._say(f"Stopped {self.unit.description}.")
        return self._judge(process.returncode or 0, stopped=True)

    async def _all_ended(self, process: Process) -> None:
        await process.wait()
        while self.unit.kill_mode == "control-group" and self._members():  # noqa: ASYNC110  no child of ours: nobody tells
            await asyncio.sleep(POLL_SECONDS)

    async def _end_rest(self) -> None:
        """End what the main process left behind, unless its unit wants to leave it."""
        while self.unit.kill_mode != "process" and (rest := self._members()):
            send(rest, signal.SIGKILL)
            await asyncio.sleep(POLL_SECONDS)

    def _members(self) -> list[int]:
        return marked(INVOCATION, self.state.invocation) if self.state.invocation else []

    def _judge(self, status: int, *, stopped: bool = False) -> str:
        self.state.status = status
        clean = status == 0 or -status in CLEAN_SIGNALS or (stopped and -status == self.unit.kill_signal)
        if clean or status in self.unit.success_statuses:
            return "success"
        return "signal" if status < 0 else "exit-code"

    def _enter(self, active: str, sub: str) -> None:
        if active == "active" and self.state.active != "active":
            self.state.entered = time.time()
            self.state.result = "success"
        self.state.active, self.state.sub = active, sub

    def _tell(self, error: JobFailed | None) -> None:
        """Answer whoever waits for the start."""
        if self._ready.done():
            return
        if error is None:
            self._ready.set_result(None)
        else:
            self._ready.set_exception(error)
            self._ready.exception()  # nobody waits when the host boots: that is no error of the loop

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stop.wait(), seconds)
        except TimeoutError:
            return

    def _say(self, text: str) -> None:
        with journal_file(self._host, self.unit.name) as journal:
            journal.write(f"systemd: {self.unit.name}: {text}\n".encode())


def _finite(seconds: float | None) -> float | None:
    return None if seconds == float("inf") else seconds


def _words(status: int) -> str:
    if status < 0:
        return f"code=killed, status={-status}/{signal.Signals(-status).name.removeprefix('SIG')}"
    return f"code=exited, status={status}{'/FAILURE' if status == 1 else ''}"
