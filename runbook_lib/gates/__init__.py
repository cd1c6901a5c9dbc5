"""Before x after -> verdict. Pure: numbers in, checks out; nothing is read, nothing is waited for."""

from runbook_lib.gates.checks import at_least, at_most, equal, fell_by, holds, reported
from runbook_lib.gates.gate import judge, require
from runbook_lib.gates.ranks import below, no_later

__all__ = ["at_least", "at_most", "below", "equal", "fell_by", "holds", "judge", "no_later", "reported", "require"]
