"""What a command is about: a change, its runbook, its site, its folder; and what of them may go together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from runbook_lib import lab as labs
from runbook_lib.change import journal
from runbook_lib.change.journal import Event
from runbook_lib.commands.options import LAB_SITE, NOTEBOOKS
from runbook_lib.errors import LabError, ParamsError
from runbook_lib.params import Site, load, project_root
from runbook_lib.record import by_hand, statement
from runbook_lib.record.assemble import assemble
from runbook_lib.record.folder import ChangeFolder
from runbook_lib.runner import history
from runbook_lib.runner.runbook import MANIFEST, Runbook, holds_in, read_manifest


def change_folder(site_file: Path, change_id: str) -> ChangeFolder:
    """Return the folder that a change's record is kept in."""
    return ChangeFolder(project_root(site_file) / "outputs", change_id)


@dataclass(frozen=True, slots=True)
class Chosen:
    """One change of one runbook on one site."""

    runbook: Runbook
    site: Site
    site_file: Path
    folder: ChangeFolder

    @classmethod
    def of(cls, runbook: Path, site_file: Path, change_id: str) -> Chosen:
        """Load what was named.

        Raises ParamsError if something may not be, or if the change was begun with another runbook or on another site.
        """
        book = Runbook.load(runbook)
        site = load(site_file, book.site_model())
        chosen = cls(book, site, site_file, change_folder(site_file, change_id))
        history.require_same_site(chosen.events(), site.site, change_id)
        if chosen.folder.runbook.exists():
            title = read_manifest(chosen.folder.runbook).title
            if title != book.manifest.title:
                raise ParamsError(
                    f"change {change_id} was begun with another runbook: {title}",
                    remedy="name its folder with --runbook, or another change",
                )
        return chosen

    @property
    def change_id(self) -> str:
        """Name of the change."""
        return self.folder.change_id

    @property
    def root(self) -> Path:
        """The project's root, which notebooks run in."""
        return project_root(self.site_file)

    @property
    def named(self) -> list[str]:
        """What must be typed beside the change to mean the same site and runbook, from the project's root."""
        site = str(self.parameters(dry_run=False)["site"])
        directory = self.runbook.directory
        runbook = str(directory.relative_to(self.root) if directory.is_relative_to(self.root) else directory)
        words = [] if site == str(LAB_SITE) else ["--site", site]
        return words if runbook == str(NOTEBOOKS) else [*words, "--runbook", runbook]

    def events(self) -> list[Event]:
        """Return all that the change's journal tells; empty if it was not begun."""
        return list(journal.read(self.folder.journal))

    def keep(self) -> None:
        """Make the change's folder, and keep in it what the change is about."""
        self.folder.create().keep(self.site_file, self.runbook.directory / MANIFEST)

    def parameters(self, *, dry_run: bool) -> dict[str, str | bool]:
        """Return what the notebooks are told. The site file is named from the project's root, which they run in."""
        site = self.site_file.resolve().relative_to(self.root)
        return {"site": str(site), "change_id": self.change_id, "dry_run": dry_run}

    def require_lab(self) -> None:
        """Refuse to go on if the site is a lab and does not run."""
        if self.site.lab is not None and not labs.status(self.site.lab.directory).answers:
            raise LabError(
                f"site {self.site.site} is a lab, and it does not run", remedy="start it with `runbook lab up`"
            )

    def holds(self, named: Sequence[str], notebooks: Iterable[Path]) -> tuple[str, ...]:
        """Return the hold points that are meant, of those that ``notebooks`` ask; ``all`` means every one of these.

        Any other name is refused: an approval that nothing asks for now would wait for another day.
        """
        asked = holds_in(*notebooks)
        unknown = [name for name in named if name not in (*asked, "all")]
        if unknown:
            raise ParamsError(
                f"no hold point {', '.join(unknown)} is asked here", remedy=f"there are: {', '.join(asked) or 'none'}"
            )
        return asked if "all" in named else tuple(dict.fromkeys(named))

    def left_out(self, asked: Iterable[Path] = ()) -> list[str]:
        """Return the notebooks of a forward run that are neither asked for nor in the change's folder."""
        there = {path.stem for path in (*asked, *self.folder.notebooks.glob("*.ipynb"))}
        return [name for name in self.runbook.names if name not in there]

    def draw_up(self) -> None:
        """Draw the record up from what lies in the folder, whoever ran it."""
        title, rollback = self.runbook.manifest.title, self.runbook.manifest.rollback
        assemble(self.folder, by_hand.ending(self.folder, title, notebooks=self.runbook.names, rollback=rollback))

    def is_intact(self) -> bool:
        """Whether there is a record, and nothing was touched since it was drawn up."""
        return self.folder.record.exists() and not statement.check(self.folder)
