"""A phase without a kernel, a journal or hosts: it remembers what is kept and shows gates as the real one does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from runbook_lib.change.plan import FileStep, HostPlan
from runbook_lib.change.resources import File, Seen, SeenFile
from runbook_lib.freqtrade.params import FreqtradeSite
from runbook_lib.params import load
from runbook_lib.values import Check, FileState
from runbook_lib.view import tables
from runbook_lib.view.progress import Silent

LAB = Path(__file__).parents[3] / "params" / "lab.yaml"


def host_plan(host: str, *, empty: bool = False) -> HostPlan:
    """Return a plan with one step, or with none."""
    step = FileStep(File("bot/config.json", b"NEW"), SeenFile(FileState("bot/config.json", False), None))
    return HostPlan(host, () if empty else (step,), Seen({}, {}, {}))


class PhaseDouble:
    def __init__(self, site: FreqtradeSite | None = None, *, dry_run: bool = False) -> None:
        self.site = site or load(LAB, FreqtradeSite)
        self.dry_run = dry_run
        self.kept: dict[str, Any] = {}
        self.fleet: Any = None  # any use of it fails
        self.report = Silent()

    def keep(self, name: str, value: Any) -> None:
        self.kept[name] = value

    def gate(self, name: str, checks: Sequence[Check]) -> tables.GateView:
        return tables.checks(checks, name)

    def must_not_be_stopped(self) -> None:
        """No gate has stopped this one; what the real one does is tested where it stands."""
