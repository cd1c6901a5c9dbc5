"""All producers are changed at once, and what their gate says follows from how each came up."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from phase_double import PhaseDouble, host_plan

from runbook_lib.change.resources import Wanted
from runbook_lib.change.rollout import Attempt
from runbook_lib.freqtrade.configs.producer import producer_config_path
from runbook_lib.freqtrade.feed.exchange.breaker import shared_file
from runbook_lib.freqtrade.phases import producers
from runbook_lib.gates import equal
from runbook_lib.runner.changing import Planned, Rollout
from runbook_lib.values import Check, FleetResult, HostResult, Verdict
from runbook_lib.view.diffs import FileDiff

NOT_ASKED: Any = None


def planned() -> Planned:
    plans = {host: host_plan(host) for host in ("73", "108")}
    return Planned("Producers", "30_producers", dict.fromkeys(plans, NOT_ASKED), plans)


def test_all_are_changed_at_once_and_none_may_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    def change_all(_phase: object, _plan: object, up: Any, **how: Any) -> Rollout:
        asked.update(how)
        up(("108",))
        return Rollout(())

    waited: list[dict[str, Any]] = []
    phase: Any = PhaseDouble()
    monkeypatch.setattr(producers.changing, "change_all", change_all)
    monkeypatch.setattr(producers.bots, "await_ready", lambda _fleet, _site, who, _report: waited.append(who) or [])
    producers.apply(phase, planned())
    assert asked == {"hosts": ["73", "108"], "size": 2}  # the budget is left at none
    assert [list(who) for who in waited] == [["108"]]  # only those that were changed are waited for


@pytest.mark.parametrize(
    ("pids", "verdict"), [((7, 8), Verdict.SUCCESSFUL), ((7, 0), Verdict.FAILED), ((7, None), Verdict.FAILED)]
)
def test_the_gate_says_how_each_came_up_and_whether_consumers_reach_it(
    monkeypatch: pytest.MonkeyPatch, pids: tuple[int | None, ...], verdict: Verdict
) -> None:
    reached = Check("reachable", Verdict.SUCCESSFUL, "e", "o")
    monkeypatch.setattr(producers, "_reachable", lambda _phase: [reached])
    attempts = [
        Attempt(host, "not reached")
        if pid is None
        else Attempt(host, "changed", 1.0, (equal("runs", bool(pid), True, host=host),))
        for host, pid in zip(("73", "108"), pids, strict=True)
    ]
    phase: Any = PhaseDouble()
    gate = producers.gate(phase, Rollout(tuple(attempts)))
    assert gate.verdict is verdict
    assert [check.host for check in gate.checks] == ["73", "108", None]


def test_a_dry_run_asks_no_producer_for_anything() -> None:
    phase: Any = PhaseDouble(dry_run=True)  # without a fleet
    rollout = producers.apply(phase, planned())
    assert producers.gate(phase, rollout).verdict is Verdict.SUCCESSFUL
    assert [check.name for check in producers.serving(phase)] == ["dry run"]


PRODUCERS = ("73", "108")


class Planning:
    """Plans producers over and over; what is planned is what stands there the next time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.standing: dict[tuple[str, str], bytes] = {}
        monkeypatch.setattr(
            producers, "Files", lambda on: SimpleNamespace(read=lambda path: self.standing.get((on.name, path)))
        )
        monkeypatch.setattr(producers.handover, "fetched", lambda _phase, wanted: wanted)  # not asked here
        monkeypatch.setattr(producers.changing, "plan", lambda _phase, _title, wanted: wanted)

    def plan(self) -> dict[str, Wanted]:
        phase: Any = PhaseDouble()
        phase.fleet = SimpleNamespace(
            on_all=lambda task, hosts: FleetResult(
                tuple(HostResult(host, task(SimpleNamespace(name=host))) for host in hosts)
            )
        )
        wanted: Any = producers.plan(phase)
        for host in PRODUCERS:
            self.standing[host, self.path(host)] = self.text(wanted[host]).encode()
        return dict(wanted)

    @staticmethod
    def path(host: str) -> str:
        return f"freqtrade/{producer_config_path(host)}"

    def text(self, wanted: Wanted) -> str:
        return next(file.content.decode() for file in wanted.files if file.path == self.path(wanted.host))


@pytest.fixture
def planning(monkeypatch: pytest.MonkeyPatch) -> Planning:
    return Planning(monkeypatch)


def test_each_producer_shows_the_others_the_token_that_they_want(planning: Planning) -> None:
    configs = {host: json.loads(planning.text(wanted)) for host, wanted in planning.plan().items()}
    for host, other in (PRODUCERS, PRODUCERS[::-1]):
        (named,) = configs[host]["external_message_consumer"]["producers"]
        server = configs[other]["api_server"]
        assert named["name"] == configs[other]["bot_name"]
        assert named["ws_token"] == server["ws_token"]
        assert (named["host"], named["port"]) == (server["listen_ip_address"], server["listen_port"])


def test_a_second_plan_is_the_first_to_the_byte(planning: Planning) -> None:
    assert planning.plan() == planning.plan()


def test_where_one_must_draw_anew_the_others_learn_of_it(planning: Planning) -> None:
    first = {host: json.loads(planning.text(wanted)) for host, wanted in planning.plan().items()}
    del planning.standing["108", planning.path("108")]
    again = {host: json.loads(planning.text(wanted)) for host, wanted in planning.plan().items()}
    assert again["73"]["api_server"] == first["73"]["api_server"]
    assert again["108"]["api_server"]["ws_token"] != first["108"]["api_server"]["ws_token"]
    assert (
        again["73"]["external_message_consumer"]["producers"][0]["ws_token"] == again["108"]["api_server"]["ws_token"]
    )


def test_no_token_stands_in_the_diff(planning: Planning) -> None:
    texts = [planning.text(wanted) for wanted in planning.plan().values()]
    tokens = [json.loads(text)["api_server"]["ws_token"] for text in texts]
    shown = "".join(str(diff) + diff._repr_html_() for text in texts for diff in [FileDiff("h", "p", None, text)])
    assert all(token not in shown for token in tokens)
    assert '"ws_token": "•••"' in shown


def test_directories_for_peoples_own_work_go_only_when_they_are_empty(planning: Planning) -> None:
    wanted = planning.plan()["73"]
    theirs = ("notebooks", "data", "data/binance", "backtest_results", "freqaimodels", "hyperopts", "plot")
    assert set(wanted.folders) >= {".cache", *(f"freqtrade/user_data/{name}" for name in theirs)}
    for leaf in wanted.leaves:  # what goes whole is nobody's but Python's and the feed's
        assert leaf.endswith("/__pycache__") or "candle_feed" in leaf.rpartition("/")[2]


def test_all_that_the_feed_leaves_behind_is_known(planning: Planning) -> None:
    leaves = set(planning.plan()["73"].leaves)
    folders = ("candle_feed", "candle_feed/candle", "candle_feed/exchange", "candle_feed/peers")
    assert leaves >= {f"freqtrade/user_data/strategies/{folder}/__pycache__" for folder in folders}
    assert leaves >= {"freqtrade/user_data/candle_feed_state.json", "freqtrade/user_data/candle_feed_state.prom"}
    assert str(shared_file("binance").parent.relative_to(Path.home())) in leaves
