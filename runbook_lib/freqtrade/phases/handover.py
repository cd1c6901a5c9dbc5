"""Training history, handed over: fetched once by the producers, and put in place before a consumer starts."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

from runbook_lib.change.resources import Command, File, Unit, Wanted
from runbook_lib.errors import ChangeError
from runbook_lib.fleet import Files, Session
from runbook_lib.freqtrade import bots
from runbook_lib.freqtrade.configs.parse import read_config
from runbook_lib.freqtrade.configs.producer import producer_config_path
from runbook_lib.freqtrade.history import BRIDGED, FOLDER, Kept, Need, Series, Share, choose, late, seconds_of, shares
from runbook_lib.freqtrade.params import FreqtradeSite
from runbook_lib.freqtrade.probes.history import Historian, whole
from runbook_lib.runner.phase import Phase

OVERLAY = f"{FOLDER}.json"
LOG = "user_data/logs/history_requests.log"
_CANDLES_A_CALL = 1000
_CALLS_BESIDE = 3  # a pair's first candle is looked for, and its newest page asked for once more
_WEIGHT = 2  # of a call for candles
_CCXT_MS = 60_000 / 0.2  # ccxt waits 0.2 of its rate limit, ms, for each unit of weight
_START_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class _Stored:
    """A series as the producer that fetched it keeps it."""

    host: str
    kept: Kept


def fetched(phase: Phase[FreqtradeSite], wanted: Mapping[str, Wanted]) -> dict[str, Wanted]:
    """Let producers fetch the history that consumers train on. Nothing is added where none of them trains."""
    site = phase.site
    needs = _needs(phase, list(site.consumers))
    mine = shares(needs.values(), _produced(site)) if needs else {}
    return {host: _with_shares(site, each, mine.get(host, ())) for host, each in wanted.items()}


def handed_over(phase: Phase[FreqtradeSite], wanted: Mapping[str, Wanted]) -> dict[str, Wanted]:
    """Put history in place before those consumers start that train and are not fed yet.

    What a file of the consumer's own holds beyond it stays. Raises ChangeError if a producer has not fetched it.
    """
    who = bots.feeders(phase.site)
    texts = phase.fleet.on_all(lambda session: Files(session).read(who[session.name].config), wanted).unwrap()
    to_feed = [host for host, text in texts.items() if text != _content(wanted[host], who[host].config)]
    needs = _needs(phase, to_feed)
    if not needs:
        return dict(wanted)
    stored = _stored(phase, needs)
    if not phase.dry_run:
        _must_be_fetched(stored)
    cache: dict[str, bytes] = {}
    files = phase.fleet.on_all(
        lambda session: _files(phase, session, needs[session.name], stored, cache), needs
    ).unwrap()
    return {host: _before_unit(each, files.get(host, ())) for host, each in wanted.items()}


def _needs(phase: Phase[FreqtradeSite], hosts: list[str]) -> dict[str, Need]:
    """Ask the consumers that train what they load at a start; a config without FreqAI asks for nothing."""
    site = phase.site

    def look(session: Session) -> Need | None:
        text = Files(session).read(bots.feeders(site)[session.name].config)
        config = read_config((text or b"{}").decode("utf-8", "replace")).data
        if not (config.get("freqai") or "add_config_files" in config):
            return None
        need = _historian(site, session).needs(site.consumers[session.name].config)
        return need.among(site.pairs) if need else None

    found = phase.fleet.on_all(look, hosts).unwrap()
    return {host: need for host, need in found.items() if need is not None}


def _historian(site: FreqtradeSite, session: Session) -> Historian:
    return Historian(session, site.freqtrade.directory, site.freqtrade.python)


def _produced(site: FreqtradeSite) -> dict[str, list[str]]:
    return {host: list(producer.pairs) for host, producer in site.producers.items()}


def _with_shares(site: FreqtradeSite, wanted: Wanted, mine: tuple[Share, ...]) -> Wanted:
    """Fetch after the bot was started: it serves what it has meanwhile, and a fetch is no reason to restart it."""
    if not mine:
        return wanted
    overlay = File(bots.in_directory(site, OVERLAY), _overlay(site).encode())
    commands = [_download(site, wanted.host, share) for share in mine]
    leaves = (bots.in_directory(site, FOLDER),)
    return replace(wanted, resources=(*wanted.resources, overlay, *commands), leaves=(*wanted.leaves, *leaves))


def _overlay(site: FreqtradeSite) -> str:
    """Write what differs from the bot's config: the pace, by the weight that a bot may cost, and a log of its own."""
    pace = {"rateLimit": round(_CCXT_MS / site.feed.weight_per_minute)}
    log = {"handlers": {"requests": {"filename": LOG}}}
    return json.dumps({"exchange": {"ccxt_config": pace}, "log_config": log}, indent=4) + "\n"


