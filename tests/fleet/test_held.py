"""A command on a host lives as long as somebody holds it, and whoever asks is told when it is gone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import pytest

from runbook_lib.errors import CommandFailed, DeadlineExceeded, SecretError, Unreachable
from runbook_lib.fleet import HeldCommand, Session
from runbook_lib.redaction import register

if TYPE_CHECKING:
    from tests.fleet.conftest import Connect, SshHost

pytestmark = pytest.mark.hosts

ECHO = 'echo begun >> log; while read -r line; do echo "<$line>"; echo "$line" >> log; done; echo ended >> log'


@contextmanager
def held(session: Session, command: str = ECHO) -> Iterator[HeldCommand]:
    process = session.hold(command, "the echo")
    try:
        yield process
    finally:
        process.let_go()


def eventually(condition: Callable[[], object]) -> None:
    until = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def log(host: SshHost) -> list[str]:
    return (host.home / "log").read_text().splitlines()


def test_it_answers_line_by_line_and_ends_when_it_is_let_go(session: Session, host: SshHost) -> None:
    with held(session) as process:
        assert [process.ask(b"one"), process.ask(), process.ask(b"two")] == ["<one>", "<>", "<two>"]
        assert "ended" not in log(host)
    assert log(host) == ["begun", "one", "", "two", "ended"]  # when let_go returns, it has ended


def test_other_commands_run_beside_it(session: Session, host: SshHost) -> None:
    with held(session) as process:
        assert session.run("echo on").text == "on\n"
        assert process.ask(b"x") == "<x>"
    assert host.opened == 1


def test_it_takes_no_place_of_a_command(session: Session) -> None:
    with held(session) as process, ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda n: session.run(f"sleep 0.2; echo {n}").text, range(8))) == [
            f"{n}\n" for n in range(8)
        ]
        assert process.ask() == "<>"


def test_it_is_kept_alive_while_nobody_asks(session: Session, host: SshHost) -> None:
    with held(session) as process:
        process.ask()
        process.keep(every=0.02)
        eventually(lambda: log(host).count("") >= 3)
        assert process.ask(b"x") == "<x>"
    told = log(host)
    time.sleep(0.1)
    assert log(host) == told


def test_whoever_keeps_it_alive_ends_with_it(session: Session) -> None:
    with held(session) as process:
        process.keep(every=1000)
        assert "held-h73" in [thread.name for thread in threading.enumerate()]
    eventually(lambda: "held-h73" not in [thread.name for thread in threading.enumerate()])


def test_many_threads_get_their_own_answers(session: Session) -> None:
    with held(session) as process, ThreadPoolExecutor(8) as pool:
        process.keep(every=0.001)
        answers = list(pool.map(lambda n: process.ask(str(n).encode()), range(200)))
    assert answers == [f"<{n}>" for n in range(200)]


def test_a_long_answer_in_pieces_is_one_answer(session: Session) -> None:
    with held(
        session, "read -r x; printf begin; sleep 0.1; head -c 100000 /dev/zero | tr '\\0' y; echo; cat"
    ) as process:
        assert process.ask() == f"begin{'y' * 100_000}"
        assert process.ask(b"next") == "next"


def test_a_cut_connection_is_told_to_whoever_asks(session: Session, host: SshHost) -> None:
    with held(session) as process:
        process.ask()
        host.cut()
        with pytest.raises(
            Unreachable,
            match="h73: the echo is gone: its connection was lost, or it was killed -> observe the host anew",
        ):
            process.ask()
        with pytest.raises(Unreachable, match="the echo is gone"):
            process.ask()
        eventually(lambda: log(host)[-1] == "ended")
    assert session.run("echo on").text == "on\n"


def test_a_cut_connection_wakes_who_waits_for_an_answer(session: Session, host: SshHost) -> None:
    with held(session, "read -r x; sleep 30") as process:
        threading.Timer(0.2, host.cut).start()
        began = time.monotonic()
        with pytest.raises(Unreachable):
            process.ask()
        assert time.monotonic() - began < 4


def test_a_command_that_ends_by_itself_tells_its_last_words(session: Session) -> None:
    with (
        held(session, "read -r x; echo first >&2; echo no space left >&2; exit 7") as process,
        pytest.raises(CommandFailed, match=r"h73: the echo ended with status 7: no space left"),
    ):
        process.ask()


def test_a_command_that_was_killed_is_told(session: Session) -> None:
    with held(session, "read -r x; echo $$; exec cat") as process:
        pid = process.ask()
        session.run(f"kill -9 {pid}")
        with pytest.raises(Unreachable, match="the echo is gone"):
            process.ask()


def test_silence_is_an_error_and_the_end(connect: Connect, host: SshHost) -> None:
    session = connect(host, command_seconds=0.3)["h73"]
    with held(session, "sleep 30") as process:
        with pytest.raises(DeadlineExceeded, match=r"h73: the echo gave no answer within 0\.3 s"):
            process.ask()
        with pytest.raises((CommandFailed, Unreachable)):
            process.ask()


def test_letting_go_of_what_is_gone_is_no_error(session: Session, host: SshHost) -> None:
    with closing(session), held(session) as process:
        host.cut()
        process.let_go()
        process.let_go()


def test_a_host_out_of_reach_is_told_at_once(session: Session, host: SshHost) -> None:
    host.acceptor.close()
    with pytest.raises(Unreachable):
        session.hold("cat", "the cat")


def test_a_secret_never_gets_onto_its_command_line(session: Session, host: SshHost) -> None:
    register("correct-horse")
    with pytest.raises(SecretError):
        session.hold("echo correct-horse", "the echo")
    assert host.commands == []


def test_answers_are_text_whatever_comes(session: Session) -> None:
    with held(session, "cat") as process:
        assert process.ask("ünï".encode()) == "ünï"
        assert process.ask(b"\xff") == "\\xff"
