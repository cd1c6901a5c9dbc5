"""The journal of a host: one file per unit, written by the services themselves. No timestamps are kept."""

from __future__ import annotations

import getopt
from collections import deque
from collections.abc import Sequence

from runbook_lib.lab.hosts.settings import HostSettings

LONG = [
    "user",
    "no-pager",
    "unit=",
    "user-unit=",
    "lines=",
    "output=",
    "quiet",
    "catalog",
    "pager-end",
    "reverse",
    "all",
]


def tail(host: HostSettings, name: str, lines: int | None) -> list[str]:
    """Return the last lines of a unit's journal, all of them if ``lines`` is None."""
    path = host.journal_of(name)
    if not path.exists():
        return []
    with path.open(encoding="utf-8", errors="backslashreplace", newline="\n") as file:
        return [line.rstrip("\n") for line in deque(file, maxlen=lines)]


def journalctl(host: HostSettings, argv: Sequence[str]) -> tuple[int, str, str]:
    """Carry out one call of journalctl: exit status, output, error output."""
    options, rest = getopt.gnu_getopt(list(argv), "u:n:o:qxera", LONG)
    given = dict(options)
    if rest:
        return 1, "", f"journalctl: matches are not modelled: {' '.join(rest)}\n"
    output = given.get("-o", given.get("--output", "short"))
    if output not in {"cat", "short"}:
        return 1, "", f"journalctl: output {output} is not modelled; cat and short are\n"
    wanted = given.get("-n", given.get("--lines", "1000" if "-e" in given or "--pager-end" in given else "all"))
    count = None if wanted == "all" else int(wanted)
    names = [value for key, value in options if key in {"-u", "--unit", "--user-unit"}]
    found = [
        line if output == "cat" else f"{host.name} {name.removesuffix('.service')}: {line}"
        for name in names or sorted(path.stem for path in host.journal.glob("*.log"))
        for line in tail(host, name, count)
    ]
    if "-r" in given or "--reverse" in given:
        found.reverse()
    if not found and "-q" not in given and "--quiet" not in given:
        found = ["-- No entries --"]
    return 0, "".join(f"{line}\n" for line in found), ""
