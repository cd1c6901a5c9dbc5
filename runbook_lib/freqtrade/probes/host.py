"""What a host is and has: clock, Python, freqtrade, memory, disk, ports, files."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from runbook_lib.freqtrade.probes.script import PythonHost, ask


@dataclass(frozen=True, slots=True)
class ClockReading:
    """A host's clock read once. Unix seconds: when it was asked and answered (here), and what it said."""

    asked: float
    said: float
    answered: float

    @property
    def offset_seconds(self) -> float:
        """How far the host is ahead of here, if the way there took as long as the way back (as NTP assumes)."""
        return self.said - (self.asked + self.answered) / 2

    @property
    def error_seconds(self) -> float:
        """How far the offset may be wrong, at most."""
        return (self.answered - self.asked) / 2


@dataclass(frozen=True, slots=True)
class Port:
    """A TCP port at the host's address. ``error``: why it could not be tried (an address of another host, no right)."""

    port: int
    taken: bool
    error: str = ""


@dataclass(frozen=True, slots=True)
class HostFile:
    """A file on a host. ``mode``: permission bits; ``size``: bytes; ``error``: why it is not there or not readable."""

    path: str
    exists: bool
    mode: int
    size: int
    error: str = ""

    @property
    def open_to_others(self) -> bool:
        """Whether group or others may read it."""
        return bool(self.mode & 0o077)


@dataclass(frozen=True, slots=True)
class HostFacts:
    """What a host is and has. ``freqtrade`` is empty where ``freqtrade_error`` says why. Megabytes of 10^6 bytes."""

    host: str
    python: str
    freqtrade: str
    freqtrade_python: str
    freqtrade_error: str
    processors: int
    memory_megabytes: int
    free_megabytes: int
    ports: tuple[Port, ...]
    files: tuple[HostFile, ...]


def clock(session: PythonHost, *, times: int = 5, now: Callable[[], float] = time.time) -> ClockReading:
    """Read the host's clock several times; return the reading with the shortest way there and back."""
    readings = []
    for _ in range(times):
        asked = now()
        answer = ask(session, "clock", {}, deadline=20)
        readings.append(ClockReading(asked, float(answer["unix"]), now()))
    return best(readings)


def best(readings: Iterable[ClockReading]) -> ClockReading:
    """Return the reading that says most."""
    return min(readings, key=lambda reading: reading.error_seconds)


def host_facts(  # noqa: PLR0913 - named settings of one question
    session: PythonHost,
    *,
    address: str,
    freqtrade_python: str,
    path: str,
    ports: Sequence[int] = (),
    files: Sequence[str] = (),
) -> HostFacts:
    """Ask a host for its facts.

    ``path``: where free space is wanted; ``address``: at which ``ports`` are tried; paths as the login sees them.
    """
    given = {
        "address": address,
        "freqtrade_python": freqtrade_python,
        "path": path,
        "ports": list(ports),
        "files": list(files),
    }
    return parse_host_facts(session.name, ask(session, "host_facts", given, deadline=60))


def parse_host_facts(host: str, answer: dict[str, Any]) -> HostFacts:
    """Answer of the script -> facts."""
    freqtrade = answer["freqtrade"]
    return HostFacts(
        host=host,
        python=answer["python"],
        freqtrade=freqtrade.get("version", ""),
        freqtrade_python=freqtrade.get("python", ""),
        freqtrade_error=freqtrade.get("error", ""),
        processors=answer["processors"],
        memory_megabytes=answer["memory_megabytes"],
        free_megabytes=answer["free_megabytes"],
        ports=tuple(Port(**port) for port in answer["ports"]),
        files=tuple(HostFile(**file) for file in answer["files"]),
    )
