"""Runs notebooks headless, one after the other, each in a fresh kernel, and stops at the first that fails."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import papermill
from papermill.engines import papermill_engines
from papermill.exceptions import PapermillExecutionError
from papermill.iorw import LocalHandler, papermill_io

from runbook_lib import errors
from runbook_lib.errors import ParamsError, RunError
from runbook_lib.record import executed
from runbook_lib.record.folder import write_text
from runbook_lib.runner.engine import Listener, RunbookEngine

ENGINE = "runbook"
papermill_engines.register(ENGINE, RunbookEngine)


class _Whole(LocalHandler):  # type: ignore[misc]  # papermill ships no types
    """Keeps executed notebooks whole, whenever the runner dies, and what a cell should not have shown masked."""

    def write(self, text: str, path: str) -> None:
        """Write beside, then rename."""
        write_text(Path(self._cwd or "", path), text)


papermill_io.register("", _Whole())


@dataclass(frozen=True, slots=True)
class NotebookRun:
    """How one notebook ended. ``started``: unix seconds; ``seconds``: wall clock; ``error``: one line, None if none."""

    name: str
    path: Path
    started: float
    seconds: float
    error: str | None = None
    kind: type[errors.RunbookError] = RunError

    @property
    def passed(self) -> bool:
        """Whether every cell ran and no gate stopped it."""
        return self.error is None


@dataclass(frozen=True, slots=True)
class Kernels:
    """Where notebooks run. ``environment``: of their kernels, None: this process's own; ``listener``: hears waits."""

    cwd: Path
    listener: Listener
    environment: Mapping[str, str] | None = None


def run(
    notebooks: Sequence[Path],
    output: Path,
    parameters: Mapping[str, Any],
    kernels: Kernels,
    *,
    begin: Callable[[str], None] = lambda _name: None,
) -> Iterator[NotebookRun]:
    """Run each notebook into ``output``; yield how it ended; nothing runs after one that failed.

    ``begin`` is told the name of each before it starts, and may raise instead. Raises ParamsError, before any kernel
    starts, for a parameter that a notebook does not have.
    """
    for notebook in notebooks:
        _refuse_unknown(notebook, parameters)
    for notebook in notebooks:
        begin(notebook.stem)
        ended = _run_one(notebook, output / notebook.name, parameters, kernels)
        yield ended
        if not ended.passed:
            return


def lay_out(notebooks: Sequence[Path], output: Path, parameters: Mapping[str, Any]) -> list[Path]:
    """Put each notebook into ``output`` with its parameters, not run; what is there stays. Return what was put.

    Modules that their folder has of its own are put beside them: a kernel that JupyterLab starts looks for them there.
    """
    laid = []
    for notebook in notebooks:
        _refuse_unknown(notebook, parameters)
        target = output / notebook.name
        if not target.exists():
            papermill.execute_notebook(
                str(notebook), str(target), dict(parameters), prepare_only=True, progress_bar=False
            )
            _once(target)
            laid.append(target)
    for module in {module for notebook in notebooks for module in notebook.parent.glob("*.py")}:
        if not module.with_suffix(".ipynb").exists():
            shutil.copyfile(module, output / module.name)
    return laid


def _once(laid: Path) -> None:
    """Leave out the defaults, which the next cell overrules: one of two cells that differ is read as if it counted."""
    notebook = nbformat.read(laid, as_version=4)  # type: ignore[no-untyped-call]  # nbformat's own
    notebook.cells = [cell for cell in notebook.cells if "parameters" not in cell.metadata.get("tags", [])]
    nbformat.write(notebook, laid)  # type: ignore[no-untyped-call]  # nbformat's own


def _refuse_unknown(notebook: Path, parameters: Mapping[str, Any]) -> None:
    """Papermill would only warn, and the operator's flag would do nothing."""
    known = papermill.inspect_notebook(str(notebook))
    unknown = sorted(set(parameters) - set(known))
    if unknown:
        raise ParamsError(
            f"{notebook.name} has no parameter {', '.join(unknown)}", remedy=f"it knows {', '.join(sorted(known))}"
        )


def _run_one(notebook: Path, output: Path, parameters: Mapping[str, Any], kernels: Kernels) -> NotebookRun:
    output.parent.mkdir(parents=True, exist_ok=True)
    started, began = time.time(), time.monotonic()
    error: str | None = None
    kind: type[errors.RunbookError] = RunError
    try:
        papermill.execute_notebook(
            _from_here(notebook),
            _from_here(output),
            dict(parameters),
            engine_name=ENGINE,
            kernel_name="python3",
            progress_bar=False,
            cwd=str(kernels.cwd),
            listener=kernels.listener,
            environment=kernels.environment,
        )
        executed.read(output).require()
    except RunError as failure:
        error = failure.what
    except PapermillExecutionError as failure:
        kind = _kind(failure.ename)
        error = _one_line(failure.ename, failure.evalue)
    return NotebookRun(notebook.stem, output, started, time.monotonic() - began, error, kind)


def _from_here(path: Path) -> str:
    """Name a file from the current directory: papermill keeps the name, and a record need not tell whose disk it is."""
    return os.path.relpath(path)


def _one_line(name: str, said: str) -> str:
    """Return an error of ours in its own words, any other with its name: a KeyError's words alone say nothing."""
    first = said.strip().splitlines()[:1]
    return first[0] if first and hasattr(errors, name) else ": ".join([name, *first])


def _kind(name: str) -> type[errors.RunbookError]:
    """Return the error class that a kernel's error name stands for; anything that is not ours is a RunError."""
    kind = getattr(errors, name, RunError)
    return kind if isinstance(kind, type) and issubclass(kind, errors.RunbookError) else RunError
