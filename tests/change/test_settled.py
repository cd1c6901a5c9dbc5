"""A unit counts as running when it goes on running; one that does not is told with its own last words."""

from __future__ import annotations

from typing import Any

import pytest

from runbook_lib.change import engine
from runbook_lib.change.settled import PATIENCE_SECONDS, POLL_SECONDS, last_words, wait_until_settled
from runbook_lib.errors import CommandFailed, VerifyFailed

BOT = "bot.service"


@pytest.fixture
def one(host: Any) -> Any:
    """Return a unit that is enabled and was just started."""
    host.start(BOT)
    host.unit(BOT).enabled = True
    return host.unit(BOT)


def wait(host: Any, seconds: float = 0.0) -> None:
    wait_until_settled(engine.Units(host, "user"), "75", BOT, seconds)


def becomes(one: Any, **changed: Any) -> Any:
    return lambda: [setattr(one, name, value) for name, value in changed.items()]


def test_one_that_runs_is_not_waited_for(host: Any, one: Any) -> None:
    assert one.active == "active"
    wait(host)
    assert host.now == 0.0


def test_one_that_has_to_settle_is_watched_for_so_long(host: Any, one: Any) -> None:
    assert one.active == "active"
    wait(host, 3.0)
    assert 3.0 <= host.now <= 3.0 + POLL_SECONDS


def test_the_time_to_settle_begins_when_it_runs(host: Any, one: Any) -> None:
    one.active, one.sub = "activating", "start"
    host.soon[4.0] = becomes(one, active="active", sub="running")
    wait(host, 2.0)
    assert 6.0 <= host.now <= 6.0 + POLL_SECONDS


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"active": "failed", "sub": "failed"}, "bot.service is failed (failed)"),
        ({"active": "activating", "sub": "auto-restart"}, "bot.service is activating (auto-restart)"),
        ({"active": "activating", "sub": "auto-restart-queued"}, "bot.service is activating (auto-restart-queued)"),
        ({"active": "inactive", "sub": "dead"}, "did not go on running: it is inactive (dead)"),
        ({"main_pid": 99}, "did not go on running: it is active (running)"),
        ({"restarts": 3}, "did not go on running: it is active (running), started 3 times by systemd"),
        ({"enabled": False}, "bot.service is not enabled"),
    ],
)
def test_one_that_does_not_go_on_is_told_at_once(host: Any, one: Any, change: dict[str, Any], said: str) -> None:
    host.soon[1.0] = becomes(one, **change)
    host.logs[BOT] = "75 bot: no such pair: X/Y\n"
    with pytest.raises(VerifyFailed) as caught:
        wait(host, 10.0)
    assert said in caught.value.what
    assert caught.value.what.endswith("; it said: no such pair: X/Y")
    assert caught.value.host == "75"
    assert host.now <= 1.0 + POLL_SECONDS


def test_one_that_never_comes_up_is_given_up(host: Any, one: Any) -> None:
    one.active, one.sub = "activating", "start"
    with pytest.raises(VerifyFailed, match=r"75: bot\.service is activating \(start\)"):
        wait(host, 2.0)
    assert host.now == pytest.approx(2.0 + PATIENCE_SECONDS)


def test_one_that_is_up_too_late_is_given_up(host: Any, one: Any) -> None:
    one.active, one.sub = "activating", "start"
    host.soon[PATIENCE_SECONDS + 0.5] = becomes(one, active="active", sub="running")
    with pytest.raises(VerifyFailed):
        wait(host, 1.0)


def said(host: Any, log: str) -> str:
    host.logs[BOT] = log
    return last_words(engine.Units(host, "user"), BOT)


FAILS_AGAIN_AND_AGAIN = """\
-- Journal begins at Mon 2025-11-10 --
Nov 23 21:39:01 trader-75 systemd[811]: Started bot.service - Bot.
Nov 23 21:39:02 trader-75 freqtrade[9120]: Traceback (most recent call last):
Nov 23 21:39:02 trader-75 freqtrade[9120]: ValueError: the first time
Nov 23 21:39:02 trader-75 systemd[811]: bot.service: Main process exited, code=exited, status=1/FAILURE
Nov 23 21:39:02 trader-75 systemd[811]: bot.service: Scheduled restart job, restart counter is at 1.
Nov 23 21:39:02 trader-75 systemd[811]: Started bot.service - Bot.
Nov  3 21:39:03 trader-75 freqtrade[9121]: Traceback (most recent call last):
Nov  3 21:39:03 trader-75 freqtrade[9121]:   File "/home/bot/config.py", line 3
Nov  3 21:39:03 trader-75 freqtrade[9121]: ValueError: the second time
Nov  3 21:39:03 trader-75 systemd[811]: bot.service: Failed with result 'exit-code'.
"""
EXEC_FAILED = "bot.service: Failed to execute /usr/bin/bot: No such file or directory"
NEVER_RAN = f"""\
Nov 23 21:30:00 trader-75 freqtrade[9120]: bought the top
Nov 23 21:39:01 trader-75 systemd[811]: Stopped bot.service - Bot.
Nov 23 21:39:01 trader-75 systemd[811]: Started bot.service - Bot.
Nov 23 21:39:01 trader-75 systemd[811]: {EXEC_FAILED}
Nov 23 21:39:01 trader-75 systemd[811]: bot.service: Failed with result 'exit-code'.
"""


@pytest.mark.parametrize(
    ("log", "words"),
    [
        (FAILS_AGAIN_AND_AGAIN, 'File "/home/bot/config.py", line 3 | ValueError: the second time'),
        (NEVER_RAN, f"{EXEC_FAILED} | bot.service: Failed with result 'exit-code'."),
        ("75 bot: systemd: bot.service: Started Bot.\n75 bot: no such pair\n", "no such pair"),
        ("-- No entries --\n", ""),
        ("", ""),
        ("75 bot: started\n75 bot: I Started trading\n\n", "started | I Started trading"),
        ("neither host nor unit\n", "neither host nor unit"),
    ],
)
def test_the_last_words_are_the_units_own_since_its_last_start(host: Any, log: str, words: str) -> None:
    assert said(host, log) == words


def test_last_words_are_short_and_masked(host: Any) -> None:
    assert len(said(host, f"75 bot: {'x' * 5000}\n75 bot: {'y' * 5000}\n")) < 450
    assert said(host, '75 bot: bad config {"ws_token": "hunter2-hunter2"}\n') == 'bad config {"ws_token": "•••"}'


def test_a_log_that_cannot_be_read_hides_nothing(host: Any, one: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> str:
        raise CommandFailed("no journal for you", host="75")

    monkeypatch.setattr(engine.Units, "log_tail", refused)
    one.active = "failed"
    with pytest.raises(VerifyFailed, match=r"bot\.service is failed \(running\) -> mend"):
        wait(host)
