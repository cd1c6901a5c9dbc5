from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runbook_lib.errors import LabError
from runbook_lib.lab import control


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Say what a lab needs, whose process then does nothing but live."""
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\nexec sleep 30\n")
    program.chmod(0o755)
    bots = tmp_path / "bots" / "bin"
    bots.mkdir(parents=True)
    (bots / "python").touch()
    monkeypatch.setattr(control.sys, "executable", str(program))
    return SimpleNamespace(directory=tmp_path / "lab", freqtrade=bots.parent, model_dump_json=lambda **_: "{}")


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen[bytes]]:
    processes: list[subprocess.Popen[bytes]] = []
    really = subprocess.Popen

    def start(*words: Any, **named: Any) -> subprocess.Popen[bytes]:
        processes.append(really(*words, **named))
        return processes[-1]

    monkeypatch.setattr(control.subprocess, "Popen", start)
    return processes


def test_an_interrupt_while_it_starts_leaves_no_process(settings: Any, begun: list[subprocess.Popen[bytes]]) -> None:
    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        control.up(settings, report=interrupt, with_parent=False)
    assert control.started_at(begun[0].pid) is None
    begun[0].wait(5)


def test_a_lab_that_does_not_answer_is_ended_and_said(
    settings: Any, begun: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "START_SECONDS", 0.2)
    with pytest.raises(LabError, match="did not answer"):
        control.up(settings, report=lambda _: None, with_parent=False)
    assert control.started_at(begun[0].pid) is None
    begun[0].wait(5)


def test_a_folder_that_is_no_lab_is_never_deleted(settings: Any) -> None:
    settings.directory.mkdir()
    (settings.directory / "thesis.tex").touch()
    with pytest.raises(LabError, match="no lab"):
        control.up(settings, report=lambda _: None, with_parent=False)
    assert (settings.directory / "thesis.tex").exists()
