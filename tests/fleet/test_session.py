from __future__ import annotations

import os
import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest

from runbook_lib.errors import CommandFailed, DeadlineExceeded, PrivilegeRefused, SecretError, Unreachable
from runbook_lib.fleet import Session
from runbook_lib.params.model import SecretRef
from runbook_lib.redaction import register

if TYPE_CHECKING:
    from tests.fleet.conftest import Connect, SshHost, Start

pytestmark = pytest.mark.hosts


def test_a_command_runs_in_the_home_and_tells_all(session: Session, host: SshHost) -> None:
    result = session.run("pwd; echo oops >&2; exit 3", check=False)
    assert (result.status, result.stdout.strip(), result.stderr) == (3, str(host.home).encode(), b"oops\n")
    assert 0 < result.seconds < 5


def test_standard_input_reaches_the_command(session: Session) -> None:
    assert session.run("wc -c", stdin=b"x" * 3_000_000).text.strip() == "3000000"
    assert session.run("cat").stdout == b""


def test_a_command_that_does_not_read_its_input_is_no_error(session: Session) -> None:
    assert session.run("exit 0", stdin=b"x" * 3_000_000).status == 0


def test_both_streams_are_drained_together(session: Session) -> None:
    much = 8 << 20
    half = f"head -c {much} /dev/zero"
    result = session.run(f"{half} >&2 & {half}; wait")
    assert (len(result.stdout), len(result.stderr)) == (much, much)
    result = session.run("tee /dev/stderr", stdin=b"y" * much)
    assert (len(result.stdout), len(result.stderr)) == (much, much)


def test_a_failure_quotes_the_last_lines_redacted(session: Session) -> None:
    register("correct-horse")
    with pytest.raises(CommandFailed) as caught:
        session.run("seq 20 >&2; cat >&2; exit 5", stdin=b"no correct-horse here\n")
    assert str(caught.value).startswith(
        "h73: `seq 20 >&2; cat >&2; exit 5` ended with status 5: 18 | 19 | 20 | no ••• here"
    )
    assert caught.value.host == "h73"


def test_a_secret_never_gets_onto_a_command_line(session: Session, host: SshHost) -> None:
    register("correct-horse")
    with pytest.raises(SecretError):
        session.run("echo correct-horse")
    assert host.commands == []


def test_the_deadline_is_wall_clock_and_the_session_lives_on(session: Session) -> None:
    for command in ("sleep 30", "while :; do echo x; sleep 0.05; done", "exec >&- 2>&-; sleep 30"):
        began = time.monotonic()
        with pytest.raises(DeadlineExceeded, match=r"h73: .* took longer than 0.4 s"):
            session.run(command, deadline=0.4)
        assert time.monotonic() - began < 1.5
    assert session.run("echo on").text == "on\n"


def test_input_that_nobody_reads_does_not_outlast_the_deadline(session: Session) -> None:
    with pytest.raises(DeadlineExceeded):
        session.run("sleep 30", stdin=b"x" * (16 << 20), deadline=0.5)


def test_one_connection_serves_many_threads(session: Session, host: SshHost) -> None:
    seen = []
    threads = [threading.Thread(target=lambda n=n: seen.append(session.run(f"echo {n}").text)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(int, seen)) == list(range(20))
    assert host.opened == 1


def test_a_cut_connection_is_told_and_the_next_call_opens_another(session: Session, host: SshHost) -> None:
    session.connect()
    threading.Timer(0.2, host.cut).start()
    with pytest.raises(Unreachable, match="connection lost while `sleep 30` ran"):
        session.run("sleep 30")
    assert session.run("echo on").text == "on\n"
    assert host.opened == 2


def test_a_command_ended_by_a_signal_is_no_lost_connection(session: Session, host: SshHost) -> None:
    with pytest.raises(CommandFailed, match="killed by a signal"):
        session.run("kill -9 $$")
    assert host.opened == 1


def test_a_closed_session_stays_closed(session: Session) -> None:
    session.run("true")
    session.close()
    with pytest.raises(Unreachable, match="closed"):
        session.run("true")


def test_a_script_gets_its_arguments_and_returns_json(session: Session, host: SshHost) -> None:
    arguments = {"text": "it's \"quoted\" ${HOME} `x` \\n ünï\n'''", "n": [1, 2.5, None, True]}
    assert session.python("def main(given):\n    print('noise')\n    return given", arguments) == arguments
    assert session.python("import json\nprint(json.dumps(arguments))", arguments) == arguments
    assert session.python("from __future__ import annotations\ndef main(_): return 'ü'") == "ü"
    assert not any("quoted" in command for command in host.commands)


def test_a_script_is_not_led_astray_by_files_in_the_home(session: Session, host: SshHost) -> None:
    (host.home / "json.py").write_text("raise SystemExit('wrong json')")
    assert session.python("def main(given): return given", 7) == 7


def test_a_script_that_fails_tells_the_last_line_of_its_traceback(session: Session) -> None:
    with pytest.raises(
        CommandFailed, match=r"h73: `a script in python3` ended with status 1: ValueError: no such pair ->"
    ):
        session.python("def main(_):\n    raise ValueError('no such pair')")
    with pytest.raises(CommandFailed, match=r"nothing.*where JSON was due"):
        session.python("pass")
    with pytest.raises(CommandFailed, match=r"hello.*where JSON was due"):
        session.python("print('hello')")
    with pytest.raises(CommandFailed, match="not found"):
        session.python("", interpreter="no/such/python")


def test_a_port_is_forwarded(start: Start, connect: Connect) -> None:
    near, far = start("near"), start("far")
    session = connect(near, far)["near"]
    with session.forward(far.address, far.port) as port, socket.create_connection(("127.0.0.1", port)) as plug:
        assert plug.recv(100).startswith(b"SSH-2.0-")
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port))
    with session.forward("127.0.7.254", 1) as port, socket.create_connection(("127.0.0.1", port)) as plug:
        assert plug.recv(100) == b""


