"""Executed notebooks, read back: whether every cell completed, how long it took, and what it showed."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import nbformat

from runbook_lib.errors import RecordError, RunError

Kind = Literal["html", "png", "text", "log", "error"]

_ANSI: Final = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_BANNERS: Final = {"papermill-error-cell-tag", "injected-parameters"}
_HEADING: Final = re.compile(r"^#\s+(.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Output:
    """One thing that a cell showed. ``data``: HTML or text, or the bytes of a PNG."""

    kind: Kind
    data: str | bytes


@dataclass(frozen=True, slots=True)
class Cell:
    """One code cell. ``completed``: it ran to its end without an error; ``seconds``: wall clock, None if not known."""

    id: str
    source: str
    completed: bool
    error: str
    seconds: float | None
    outputs: tuple[Output, ...]


@dataclass(frozen=True, slots=True)
class Executed:
    """An executed notebook; ``title`` is its first heading. Cells without code are left out, banners too."""

    path: Path
    title: str
    cells: tuple[Cell, ...]

    @property
    def name(self) -> str:
        """The notebook's name without .ipynb."""
        return self.path.stem

    @property
    def completed(self) -> bool:
        """Whether every code cell ran to its end; a notebook without any did not run."""
        return bool(self.cells) and all(cell.completed for cell in self.cells)

    @property
    def begun(self) -> bool:
        """Whether any code cell was run; one that was only laid out was not."""
        return any(cell.completed or cell.error for cell in self.cells)

    @property
    def error(self) -> str:
        """The first error, one line; empty if there was none."""
        return next((cell.error for cell in self.cells if cell.error), "")

    @property
    def seconds(self) -> float | None:
        """Wall clock of all cells whose time is known; None if none is."""
        known = [cell.seconds for cell in self.cells if cell.seconds is not None]
        return sum(known) if known else None

    def require(self) -> Executed:
        """Raise RunError unless every cell completed: papermill may leave a cell pending and say nothing."""
        if self.completed:
            return self
        if self.error:
            raise RunError(f"{self.path.name}: {self.error}", remedy=f"open {self.path} and read the failed cell")
        behind = next((cell.id for cell in self.cells if not cell.completed), "none")
        raise RunError(f"{self.path.name}: cell {behind} did not complete", remedy="run this notebook again")


def read(path: Path) -> Executed:
    """Read one executed notebook."""
    try:
        notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]  # nbformat's own
    except FileNotFoundError:
        raise RecordError(f"{path}: no such executed notebook", remedy="run that phase first") from None
    except (OSError, ValueError, AttributeError, TypeError, nbformat.ValidationError) as error:
        raise RecordError(f"{path}: no readable notebook: {str(error)[:200]}", remedy="run that phase again") from None
    prose = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    heading = _HEADING.search(prose)
    cells = tuple(_cell(raw, index) for index, raw in enumerate(notebook.cells) if _is_ours(raw))
    return Executed(path, heading.group(1).strip() if heading else path.stem, cells)


def read_folder(directory: Path) -> tuple[Executed, ...]:
    """Read every executed notebook of a folder, in the order of their names."""
    return tuple(read(path) for path in sorted(directory.glob("*.ipynb")))


def _is_ours(raw: Any) -> bool:  # noqa: ANN401 - nbformat's nodes are untyped
    tags = set(raw.metadata.get("tags", ()))
    return raw.cell_type == "code" and bool(raw.source.strip()) and not tags & _BANNERS


def _cell(raw: Any, index: int) -> Cell:  # noqa: ANN401
    told = raw.metadata.get("papermill", {})
    error = next((_one_line(output) for output in raw.outputs if output.output_type == "error"), "")
    status = told.get("status")
    ran = status == "completed" if status else raw.execution_count is not None
    duration = told.get("duration")
    return Cell(
        id=raw.get("id", f"number {index}"),
        source=raw.source,
        completed=bool(ran and not error and not told.get("exception")),
        error=error,
        seconds=float(duration) if duration is not None else None,
        outputs=tuple(_outputs(raw.outputs)),
    )


def _outputs(raw: list[Any]) -> Iterator[Output]:
    """Yield the best form of everything shown; results glued for later phases are no output."""
    for output in raw:
        if output.output_type == "stream":
            yield Output("log", _ANSI.sub("", output.text))
        elif output.output_type == "error":
            yield Output("error", _ANSI.sub("", "\n".join(output.traceback)) or _one_line(output))
        elif "text/html" in output.data:
            yield Output("html", output.data["text/html"])
        elif "image/png" in output.data:
            yield Output("png", base64.b64decode(output.data["image/png"]))
        elif "text/plain" in output.data:
            yield Output("text", output.data["text/plain"])


def _one_line(output: Any) -> str:  # noqa: ANN401
    """Return what an error said, without the places it came from."""
    said = str(output.evalue).strip().splitlines() or [""]
    return _ANSI.sub("", f"{output.ename}: {said[0]}").rstrip(": ")
