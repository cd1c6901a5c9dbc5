"""Results that a notebook leaves for later phases and for the report. The one place that knows scrapbook.

scrapbook 0.5 cannot keep None or numpy's scalars, and outside a kernel it does nothing and says nothing; here the
first is said and the second is cast.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import scrapbook
from scrapbook.exceptions import ScrapbookException
from scrapbook.utils import is_kernel

from runbook_lib.errors import RecordError
from runbook_lib.record.folder import ChangeFolder, write_bytes, write_text
from runbook_lib.record.plain import plain
from runbook_lib.view.chart import Chart, described

_NAME: Final = re.compile(r"[a-z][a-z0-9_]*")


def glue(name: str, value: object) -> None:
    """Keep ``value`` in the running notebook under ``name``.

    Numbers, texts, lists, mappings and dataclasses of those. None is refused: leave the scrap out instead; a figure
    that is missing among others may be None within a mapping.
    """
    if not _NAME.fullmatch(name):
        raise RecordError(f"scrap {name!r}: a name is a-z, 0-9 and _, a letter first", remedy="rename it")
    if value is None:
        raise RecordError(f"scrap {name}: is None", remedy="glue what was measured, or leave the scrap out")
    if not is_kernel():
        raise RecordError(f"scrap {name}: there is no notebook to keep it in", remedy="call glue from a notebook cell")
    kept = plain(value, name)
    scrapbook.glue(name, kept, encoder="text" if isinstance(kept, str) else "json")


def read(path: Path) -> dict[str, Any]:
    """Return what one executed notebook kept."""
    if not path.is_file():
        raise RecordError(f"{path}: no such executed notebook", remedy="run that phase first")
    try:
        return dict(scrapbook.read_notebook(str(path)).scraps.data_dict)
    except (ScrapbookException, ValueError, KeyError, OSError) as error:
        raise RecordError(f"{path}: its results cannot be read: {error}", remedy="run that phase again") from None


def read_folder(directory: Path) -> dict[str, dict[str, Any]]:
    """Return what every executed notebook of a folder kept, by the notebook's name without .ipynb, in order."""
    return {path.stem: read(path) for path in sorted(directory.glob("*.ipynb"))}


def keep_chart(folder: ChangeFolder, name: str, chart: Chart) -> Path:
    """Write charts/NAME.svg and charts/NAME.png; return the path of the SVG."""
    if not _NAME.fullmatch(name):
        raise RecordError(f"chart {name!r}: a name is a-z, 0-9 and _, a letter first", remedy="rename it")
    svg = folder.charts / f"{name}.svg"
    write_text(svg, chart.svg)
    write_bytes(svg.with_suffix(".png"), chart.png)
    return svg


def read_chart(folder: ChangeFolder, name: str) -> Chart:
    """Read a chart back as it was kept."""
    path = folder.charts / f"{name}.svg"
    try:
        svg, png = path.read_text(encoding="utf-8"), path.with_suffix(".png").read_bytes()
    except (OSError, UnicodeDecodeError) as error:
        raise RecordError(f"{path}: cannot be read: {error}", remedy="run the phase that draws it") from None
    title, alt = described(svg)
    return Chart(title, alt, svg, png)
