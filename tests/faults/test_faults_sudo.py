"""A host whose sudo says no, before anything was done or right in the middle: one line, nothing touched."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from faulty_lab import Lab, host_settings, tree

from runbook_lib.change.engine import Engine
from runbook_lib.change.journal import Event, Journal
from runbook_lib.change.resources import File, Wanted
from runbook_lib.errors import PrivilegeRefused
from runbook_lib.params.model import SecretRef

pytestmark = pytest.mark.hosts

PASSWORD, OTHER = "correct-horse", "battery-staple"
CONFIG, OLD, NEW = "bot/config.json", b"old\n", b"new\n"
Start = Callable[..., Lab]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Start a host with a given sudo: ``start("asks", password=what the operator has)``."""
    labs: list[Lab] = []

    def starting(rule: str, password: str | None) -> Lab:
        monkeypatch.setenv("SUDO_PASSWORD", password or "")
        ref = SecretRef(env="SUDO_PASSWORD") if password else None
        host = host_settings(tmp_path, "75", password=PASSWORD, sudo=rule)
        labs.append(Lab(tmp_path, host, sudo_password=ref).__enter__())
        (host.home / "bot").mkdir()
        (host.home / CONFIG).write_bytes(OLD)
        unit_file(labs[0]).parent.mkdir(parents=True)
        unit_file(labs[0]).write_bytes(OLD)
        return labs[0]

    yield starting
    for lab in labs:
        lab.__exit__()


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal.jsonl", "20_change")


def unit_file(lab: Lab) -> Path:
    """Return where the host's own systemd, not the login's, would look for units."""
    return lab.settings["75"].root / "etc" / "systemd" / "system" / "bot.service"


def wanted(lab: Lab) -> Wanted:
    return Wanted("75", (File(str(unit_file(lab)), NEW, root=True), File(CONFIG, NEW)))


def untouched(lab: Lab) -> bool:
    return unit_file(lab).read_bytes() == OLD and tree(lab.home("75")) == {CONFIG: OLD}


CHECK = " -> it did not run; check ssh.sudo_password and what sudoers allows this login"


@pytest.mark.parametrize(
    ("rule", "password", "said"),
    [
        ("asks", None, "75: sudo asks for a password -> set ssh.sudo_password, or allow it in sudoers"),
        (
            "asks",
            OTHER,
            f"75: sudo refused: sudo: no password was provided | sudo: 1 incorrect password attempt{CHECK}",
        ),
        ("refuses", PASSWORD, f"75: sudo refused: freqai is not in the sudoers file.{CHECK}"),
    ],
)
def test_refused_from_the_start(start: Start, journal: Journal, rule: str, password: str | None, said: str) -> None:
    lab = start(rule, password)
    with pytest.raises(PrivilegeRefused) as caught:
        Engine(journal, "user").plan(lab["75"], wanted(lab))
    assert str(caught.value) == said
    assert untouched(lab)
    assert journal.events() == []


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("free", "asks", "sudo: a password is required"),
        ("free", "refuses", "sudo: a password is required"),
        ("asks", "refuses", "freqai is not in the sudoers file."),
    ],
)
def test_refused_in_the_middle(start: Start, journal: Journal, before: str, after: str, said: str) -> None:
    lab = start(before, PASSWORD if before == "asks" else None)
    session = lab["75"]
    sudoers = lab.settings["75"].sudoers
    allowed = sudoers.read_text()

    class Withdrawing(Journal):
        def write(self, what: str, host: str | None = None, **detail: Any) -> Event:
            event = super().write(what, host, **detail)
            if what == "intent":  # it was allowed when the host was looked at last
                sudoers.write_text(allowed.replace(before, after))
            return event

    plan = Engine(journal, "user").plan(session, wanted(lab))
    with pytest.raises(PrivilegeRefused) as caught:
        Engine(Withdrawing(journal.path, "20_change"), "user").apply(session, plan, wanted(lab))
    assert str(caught.value) == f"75: sudo refused: {said}{CHECK}"
    assert untouched(lab)
    *_, failed = journal.events()
    assert (failed.what, failed.detail["why"]) == ("failed", f"sudo refused: {said}")
    assert PASSWORD not in journal.path.read_text()

    sudoers.write_text(allowed)
    assert Engine(journal, "user").apply(session, plan, wanted(lab)).changed
    assert unit_file(lab).read_bytes() == NEW
