from runbook_lib.values import Verdict
from runbook_lib.view import badge


def test_every_verdict_has_a_shape_of_its_own_beside_its_word() -> None:
    texts = [badge.text(verdict) for verdict in Verdict]
    assert len({text.split()[0] for text in texts}) == len(Verdict)
    assert all(verdict.value in badge.html(verdict) for verdict in Verdict)
