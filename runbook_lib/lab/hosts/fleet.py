"""All embedded hosts of a lab, and what may befall them."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Sequence
from pathlib import Path

from runbook_lib.errors import LabError
from runbook_lib.lab.hosts import guardian
from runbook_lib.lab.hosts.server import EmbeddedHost
from runbook_lib.lab.hosts.settings import HostSettings


class EmbeddedHosts:
    """The hosts in one process and one event loop. If that process is killed, a guardian ends what it carried."""

    def __init__(self, hosts: Sequence[HostSettings]) -> None:
        self._hosts = {settings.name: EmbeddedHost(settings) for settings in hosts}
        self._guardian: Process | None = None

    async def start(self) -> None:
        """Start all hosts; if one of them does not, stop the others and say why."""
        self._guardian = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", str(Path(guardian.__file__)), str(os.getpid())),
            *(str(host.settings.root) for host in self._hosts.values()),
            stdin=DEVNULL,
            stdout=DEVNULL,
            env={"LANG": "C.UTF-8"},
            start_new_session=True,
        )
        try:
            await self._start_all()
        except BaseException:
            await self.stop()
            raise

    async def _start_all(self) -> None:
        # all are waited for: one that is still starting while the others stop would leave its services behind
        ends = await asyncio.gather(*(host.start() for host in self._hosts.values()), return_exceptions=True)
        for error in filter(None, ends):
            raise error

    async def stop(self) -> None:
        """Stop all hosts; no process is left."""
        await asyncio.gather(*(host.stop() for host in self._hosts.values()))
        if self._guardian is not None and self._guardian.returncode is None:
            self._guardian.kill()
            await self._guardian.wait()

    def cut_connections(self, name: str) -> int:
        """Tear apart all SSH connections of a host; return how many there were."""
        return self._host(name).cut_connections()

    async def power_off(self, name: str) -> None:
        """Take a host's power away: all of its processes and connections end at once."""
        await self._host(name).lose_power()

    async def power_on(self, name: str) -> None:
        """Boot a host that is off; enabled services come back."""
        await self._host(name).start()

    def _host(self, name: str) -> EmbeddedHost:
        if name not in self._hosts:
            raise LabError(f"no such host: {name}", remedy=f"one of {', '.join(self._hosts)}")
        return self._hosts[name]
