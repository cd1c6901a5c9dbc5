"""What hosts say is shown as they say it: brackets are no markup, and end no run."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from runbook_lib.commands import terminal
from runbook_lib.values import Progress, Verdict

SAID = "bot.service: [emerg] cannot open [/home/x/config.json], see '[fe80::1]:22'"


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    written = io.StringIO()
    monkeypatch.setattr(terminal, "console", Console(file=written, highlight=False, soft_wrap=True))
    return written


def test_it_is_shown_as_it_is(shown: io.StringIO) -> None:
    terminal.say(SAID)
    terminal.note(SAID)
    terminal.done(Verdict.FAILED, SAID)
    terminal.verdict(Verdict.FAILED, SAID)
    with terminal.waiting(SAID) as waits:
        waits.report(Progress(SAID))
        waits.done(SAID)
    assert shown.getvalue().count(SAID) == 8


def test_a_live_line_shows_it_as_it_is(shown: io.StringIO) -> None:
    waits = terminal.Waits(Console(file=shown, force_terminal=True, width=300).status(SAID.partition(" ")[0]), SAID)
    waits.begin(SAID)
    waits.report(Progress(SAID))
