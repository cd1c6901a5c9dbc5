"""`runbook generate`: what is generated from reviewed sources, namely notebooks and the params' schema."""

from __future__ import annotations

import json
from pathlib import Path

import click

from runbook_lib.commands import terminal
from runbook_lib.commands.options import NOTEBOOKS
from runbook_lib.errors import RunError
from runbook_lib.freqtrade.params import FreqtradeSite
from runbook_lib.runner import source
from runbook_lib.values import Verdict

SCHEMA = Path("params/schema.json")


@click.command()
@click.option("--check", is_flag=True, help="change nothing; fail if a generated file is not what its source says")
def generate(*, check: bool) -> None:
    """Generate notebooks/*.ipynb and params/schema.json."""
    wanted = {path.with_suffix(".ipynb"): source.generate(path) for path in sorted(NOTEBOOKS.glob("*.py"))}
    wanted[SCHEMA] = json.dumps(FreqtradeSite.model_json_schema(), indent=2, sort_keys=True) + "\n"
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    if check and stale:
        raise RunError(f"not as generated: {', '.join(map(str, stale))}", remedy="run `make notebooks`")
    for path in stale:
        path.write_text(wanted[path], encoding="utf-8")
    terminal.done(Verdict.SUCCESSFUL, f"{len(wanted)} generated files agree with their sources")
