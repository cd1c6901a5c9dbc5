"""The folder of one change: where each part of the record lies, and writing that is whole or not at all."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from runbook_lib.errors import ParamsError, RecordError
from runbook_lib.redaction import redact

_CHANGE_ID: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_COPIES: Final = ".ipynb_checkpoints"
_LOCK: Final = ".lock"
_BESIDE: Final = ".part-"  # begins the name of a file that is being written


def check_change_id(change_id: str) -> str:
    """Return ``change_id`` if it may be one: it names a folder, so no path can hide in it."""
    if not _CHANGE_ID.fullmatch(change_id):
        raise ParamsError(
            f"change id {change_id!r}: only a-z, 0-9 and . _ - are allowed, at most 64, the first a letter or digit",
            remedy="choose another, such as 2025-11-23-lab",
        )
    return change_id


@dataclass(frozen=True, slots=True)
class ChangeFolder:
    """``root``/``change_id`` and what lies in it. Nothing is created before `create`."""

    root: Path
    change_id: str

    def __post_init__(self) -> None:
        check_change_id(self.change_id)

    @property
    def path(self) -> Path:
        """The folder itself."""
        return self.root / self.change_id

    @property
    def notebooks(self) -> Path:
        """Executed notebooks."""
        return self.path / "notebooks"

    @property
    def charts(self) -> Path:
        """Charts, each as .svg and .png."""
        return self.path / "charts"

    @property
    def journal(self) -> Path:
        """What was intended and done, one JSON object a line."""
        return self.path / "journal.jsonl"

    @property
    def site(self) -> Path:
        """The site file as it was when the change began."""
        return self.path / "site.yaml"

    @property
    def runbook(self) -> Path:
        """The manifest of the runbook that the change was begun with: its title, its holds."""
        return self.path / "runbook.yaml"

    @property
    def plans(self) -> Path:
        """Plans that were saved to be applied later."""
        return self.path / "plans"

    @property
    def lock(self) -> Path:
        """Who is at work on the change; no part of its record."""
        return self.path / _LOCK

    @property
    def report(self) -> Path:
        """The page for people."""
        return self.path / "report.html"

    @property
    def record(self) -> Path:
        """The statement for machines: digests of everything else, verdict, claims, figures."""
        return self.path / "record.json"

    def create(self) -> ChangeFolder:
        """Make the folders; a folder that is there is used again."""
        try:
            for directory in (self.notebooks, self.charts):
                directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RecordError(f"{self.path}: cannot be made: {error}", remedy="check space and permissions") from None
        return self

    def require(self) -> ChangeFolder:
        """Refuse to go on when there is no such change."""
        if not self.path.is_dir():
            raise RecordError(f"{self.path}: no such change", remedy="check the change id; it is a folder in outputs/")
        return self

    def set_aside(self, notebooks: Iterable[str], moment: str) -> None:
        """Move executed notebooks that are about to run again to ``earlier/MOMENT``.

        They stay evidence, but no verdict, claim or figure is taken from them any more.
        """
        for name in notebooks:
            executed, kept = self.notebooks / f"{name}.ipynb", self.path / "earlier" / moment / f"{name}.ipynb"
            if executed.exists():
                kept.parent.mkdir(parents=True, exist_ok=True)
                executed.replace(kept)

    def keep(self, site: Path, runbook: Path) -> None:
        """Keep copies of the site file and of the runbook's manifest, their secrets masked should there be any."""
        write_text(self.site, site.read_text(encoding="utf-8"))
        write_text(self.runbook, runbook.read_text(encoding="utf-8"))

    def files(self) -> Iterator[Path]:
        """Yield every file, sorted by its name in the record; links are refused, they point at what is not kept.

        JupyterLab's copies are no part of it: they come into being when somebody opens a notebook to read it. Nor is
        what speaks of the moment alone: who is at work.
        """
        found = sorted(self.path.rglob("*"), key=self.name_of)
        for path in found:
            if _COPIES in path.parts or path.name.startswith(_LOCK):
                continue
            if path.is_symlink():
                raise RecordError(f"{path}: is a link", remedy="replace it by the file that it points at")
            if path.is_file():
                yield path

    def name_of(self, path: Path) -> str:
        """Return the name that ``path`` has in the record."""
        return path.relative_to(self.path).as_posix()


def write_text(path: Path, text: str) -> None:
    """Write text as UTF-8, its secrets masked."""
    write_bytes(path, redact(text).encode())


def write_bytes(path: Path, data: bytes) -> None:
    """Write beside, sync, rename: a reader finds the old file or the new one, whatever happens in between."""
    beside = path.with_name(f"{_BESIDE}{secrets.token_hex(4)}-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with beside.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
        _sync_directory(path.parent)
    except OSError as error:
        raise RecordError(f"{path}: cannot be written: {error}", remedy="check space and permissions") from None


def _sync_directory(directory: Path) -> None:
    """Make the rename itself survive a power loss, where the system lets directories be synced."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
