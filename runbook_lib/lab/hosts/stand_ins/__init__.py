"""The commands systemctl, journalctl and loginctl of an embedded host: they ask its supervisor and print the answer."""

from __future__ import annotations

import shlex
import sys
from importlib import resources

from runbook_lib.lab.hosts.settings import HostSettings

COMMANDS = ("systemctl", "journalctl", "loginctl")


def install(host: HostSettings) -> None:
    """Put the commands into the host's own bin directory."""
    library = host.root / "usr" / "local" / "lib"
    library.mkdir(parents=True, exist_ok=True)
    client = library / "ask_supervisor.py"
    client.write_text(resources.files(__package__).joinpath("ask_supervisor.py").read_text("utf-8"), encoding="utf-8")
    for name in COMMANDS:
        script = host.bin / name
        # -I -S: no site, no user packages; the interpreter is up in a third of the time
        script.write_text(
            f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -I -S {shlex.quote(str(client))} {name} "$@"\n',
            encoding="utf-8",
        )
        script.chmod(0o755)
