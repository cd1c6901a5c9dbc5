"""A tiny runbook in a project of its own, and notebooks that are played: what each does to the journal is said here."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat

from runbook_lib.change.journal import Event, Journal, read
from runbook_lib.errors import RunbookError
from runbook_lib.record import statement
from runbook_lib.record.folder import ChangeFolder
from runbook_lib.runner.run import NotebookRun

SITE = """\
site: village
hosts: {a: {address: 127.0.0.1}, b: {address: 127.0.0.1}}
ssh: {user: nobody, port: 9, connect_seconds: 1}
"""
MANIFEST = """\
title: A village
site: runbook_lib.params:Site
rollback: 90_back
needs_a_change: [30_after]
holds: {before_work: May work begin?, before_back: May it be undone?}
"""
FORWARD = ("10_look", "20_work", "30_after")
STEP = {"kind": "file", "key": "file:x", "act": "create x", "path": "x"}
ASKS = {"20_work": 'phase.hold("before_work")', "90_back": "phase.hold('before_back')"}

Act = Callable[[Journal], None]


def lay(root: Path) -> None:
    """Write the project: a site, a runbook, an empty folder for changes."""
    for folder in ("params", "book", "outputs"):
        (root / folder).mkdir()
    (root / "params" / "village.yaml").write_text(SITE)
    (root / "book" / "runbook.yaml").write_text(MANIFEST)
    for name in (*FORWARD, "90_back"):
        cells = [nbformat.v4.new_code_cell(ASKS.get(name, "phase"))]
        nbformat.write(nbformat.v4.new_notebook(cells=cells), root / "book" / f"{name}.ipynb")


def work(journal: Journal) -> None:
    """Change host a."""
    journal.write("intent", "a", **STEP)
    journal.write("done", "a", **STEP)


def back(journal: Journal) -> None:
    """Undo that."""
    journal.write("undo", "a", **STEP)
    journal.write("undone", "a", **STEP)
    journal.write("rolled back")


def fails(error: RunbookError, before: Act = lambda _journal: None) -> Act:
    """Do something, then end in an error."""

    def act(journal: Journal) -> None:
        before(journal)
        raise error

    return act


@dataclass
class Village:
    """``acts``: what a notebook does, by its name; ``ran``: names of those that ran, in order."""

    root: Path
    acts: dict[str, Act] = field(default_factory=lambda: {"20_work": work, "90_back": back})
    ran: list[str] = field(default_factory=list)

    def folder(self, change: str = "c") -> ChangeFolder:
        return ChangeFolder(self.root / "outputs", change)

    def events(self, change: str = "c") -> list[Event]:
        return list(read(self.folder(change).journal))

    def what(self, change: str = "c") -> list[str]:
        return [event.what for event in self.events(change)]

    def predicate(self, change: str = "c") -> Any:
        assert statement.check(self.folder(change)) == []
        return statement.read(self.folder(change))["predicate"]

    def run(
        self,
        notebooks: Sequence[Path],
        output: Path,
        parameters: Mapping[str, Any],
        kernels: object,  # noqa: ARG002 - as papermill's way has it
        *,
        begin: Callable[[str], None],
    ) -> Iterator[NotebookRun]:
        """Play `runbook_lib.runner.run.run`."""
        for path in notebooks:
            begin(path.stem)
            self.ran.append(path.stem)
            journal = Journal(self.folder(str(parameters["change_id"])).journal, path.stem)
            journal.write("opened", site="village", dry_run=parameters["dry_run"])
            error: RunbookError | None = None
            try:
                if not parameters["dry_run"]:
                    self.acts.get(path.stem, lambda _journal: None)(journal)
            except RunbookError as raised:
                error = raised
            _write(output / path.name, error)
            kind = {"kind": type(error)} if error is not None else {}
            yield NotebookRun(path.stem, output / path.name, time.time(), 0.1, str(error) if error else None, **kind)
            if error is not None:
                return


def _write(path: Path, error: RunbookError | None) -> None:
    """Leave an executed notebook with one gate that holds and a sentence, as a kernel would."""
    gate = [{"name": "n", "verdict": "Successful", "expected": "e", "observed": "o", "host": None, "remedy": ""}]
    scraps: dict[str, Any] = {f"gate_{path.stem}": gate, "sentence": f"{path.stem} says: all is well"}
    shown = [
        nbformat.v4.new_output(
            "display_data",
            {"application/scrapbook.scrap.json+json": {"name": name, "data": data, "encoder": "json", "version": 1}},
            metadata={"scrapbook": {"name": name}},
        )
        for name, data in scraps.items()
    ]
    if error is not None:
        failed = nbformat.v4.new_output("error", ename=type(error).__name__, evalue=str(error), traceback=[])
        shown = [failed]
    cell = nbformat.v4.new_code_cell("x", execution_count=1, outputs=shown)
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), path)
