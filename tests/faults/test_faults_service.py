"""A service that will not run with what the change brought: its host is put back by itself, and the roll-out stops."""

from __future__ import annotations

from pathlib import Path

import pytest
from faulty_bots import CONFIG, HOSTS, NEW_UNIT, OLD, RUNNING, UNIT, bots, phase, results, roll_out, units
from faulty_lab import look

pytestmark = pytest.mark.hosts

WRONG = {
    "its start is refused": (b"refuse", UNIT % "", "Job for bot.service failed"),
    "it dies at once": (b"die", UNIT % "", "bot.service is "),
    "it dies after a while": (b"die-later", UNIT % "", "bot.service "),  # seen as it ends, or in the start that follows
    "its unit file is wrong": (b"new", UNIT % "" + "ExecStart=/bin/true\n", "bad unit file setting"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_its_host_is_put_back_and_the_others_are_left_alone(tmp_path: Path, wrong: str) -> None:
    config, unit, says = WRONG[wrong]
    with bots(tmp_path) as lab, phase(tmp_path, lab) as opened:
        before, ran = {name: look(lab.home(name)) for name in HOSTS}, units(lab)
        bad = roll_out(opened, lab, lambda host: (config, unit) if host == "74" else (b"new", NEW_UNIT))

        assert results(bad) == ["changed", "failed, and put back as it was", "not reached"]
        (failed,) = [check for check in bad.checks if check.host == "74"]
        assert says in failed.observed
        now, runs = {name: look(lab.home(name)) for name in HOSTS}, units(lab)
        assert now["73"][CONFIG][2] == b"new"
        assert {**now["74"], RUNNING: 0} == {**before["74"], RUNNING: 0}
        assert now["74"][RUNNING][2] == OLD
        assert now["75"] == before["75"]
        assert runs["75"].main_pid == ran["75"].main_pid
        assert all(runs[name].running and runs[name].enabled for name in HOSTS)

        good = roll_out(opened, lab, lambda _: (b"new", NEW_UNIT))
        assert results(good) == ["already as it should be", "changed", "changed"]
        assert units(lab)["73"].main_pid == runs["73"].main_pid
        assert {look(lab.home(name))[RUNNING][2] for name in HOSTS} == {b"new"}
