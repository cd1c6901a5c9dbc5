"""The commands of an embedded host that are not this machine's own.

systemctl, journalctl and loginctl ask the host's supervisor and print the answer. Where the host's settings want sudo,
there is one that may refuse, and an id that tells the login from root.
"""

from __future__ import annotations

import hashlib
import shlex
import sys
from importlib import resources
from pathlib import Path

from runbook_lib.lab.hosts.settings import HostSettings

COMMANDS = ("systemctl", "journalctl", "loginctl")
ID = """\
#!/bin/sh
[ -z "$SUDO_USER" ] && number=1000 name="$USER" || number=0 name=root
case "$*" in
-u) echo "$number" ;;
-un) echo "$name" ;;
*) exec /usr/bin/id "$@" ;;
esac
"""


def install(host: HostSettings) -> None:
    """Put the commands into the host's own bin directory."""
    client = _shipped(host, "ask_supervisor.py")
    for name in COMMANDS:
        _command(host, name, _python(client, name))
    if host.sudo is not None:
        digest = hashlib.sha256((host.password or "").encode()).hexdigest()
        host.sudoers.parent.mkdir(parents=True, exist_ok=True)
        host.sudoers.write_text(f"{host.sudo} {digest}\n", encoding="utf-8")
        _command(host, "sudo", _python(_shipped(host, "sudo.py")))
        _command(host, "id", ID)


def _shipped(host: HostSettings, name: str) -> Path:
    library = host.root / "usr" / "local" / "lib"
    library.mkdir(parents=True, exist_ok=True)
    program = library / name
    program.write_text(resources.files(__package__).joinpath(name).read_text("utf-8"), encoding="utf-8")
    return program


def _python(program: Path, *arguments: str) -> str:
    # -I -S: no site, no user packages; the interpreter is up in a third of the time
    words = [sys.executable, "-I", "-S", str(program), *arguments]
    return f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n'


def _command(host: HostSettings, name: str, script: str) -> None:
    path = host.bin / name
    path.write_text(script, encoding="utf-8")
    path.chmod(0o755)
