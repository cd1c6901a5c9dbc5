"""Before x after -> verdict. Pure: numbers in, checks out; nothing is read, nothing is waited for."""

from runbook_lib.gates.checks import at_least, at_most, equal, fell_by, holds, reported
from runbook_lib.gates.gate import judge, require

__all__ = ["at_least", "at_most", "equal", "fell_by", "holds", "judge", "reported", "require"]
