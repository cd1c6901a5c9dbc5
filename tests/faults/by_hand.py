"""A notebook's cells run by hand, in a kernel that nobody but the operator's JupyterLab has started."""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from queue import Empty
from typing import Any

import nbformat
from jupyter_client.asynchronous import AsyncKernelClient
from jupyter_client.manager import AsyncKernelManager

LOOK_SECONDS = 0.01


class CellFailed(Exception):
    """A cell that ended with an error, or with its kernel. Says which error."""


class ByHand:
    """One kernel, and one notebook whose parameters the operator has written into their cell."""

    def __init__(self, cells: list[Any], manager: AsyncKernelManager, client: AsyncKernelClient) -> None:
        self.cells = cells
        self.manager = manager
        self._client = client

    @property
    def pid(self) -> int:
        """Process id of the kernel."""
        return int(self.manager.provisioner.pid)

    async def run(self, cell: Any, look: Callable[[], Any] = lambda: None) -> None:
        """Run one cell; what it asks is answered with go. ``look`` is called, and awaited, again and again."""
        asked = self._client.execute(cell.source, allow_stdin=True)
        while await self.manager.is_alive():
            if (wait := look()) is not None:
                await wait
            if await self._client.stdin_channel.msg_ready():
                await self._client.get_stdin_msg()
                self._client.input("go")
            try:
                reply = await self._client.get_shell_msg(timeout=LOOK_SECONDS)
            except Empty:
                continue
            if reply["parent_header"]["msg_id"] != asked:
                continue
            if reply["content"]["status"] == "aborted":  # it still clears away what the cell before left in its queue
                asked = self._client.execute(cell.source, allow_stdin=True)
                continue
            if reply["content"]["status"] != "ok":
                raise CellFailed(f"{reply['content']['ename']}: {reply['content']['evalue']}")
            return
        raise CellFailed("the kernel is dead")

    async def run_all(self, look: Callable[[], Any] = lambda: None) -> None:
        """Run the whole notebook, up to a cell that fails."""
        for cell in self.cells:
            await self.run(cell, look)


@asynccontextmanager
async def by_hand(notebook: Path, **given: object) -> AsyncIterator[ByHand]:
    """Start a kernel where a notebook lies. ``given``: what the operator writes into its cell of parameters."""
    cells = [cell for cell in nbformat.read(notebook, as_version=4).cells if cell.cell_type == "code"]
    for cell in cells:
        if "parameters" in cell.metadata.get("tags", ()):
            cell.source = "\n".join(f"{name} = {value!r}" for name, value in given.items())
    env = {name: value for name, value in os.environ.items() if name != "RUNBOOK_RUN"}
    with tempfile.TemporaryDirectory(prefix="kernel-") as folder:  # a short name: those of sockets end at 107 bytes
        manager = AsyncKernelManager(kernel_name="python3", transport="ipc", connection_file=f"{folder}/kernel.json")
        await manager.start_kernel(cwd=str(notebook.parent), env=env)
        client = manager.client()
        client.start_channels()
        try:
            await client.wait_for_ready(timeout=120)
            yield ByHand(cells, manager, client)
        finally:
            client.stop_channels()
            await manager.shutdown_kernel(now=True)
            manager.context.destroy()
