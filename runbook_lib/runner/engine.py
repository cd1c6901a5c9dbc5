"""The papermill engine of this library: kernels over IPC, and what a cell waits for shown while it runs.

`runbook_lib.runner.run` makes it known to papermill. A cell's progress arrives as display data of the type that
`runbook_lib.view.progress` sends; it goes to the listener that the caller hands over.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from typing import Any

from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import DeadKernelError
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine
from traitlets.config import Config

from runbook_lib.errors import RunError
from runbook_lib.view.progress import MIME

Listener = Callable[[Mapping[str, Any]], None]

SAVE_EVERY_SECONDS = 1.0


class IpcKernelManager(AsyncKernelManager):
    """Kernels whose channels are sockets in a folder that nobody else may enter, not TCP ports open to every login.

    ipykernel keeps one port of its own on loopback, for the output of forked children; it takes nothing without a key.
    """

    def _transport_default(self) -> str:
        return "ipc"

    def _shutdown_wait_time_default(self) -> float:
        """Seconds until a kernel that was asked to end is killed; half of it until it is told to.

        One in four waits for its own output while it ends, of which it has shut the way (ipykernel 7.4): by default
        the run would wait 2.5 s for it. Its cells are done and its connections closed by then.
        """
        return 1.0


class Client(PapermillNotebookClient):  # type: ignore[misc]  # papermill ships no types
    """Runs the cells and hands progress messages on."""

    def __init__(self, nb_man: Any, *, listener: Listener | None = None, **options: Any) -> None:  # noqa: ANN401
        super().__init__(nb_man, kernel_manager_class=IpcKernelManager, **options)
        self._listener = listener

    def process_message(self, message: Mapping[str, Any], *arguments: Any, **options: Any) -> Any:  # noqa: ANN401
        """Show progress at once; everything else as papermill does."""
        progress = message.get("content", {}).get("data", {}).get(MIME)
        if progress is not None and self._listener is not None:
            self._listener(progress)
        return super().process_message(message, *arguments, **options)


class RunbookEngine(NBClientEngine):  # type: ignore[misc]  # papermill ships no types
    """Engine ``runbook``: as papermill's own, but for kernel transport, progress and how often it saves."""

    @classmethod
    def execute_managed_notebook(
        cls,
        nb_man: Any,  # noqa: ANN401 - papermill ships no types
        kernel_name: str,
        *,
        start_timeout: float = 60,
        listener: Listener | None = None,
        environment: Mapping[str, str] | None = None,
        **_options: Any,  # noqa: ANN401 - papermill passes what other engines want
    ) -> Any:  # noqa: ANN401
        """Run all cells of one notebook in a fresh kernel."""
        _throttle(nb_man)
        # the kernel's sockets need a place of their own, else they are left behind in the current directory; what it
        # says itself, on its way out mostly, is of interest only if it dies: cells speak otherwise
        with tempfile.TemporaryDirectory(prefix="runbook-") as sockets, tempfile.TemporaryFile() as said:
            client = Client(
                nb_man,
                listener=listener,
                kernel_name=kernel_name,
                timeout=None,
                startup_timeout=start_timeout,
                config=Config({"IpcKernelManager": {"ip": f"{sockets}/k"}}),
            )
            try:
                return client.execute(stderr=said, **({"env": dict(environment)} if environment is not None else {}))
            except DeadKernelError:
                _cut_off(nb_man)
                said.seek(0)
                last = said.read().decode(errors="replace").strip().splitlines()[-1:]
                raise RunError(
                    f"the kernel died{': ' if last else ''}{''.join(last)}", remedy="run this notebook again"
                ) from None
            except RuntimeError as error:  # as nbclient tells of a kernel that never speaks
                _cut_off(nb_man)
                raise RunError(f"the kernel did not start: {error}", remedy="run this notebook again") from None
            except BaseException:
                _cut_off(nb_man)
                raise


def _cut_off(nb_man: Any) -> None:  # noqa: ANN401
    """Say which cell did not run to its end: papermill would call it completed, and all cells after it, too."""
    cells = nb_man.nb.cells
    begun = [number for number, cell in enumerate(cells) if cell.metadata.papermill.get("start_time")]
    last = begun[-1] if begun else 0
    nb_man.cell_exception(cells[last], cell_index=last)


def _throttle(nb_man: Any) -> None:  # noqa: ANN401
    """Save the growing notebook at most once a second; papermill would write all of it twice a cell."""
    save, last = nb_man.save, 0.0

    def throttled(**options: Any) -> None:  # noqa: ANN401
        nonlocal last
        if time.monotonic() - last >= SAVE_EVERY_SECONDS:
            last = time.monotonic()
            save(**options)

    nb_man.save = throttled
    finished = nb_man.notebook_complete

    def complete(**options: Any) -> None:  # noqa: ANN401
        nb_man.save = save
        finished(**options)

    nb_man.notebook_complete = complete
