"""What a connection left behind on a host: never twice at work, and ended before anything is undone. Real processes."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runbook_lib.errors import CommandFailed
from runbook_lib.fleet.tasks import Tasks

NAME = 'it\'s a "task"'


class Login:
    """Runs commands as a host does, but here; what ``leave`` begins goes on, as when the connection is lost."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.left: list[subprocess.Popen[bytes]] = []
        self.leave = False

    def run(self, command: str, *, deadline: float | None = None) -> None:  # noqa: ARG002 - as a session does
        process = subprocess.Popen(["sh", "-c", command], cwd=self.home, start_new_session=True)
        if self.leave:
            self.left.append(process)
        elif status := process.wait(60):
            raise CommandFailed(f"ended with status {status}", remedy="look", host="a")

    sudo = run

    def has(self, name: str) -> bool:
        return (self.home / name).exists()

    def until(self, name: str) -> None:
        end = time.monotonic() + 20
        while not self.has(name):
            assert time.monotonic() < end, f"no {name}"
            time.sleep(0.02)


@pytest.fixture
def login(tmp_path: Path) -> Iterator[Login]:
    made = Login(tmp_path)
    yield made
    for process in made.left:
        process.kill()
        process.wait(10)


def tasks(login: Any, **how: bool) -> Tasks:
    return Tasks(login, **how)


def left_behind(login: Login, command: str) -> None:
    login.leave = True
    tasks(login).do(NAME, f"touch began; {command}", check="false")
    login.leave = False
    login.until("began")


def test_it_is_done_and_says_how_it_ended(login: Login) -> None:
    tasks(login).do(NAME, "set -e; echo one > made; echo 'two' >> made", check="false")
    assert (login.home / "made").read_text() == "one\ntwo\n"
    (login.home / "usual").touch()
    assert (login.home / "made").stat().st_mode == (login.home / "usual").stat().st_mode
    assert (login.home / ".runbook/tasks").stat().st_mode & 0o777 == 0o700
    with pytest.raises(CommandFailed, match="status 3"):
        tasks(login).do(NAME, "exit 3", check="false")


def test_what_is_so_already_is_not_done(login: Login) -> None:
    tasks(login).do(NAME, "touch made", check="exit 0")
    assert not login.has("made")


def test_it_waits_for_one_that_was_left_behind_and_does_nothing_twice(login: Login) -> None:
    left_behind(login, "sleep 1; touch made")
    tasks(login).do(NAME, "touch twice", check="[ -e made ]")
    assert login.has("made")
    assert not login.has("twice")


def test_it_does_not_wait_for_another(login: Login) -> None:
    left_behind(login, "sleep 30")
    began = time.monotonic()
    tasks(login).do("another", "touch made", check="false")
    tasks(login, sudo=True).do(NAME, "touch by_root", check="false")
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("deaf", ["", "trap '' TERM; "])
def test_what_was_left_behind_is_ended_with_all_that_it_began(login: Login, deaf: str) -> None:
    left_behind(login, f"{deaf}(sleep 40; touch made) & wait; touch made")
    tasks(login).end([NAME, "one that never began"], patience_seconds=0)
    (process,) = login.left
    process.wait(5)
    tasks(login).do(NAME, "touch free", check="false")
    assert login.has("free")
    assert not login.has("made")


def test_what_ends_by_itself_may(login: Login) -> None:
    left_behind(login, "sleep 0.3; touch made")
    tasks(login).end([NAME])
    assert login.has("made")
    tasks(login).end([])


def test_it_ends_on_the_host_when_nobody_waits_for_it_any_more(login: Login, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runbook_lib.fleet.tasks.AFTER_SECONDS", 0.0)
    with pytest.raises(CommandFailed, match="status 124"):
        tasks(login).do(NAME, "sleep 30; touch made", check="false", deadline=0.3)
