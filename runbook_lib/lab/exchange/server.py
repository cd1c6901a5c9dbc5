"""The simulated exchange as a whole: the one place where its parts are put together."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Self

from aiohttp import web

from runbook_lib.errors import LabError
from runbook_lib.lab.exchange.admin import Admin
from runbook_lib.lab.exchange.rest import Rest
from runbook_lib.lab.exchange.settings import ExchangeSettings
from runbook_lib.lab.exchange.streams import Streams
from runbook_lib.lab.exchange.venue import Venue

ADMIN_ADDRESS = "127.0.0.1"


class Exchange:
    """Listens on every source's address at once; the address at which it was reached is the source it counts for.

    ``clock`` returns unix seconds; tests hand in their own.
    """

    def __init__(self, settings: ExchangeSettings, clock: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._names = {address: name for name, address in settings.sources.items()}
        if len(self._names) < len(settings.sources):
            raise LabError("two hosts share one address", remedy="give each host of the lab an address of its own")
        self.venue = Venue.of(settings, clock)
        self._rest = Rest(self.venue, self._source_of)
        self._streams = Streams(self.venue, self._source_of)
        self._admin = Admin(self.venue, self._streams.cut)
        self._runners: list[web.AppRunner] = []
        self._pushing: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen. Raises LabError, with nothing left open, if an address cannot be had."""
        public = web.Application()
        public.router.add_get("/ws", self._streams.handle)
        public.router.add_get("/ws/{connection}", self._streams.handle)
        public.router.add_route("*", "/{path:.*}", self._rest.handle)
        public.on_shutdown.append(self._goodbye)
        try:
            await self._listen(public, list(self._settings.sources.values()), self._settings.port)
            await self._listen(self._admin.app(), [ADMIN_ADDRESS], self._settings.admin_port)
        except BaseException:
            await self.stop()
            raise
        self._pushing = asyncio.create_task(self._streams.run())

    async def _goodbye(self, _app: web.Application) -> None:
        await self._streams.close()

    async def _listen(self, app: web.Application, addresses: list[str], port: int) -> None:
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        self._runners.append(runner)
        await runner.setup()
        for address in addresses:
            try:
                await web.TCPSite(runner, address, port, backlog=1024).start()
            except OSError as error:
                raise LabError(
                    f"the exchange cannot listen on {address}:{port}: {error.strerror or error}",
                    remedy="end what holds that port, or choose another in the lab's settings",
                ) from error

    async def stop(self) -> None:
        """Close everything. May be called twice. Raises the error that silenced the streams, if any."""
        pushing, self._pushing = self._pushing, None
        try:
            if pushing:
                pushing.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await pushing
        finally:
            while self._runners:
                await self._runners.pop().cleanup()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.stop()

    def _source_of(self, request: web.BaseRequest) -> str:
        """Return the host whose address was called."""
        transport = request.transport
        address = transport.get_extra_info("sockname")[0] if transport else ""
        return self._names.get(address, address)
