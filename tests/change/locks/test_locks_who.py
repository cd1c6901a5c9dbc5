"""A holder is written down and read back as it was, and tells who it is in one line."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from runbook_lib import redaction
from runbook_lib.change.locks import RUN, Holder

ANNA = Holder("2025-11-23-lab", "anna", 4711, "desk", "aaaa", 1_763_900_000.0, "runbook run --site lab")


def test_it_tells_who_is_at_work_on_what_since_when_how_and_where() -> None:
    assert ANNA.describe() == (
        "anna is at work on change 2025-11-23-lab since 2025-11-23 12:13:20 UTC"
        " (runbook run --site lab; process 4711 on desk)"
    )


def test_who_it_is_comes_from_the_process_and_its_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(RUN, "dddd")
    assert Holder.here("x", "kernel").run == "dddd"
    assert Holder.here("x", "runner", run="eeee").run == "eeee"
    monkeypatch.delenv(RUN)
    me = Holder.here("x", "JupyterLab", clock=lambda: 7.0)
    assert (me.run, me.since, me.command) == ("", 7.0, "JupyterLab")


def test_a_holder_is_read_as_it_was_written() -> None:
    token = Holder.here("x", "y", run="8f14e45fceea167a5a36dedd4bea2543")
    assert Holder.read(token.text) == token
    assert Holder.read(json.dumps({**json.loads(ANNA.text), "of a later version": 1})) == ANNA


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "7", '{"change": "x"}'])
def test_what_tells_of_nobody_is_no_holder(text: str) -> None:
    assert Holder.read(text) is None


def test_a_secret_in_a_command_is_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redaction, "_registered", {})
    redaction.register("correct-horse")
    text = replace(ANNA, command="runbook run --comment correct-horse").text
    assert json.loads(text)["command"] == f"runbook run --comment {redaction.MASK}"
