"""A plan is carried out in order, journalled before each act, and not at all if the host has changed since."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runbook_lib.change import engine as module
from runbook_lib.change.engine import ORIGINALS, Engine
from runbook_lib.change.journal import Event, Journal, read
from runbook_lib.change.resources import File, Service, Wanted
from runbook_lib.errors import StalePlan, VerifyFailed

CONFIG = File("bot/config.json", b'{"new": 1}', 0o600)
UNIT = File(".config/systemd/user/bot.service", b"[Service]")
WANTED = Wanted("75", (CONFIG, UNIT), Service("bot.service", UNIT.path))
OLD = b'{"old": 1}'
OLD_DIGEST = hashlib.sha256(OLD).hexdigest()


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


@pytest.fixture
def engine(journal: Path, host: Any) -> Engine:  # noqa: ARG001 - the host replaces files and units
    return Engine(Journal(journal, "30_producers"), "user")


def events(journal: Path) -> list[tuple[str, str]]:
    return [(event.what, event.detail["act"]) for event in read(journal)]


def test_planning_touches_nothing(engine: Engine, host: Any, journal: Path) -> None:
    assert engine.plan(host, WANTED).describe() == [
        "create bot/config.json (mode 0600)",
        "create .config/systemd/user/bot.service (mode 0644)",
        "enable and start bot.service",
    ]
    assert host.acts == []
    assert not journal.exists()


def test_a_plan_is_carried_out_in_order(engine: Engine, host: Any, journal: Path) -> None:
    assert engine.apply(host, engine.plan(host, WANTED), WANTED).changed
    assert host.acts == [
        ("write", CONFIG.path),
        ("write", UNIT.path),
        ("reload",),
        ("enable", "bot.service"),
        ("start", "bot.service"),
    ]
    assert host.files == {CONFIG.path: (CONFIG.content, 0o600), UNIT.path: (UNIT.content, 0o644)}
    assert events(journal) == [
        (what, act)
        for act in (
            "create bot/config.json (mode 0600)",
            "create .config/systemd/user/bot.service (mode 0644)",
            "enable and start bot.service",
        )
        for what in ("intent", "done")
    ]


def test_the_second_plan_is_empty_and_does_nothing(engine: Engine, host: Any, journal: Path) -> None:
    engine.apply(host, engine.plan(host, WANTED), WANTED)
    done, told = list(host.acts), journal.read_bytes()
    again = engine.plan(host, WANTED)
    assert again.empty
    assert not engine.apply(host, again, WANTED).changed
    assert (host.acts, journal.read_bytes()) == (done, told)


def test_an_original_is_kept_by_its_digest_before_it_is_replaced(engine: Engine, host: Any, journal: Path) -> None:
    host.files[CONFIG.path] = (OLD, 0o640)
    engine.apply(host, engine.plan(host, WANTED), WANTED)
    kept = f"{ORIGINALS}/{OLD_DIGEST}"
    assert host.acts[:2] == [("copy", CONFIG.path, kept), ("write", CONFIG.path)]
    assert host.files[kept] == (OLD, 0o640)
    detail = next(read(journal)).detail
    assert detail == {
        "act": "replace bot/config.json",
        "path": CONFIG.path,
        "before": OLD_DIGEST,
        "mode_before": 0o640,
        "after": hashlib.sha256(CONFIG.content).hexdigest(),
        "original": kept,
    }


def test_an_original_that_is_kept_already_is_not_copied_again(engine: Engine, host: Any) -> None:
    kept = f"{ORIGINALS}/{OLD_DIGEST}"
    host.files |= {CONFIG.path: (OLD, 0o640), kept: (OLD, 0o640)}
    engine.apply(host, engine.plan(host, WANTED), WANTED)
    assert ("copy", CONFIG.path, kept) not in host.acts


def test_a_new_file_has_no_original(engine: Engine, host: Any, journal: Path) -> None:
    engine.apply(host, engine.plan(host, WANTED), WANTED)
    detail = next(read(journal)).detail
    assert (detail["before"], detail["mode_before"], detail["original"]) == (None, None, None)


@pytest.mark.parametrize("act", ["write", "copy", "reload", "enable", "start"])
def test_a_crash_at_any_act_leaves_its_intent_and_no_done(
    engine: Engine, host: Any, journal: Path, monkeypatch: pytest.MonkeyPatch, act: str
) -> None:
    """What was intended is on the disk before the act: whoever finds the host knows where to look."""
    host.files[CONFIG.path] = (OLD, 0o640)
    plan = engine.plan(host, WANTED)

    class Killed(BaseException):
        pass

    def die(*_: object) -> None:
        raise Killed

    owner = module.Files if act in ("write", "copy") else module.Units
    monkeypatch.setattr(owner, "daemon_reload" if act == "reload" else act, die)
    with pytest.raises(Killed):
        engine.apply(host, plan, WANTED)
    *before, last = read(journal)
    assert last.what == "intent"
    assert [event.what for event in before] == ["intent", "done"] * (len(before) // 2)
    touched = {"write": CONFIG.path, "copy": CONFIG.path}.get(act, "bot.service")
    assert touched in (last.detail.get("path"), last.detail.get("unit"))


def test_a_journal_that_cannot_be_written_stops_before_the_act(
    engine: Engine, host: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> Event:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Journal, "write", full)
    with pytest.raises(OSError, match="No space"):
        engine.apply(host, engine.plan(host, WANTED), WANTED)
    assert host.acts == []


def by_hand(host: Any) -> None:
    host.files[CONFIG.path] = (b"by hand", 0o600)


def removed(host: Any) -> None:
    del host.files[CONFIG.path]


def started(host: Any) -> None:
    host.active = "active"


def edited_though_it_needed_nothing(host: Any) -> None:
    host.files[UNIT.path] = (b"[Unit]", 0o644)


@pytest.mark.parametrize(
    ("meanwhile", "said"),
    [
        (by_hand, "bot/config.json was edited"),
        (removed, "bot/config.json was removed"),
        (started, "bot.service was inactive, not enabled and is active, not enabled"),
        (edited_though_it_needed_nothing, f"{UNIT.path} was edited"),
    ],
)
def test_a_stale_plan_is_refused_before_anything_is_touched(
    engine: Engine, host: Any, journal: Path, meanwhile: Callable[[Any], None], said: str
) -> None:
    host.files |= {CONFIG.path: (OLD, 0o640), UNIT.path: (UNIT.content, 0o644)}
    plan = engine.plan(host, WANTED)
    meanwhile(host)
    files = dict(host.files)
    with pytest.raises(StalePlan) as caught:
        engine.apply(host, plan, WANTED)
    assert caught.value.what == f"the plan no longer fits: {said}"
    assert (caught.value.host, caught.value.exit_code) == ("75", 5)
    assert (host.acts, host.files) == ([], files)
    assert not journal.exists()


@pytest.mark.parametrize(
    ("deaf", "left"),
    [
        ("write", "create bot/config.json (mode 0600)"),
        ("start", "start bot.service"),
        ("enable", "enable bot.service"),
    ],
)
def test_what_the_host_does_not_show_afterwards_is_an_error(engine: Engine, host: Any, deaf: str, left: str) -> None:
    host.deaf.add(deaf)
    with pytest.raises(VerifyFailed) as caught:
        engine.apply(host, engine.plan(host, WANTED), WANTED)
    assert left in caught.value.what
    assert caught.value.host == "75"


def test_a_restart_without_a_changed_unit_file_reads_nothing_again(engine: Engine, host: Any) -> None:
    host.files |= {CONFIG.path: (OLD, 0o600), UNIT.path: (UNIT.content, 0o644)}
    host.active, host.enabled = "active", True
    engine.apply(host, engine.plan(host, WANTED), WANTED)
    assert host.acts[1:] == [("write", CONFIG.path), ("restart", "bot.service")]


def test_root_writes_a_unit_of_the_hosts_own_systemd_and_nothing_else(host: Any, journal: Path) -> None:
    unit = File("/etc/systemd/system/bot.service", b"[Service]")
    wanted = Wanted("75", (CONFIG, unit), Service("bot.service", unit.path))
    host.files[unit.path] = (b"[Unit]", 0o644)
    engine = Engine(Journal(journal, "30_producers"), "system")
    engine.apply(host, engine.plan(host, wanted), wanted)
    kept = f"{ORIGINALS}/{hashlib.sha256(b'[Unit]').hexdigest()}"
    assert host.acts[:3] == [("write", CONFIG.path), ("copy", unit.path, kept), ("write as root", unit.path)]
