"""The phases of this migration: one operator verb each, as the notebooks call them."""

from __future__ import annotations

from runbook_lib.freqtrade.params import FreqtradeSite
from runbook_lib.runner import phase as runner


def open_phase(name: str, *, site: str, change_id: str, dry_run: bool) -> runner.Phase[FreqtradeSite]:
    """Open a phase of this migration; see `runbook_lib.runner.phase.open_phase`."""
    return runner.open_phase(name, FreqtradeSite, site=site, change_id=change_id, dry_run=dry_run)
