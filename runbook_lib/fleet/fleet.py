"""All hosts of a site: a session for each, and work on all of them at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Self, TypeVar

from runbook_lib.errors import ParamsError
from runbook_lib.fleet.connect import Connector
from runbook_lib.fleet.fanout import Observer, fan_out
from runbook_lib.fleet.session import Session
from runbook_lib.params.model import Site
from runbook_lib.values import FleetResult

T = TypeVar("T")


class Fleet:
    """The hosts of one site, in the order of its inventory. Connections are opened when first needed."""

    def __init__(self, site: Site, connector: Connector, observers: Iterable[Observer] = ()) -> None:
        self._site = site
        self._connector = connector
        self._observers = tuple(observers)
        self._sessions: dict[str, Session] = {}
        self._lock = threading.Lock()

    @classmethod
    def of(cls, site: Site, *, observers: Iterable[Observer] = ()) -> Self:
        """Make the fleet of a site; nothing is connected yet. ``observers`` are told of all work on all hosts."""
        return cls(site, Connector(site.ssh), observers)

    @property
    def hosts(self) -> tuple[str, ...]:
        """Names of all hosts, in the order of the inventory."""
        return tuple(self._site.hosts)

    def __iter__(self) -> Iterator[str]:
        return iter(self.hosts)

    def __getitem__(self, host: str) -> Session:
        with self._lock:
            if host not in self._sessions:
                address = self._site.hosts[self._known(host)].address
                self._sessions[host] = Session(host, address, self._connector)
            return self._sessions[host]

    def on_all(
        self,
        task: Callable[[Session], T],
        hosts: Iterable[str] | None = None,
        *,
        observers: Iterable[Observer] = (),
    ) -> FleetResult[T]:
        """Run ``task`` on all hosts, or on those named, at the same time; one result for each, never an exception."""
        named = set(self.hosts if hosts is None else map(self._known, hosts))
        return fan_out(
            task,
            [host for host in self.hosts if host in named],
            self.__getitem__,
            parallel=self._site.ssh.parallel,
            observers=(*self._observers, *observers),
        )

    def close(self) -> None:
        """Close all connections; what still runs on a host is not waited for."""
        with self._lock:
            sessions = list(self._sessions.values())
        for session in sessions:
            session.close()
        self._connector.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _known(self, host: str) -> str:
        if host not in self._site.hosts:
            raise ParamsError(f"{host}: no such host", remedy=f"the inventory has {', '.join(self.hosts)}")
        return host
