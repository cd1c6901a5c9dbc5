"""Runs notebooks headless, one after the other, each in a fresh kernel, and stops at the first that fails."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import papermill
from papermill.engines import papermill_engines
from papermill.exceptions import PapermillExecutionError

from runbook_lib import errors
from runbook_lib.errors import ParamsError, RunError
from runbook_lib.record import executed
from runbook_lib.record.folder import write_text
from runbook_lib.runner.engine import Listener, RunbookEngine

ENGINE = "runbook"
papermill_engines.register(ENGINE, RunbookEngine)


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


def notebooks_in(directory: Path) -> list[Path]:
    """Return the runbook's notebooks in their order: files named NN_verb.ipynb.

    Raises ParamsError if there are none.
    """
    found = sorted(directory.glob("[0-9][0-9]_*.ipynb"))
    if not found:
        raise ParamsError(f"{directory}: holds no notebook named NN_verb.ipynb", remedy="run `make notebooks`")
    return found


def run(
    notebooks: Sequence[Path], output: Path, parameters: Mapping[str, Any], *, cwd: Path, listener: Listener
) -> Iterator[NotebookRun]:
    """Run each notebook into ``output``; yield how it ended; nothing runs after one that failed.

    Raises ParamsError, before any kernel starts, for a parameter that a notebook does not have.
    """
    for notebook in notebooks:
        _refuse_unknown(notebook, parameters)
    for notebook in notebooks:
        ended = _run_one(notebook, output / notebook.name, parameters, cwd=cwd, listener=listener)
        yield ended
        if not ended.passed:
            return


def lay_out(notebooks: Sequence[Path], output: Path, parameters: Mapping[str, Any]) -> list[Path]:
    """Put each notebook into ``output`` with its parameters, not run; what is there stays. Return what was put."""
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


def _run_one(
    notebook: Path, output: Path, parameters: Mapping[str, Any], *, cwd: Path, listener: Listener
) -> NotebookRun:
    output.parent.mkdir(parents=True, exist_ok=True)
    started = time.time()
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
            cwd=str(cwd),
            listener=listener,
        )
        executed.read(output).require()
    except RunError as failure:
        error = failure.what
    except PapermillExecutionError as failure:
        kind = _kind(failure.ename)
        error = _one_line(failure.ename, failure.evalue)
    finally:
        if output.exists():  # whatever a cell showed that it should not have
            write_text(output, output.read_text(encoding="utf-8"))
    return NotebookRun(notebook.stem, output, started, time.time() - started, error, kind)


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
