"""`python -m runbook_lib.lab SETTINGS [--with-parent]`: the lab's own process, started by `runbook_lib.lab.control`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from runbook_lib.lab.daemon import end_with_parent, run
from runbook_lib.lab.settings import LabSettings

if "--with-parent" in sys.argv[2:]:
    end_with_parent()
asyncio.run(run(LabSettings.model_validate_json(Path(sys.argv[1]).read_text())))
