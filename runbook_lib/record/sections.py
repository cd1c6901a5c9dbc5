"""What an executed notebook showed, in its order, with charts as they were kept: scalable and described in words."""

from __future__ import annotations

import hashlib

from runbook_lib.record import scraps
from runbook_lib.record.executed import Executed
from runbook_lib.record.folder import ChangeFolder
from runbook_lib.record.report import Item


def items(folder: ChangeFolder, notebook: Executed) -> tuple[Item, ...]:
    """Return every output of a notebook; a picture that is a kept chart, to the byte, becomes that chart."""
    kept = {hashlib.sha256(path.read_bytes()).digest(): path.stem for path in sorted(folder.charts.glob("*.png"))}
    shown: list[Item] = []
    for cell in notebook.cells:
        for output in cell.outputs:
            data = output.data
            name = kept.get(hashlib.sha256(data).digest()) if isinstance(data, bytes) else None
            shown.append(scraps.read_chart(folder, name) if name else output)
    return tuple(shown)
