"""The lab's one process: the exchange, the hosts and, through the hosts' services, the bots."""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import signal
from pathlib import Path

from runbook_lib.lab import feeders
from runbook_lib.lab.control import started_at
from runbook_lib.lab.exchange.server import Exchange
from runbook_lib.lab.exchange.settings import ExchangeSettings
from runbook_lib.lab.hosts.fleet import EmbeddedHosts
from runbook_lib.lab.hosts.keys import write_keys
from runbook_lib.lab.hosts.settings import HostSettings
from runbook_lib.lab.settings import LabSettings

PR_SET_PDEATHSIG = 1


async def run(settings: LabSettings) -> None:
    """Bring the lab up, say so in lab.json, and stay until SIGTERM or SIGINT; then end all that was started."""
    ending = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ending.set)
    exchange = Exchange(_exchange(settings))
    hosts = EmbeddedHosts(_prepare_hosts(settings))
    await exchange.start()
    try:
        await hosts.start()
        try:
            _announce(settings)
            await ending.wait()
        finally:
            await hosts.stop()
    finally:
        await exchange.stop()
        (settings.directory / "lab.json").unlink(missing_ok=True)


def end_with_parent() -> None:
    """Ask the kernel for SIGTERM when the process that started this one dies, however it dies (Linux)."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() == 1:
        raise SystemExit("the lab's parent is gone already")


def _exchange(settings: LabSettings) -> ExchangeSettings:
    return ExchangeSettings(
        seed=settings.seed,
        pairs=tuple(settings.pairs),
        sources={**settings.hosts, "operator": settings.operator},
        port=settings.exchange_port,
        admin_port=settings.admin_port,
        weight_per_minute=settings.weight_per_minute,
        late_share=settings.late_share,
        late_seconds=settings.late_seconds,
    )


def _prepare_hosts(settings: LabSettings) -> list[HostSettings]:
    feeding = {feeder.host: feeder for feeder in settings.feeders}
    prepared = []
    for name, address in settings.hosts.items():
        base = settings.directory.resolve() / "hosts" / name
        home = base / "root" / "home" / settings.user
        home.mkdir(parents=True)
        _install_freqtrade(home, settings.freqtrade)
        if name in feeding:
            feeders.settle_in(feeding[name], home, address, settings.ccxt_config[name])
        prepared.append(
            HostSettings(
                name=name,
                address=address,
                port=settings.ssh_port,
                user=settings.user,
                root=base / "root",
                host_key=base / "host_key",
                authorized_keys=base / "authorized_keys",
            )
        )
    write_keys(prepared, operator_key=settings.key, known_hosts=settings.known_hosts)
    return prepared


def _install_freqtrade(home: Path, environment: Path) -> None:
    """Put freqtrade where the plan has it; its environment is shared by all hosts, as an image would be."""
    directory = home / "freqtrade"
    (directory / "user_data").mkdir(parents=True)
    (directory / ".venv").symlink_to(environment.resolve())


def _announce(settings: LabSettings) -> None:
    state = {
        "pid": os.getpid(),
        "started": started_at(os.getpid()),
        "admin_url": f"http://127.0.0.1:{settings.admin_port}",
    }
    waiting = settings.directory / "lab.json.new"
    waiting.write_text(json.dumps(state))
    waiting.rename(settings.directory / "lab.json")
