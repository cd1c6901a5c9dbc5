"""`make compare`: the feed measured beside what a user would pick instead, on real freqtrade, in the lab.

Three fleets, one after the other, each in a lab of its own: four feeders that download themselves; the same four behind
nginx as a caching proxy; the same four as consumers of two producers. Each is measured over whole candles, counted by
the exchange; then what its bots share is killed for a candle. The table and all figures are printed and written to
outputs/comparison-<date>/. Without nginx its column is left out, and that is said.

At full size (110 pairs, 3 candles of 1 m) it takes somewhat over half an hour; the machine should have nothing else to
do, since processor time and ages are measured. `make compare ARGS="--pairs 2"` is a small one.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path

import caching_proxy
import click
import fleets
from comparison_table import Column, document, markdown
from fleets import ROOT, Project, Running
from measuring import Measured, measure

from runbook_lib.commands import terminal
from runbook_lib.errors import RunbookError
from runbook_lib.values import Verdict

FLEETS: dict[str, tuple[str, Callable[[Project], AbstractContextManager[Running]]]] = {
    "direct": ("four feeders, each for itself", fleets.direct),
    "cached": ("the same behind nginx, caching", fleets.cached),
    "fed": ("the same, fed by two producers", fleets.fed),
}


@click.command()
@click.option("--pairs", type=click.IntRange(min=1), help="only so many pairs of each producer  [default: 55]")
@click.option("--candles", type=click.IntRange(min=1), default=3, show_default=True, help="measured in each fleet")
@click.option("--only", type=click.Choice(list(FLEETS)), multiple=True, help="only this fleet; many times")
@click.option("--number", type=click.IntRange(4, 250), default=4, show_default=True, help="addresses 127.0.<number>.x")
def main(pairs: int | None, candles: int, only: tuple[str, ...], number: int) -> None:
    """Measure the fleets and write the table."""
    target = ROOT / "outputs" / f"comparison-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    target.mkdir(parents=True)
    columns: dict[str, Column] = {}
    notes: list[str] = []
    settings: dict[str, object] = {"pairs_of_each_producer": pairs or 55, "candles": candles, "cores": os.cpu_count()}
    for name in only or FLEETS:
        title, fleet = FLEETS[name]
        if name == "cached" and caching_proxy.program() is None:
            notes.append("Behind nginx: left out, nginx is not installed (apt-get install nginx-light).")
            continue
        columns[name] = Column(title, _measured(fleet, target, candles=candles, number=number, pairs=pairs))
        loads = ", ".join(f"{one} {column.figures.load:.1f}" for one, column in columns.items())
        told = [*notes, f"Memory is {columns[name].figures.memory_kind}. Load of {os.cpu_count()} cores: {loads}."]
        (target / "comparison.md").write_text(markdown(columns, told), encoding="utf-8")
        (target / "comparison.json").write_text(document(columns, told, settings), encoding="utf-8")
        terminal.done(Verdict.SUCCESSFUL, f"{title}: measured")
    sys.stdout.write((target / "comparison.md").read_text(encoding="utf-8"))
    terminal.done(Verdict.SUCCESSFUL, f"written to {target}")


def _measured(
    fleet: Callable[[Project], AbstractContextManager[Running]],
    target: Path,
    *,
    candles: int,
    number: int,
    pairs: int | None,
) -> Measured:
    """Measure one fleet in a project folder of its own; when it goes wrong, the folder stays to be looked at."""
    folder = Path(tempfile.mkdtemp(prefix="comparison-"))
    made = fleets.project(folder, target / "migration.log", number=number, pairs=pairs)
    try:
        with fleet(made) as running, terminal.waiting("measuring") as waits:
            found = measure(running, candles, waits)
    except RunbookError:
        terminal.note(f"the lab's files stay in {folder}")
        raise
    shutil.rmtree(folder)
    return found


if __name__ == "__main__":
    try:
        main()
    except RunbookError as error:
        terminal.done(Verdict.FAILED, str(error))
        sys.exit(10)
