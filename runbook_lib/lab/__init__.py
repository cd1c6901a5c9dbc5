"""The place to rehearse: six embedded hosts and a simulated exchange on this machine's loopback, real bots on them.

The lab models the exchange and the hosts; it never imports what it rehearses.
"""

from runbook_lib.lab.control import down, status, up
from runbook_lib.lab.settings import FeederSettings, LabSettings

__all__ = ["FeederSettings", "LabSettings", "down", "status", "up"]