def test_much_goes_both_ways_through_a_forwarded_port(session: Session) -> None:
    def echo(server: socket.socket) -> None:
        with server.accept()[0] as plug:
            while data := plug.recv(1 << 16):
                plug.sendall(data)

    sent = os.urandom(4 << 20)
    with socket.create_server(("127.0.7.252", 0)) as server:
        threading.Thread(target=echo, args=(server,)).start()
        with session.forward(*server.getsockname()) as port, socket.create_connection(("127.0.0.1", port)) as plug:
            writer = threading.Thread(target=lambda: (plug.sendall(sent), plug.shutdown(socket.SHUT_WR)))
            writer.start()
            with plug.makefile("rb") as back:
                assert back.read() == sent
            writer.join()


@pytest.fixture
def sudo(host: SshHost) -> SshHost:
    """Give the host a sudo that behaves as its environment says: RULE=free, asks, or remembers (asks only after -k)."""
    tool = host.home / "bin" / "sudo"
    tool.parent.mkdir()
    tool.write_text(SUDO)
    tool.chmod(0o755)
    ids = host.home / "bin" / "id"
    ids.write_text("#!/bin/sh\necho 1000\n")
    ids.chmod(0o755)
    host.env["PATH"] = f"{tool.parent}:{host.env['PATH']}"
    return host


SUDO = """\
#!/bin/sh
# As sudo reads it: one line of standard input, byte by byte, and only if it asks.
echo "sudo $*" >> "$HOME/sudo.log"
stdin=no; asks=yes
while :; do case "$1" in
  -n) asks=no; shift;; -k) [ "$RULE" = remembers ] && RULE=asks; shift;; -S) stdin=yes; shift;;
  -p) shift 2;; --) shift; break;; *) break;; esac; done
if [ "$RULE" = asks ]; then
  [ $asks = yes ] && [ $stdin = yes ] || { echo "sudo: a password is required" >&2; exit 1; }
  IFS= read -r password
  [ "$password" = correct-horse ] || { echo "sudo: 1 incorrect password attempt" >&2; exit 1; }
fi
exec "$@"
"""


@pytest.mark.parametrize("rule", ["free", "asks", "remembers"])
def test_sudo_hands_the_password_over_by_stdin_alone(
    sudo: SshHost, connect: Connect, monkeypatch: pytest.MonkeyPatch, rule: str
) -> None:
    monkeypatch.setenv("SUDO_PASSWORD", "correct-horse")
    sudo.env["RULE"] = rule
    session = connect(sudo, sudo_password=SecretRef(env="SUDO_PASSWORD"))["h73"]
    assert session.sudo('cat; echo "it\'s $0"', stdin=b"data\n").text == "data\nit's sh\n"
    assert session.sudo("cat").text == ""
    assert session.python("def main(given): return given", 7, sudo=True) == 7
    assert sudo.commands[-1].startswith("sudo -n -- " if rule == "free" else "sudo -k -S -p '' -- ")
    assert "correct-horse" not in str(sudo.commands) + (sudo.home / "sudo.log").read_text()


def test_sudo_that_refuses_says_so_and_runs_nothing(
    sudo: SshHost, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    sudo.env["RULE"] = "asks"
    with pytest.raises(PrivilegeRefused, match=r"h73: sudo asks for a password -> set ssh\.sudo_password"):
        connect(sudo)["h73"].sudo("touch here")
    monkeypatch.setenv("SUDO_PASSWORD", "wrong-horse")
    with pytest.raises(PrivilegeRefused, match="h73: sudo refused: sudo: 1 incorrect password attempt -> it did not"):
        connect(sudo, sudo_password=SecretRef(env="SUDO_PASSWORD"))["h73"].sudo("touch here")
    assert not (sudo.home / "here").exists()


def test_sudo_that_refuses_later_is_no_command_that_failed(sudo: SshHost, session: Session) -> None:
    said = "Sorry, user freqai is not allowed to execute '/usr/bin/sh -c $script' as root on h73."
    tool = sudo.home / "bin" / "sudo"
    assert session.sudo("exit 1", check=False).status == 1
    assert session.sudo("echo oops >&2").stderr == b"oops\n"
    tool.write_text(f'#!/bin/sh\nfor script; do :; done\necho "{said}" >&2\nexit 1\n')
    with pytest.raises(PrivilegeRefused) as caught:
        session.sudo("touch here\ntouch there", check=False)
    assert str(caught.value).startswith(f"h73: sudo refused: {said.replace('$script', '...')} -> it did not run; ")
    assert not list(sudo.home.glob("*here"))
    tool.write_text(SUDO)
    assert session.sudo("echo allowed again").text == "allowed again\n"


def test_sudo_as_root_needs_no_sudo(host: SshHost, session: Session, sudo: SshHost) -> None:
    (sudo.home / "bin" / "id").write_text("#!/bin/sh\necho 0\n")
    assert session.sudo("echo hello").text == "hello\n"
    assert not (host.home / "sudo.log").exists()
