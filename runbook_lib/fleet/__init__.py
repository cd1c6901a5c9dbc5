"""The hosts of a site over SSH: sessions, files, units, and work on all of them at once. Knows nothing of freqtrade."""

from runbook_lib.fleet.fanout import Observer
from runbook_lib.fleet.files import Files
from runbook_lib.fleet.fleet import Fleet
from runbook_lib.fleet.held import HeldCommand
from runbook_lib.fleet.session import Session
from runbook_lib.fleet.tasks import Tasks
from runbook_lib.fleet.units import Units, UnitState

__all__ = ["Files", "Fleet", "HeldCommand", "Observer", "Session", "Tasks", "UnitState", "Units"]
