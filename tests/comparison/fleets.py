"""The fleets that are compared: the same four bots that download themselves, behind a cache, or fed by two producers.

Each has a lab of its own, brought up anew, so that none inherits anything from the one before.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import caching_proxy
from ruamel.yaml import YAML

from runbook_lib import lab as labs
from runbook_lib.commands import terminal
from runbook_lib.commands.wiring import lab_settings, load_site, narrowed
from runbook_lib.errors import LabError
from runbook_lib.fleet import Fleet
from runbook_lib.freqtrade import bots
from runbook_lib.freqtrade.params import FreqtradeSite

ROOT = Path(__file__).parents[2]
NOTEBOOKS = ("10_preflight", "30_producers", "40_consumers")  # the rest measures, which is done here


@dataclass(frozen=True, slots=True)
class Part:
    """A service that belongs to a fleet."""

    host: str
    unit: str


@dataclass(frozen=True, slots=True)
class Running:
    """A fleet at work. ``traders``: the bots that users trade with; ``shared``: what all of these rely on.

    ``outages``: what may die, in words -> the parts that die at once. ``sources``: who the exchange counts.
    """

    site: FreqtradeSite
    fleet: Fleet
    traders: Mapping[str, bots.Bot]
    shared: tuple[Part, ...]
    outages: Mapping[str, tuple[Part, ...]]
    sources: tuple[str, ...]

    @property
    def parts(self) -> tuple[Part, ...]:
        """All services, the traders' own first."""
        return (*(Part(bot.host, bot.unit) for bot in self.traders.values()), *self.shared)


@dataclass(frozen=True, slots=True)
class Project:
    """A folder as the runbook wants one: notebooks, params, outputs. ``log``: what the migration says."""

    folder: Path
    log: Path

    def site_file(self, name: str, edit: Callable[[Any], None]) -> Path:
        """Write a site file of its own, edited."""
        yaml = YAML()
        site = yaml.load((self.folder / "params" / "lab.yaml").read_text(encoding="utf-8"))
        edit(site)
        path = self.folder / "params" / f"{name}.yaml"
        with path.open("w", encoding="utf-8") as file:
            yaml.dump(site, file)
        return path


def project(folder: Path, log: Path, *, number: int, pairs: int | None) -> Project:
    """Lay a project out in ``folder``: its lab has addresses 127.0.<number>.x and ports of its own."""
    for name in ("params", "outputs"):
        (folder / name).mkdir()
    (folder / "notebooks").symlink_to(ROOT / "notebooks")
    text = (ROOT / "params" / "lab.yaml").read_text(encoding="utf-8")
    for here, there in (
        ("127.0.3.", f"127.0.{number}."),
        ("18080", str(20000 + number)),
        ("18081", str(21000 + number)),
    ):
        text = text.replace(here, there)
    site = folder / "params" / "lab.yaml"
    site.write_text(text, encoding="utf-8")
    made = Project(folder, log)

    def own_lab(document: Any) -> None:
        document["ssh"]["port"] = 22000 + number
        lab = {
            "exchange_port": 20000 + number,
            "admin_port": 21000 + number,
            "freqtrade": str(ROOT / ".venv/freqtrade"),
        }
        document["lab"].update(lab)
        document["gates"]["canary_candles"] = 1  # the migration is not what is measured here

    made.site_file("lab", own_lab)
    narrowed(site, site, pairs=pairs, websockets=False)
    return made


@contextmanager
def direct(made: Project) -> Iterator[Running]:
    """Run the feeders as their operator left them: each downloads every pair."""
    with _lab(made.folder / "params" / "lab.yaml") as (site, fleet):
        traders = bots.feeders(site)
        _ready(fleet, site, traders)
        yield Running(site, fleet, traders, (), {}, tuple(traders))


@contextmanager
def cached(made: Project) -> Iterator[Running]:
    """Run the same feeders, all of whose calls go through nginx on a host of its own."""
    program = caching_proxy.program()
    if program is None:
        raise LabError("nginx is not installed", remedy="apt-get install nginx-light")

    def turned(document: Any) -> None:
        address = str(document["hosts"]["73"]["address"]).replace(".73", ".9")
        document["hosts"][caching_proxy.HOST] = {"address": address}
        document["exchange"]["ccxt_config"] = caching_proxy.in_front(
            document["exchange"]["ccxt_config"],
            exchange=f"http://{{address}}:{document['lab']['exchange_port']}",
            proxy=f"http://{address}:{caching_proxy.PORT}",
        )

    with _lab(made.site_file("cached", turned)) as (site, fleet):
        port = site.lab.exchange_port if site.lab is not None else 0
        caching_proxy.start(fleet[caching_proxy.HOST], program=program, exchange_port=port)
        traders = bots.feeders(site)
        _ready(fleet, site, traders)
        nginx = (Part(caching_proxy.HOST, caching_proxy.UNIT),)
        yield Running(site, fleet, traders, nginx, {"nginx": nginx}, (*traders, caching_proxy.HOST))


@contextmanager
def fed(made: Project) -> Iterator[Running]:
    """Run the same feeders after the migration: consumers of two producers."""
    with _lab(made.folder / "params" / "lab.yaml") as (site, fleet):
        _ready(fleet, site, bots.feeders(site))
        _migrate(made)
        producers = bots.producers(site)
        traders = bots.feeders(site)
        _ready(fleet, site, {**producers, **traders})
        shared = tuple(Part(bot.host, bot.unit) for bot in producers.values())
        outages = {"one producer": shared[:1], "both producers" if len(shared) == 2 else "all producers": shared}
        yield Running(site, fleet, traders, shared, outages, tuple(site.hosts))


@contextmanager
def _lab(site_file: Path) -> Iterator[tuple[FreqtradeSite, Fleet]]:
    """Lend a lab; whatever happens in the body, it and all its bots are ended."""
    site = load_site(site_file)
    settings = lab_settings(site)
    with terminal.waiting("lab") as waits:
        labs.up(settings, report=waits, with_parent=True)
    try:
        with Fleet.of(site) as fleet:
            yield site, fleet
    finally:
        labs.down(settings.directory, keep=True)


def _ready(fleet: Fleet, site: FreqtradeSite, who: Mapping[str, bots.Bot]) -> None:
    require_ready(Running(site, fleet, who, (), {}, ()))


def require_ready(running: Running) -> None:
    """Wait until the traders hold fresh candles; raise LabError if they do not."""
    with terminal.waiting("bots") as waits:
        checks = bots.await_ready(running.fleet, running.site, running.traders, waits)
    failed = [f"{check.host}: {check.observed}" for check in checks if check.verdict.value != "Successful"]
    if failed:
        raise LabError("; ".join(failed), remedy="read the bots' journals in the lab's directory")


def _migrate(made: Project) -> None:
    """Carry the migration out with the project's own command."""
    only = [word for name in NOTEBOOKS for word in ("--only", name)]
    command = [sys.executable, "-m", "runbook_lib", "run", "--change", "comparison", "--approve", "all", *only]
    with terminal.waiting("migration") as waits, made.log.open("wb") as log:
        waits.done(f"{', '.join(NOTEBOOKS)}: some minutes, told in {made.log}")
        ended = subprocess.run(command, cwd=made.folder, stdout=log, stderr=log, check=False)
    if ended.returncode:
        raise LabError(f"the migration ended with status {ended.returncode}", remedy=f"read {made.log}")
