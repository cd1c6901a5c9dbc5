"""How a site file of this project's own migration becomes the lab that it is rehearsed in."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from ruamel.yaml import YAML

from runbook_lib.errors import LabError, ParamsError
from runbook_lib.freqtrade.configs.producer import REQUEST_LOG
from runbook_lib.freqtrade.params import FreqtradeSite
from runbook_lib.freqtrade.request_log import request_log_config
from runbook_lib.lab import FeederSettings, LabSettings
from runbook_lib.params import Lab, load


def load_site(path: Path) -> FreqtradeSite:
    """Load a site file of this migration."""
    return load(path, FreqtradeSite)


def lab_of(site: FreqtradeSite) -> Lab:
    """Return the lab of a site.

    Raises LabError where the site is a real fleet.
    """
    if site.lab is None:
        raise LabError(f"site {site.site} has no lab", remedy="use params/lab.yaml, or add a section lab:")
    return site.lab


def lab_settings(site: FreqtradeSite) -> LabSettings:
    """Turn a site into the lab that stands in for it: its hosts, and its consumers as the feeders they are today."""
    lab = lab_of(site)
    if site.ssh.key is None:
        raise ParamsError("ssh.key is missing", remedy="the lab makes its operator's key where the site says")
    return LabSettings(
        site=site.site,
        directory=lab.directory,
        freqtrade=lab.freqtrade,
        user=site.ssh.user,
        ssh_port=site.ssh.port,
        key=site.ssh.key,
        known_hosts=site.ssh.known_hosts,
        hosts={name: host.address for name, host in site.hosts.items()},
        operator=urlsplit(site.rest_url_here).hostname or "",
        feeders=[
            FeederSettings(
                host=name,
                unit=consumer.unit,
                config=consumer.config,
                directory=site.freqtrade.directory,
                pairs=site.pairs,
                timeframe=site.freqtrade.timeframe,
                enable_ws=site.freqtrade.enable_ws,
                log_config=request_log_config(REQUEST_LOG),
            )
            for name, consumer in site.consumers.items()
        ],
        seed=lab.seed,
        pairs=site.pairs,
        exchange_port=lab.exchange_port,
        admin_port=lab.admin_port,
        weight_per_minute=site.exchange.weight_per_minute,
        late_share=lab.late_share,
        late_seconds=lab.late_seconds,
        ccxt_config={name: site.ccxt_config(name) for name in site.hosts},
    )


def narrowed(source: Path, target: Path, *, pairs: int | None, websockets: bool) -> Path:
    """Write a smaller rehearsal's site file to ``target``, beside its record, and return it.

    ``pairs``: so many of each producer, with as much less data demanded; ``websockets``: by kline streams.
    """
    yaml = YAML()
    document = yaml.load(source.read_text(encoding="utf-8"))
    if websockets:
        document["freqtrade"]["enable_ws"] = True
    if pairs is not None:
        whole = sum(len(producer["pairs"]) for producer in document["producers"].values())
        for producer in document["producers"].values():
            producer["pairs"] = list(producer["pairs"])[:pairs]
        kept = sum(len(producer["pairs"]) for producer in document["producers"].values())
        gates = document.setdefault("gates", {})
        gates["minimum_cells"] = max(1, int(gates.get("minimum_cells", 1) * kept / whole))
    with target.open("w", encoding="utf-8") as file:
        yaml.dump(document, file)
    return target
