"""One run at a time on a change, and one on a host. Whoever comes second is told who was first.

A lock is a flock on a file in which its holder has written who it is. The kernel takes it back the moment its holder
dies, so that no lock is ever left behind and no clock or process id has to be trusted. Beside it lies a second file
that is locked for the moment in which a lock is taken, written or looked at: nobody reads half a holder, or one that
is gone.
"""

from runbook_lib.change.locks.on_change import ChangeLock, change_lock, holder
from runbook_lib.change.locks.on_hosts import HostLock, HostLocks, host_lock, host_locks
from runbook_lib.change.locks.who import RUN, Holder

__all__ = ["RUN", "ChangeLock", "Holder", "HostLock", "HostLocks", "change_lock", "holder", "host_lock", "host_locks"]
