"""`runbook status`: how a change stands, while it runs and afterwards, and what to do next."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import click
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from runbook_lib.change import journal
from runbook_lib.change.locks import Holder, holder
from runbook_lib.commands import options, terminal
from runbook_lib.commands.chosen import change_folder
from runbook_lib.errors import RunbookError
from runbook_lib.params import project_root
from runbook_lib.record.folder import ChangeFolder
from runbook_lib.runner.history import moment
from runbook_lib.runner.runbook import read_manifest
from runbook_lib.runner.standing import Standing, standing


@click.command()
@options.site
@click.option("--change", "change_id", help="change id; without it all changes, a line each")
def status(site: Path, change_id: str | None) -> None:
    """Say who is at work on a change and what is waited for, what was done on which host, and what to do next."""
    if change_id is not None:
        folder = change_folder(site, change_id).require()
        for line in _lines(folder, standing_of(folder), holder(folder.lock)):
            terminal.say(line)
        return
    outputs = project_root(site) / "outputs"
    found = [path.parent for path in sorted(outputs.glob("*/journal.jsonl"))]
    for path in found:
        terminal.say(_line(ChangeFolder(outputs, path.name)))
    if not found:
        terminal.say(f"no change in {outputs}")


def standing_of(folder: ChangeFolder) -> Standing:
    """Return how a change stands."""
    rollback = read_manifest(folder.runbook).rollback if folder.runbook.exists() else None
    return standing(folder.change_id, list(journal.read(folder.journal)), holder(folder.lock), rollback)


def _line(folder: ChangeFolder) -> str:
    try:
        now = standing_of(folder)
    except RunbookError as error:
        return f"{folder.change_id}: cannot be read: {error}"
    since = f" since {moment(now.since)}" if now.since is not None else ""
    return f"{now.change}: {now.state}{since}: {now.said}"


def _lines(folder: ChangeFolder, now: Standing, at_work: Holder | None) -> Iterator[str]:
    yield _line(folder)
    if at_work is not None:
        yield f"  runs: {at_work.command}, since {moment(at_work.since)}"
        if at_work.waits_for:
            left = f", at most {max(0.0, at_work.until - time.time()):.0f} s still" if at_work.until is not None else ""
            yield f"  waits for: {at_work.waits_for}{left}"
    fates = dict(now.hosts or {})
    for host in dict.fromkeys([*_hosts(folder), *fates]):
        yield f"  host {host}: {fates.get(host, 'not reached')}"
    yield f"  next: {now.then}"


def _hosts(folder: ChangeFolder) -> list[str]:
    """Return the hosts of the site as it was when the change was begun."""
    try:
        site = YAML(typ="safe", pure=True).load(folder.site.read_text(encoding="utf-8"))
        return [str(name) for name in site["hosts"]]
    except (OSError, YAMLError, KeyError, TypeError):
        return []
