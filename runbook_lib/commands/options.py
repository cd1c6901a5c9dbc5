"""The options that several commands share, so that they mean the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

LAB_SITE: Final = Path("params/lab.yaml")
NOTEBOOKS: Final = Path("notebooks")


def site_file(_context: click.Context, _option: click.Parameter, value: Path) -> Path:
    """Return the site file that is meant: a bare name is that of one in params/."""
    return Path("params", f"{value}.yaml") if len(value.parts) == 1 and not value.suffix else value


site = click.option(
    "--site",
    type=click.Path(path_type=Path),
    callback=site_file,
    default=LAB_SITE,
    show_default=True,
    help="site file; a bare name is that of one in params/",
)
change = click.option("--change", "change_id", required=True, help="change id: names the folder below outputs/")
runbook = click.option(
    "--runbook", type=click.Path(path_type=Path), default=NOTEBOOKS, show_default=True, help="folder of the notebooks"
)
approve = click.option("--approve", multiple=True, metavar="HOLD", help="let this hold point pass, or all; many times")
