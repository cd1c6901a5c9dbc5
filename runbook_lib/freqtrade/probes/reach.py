"""Whether and how fast consumers reach a producer over TCP: before a bot listens there, and while it does."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from runbook_lib.errors import CommandFailed
from runbook_lib.freqtrade.probes.script import PythonHost, ask


@dataclass(frozen=True, slots=True)
class Reach:
    """One consumer's way to one producer. Milliseconds: each TCP connect, each one-byte question and its answer.

    ``echo_ms`` is empty where the producer's own service listens, since that does not answer single bytes.
    """

    consumer: str
    producer: str
    connect_ms: tuple[float, ...]
    echo_ms: tuple[float, ...]
    error: str = ""

    @property
    def p50_ms(self) -> float | None:
        """Median time to connect (one round trip); None if it never did."""
        return statistics.median(self.connect_ms) if self.connect_ms else None

    @property
    def p95_ms(self) -> float | None:
        """Time to connect that 95 of 100 stay under; None if it never did."""
        if len(self.connect_ms) < 2:
            return self.p50_ms
        return statistics.quantiles(self.connect_ms, n=20, method="inclusive")[-1]


def reach(  # noqa: PLR0913 - named settings of one question
    producer: PythonHost,
    consumers: Mapping[str, PythonHost],
    *,
    address: str,
    port: int,
    times: int = 20,
    seconds: float = 15.0,
) -> dict[str, Reach]:
    """Let every consumer connect ``times`` times to ``address``:``port``, all consumers at once.

    If nothing listens there yet, the producer's host listens for as long as needed, ``seconds`` at most.
    """
    place = {"address": address, "port": port}
    free = ask(producer, "listen", {**place, "seconds": 0, "connections": 0}, deadline=20)
    if not free["free"] and not free["taken"]:
        raise CommandFailed(
            f"cannot listen on {address}:{port}: {free['error']}",
            remedy="check the address and the port in the site file",
            host=producer.name,
        )
    echo = bool(free["free"])
    wanted = {**place, "times": times, "echo": echo, "patience": seconds / 3 if echo else 0}
    with ThreadPoolExecutor(len(consumers) + 1) as pool:
        if echo:
            listening = {**place, "seconds": seconds, "connections": times * len(consumers)}
            pool.submit(ask, producer, "listen", listening, deadline=seconds + 20)
        asked = {
            name: pool.submit(ask, session, "connect", wanted, deadline=seconds + 20)
            for name, session in consumers.items()
        }
        return {name: parse_reach(name, producer.name, future.result()) for name, future in asked.items()}


def parse_reach(consumer: str, producer: str, answer: dict[str, Any]) -> Reach:
    """Answer of the script -> latency."""
    return Reach(consumer, producer, tuple(answer["connect_ms"]), tuple(answer["echo_ms"]), answer["error"])
