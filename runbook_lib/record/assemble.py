"""Executed notebooks and what they glued -> the change record: verdict, claims, figures, report.html and record.json.

Knows scraps by name only: ``claims``, ``figures`` (NAME_before, NAME_after), ``figure_units`` (pairs of name and
unit, in the order to show them), ``sentence``, ``headline`` (charts for the top of the page) and ``gate_*``. A scrap of
a later notebook replaces an earlier one's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from runbook_lib.record import executed, report, scraps, statement
from runbook_lib.record.executed import Executed
from runbook_lib.record.folder import ChangeFolder
from runbook_lib.record.plain import checks, claims
from runbook_lib.record.sections import items
from runbook_lib.values import Claim, Verdict

_ELAPSED = ("elapsed_seconds", "seconds from the first notebook to the last")


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended, as whoever ran it knows. Times: unix seconds.

    ``stopped_by``: verdict of what stopped it, if anything did; ``why``: in one line; ``not_run``: notebooks of the
    runbook that were not reached. ``rollback``: name of the notebook that undoes the others, if there is one;
    ``rolled_back``: it did, and speaks for the whole change from then on.
    """

    title: str
    site: str
    started: float
    ended: float
    dry_run: bool = False
    stopped_by: Verdict | None = None
    why: str = ""
    not_run: tuple[str, ...] = ()
    rollback: str | None = None
    rolled_back: bool = False


@dataclass(frozen=True, slots=True)
class Record:
    """The change record in short."""

    verdict: Verdict
    sentence: str
    claims: tuple[Claim, ...]
    figures: Mapping[str, float | None]


def assemble(folder: ChangeFolder, ending: Ending, last_words: Callable[[Record], object] | None = None) -> Record:
    """Draw up report.html and record.json from what lies in the folder; return what they say.

    ``last_words`` is told before digests are taken: whoever ran it may still write into the journal how it ended.
    """
    notebooks = _told_of(executed.read_folder(folder.notebooks), ending)
    glued = {notebook.name: scraps.read(notebook.path) for notebook in notebooks}
    speaking = [notebook for notebook in notebooks if not ending.rolled_back or notebook.name == ending.rollback]
    latest: dict[str, Any] = {name: value for each in speaking for name, value in glued[each.name].items()}
    verdict = _verdict(speaking, glued, ending)
    elapsed = round(ending.ended - ending.started, 1)
    record = Record(
        verdict,
        ending.why or latest.get("sentence") or _plain_sentence(ending, notebooks),
        claims(latest.get("claims", [])),
        {**latest.get("figures", {}), "elapsed_seconds": elapsed},
    )
    if last_words is not None:
        last_words(record)
    problems = [f"{notebook.name}: {notebook.error}" for notebook in notebooks if notebook.error]
    page = report.Report(
        title=ending.title,
        change_id=folder.change_id,
        site=ending.site,
        started=datetime.fromtimestamp(ending.started, UTC),
        ended=datetime.fromtimestamp(ending.ended, UTC),
        verdict=verdict,
        sentence=record.sentence,
        claims=record.claims,
        figures=tuple(_figures(record.figures, [*latest.get("figure_units", []), _ELAPSED])),
        charts=tuple(scraps.read_chart(folder, name) for name in latest.get("headline", [])),
        sections=tuple(_section(folder, notebook, glued[notebook.name]) for notebook in notebooks),
        leftovers=tuple(f"{name} was not run" for name in ending.not_run),
        problems=tuple(problems),
    )
    report.write(folder, page)
    predicate = {
        "verdict": verdict,
        "sentence": record.sentence,
        "change_id": folder.change_id,
        "site": ending.site,
        "dry_run": ending.dry_run,
        "started": page.started.isoformat(),
        "ended": page.ended.isoformat(),
        "claims": record.claims,
        "figures": record.figures,
        "gates": {name: kept for found in glued.values() for name, kept in found.items() if name.startswith("gate_")},
        "not_run": ending.not_run,
    }
    statement.write(folder, statement.build(folder, predicate))
    return record


def _told_of(notebooks: Sequence[Executed], ending: Ending) -> list[Executed]:
    """Leave out a rollback that was laid out for the case of need and never run: nothing is missing without it."""
    return [notebook for notebook in notebooks if notebook.begun or notebook.name != ending.rollback]


def _verdict(notebooks: Sequence[Executed], glued: Mapping[str, dict[str, Any]], ending: Ending) -> Verdict:
    """Return the worst of all gates and of what stopped the run; a run that left something out proves nothing whole.

    Of a change that was rolled back, ``notebooks`` is the rollback alone.
    """
    verdicts = [check.verdict for notebook in notebooks for check in _gates(glued[notebook.name])]
    if ending.stopped_by is not None:
        verdicts.append(ending.stopped_by)
    if any(notebook.begun and not notebook.completed for notebook in notebooks) and ending.stopped_by is None:
        verdicts.append(Verdict.FAILED)
    if ending.not_run or ending.dry_run or not all(notebook.begun for notebook in notebooks):
        verdicts.append(Verdict.INCONCLUSIVE)
    return Verdict.worst(verdicts)


def _gates(kept: Mapping[str, Any]) -> list[Any]:
    return [check for name, value in kept.items() if name.startswith("gate_") for check in checks(value)]


def _plain_sentence(ending: Ending, notebooks: Sequence[Executed]) -> str:
    if ending.rolled_back:
        return "rolled back: everything that this change did was undone"
    if ending.dry_run:
        return "dry run: everything was planned, nothing was changed"
    done = sum(notebook.completed for notebook in notebooks)
    return f"{done} of {len(notebooks) + len(ending.not_run)} notebooks ran to their end"


def _figures(found: Mapping[str, float | None], told: Sequence[Sequence[str]]) -> list[report.Figure]:
    """Pair before and after; figures with a unit come first, in the order in which their notebook names them."""
    units = {str(name): str(unit) for name, unit in told}
    names = dict.fromkeys([*units, *(name.removesuffix("_before").removesuffix("_after") for name in found)])
    return [
        report.Figure(
            name.replace("_", " "),
            units.get(name, ""),
            found.get(f"{name}_before"),
            found.get(f"{name}_after", found.get(name)),
        )
        for name in names
    ]


def _section(folder: ChangeFolder, notebook: Executed, kept: Mapping[str, Any]) -> report.Section:
    gates = [check.verdict for check in _gates(kept)]
    if not notebook.completed:
        gates.append(Verdict.FAILED if notebook.begun else Verdict.INCONCLUSIVE)
    return report.Section(
        name=notebook.name,
        title=notebook.title,
        verdict=Verdict.worst(gates),
        seconds=notebook.seconds,
        items=items(folder, notebook),
        source=folder.name_of(notebook.path),
    )
