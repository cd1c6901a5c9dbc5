"""The hosts of the embedded tier: SSH servers on loopback, each with a root directory and services of its own.

No root, no containers, one process. Programs, files, signals and exit codes are real; the machine is shared.
Linux only: the processes of a host are found through /proc.
"""

from runbook_lib.lab.hosts.fleet import EmbeddedHosts
from runbook_lib.lab.hosts.server import EmbeddedHost
from runbook_lib.lab.hosts.settings import HostSettings

__all__ = ["EmbeddedHost", "EmbeddedHosts", "HostSettings"]
