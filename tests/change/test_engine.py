"""A plan is carried out in order, journalled before each act, and not at all if the host has changed since."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runbook_lib.change.engine import KEPT, Engine, kept
from runbook_lib.change.journal import Event, Journal, read
from runbook_lib.change.resources import Command, File, Unit, Wanted
from runbook_lib.errors import Aborted, ApplyFailed, StalePlan, Unreachable, VerifyFailed

CONFIG = File("bot/config.json", b'{"new": 1}', 0o600)
UNIT = File(".config/systemd/user/bot.service", b"[Service]")
NAT = Command("nat", check="is nat", do="do nat", undo="undo nat")
WANTED = Wanted("75", (CONFIG, UNIT, NAT, Unit("bot.service")), leaves=("bot/db", "bot/log"), folders=("bot/work",))
OLD = b'{"old": 1}'


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


ORIGINAL = kept(CONFIG.path, sha(OLD), 0o640)
WRITTEN = kept(CONFIG.path, sha(CONFIG.content), 0o600, ours=True)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


@pytest.fixture
def engine(journal: Path, host: Any) -> Engine:  # noqa: ARG001 - the host replaces files and units
    return Engine(Journal(journal, "30_producers"), "user")


def furnished(host: Any) -> None:
    """Let the host be as wanted, but for its config."""
    host.put(UNIT.path, UNIT.content, UNIT.mode)
    host.put(CONFIG.path, OLD, 0o640)
    host.loaded = host.unit_files()
    host.done.add("nat")
    host.unit("bot.service").enabled = True
    host.start("bot.service")


def told(journal: Path) -> list[str]:
    return [f"{event.what} {event.detail.get('key', '')}".strip() for event in read(journal)]


def detail(journal: Path, what: str, key: str) -> dict[str, Any]:
    return next(event.detail for event in read(journal) if (event.what, event.detail.get("key")) == (what, key))


def test_planning_touches_nothing(engine: Engine, host: Any, journal: Path) -> None:
    assert engine.plan(host, WANTED).describe() == [
        "create bot/config.json (mode 0600)",
        "create .config/systemd/user/bot.service (mode 0644)",
        "do nat",
        "enable and start bot.service",
    ]
    assert host.acts == []
    assert not journal.exists()


def test_a_host_is_seen_as_it_is(engine: Engine, host: Any) -> None:
    furnished(host)
    host.put("bot/log/today", b"", 0o600)
    found = engine.observe(host, replace(WANTED, resources=(*WANTED.resources, File("a/b/c", b""))))
    assert found.files[CONFIG.path].content == OLD
    assert found.files["a/b/c"].missing == ("a", "a/b")
    assert found.units["bot.service"].running
    assert found.commands == {"nat": True}
    assert found.leaves == {"bot/log"}


def test_a_plan_is_carried_out_in_order(engine: Engine, host: Any, journal: Path) -> None:
    assert engine.apply(host, engine.plan(host, WANTED), WANTED).changed
    unit_written = kept(UNIT.path, sha(UNIT.content), UNIT.mode, ours=True)
    assert host.acts == [
        ("make private", KEPT),
        ("write", WRITTEN),
        ("write", CONFIG.path),
        ("write", unit_written),
        ("write", UNIT.path),
        ("do", "nat"),
        ("reload",),
        ("enable", "bot.service"),
        ("start", "bot.service"),
    ]
    assert told(journal) == [
        "host",
        *(f"{what} {resource.key}" for resource in WANTED.resources for what in ("intent", "done")),
    ]
    assert engine.plan(host, WANTED).empty


def test_the_journal_tells_all_that_it_takes_to_undo_a_step(engine: Engine, host: Any, journal: Path) -> None:
    furnished(host)
    host.done.clear()
    engine.apply(host, engine.plan(host, WANTED), WANTED)
    assert next(read(journal)).detail == {
        "leaves": ["bot/db", "bot/log"], "folders": ["bot/work"], "units": ["bot.service"],
    }  # fmt: skip
    assert detail(journal, "intent", CONFIG.key) == {
        "kind": "file", "key": "file:bot/config.json", "act": "replace bot/config.json", "path": "bot/config.json",
        "before": sha(OLD), "mode_before": 0o640, "after": sha(CONFIG.content), "mode_after": 0o600,
        "original": ORIGINAL, "written": WRITTEN, "root": False, "rewritten": False, "made": [],
    }  # fmt: skip
    assert detail(journal, "intent", "unit:bot.service") == {
        "kind": "unit", "key": "unit:bot.service", "act": "restart bot.service", "unit": "bot.service",
        "before": {"active": "active", "enabled": True}, "acts": ["restart"], "scope": "user",
    }  # fmt: skip
    assert detail(journal, "intent", "command:nat") == {
        "kind": "command", "key": "command:nat", "act": "do nat",
        "name": "nat", "check": "is nat", "undo": "undo nat", "root": False,
    }  # fmt: skip
    done = {"kind": "file", "key": "file:bot/config.json", "act": "replace bot/config.json"}
    assert detail(journal, "done", CONFIG.key) == done


def test_a_command_may_take_as_long_as_it_says(engine: Engine, host: Any) -> None:
    for seconds in (None, 600.0):
        host.done.clear()
        wanted = Wanted("75", (replace(NAT, seconds=seconds),))
        engine.apply(host, engine.plan(host, wanted), wanted)
    assert host.deadlines == [None, 600.0]


def test_a_new_file_has_no_original_and_names_the_directories_made_for_it(
    engine: Engine, host: Any, journal: Path
) -> None:
    engine.apply(host, engine.plan(host, WANTED), WANTED)
    first = detail(journal, "intent", CONFIG.key)
    assert (first["before"], first["mode_before"], first["original"], first["made"]) == (None, None, None, ["bot"])
    assert detail(journal, "intent", UNIT.key)["made"] == [".config", ".config/systemd", ".config/systemd/user"]


def test_the_journal_names_the_units_that_read_what_changes(engine: Engine, host: Any, journal: Path) -> None:
    furnished(host)
    host.unit("early.service").enabled = True
    host.start("early.service")
    wanted = replace(WANTED, resources=(Unit("early.service"), *WANTED.resources))
    engine.apply(host, engine.plan(host, wanted), wanted)
    assert next(read(journal)).detail["units"] == ["bot.service"]


def test_leaves_that_were_there_before_are_not_ours(engine: Engine, host: Any, journal: Path) -> None:
    host.put("bot/db", b"theirs", 0o600)
    host.put("bot/work", b"theirs", 0o600)
    engine.apply(host, engine.plan(host, WANTED), WANTED)
    assert next(read(journal)).detail["leaves"] == ["bot/log"]
    assert next(read(journal)).detail["folders"] == []


def test_the_second_plan_is_empty_and_does_nothing(engine: Engine, host: Any, journal: Path) -> None:
    engine.apply(host, engine.plan(host, WANTED), WANTED)
    done, said = list(host.acts), journal.read_bytes()
    again = engine.plan(host, WANTED)
    assert again.empty
    assert not engine.apply(host, again, WANTED).changed
    assert (host.acts, journal.read_bytes()) == (done, said)


def test_what_stood_there_and_what_will_is_kept_before_it_is_replaced(engine: Engine, host: Any) -> None:
    furnished(host)
    engine.apply(host, engine.plan(host, WANTED), WANTED)
    assert host.acts == [
        ("make private", KEPT),
        ("copy", CONFIG.path, ORIGINAL),
        ("write", WRITTEN),
        ("write", CONFIG.path),
        ("restart", "bot.service"),
    ]
    assert host.files[ORIGINAL] == (OLD, 0o640)
    assert host.files[WRITTEN] == (CONFIG.content, 0o600)


def test_what_this_change_keeps_already_is_not_kept_again_unless_it_is_torn(
    engine: Engine, host: Any, journal: Path
) -> None:
    furnished(host)
    for place, data in ((ORIGINAL, OLD), (WRITTEN, CONFIG.content)):
        host.put(place, data, 0o640)
    announced(journal)
    engine.apply(host, engine.plan(host, WANTED), WANTED)
    assert host.acts == [("make private", KEPT), ("write", CONFIG.path), ("restart", "bot.service")]
    by_hand(host)
    for place in (kept(CONFIG.path, sha(b"by hand"), 0o600), WRITTEN):
        host.put(place, b"torn", 0o600)
    engine.apply(host, engine.plan(host, WANTED), WANTED)
    assert host.files[kept(CONFIG.path, sha(b"by hand"), 0o600)] == (b"by hand", 0o600)
    assert host.files[WRITTEN] == (CONFIG.content, 0o600)


def test_what_another_change_keeps_is_kept_anew(engine: Engine, host: Any, journal: Path) -> None:
    """The same bytes may have another owner and another time since."""
    furnished(host)
    for place, data in ((ORIGINAL, OLD), (WRITTEN, CONFIG.content)):
        host.put(place, data, 0o640)
    announced(journal, host="120")
    engine.apply(host, engine.plan(host, WANTED), WANTED)
    assert ("copy", CONFIG.path, ORIGINAL) in host.acts


def announced(journal: Path, host: str = "75") -> None:
    """Have the journal tell that the config was about to be written, and no more."""
    Journal(journal, "30_producers").write("intent", host, kind="file", key=CONFIG.key, act="x")


def test_equal_files_in_two_places_are_kept_apart() -> None:
    assert kept("a", sha(OLD), 0o644) != kept("b", sha(OLD), 0o644)


def test_an_original_that_is_edited_while_it_is_copied_is_not_overwritten(
    engine: Engine, host: Any, journal: Path
) -> None:
    furnished(host)
    plan = engine.plan(host, WANTED)

    def edit() -> None:
        if host.acts == [("make private", KEPT)]:  # before the copy
            host.put(CONFIG.path, b"by hand", 0o640)

    host.moment = edit
    with pytest.raises(ApplyFailed, match=r"75: bot/config\.json was edited in this very moment"):
        engine.apply(host, plan, WANTED)
    assert host.files[CONFIG.path] == (b"by hand", 0o640)
    assert ORIGINAL not in host.files, "what stands there is not what it is named after"
    assert host.files[kept(CONFIG.path, sha(b"by hand"), 0o640)] == (b"by hand", 0o640)
    assert told(journal)[-1] == f"failed {CONFIG.key}"


def test_a_control_that_stops_is_asked_before_every_step(journal: Path, host: Any) -> None:
    asked: list[list[str]] = []

    def check() -> None:
        asked.append(told(journal))
        if len(asked) == 3:
            raise Aborted("enough", host="75")

    engine = Engine(Journal(journal, "30_producers"), "user", check)
    with pytest.raises(Aborted):
        engine.apply(host, engine.plan(host, WANTED), WANTED)
    first = [f"{what} {CONFIG.key}" for what in ("intent", "done")]
    second = [f"{what} {UNIT.key}" for what in ("intent", "done")]
    assert asked == [[], ["host", *first], ["host", *first, *second]]
    assert told(journal) == asked[-1]  # nothing began that would have to be ended


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
    host.put(CONFIG.path, b"by hand", 0o600)


def removed(host: Any) -> None:
    del host.files[CONFIG.path]


def stopped(host: Any) -> None:
    host.stop("bot.service")


def edited_though_it_needed_nothing(host: Any) -> None:
    host.put(UNIT.path, b"[Unit]", 0o644)


def undone(host: Any) -> None:
    host.done.clear()


MEANWHILE = [
    (by_hand, "bot/config.json was edited"),
    (removed, "bot/config.json was removed"),
    (stopped, "bot.service was active, enabled and is inactive, enabled"),
    (edited_though_it_needed_nothing, f"{UNIT.path} was edited"),
    (undone, "nat was undone by somebody else"),
]


@pytest.mark.parametrize(("meanwhile", "said"), MEANWHILE)
def test_a_stale_plan_is_refused_before_anything_is_touched(
    engine: Engine, host: Any, journal: Path, meanwhile: Callable[[Any], None], said: str
) -> None:
    furnished(host)
    plan = engine.plan(host, WANTED)
    meanwhile(host)
    before = host.as_it_stands()
    with pytest.raises(StalePlan) as caught:
        engine.apply(host, plan, WANTED)
    assert caught.value.what == f"the plan no longer fits: {said}"
    assert (caught.value.host, caught.value.exit_code) == ("75", 5)
    assert (host.acts, host.as_it_stands()) == ([], before)
    assert not journal.exists()


def test_an_empty_plan_can_be_stale_too(engine: Engine, host: Any) -> None:
    engine.apply(host, engine.plan(host, WANTED), WANTED)
    plan = engine.plan(host, WANTED)
    by_hand(host)
    with pytest.raises(StalePlan, match=r"bot/config\.json was edited"):
        engine.apply(host, plan, WANTED)


def test_a_unit_that_fails_again_and_again_makes_no_plan_stale(engine: Engine, host: Any) -> None:
    furnished(host)
    host.unit("bot.service").active = "activating"
    plan = engine.plan(host, WANTED)
    assert plan.describe()[-1] == "restart bot.service"
    host.unit("bot.service").active = "failed"
    engine.apply(host, plan, WANTED)
    assert host.acts[-1] == ("start", "bot.service")


@pytest.mark.parametrize("other", [(replace(CONFIG, content=b"other"), *WANTED.resources[1:]), (UNIT,), ()])
def test_a_plan_for_something_else_is_refused(engine: Engine, host: Any, other: tuple[Any, ...]) -> None:
    furnished(host)
    plan = engine.plan(host, WANTED)
    with pytest.raises(StalePlan, match=r"what is to be done now is: (replace|nothing)"):
        engine.apply(host, plan, replace(WANTED, resources=other))
    assert host.acts == []


@pytest.mark.parametrize(
    ("deaf", "key", "said"),
    [
        ("write", CONFIG.key, "bot/config.json was written, but something else stands there"),
        ("do", NAT.key, "nat was done, but its check does not hold"),
        ("enable", "unit:bot.service", "bot.service is not enabled"),
        ("start", "unit:bot.service", "bot.service is inactive (dead)"),
    ],
)
def test_what_the_host_does_not_show_afterwards_is_an_error(
    host: Any, journal: Path, deaf: str, key: str, said: str
) -> None:
    engine = Engine(Journal(journal, "30_producers"), "user")
    host.deaf.add(deaf)
    with pytest.raises(VerifyFailed) as caught:
        engine.apply(host, engine.plan(host, WANTED), WANTED)
    assert caught.value.what.startswith(said)
    assert caught.value.host == "75"
    assert told(journal)[-2:] == [f"intent {key}", f"failed {key}"]
    assert detail(journal, "failed", key)["why"] == caught.value.what


@pytest.mark.parametrize(("verb", "key"), [("do", NAT.key), ("start", "unit:bot.service")])
def test_what_fails_is_journalled_as_failed_and_ends_it(
    engine: Engine, host: Any, journal: Path, verb: str, key: str
) -> None:
    host.refuses = {verb}
    host.logs["bot.service"] = "75 bot: no such pair\n"
    with pytest.raises(ApplyFailed) as caught:
        engine.apply(host, engine.plan(host, WANTED), WANTED)
    assert caught.value.host == "75"
    assert ("it said: no such pair" in caught.value.what) is (verb == "start")
    assert told(journal)[-2:] == [f"intent {key}", f"failed {key}"]
    assert detail(journal, "failed", key)["why"] == caught.value.what


def test_a_lost_connection_is_journalled_and_told_as_such(engine: Engine, host: Any, journal: Path) -> None:
    def lost() -> None:
        if host.acts[-1:] == [("write", WRITTEN)]:
            raise Unreachable("connection lost", host="75")

    host.moment = lost
    with pytest.raises(Unreachable):
        engine.apply(host, engine.plan(host, WANTED), WANTED)
    assert told(journal)[-1] == f"failed {CONFIG.key}"


@pytest.mark.parametrize(
    ("state", "forgets"),
    [
        ({"active": "active"}, False),
        ({"active": "inactive"}, False),
        ({"active": "failed"}, True),
        ({"active": "activating"}, True),
        ({"active": "active", "restarts": 4}, True),
    ],
)
def test_a_unit_that_failed_before_gets_all_its_starts_again(
    engine: Engine, host: Any, state: dict[str, Any], forgets: bool
) -> None:
    furnished(host)
    for name, value in state.items():
        setattr(host.unit("bot.service"), name, value)
    engine.apply(host, engine.plan(host, WANTED), WANTED)
    assert (host.acts[-2] == ("reset failed", "bot.service")) is forgets
    assert host.acts[-1][0] in {"start", "restart"}


def test_root_writes_and_reads_what_only_root_may(host: Any, journal: Path) -> None:
    unit = File("/etc/systemd/system/bot.service", b"[Service]", root=True)
    wanted = Wanted("75", (CONFIG, unit, replace(NAT, root=True), Unit("bot.service")))
    host.put(unit.path, b"[Unit]", 0o644)
    host.secret.add(unit.path)
    engine = Engine(Journal(journal, "30_producers"), "system")
    engine.apply(host, engine.plan(host, wanted), wanted)
    begin = host.acts.index(("write", CONFIG.path))
    assert host.acts[begin : begin + 7] == [
        ("write", CONFIG.path),
        ("copy as root", unit.path, kept(unit.path, sha(b"[Unit]"), 0o644)),
        ("write as root", kept(unit.path, sha(b"[Service]"), 0o644, ours=True)),
        ("write as root", unit.path),
        ("sudo",),  # looks once more whether it is done already
        ("sudo",),
        ("do", "nat"),
    ]
    assert detail(journal, "intent", unit.key)["root"] is True
    assert detail(journal, "intent", NAT.key)["root"] is True


def test_a_restart_is_owed_until_it_is_done(engine: Engine, host: Any, journal: Path) -> None:
    furnished(host)
    host.refuses.add("restart")
    with pytest.raises(ApplyFailed):
        engine.apply(host, engine.plan(host, WANTED), WANTED)
    host.refuses.clear()
    later = Engine(Journal(journal, "30_producers"), "user")
    again = later.plan(host, WANTED)
    assert again.describe() == ["restart bot.service"]
    assert later.apply(host, again, WANTED).changed
    assert later.plan(host, WANTED).empty


EDITS: dict[str, Callable[[Any], object]] = {
    "bot/config.json was edited": lambda host: host.put(CONFIG.path, b"somebody's", 0o640),
    "bot/config.json was set to mode 0644": lambda host: host.put(CONFIG.path, OLD, 0o644),
    "bot/config.json was removed": lambda host: host.files.pop(CONFIG.path),
    ".config/systemd/user/bot.service was created": lambda host: host.put(UNIT.path, b"somebody's", 0o644),
    "nat was done by somebody else": lambda host: host.done.add("nat"),
    "bot.service was active, enabled and is inactive, enabled": lambda host: host.stop("bot.service"),
}


@pytest.mark.parametrize("said", EDITS)
@pytest.mark.parametrize("kept_before", [False, True])
def test_what_somebody_does_while_a_run_is_paused_is_not_overwritten(
    host: Any, journal: Path, said: str, kept_before: bool
) -> None:
    host.put(CONFIG.path, OLD, 0o640)
    if kept_before:  # by an earlier attempt that was put back
        host.put(ORIGINAL, OLD, 0o640)
    host.unit("bot.service").enabled = True
    host.start("bot.service")
    command, unit = "nat" in said, "inactive" in said
    resources = (NAT,) if command else (CONFIG, Unit("bot.service")) if unit else (CONFIG, UNIT)
    wanted = replace(WANTED, resources=resources)
    done_before = 1 if unit or "created" in said else 0
    then: list[object] = []

    def pause() -> None:  # before the step on what somebody then changes
        if sum(event.what == "done" for event in read(journal)) == done_before:
            EDITS[said](host)
            then.append(host.as_it_stands())

    engine = Engine(Journal(journal, "30_producers"), "user", check=pause)
    plan = engine.plan(host, wanted)
    with pytest.raises(StalePlan, match=said):
        engine.apply(host, plan, wanted)
    assert then == [host.as_it_stands()]
    assert sum(event.what == "intent" for event in read(journal)) == done_before


def test_what_an_earlier_step_brings_about_is_nobody_elses_doing(host: Any, engine: Engine) -> None:
    """One unit's start may start another, or do what a command was to do."""
    all_three = Wanted("75", (Unit("bot.service"), NAT, Unit("also.service")))
    plan = engine.plan(host, all_three)

    def moment() -> None:
        if host.acts[-1:] == [("start", "bot.service")]:
            host.done.add("nat")
            host.unit("also.service").active = "active"

    host.moment = moment
    assert engine.apply(host, plan, all_three).changed
