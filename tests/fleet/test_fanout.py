from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest

from runbook_lib.errors import CommandFailed, HostError, RunbookError
from runbook_lib.fleet.fanout import fan_out
from runbook_lib.redaction import register
from runbook_lib.values import HostResult

HOSTS = ["c", "a", "b"]


def _all(task: Any, **options: Any) -> Any:
    return fan_out(task, HOSTS, lambda host: SimpleNamespace(name=host), **{"parallel": 8, **options})


def test_results_come_in_the_order_of_the_hosts() -> None:
    def task(session: Any) -> str:
        time.sleep({"c": 0.03, "a": 0.02, "b": 0}[session.name])
        return session.name.upper()

    assert _all(task).unwrap() == {"c": "C", "a": "A", "b": "B"}
    assert list(_all(task)) == HOSTS


def test_an_error_of_one_host_is_its_result_and_carries_its_name() -> None:
    def task(session: Any) -> str:
        if session.name == "a":
            raise CommandFailed("no")
        if session.name == "b":
            raise RunbookError("no", host="elsewhere")
        return "yes"

    results = _all(task)
    assert [(r.host, r.error.host) for r in results.failed] == [("a", "a"), ("b", "elsewhere")]
    assert results["c"].value == "yes"


def test_a_bug_on_one_host_is_folded_not_lost() -> None:
    register("correct-horse")

    def task(session: Any) -> str:
        if session.name == "b":
            raise ValueError("a correct-horse")
        return {"c": "yes"}[session.name]

    results = _all(task)
    error = results["a"].error
    assert isinstance(error, HostError)
    assert "unexpected KeyError: 'a' (at " in error.what
    assert "test_fanout.py:" in error.what
    assert isinstance(error.__cause__, KeyError)
    assert "correct-horse" not in str(results["b"].error)
    assert not results["c"].failed


def test_changed_is_what_the_value_says() -> None:
    @dataclass
    class Answer:
        changed: bool

    assert [r.host for r in _all(lambda session: Answer(session.name == "a")).changed] == ["a"]
    assert _all(lambda session: session.name).changed == ()


def test_no_more_than_parallel_at_a_time() -> None:
    running, most, lock = 0, 0, threading.Lock()

    def task(_: Any) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.02)
        with lock:
            running -= 1

    _all(task, parallel=2)
    assert most == 2


def test_observers_hear_of_everything_and_cannot_stop_it(caplog: pytest.LogCaptureFixture) -> None:
    class Notes:
        def __init__(self) -> None:
            self.heard: list[tuple[str, str]] = []

        def on_start(self, host: str) -> None:
            self.heard.append(("start", host))

        def on_done(self, result: HostResult[Any]) -> None:
            self.heard.append(("failed" if result.failed else "done", result.host))

    class Broken(Notes):
        def on_done(self, result: HostResult[Any]) -> None:
            raise RuntimeError(result.host)

    def task(session: Any) -> None:
        if session.name == "a":
            raise CommandFailed("no")

    notes = Notes()
    results = _all(task, observers=[Broken(), notes])
    assert len(results) == 3
    assert sorted(notes.heard) == [
        *(("done", "b"), ("done", "c"), ("failed", "a")),
        *(("start", "a"), ("start", "b"), ("start", "c")),
    ]
    assert caplog.text.count("an observer failed") == 3


def test_no_hosts_no_results() -> None:
    assert len(fan_out(lambda _: 1, [], lambda _: None, parallel=4)) == 0


def test_an_interrupt_starts_nothing_more() -> None:
    begun = []

    def task(session: Any) -> None:
        begun.append(session.name)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _all(task, parallel=1)
    assert begun[0] == "c"
    assert len(begun) < 3