def _download(site: FreqtradeSite, host: str, share: Share) -> Command:
    calls = sum(_calls(timeframe, share.days) for _, timeframe in share.series)
    download = [
        *("-m", "freqtrade", "download-data", "--userdir", "user_data", "--datadir", FOLDER),
        *("--config", producer_config_path(host), "--config", OVERLAY, "--days", str(share.days)),
        *("--data-format-ohlcv", share.folder.format, "--timeframes", *share.timeframes, "--pairs", *share.pairs),
    ]
    directory, python = shlex.quote(site.freqtrade.directory), shlex.quote(site.freqtrade.python)
    asked: dict[str, object] = {
        "data": share.folder.path,
        "format": share.folder.format,
        "series": share.series,
        "days": share.days,
        "behind": BRIDGED,
    }
    what = f"{len(share.pairs)} pairs in {', '.join(share.timeframes)}, {share.days} days, {share.folder.format}"
    return Command(
        f"history of {what}",
        check=whole(site.freqtrade.directory, site.freqtrade.python, asked),
        # realpath: the interpreter is named from the login's home; a link, as in an environment, must stay one
        do=f"set -e; python=$(realpath -s -- {python}); cd -- {directory}; mkdir -p {FOLDER}; "
        f'"$python" {shlex.join(download)}; echo {share.days} > {FOLDER}/days',
        undo=f"rm -rf -- {directory}/{FOLDER}",
        seconds=_START_SECONDS + 3 * calls * _WEIGHT * 60 / site.feed.weight_per_minute,
    )


def _calls(timeframe: str, days: int) -> int:
    return _CALLS_BESIDE + days * 86_400 // (_CANDLES_A_CALL * seconds_of(timeframe)) + 1


def _stored(phase: Phase[FreqtradeSite], needs: Mapping[str, Need]) -> dict[tuple[Series, str], _Stored]:
    """Ask the producers what they keep; by series and format."""
    site = phase.site
    mine = shares(needs.values(), _produced(site))

    def look(session: Session) -> dict[tuple[Series, str], _Stored]:
        return {
            (series, share.folder.format): _Stored(session.name, kept)
            for share in mine[session.name]
            for series, kept in _historian(site, session).held(share.folder, share.series).items()
        }

    return {key: stored for found in phase.fleet.on_all(look, mine).unwrap().values() for key, stored in found.items()}


def _must_be_fetched(stored: Mapping[tuple[Series, str], _Stored]) -> None:
    now = time.time() * 1000
    for ((pair, timeframe), _), each in stored.items():
        if late(each.kept, timeframe, now):
            state = "ends too early" if each.kept.there else "is missing"
            raise ChangeError(
                f"the history of {pair} in {timeframe} {state}, on which consumers train",
                remedy="run 30_producers again: it fetches what is missing, and restarts nothing",
                host=each.host,
            )


def _files(
    phase: Phase[FreqtradeSite],
    session: Session,
    need: Need,
    stored: Mapping[tuple[Series, str], _Stored],
    cache: dict[str, bytes],
) -> tuple[File, ...]:
    """Return the files to write on one consumer: whole ones of the producers', or its own with their newer part."""
    historian = _historian(phase.site, session)
    files = []
    for series, ours in historian.held(need.folder, need.series).items():
        source = stored[series, need.folder.format]
        choice = choose(ours, source.kept)
        if choice == "leave" or (choice == "join" and need.folder.format != "feather"):
            continue
        content = _read(phase, source, cache)
        if choice == "join":
            content = historian.join(ours.path, content)
        files.append(File(bots.in_directory(phase.site, ours.path), content, rewritten=True))
    return tuple(files)


def _read(phase: Phase[FreqtradeSite], source: _Stored, cache: dict[str, bytes]) -> bytes:
    """Read a producer's file, once for all consumers."""
    key = f"{source.host}:{source.kept.path}"
    if key not in cache:
        content = Files(phase.fleet[source.host]).read(bots.in_directory(phase.site, source.kept.path))
        if content is None:
            raise ChangeError(f"{source.kept.path} is gone", remedy="run 30_producers again", host=source.host)
        cache[key] = content
    return cache[key]


def _before_unit(wanted: Wanted, files: tuple[File, ...]) -> Wanted:
    units = [resource for resource in wanted.resources if isinstance(resource, Unit)]
    others = [resource for resource in wanted.resources if not isinstance(resource, Unit)]
    return replace(wanted, resources=(*files, *others, *units))


def _content(wanted: Wanted, path: str) -> bytes | None:
    return next((file.content for file in wanted.files if file.path == path), None)
