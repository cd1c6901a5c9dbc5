"""`runbook run`: the notebooks of a change, headless."""

from __future__ import annotations

import time
from pathlib import Path

import click

from runbook_lib import lab as labs
from runbook_lib.commands.execute import change_folder, conclude, execute
from runbook_lib.commands.wiring import LAB_SITE, NEEDS_A_CHANGE, NOTEBOOKS, load_site
from runbook_lib.errors import LabError, ParamsError
from runbook_lib.runner.run import notebooks_in


@click.command()
@click.option("--site", type=click.Path(path_type=Path), default=LAB_SITE, show_default=True, help="site file")
@click.option("--change", "change_id", required=True, help="change id: names the folder below outputs/")
@click.option("--only", multiple=True, help="run just this notebook (10_preflight ...); may be given again")
@click.option("--dry-run", is_flag=True, help="plan and show everything, change nothing")
def run(site: Path, change_id: str, only: tuple[str, ...], *, dry_run: bool) -> None:
    """Run a change's notebooks in order; stop at the first gate that does not let pass."""
    params = load_site(site)
    notebooks = notebooks_in(NOTEBOOKS)
    unknown = sorted(set(only) - {path.stem for path in notebooks})
    if unknown:
        raise ParamsError(
            f"no notebook {', '.join(unknown)}", remedy=f"there are {', '.join(p.stem for p in notebooks)}"
        )
    chosen = [
        path for path in notebooks if (not only or path.stem in only) and not (dry_run and path.stem in NEEDS_A_CHANGE)
    ]
    if not chosen:
        raise ParamsError("nothing to run", remedy=f"a dry run leaves out {', '.join(NEEDS_A_CHANGE)}")
    folder = change_folder(site, change_id)
    left_out = [path.stem for path in notebooks if path not in chosen and not (folder.notebooks / path.name).exists()]
    if params.lab is not None and not labs.status(params.lab.directory).answers:
        raise LabError(f"site {params.site} is a lab, and it does not run", remedy="start it with `runbook lab up`")
    record, stopped = execute(params, site, change_id, chosen, dry_run=dry_run, started=time.time(), left_out=left_out)
    conclude(record, stopped, folder)
