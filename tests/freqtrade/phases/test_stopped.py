"""A notebook that a gate stopped changes nothing, whichever cell is run next."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from phase_double import PhaseDouble

from runbook_lib.errors import GateFailed
from runbook_lib.freqtrade.phases import consumers, producers, rollback
from runbook_lib.runner.changing import Planned, Rollout
from runbook_lib.runner.undoing import Undoing

PLANNED = Planned("Hosts", "x", {}, {})


class Stopped(PhaseDouble):
    """It has no fleet and no journal: whoever goes on all the same breaks otherwise."""

    def must_not_be_stopped(self) -> None:
        raise GateFailed("nothing was done")


@pytest.mark.parametrize(
    ("apply", "arguments"),
    [
        (producers.apply, [PLANNED]),
        (consumers.canary, [PLANNED]),
        (consumers.rest, [PLANNED, Rollout(())]),
        (rollback.apply, [Undoing({})]),
    ],
)
def test_nothing_is_applied(apply: Callable[..., Any], arguments: list[Any]) -> None:
    with pytest.raises(GateFailed, match="nothing was done"):
        apply(Stopped(), *arguments)
