"""A rehearsal ends the lab that it started, and no other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from runbook_lib.commands import rehearse as module
from runbook_lib.errors import LabError, ParamsError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Any]:
    """Labs that were ended; none is ever started. Records go below ``tmp_path``."""
    (tmp_path / "outputs").mkdir()
    (tmp_path / "params").mkdir()
    (tmp_path / "notebooks").symlink_to(ROOT / "notebooks")
    (tmp_path / "params" / "lab.yaml").write_text((ROOT / "params" / "lab.yaml").read_text())
    monkeypatch.chdir(tmp_path)
    downs: list[Any] = []
    monkeypatch.setattr(module.labs, "down", lambda directory, *, keep: downs.append((directory, keep)))
    return downs


def test_a_lab_that_somebody_else_started_is_left_alone(ended: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def up(*_: object, **__: object) -> None:
        raise LabError("a lab runs already")

    monkeypatch.setattr(module.labs, "up", up)
    result = CliRunner().invoke(module.rehearse, ["--change", "second"])
    assert isinstance(result.exception, LabError)
    assert ended == []


def test_its_own_lab_is_ended_however_the_run_ends(ended: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def execute(*_: object, **__: object) -> None:
        raise ParamsError("something went wrong")

    monkeypatch.setattr(module.labs, "up", lambda *_, **__: None)
    monkeypatch.setattr(module, "execute", execute)
    result = CliRunner().invoke(module.rehearse, ["--change", "mine"])
    assert isinstance(result.exception, ParamsError)
    assert ended == [(Path.cwd() / ".lab", True)]
