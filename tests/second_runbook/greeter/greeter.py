"""The second runbook's own part: what its site files may say, what a greeting town should have, how one looks at it."""

from __future__ import annotations

import http.client
from pathlib import PurePosixPath
from typing import Self

from pydantic import Field, model_validator

from runbook_lib.change.resources import Command, File, Resource, Unit, Wanted
from runbook_lib.gates import holds
from runbook_lib.params import Site
from runbook_lib.params.model import HostName, Port
from runbook_lib.runner import changing, undoing
from runbook_lib.runner import phase as runner
from runbook_lib.runner.changing import Planned, Rollout
from runbook_lib.runner.undoing import Undoing
from runbook_lib.values import Check
from runbook_lib.view.tables import GateView, Table

CONFIG = "greeter/greeter.conf"
PARROT = PurePosixPath("parrot/cage")
UNITS = ".config/systemd/user"


class Town(Site):
    """Hosts that greet. The params of this runbook alone; hosts and the way to them come with `Site`."""

    greeting: str = Field(min_length=1)
    port: Port = Field(description="that a greeter listens on; its parrot listens on the next one")
    parrots: list[HostName] = Field([], description="hosts that get a parrot, which repeats the greeting")

    @model_validator(mode="after")
    def _parrots_live_in_town(self) -> Self:
        if strangers := sorted(set(self.parrots) - set(self.hosts)):
            raise ValueError(f"parrots: no host {', '.join(strangers)}")
        return self


Phase = runner.Phase[Town]


def open_phase(name: str, *, site: str, change_id: str, dry_run: bool) -> Phase:
    """Open a phase of this runbook."""
    return runner.open_phase(name, Town, site=site, change_id=change_id, dry_run=dry_run)


def look(phase: Phase) -> GateView:
    """Ask every greeter for a word; any will do."""
    return phase.gate("greeters_answer", _answers(phase))


def plan(phase: Phase) -> Planned:
    """Plan every host's new greeting, and the parrots."""
    return changing.plan(phase, "Greetings", {host: wanted(phase.site, host) for host in phase.site.hosts})


def wanted(site: Town, host: str) -> Wanted:
    """Say what a host should have."""
    address = site.hosts[host].address
    greeter: tuple[Resource, ...] = (
        File(CONFIG, _config(address, site.port, site.greeting), 0o600),
        Unit("greeter.service"),
    )
    if host not in site.parrots:
        return Wanted(host, greeter)
    parrot: tuple[Resource, ...] = (
        File(str(PARROT / "parrot.conf"), _config(address, site.port + 1, site.greeting, diary="parrot/diary")),
        Command(
            "the parrot's cage is open",
            check=f'[ "$(readlink parrot/open)" = {PARROT.name} ]',
            do=f"ln -sn {PARROT.name} parrot/open",
            undo="rm -f parrot/open",
        ),
        File(f"{UNITS}/parrot.service", _UNIT.encode()),
        Unit("parrot.service"),
    )
    return Wanted(host, (*greeter, *parrot), leaves=("parrot/diary",))


_UNIT = """\
[Unit]
Description=Repeats what the greeter says

[Service]
Type=notify
WorkingDirectory=%h
ExecStart=python3 -I -S greeter/greet parrot/open/parrot.conf

[Install]
WantedBy=default.target
"""


def _config(address: str, port: int, greeting: str, **more: str) -> bytes:
    pairs = {"address": address, "port": port, "greeting": greeting, **more}
    return "".join(f"{key} = {value}\n" for key, value in pairs.items()).encode("latin-1")


def canary(phase: Phase, planned: Planned) -> Rollout:
    """Change the first hosts alone."""
    return _change(phase, planned, list(phase.site.hosts)[: phase.site.rollout.canary])


def rest(phase: Phase, planned: Planned) -> Rollout:
    """Change the others."""
    return _change(phase, planned, list(phase.site.hosts)[phase.site.rollout.canary :])


def _change(phase: Phase, planned: Planned, hosts: list[str]) -> Rollout:
    limits = phase.site.rollout

    def up(batch: tuple[str, ...]) -> list[Check]:
        return [_says(phase.site, host, port) for host in batch for port in _ports(phase.site, host)]

    return changing.change_all(phase, planned, up, hosts=hosts, size=limits.batch, budget=limits.failure_budget)


def judged(phase: Phase, name: str, rollout: Rollout) -> GateView:
    """Judge a part of the roll-out."""
    return phase.gate(name, rollout.checks)


def what_to_undo(phase: Phase) -> Undoing:
    """Compare every host with what it was before this change."""
    return undoing.plan(phase)


def undo(phase: Phase, planned: Undoing) -> Table:
    """Put every host back."""
    return undoing.apply(phase, planned)


def restored(phase: Phase) -> GateView:
    """Judge whether all is as it was before."""
    return phase.gate("as_before", [*undoing.restored(phase), *_answers(phase)])


def said(address: str, port: int) -> str:
    """Return what a greeter says; an empty text if it is silent."""
    connection = http.client.HTTPConnection(address, port, timeout=5)
    try:
        connection.request("GET", "/")
        return connection.getresponse().read().decode("latin-1")
    except OSError:
        return ""
    finally:
        connection.close()


def _ports(site: Town, host: str) -> list[int]:
    return [site.port, site.port + 1] if host in site.parrots else [site.port]


def _says(site: Town, host: str, port: int) -> Check:
    name, heard = "greeter" if port == site.port else "parrot", said(site.hosts[host].address, port)
    return holds(name, heard == site.greeting, expected=site.greeting, observed=heard or "silence", host=host)


def _answers(phase: Phase) -> list[Check]:
    heard = {host: said(where.address, phase.site.port) for host, where in phase.site.hosts.items()}
    return [
        holds("greeter", bool(word), expected="any word", observed=word or "silence", host=host)
        for host, word in heard.items()
    ]
