"""What a journal says about how a host was before, and what it takes to get back there."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import pytest

from runbook_lib.change.decisions import Decided, Decision
from runbook_lib.change.journal import START, Event
from runbook_lib.change.origin import FileOrigin, Origin, UnitOrigin, standing
from runbook_lib.change.resources import Seen, SeenFile
from runbook_lib.change.undo import differences, origins, owed, plan_undo
from runbook_lib.change.undo_plan import UndoPlan
from runbook_lib.fleet import UnitState
from runbook_lib.values import FileState


def event(what: str, host: str | None = "73", **detail: Any) -> Event:
    return Event(0, 0.0, "freqai@here", "30_producers", what, host, detail, START)


def numbered(*events: Event) -> list[Event]:
    return [replace(each, number=number) for number, each in enumerate(events, 1)]


def host_event(*units: str) -> Event:
    return event("host", leaves=[], units=list(units))


def unit_event(what: str, name: str) -> Event:
    more = {"unit": name, "before": {"active": "active", "enabled": True}} if what == "intent" else {}
    return event(what, kind="unit", key=f"unit:{name}", act=f"restart {name}", **more)


def file_event(what: str, path: str = "config", **more: Any) -> Event:
    return event(what, kind="file", key=f"file:{path}", act=f"replace {path}", path=path, **more)


HOST, OTHER = host_event("bot.service"), host_event("one.service", "two.service")
INTENT, DONE, FAILED = (file_event(what) for what in ("intent", "done", "failed"))
RESTARTING, RESTARTED, NOT = (unit_event(what, "bot.service") for what in ("intent", "done", "failed"))
BACK, IS_BACK = file_event("undo", restarts=["bot.service"]), file_event("undone")
UNDONE = unit_event("undone", "bot.service")
COMMAND = event("intent", kind="command", key="command:nat", act="nat", name="nat", undo=None, root=True)


@pytest.mark.parametrize(
    ("events", "owing"),
    [
        ([], set()),
        ([HOST], set()),
        ([HOST, INTENT], {"bot.service"}),
        ([HOST, INTENT, DONE], {"bot.service"}),
        ([HOST, INTENT, FAILED], {"bot.service"}),
        ([HOST, COMMAND], {"bot.service"}),
        ([HOST, INTENT, DONE, RESTARTING], {"bot.service"}),
        ([HOST, INTENT, DONE, RESTARTING, NOT], {"bot.service"}),
        ([HOST, INTENT, DONE, RESTARTING, RESTARTED], set()),
        ([HOST, RESTARTING], set()),
        # resumed: the debt is older than the apply that pays it
        ([HOST, INTENT, DONE, HOST], {"bot.service"}),
        ([HOST, INTENT, DONE, HOST, RESTARTING, RESTARTED], set()),
        # a later phase on the same host, another unit: the first one's debt stays
        ([HOST, INTENT, OTHER, unit_event("done", "one.service")], {"bot.service"}),
        # undone: only what the undo itself will restart
        ([HOST, INTENT, DONE, RESTARTING, RESTARTED, BACK], {"bot.service"}),
        ([HOST, INTENT, DONE, RESTARTING, RESTARTED, BACK, IS_BACK], {"bot.service"}),
        ([HOST, INTENT, DONE, RESTARTING, RESTARTED, BACK, IS_BACK, UNDONE], set()),
        ([HOST, INTENT, DONE, RESTARTING, RESTARTED, file_event("undo", restarts=[])], set()),
        # what changes after a unit's turn is nothing that it reads
        ([OTHER, INTENT], {"one.service", "two.service"}),
        ([OTHER, INTENT, unit_event("done", "one.service")], {"two.service"}),
        ([OTHER, unit_event("done", "one.service"), INTENT], {"two.service"}),
        ([OTHER, unit_event("done", "two.service"), INTENT], {"one.service"}),
        # nobody planned the unit, or it is another host's
        ([INTENT, DONE], set()),
        ([event("host", "75", leaves=[], units=["bot.service"]), INTENT], set()),
        ([HOST, event("gate", None, gate="g", verdict="Failed")], set()),
    ],
)
def test_a_unit_owes_a_restart_from_the_first_change_until_its_own_act_is_done(
    events: list[Event], owing: set[str]
) -> None:
    assert owed(events, "73") == owing


# --- what there is to go back to


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def wrote(
    path: str,
    before: bytes | None,
    after: bytes,
    *made: str,
    mode: int = 0o600,
    host: str = "73",
    rewritten: bool = False,
) -> Event:
    """Announce a write of mode 0644 over something of another mode."""
    return event(
        "intent",
        host,
        kind="file",
        key=f"file:{path}",
        act="",
        path=path,
        before=None if before is None else digest(before),
        mode_before=None if before is None else mode,
        after=digest(after),
        mode_after=0o644,
        original=None if before is None else f"kept/{before.decode()}",
        written=f"kept/{after.decode()}",
        root=False,
        rewritten=rewritten,
        made=list(made),
    )


def acted(name: str, active: str, *, enabled: bool) -> Event:
    before = {"active": active, "enabled": enabled}
    return event("intent", kind="unit", key=f"unit:{name}", act="", unit=name, before=before, scope="user", acts=[])


def ran(name: str, undo: str | None = "undo it") -> Event:
    key = f"command:{name}"
    return event("intent", kind="command", key=key, act="", name=name, check="is it", undo=undo, root=False)


def back(key: str, since: int = 0, **more: Any) -> list[Event]:
    told = {"kind": key.partition(":")[0], "key": key, "act": ""}
    return [event("undo", since=since, path=key.partition(":")[2], **told, **more), event("undone", **told)]


def told(*events: Event, since: int = 0, whole: bool = False) -> Origin:
    return origins(numbered(*events), since=since, whole=whole)["73"]


def test_what_stood_there_first_is_what_there_is_to_go_back_to() -> None:
    origin = told(wrote("a", b"old", b"new"), wrote("a", b"new", b"newer", mode=0o644), wrote("b", None, b"new", "d"))
    first, second = origin.files.values()
    assert (first.before, first.original, first.existed) == ((digest(b"old"), 0o600), "kept/old", True)
    assert first.written == {(digest(b"new"), 0o644): "kept/new", (digest(b"newer"), 0o644): "kept/newer"}
    assert first.latest == "kept/newer"
    assert (second.before, second.original, second.existed) == (None, None, False)
    assert origin.made == {"d": False}


def test_what_was_written_last_is_the_latest_though_it_was_written_before() -> None:
    origin = told(wrote("a", b"old", b"new"), wrote("a", b"new", b"newer"), wrote("a", b"newer", b"new"))
    assert origin.files["a"].latest == "kept/new"


def test_a_unit_is_as_it_was_before_it_was_first_acted_on() -> None:
    origin = told(acted("bot", "failed", enabled=True), acted("bot", "active", enabled=True))
    assert origin.units == {"bot": UnitOrigin("failed", True, "user")}


def test_hosts_have_stories_of_their_own_and_those_never_touched_have_none() -> None:
    events = numbered(host_event("bot"), wrote("a", None, b"new", host="75"), event("gate", None, gate="g"))
    assert set(origins(events)) == {"75"}
    assert origins([]) == {}


@pytest.mark.parametrize(
    ("after", "midway"),
    [
        ([], True),
        ([file_event("done", "a")], False),
        ([file_event("failed", "a")], True),
        ([file_event("done", "a"), file_event("undo", "a")], True),
        ([file_event("done", "a"), file_event("undo", "a"), file_event("undo failed", "a")], True),
    ],
)
def test_a_write_that_was_not_seen_to_its_end_is_midway(after: list[Event], midway: bool) -> None:
    assert told(wrote("a", None, b"new"), *after).files["a"].midway is midway


def everything() -> list[Event]:
    return [
        event("host", leaves=["leaf"], units=["bot"]),
        wrote("a", b"old", b"new", "d"),
        acted("bot", "active", enabled=True),
        ran("nat"),
    ]


ALL_BACK = [
    *back("file:a"),
    *back("file:leaf"),
    *back("command:nat"),
    *back("file:d"),
    *back("unit:bot", to={"active": "active", "enabled": True}, scope="user", last=True),
]


def test_what_is_back_is_closed_and_still_known_as_a_whole() -> None:
    origin = told(*everything(), *ALL_BACK)
    assert (origin.files, origin.units, origin.commands, origin.leaves) == ({}, {}, {}, ())
    assert origin.tried == {"d"}
    whole = told(*everything(), *ALL_BACK, whole=True)
    assert (set(whole.files), set(whole.units), set(whole.commands), whole.leaves) == (
        {"a"},
        {"bot"},
        {"nat"},
        ("leaf",),
    )


def test_what_is_made_again_after_it_was_undone_begins_anew() -> None:
    again = [event("host", leaves=["leaf"], units=["bot"]), wrote("a", b"theirs", b"new", "d")]
    origin = told(*everything(), *ALL_BACK, *again)
    assert origin.files["a"].before == (digest(b"theirs"), 0o600)
    assert origin.leaves == ("leaf",)
    assert origin.tried == frozenset(), "the directory was made anew"
    assert told(*everything(), *ALL_BACK, *again, whole=True).files["a"].before == (digest(b"theirs"), 0o600)


def test_to_go_back_to_some_event_is_not_to_go_back_all_the_way() -> None:
    second = [wrote("a", b"new", b"newer", mode=0o644), acted("bot", "active", enabled=True)]
    undo = [
        *back("file:a", since=4),
        *back("unit:bot", since=4, to={"active": "active", "enabled": True}, scope="user", last=True),
    ]
    events = numbered(*everything(), *second, *undo)
    assert set(origins(events)["73"].files) == {"a"}
    assert set(origins(events)["73"].units) == {"bot"}
    assert not origins(events)["73"].files["a"].midway
    since = origins(events[:6], since=4)["73"]
    assert (since.since, since.files["a"].before) == (4, (digest(b"new"), 0o644))
    assert origins(events, since=4)["73"].files == {}
    all_the_way = numbered(*everything(), *second, *ALL_BACK)
    assert origins(all_the_way, since=4)["73"].files == {}, "further than that, and so far, too"


def test_a_unit_that_an_undo_restarted_first_is_known_from_then_on() -> None:
    stopped = back("unit:bot", to={"active": "active", "enabled": True}, scope="user", last=False)
    origin = told(event("host", leaves=[], units=["bot"]), wrote("a", b"old", b"new"), *stopped)
    assert origin.units == {"bot": UnitOrigin("active", True, "user")}


@pytest.mark.parametrize(
    ("events", "reload"),
    [
        ([], False),
        (back("file:.config/systemd/user/bot.service")[:1], True),
        (back("file:.config/systemd/user/bot.service"), True),
        ([*back("file:.config/systemd/user/bot.service"), *back("unit:daemon-reload")], False),
        (back("file:bot/config.json"), False),
    ],
)
def test_a_reload_is_owed_from_the_undo_of_a_unit_file_on(events: list[Event], reload: bool) -> None:
    assert told(wrote("a", None, b"new"), *events).reload is reload


def test_a_restart_is_due_only_once_an_undo_has_begun() -> None:
    crashed = [HOST, wrote("a", b"old", b"new")]
    assert (told(*crashed).owed, told(*crashed).due) == ({"bot.service"}, frozenset())
    undone = [*crashed, *back("file:a", restarts=["bot.service"])]
    assert (told(*undone).owed, told(*undone).due) == ({"bot.service"}, {"bot.service"})


# --- what brings it back


def at(path: str, data: bytes | None, mode: int = 0o644) -> SeenFile:
    if data is None:
        return SeenFile(FileState(path, False), None)
    return SeenFile(FileState(path, True, digest(data), mode, len(data)), data)


KEPT = {"kept/old": at("kept/old", b"old", 0o600), "kept/new": at("kept/new", b"new")}
UP = UnitState("bot", "loaded", "active", "running", "enabled", 7, 0, "success", 1.0, False)
REPLACED = told(wrote("a", b"old", b"new"), file_event("done", "a"))
CREATED = told(wrote("a", None, b"new", "d", "d/e"), file_event("done", "a"))


def seen(*files: SeenFile, leaves: tuple[str, ...] = (), nat: bool = False, **units: UnitState) -> Seen:
    return Seen({each.state.path: each for each in files} | KEPT, units, {"nat": nat, "mtu": nat}, frozenset(leaves))


def plan(origin: Origin, now: Seen, **decisions: Decision) -> UndoPlan:
    return plan_undo(origin, now, {path: Decided(decision) for path, decision in decisions.items()})


@pytest.mark.parametrize(
    ("origin", "now", "steps"),
    [
        (REPLACED, at("a", b"old", 0o600), []),
        (REPLACED, at("a", b"new"), ["put a back"]),
        (CREATED, at("a", None), []),
        (CREATED, at("a", b"new"), ["remove a"]),
        (told(wrote("a", b"old", b"new")), at("a", b"old", 0o600), ["sweep up beside a"]),
        (told(wrote("a", b"old", b"new")), at("a", b"new"), ["put a back"]),
        (told(wrote("a", b"old", b"new"), wrote("a", b"new", b"newer")), at("a", b"new"), ["put a back"]),
    ],
)
def test_a_file_as_it_was_has_no_step_and_one_as_we_left_it_goes_back(
    origin: Origin, now: SeenFile, steps: list[str]
) -> None:
    made = plan(origin, seen(now))
    assert (made.describe(), made.empty, made.host) == (steps, not steps, "73")
    assert (made.conflicts, made.lost, made.stays) == ((), (), ())


@pytest.mark.parametrize(
    ("origin", "now", "said"),
    [
        (REPLACED, at("a", b"theirs"), "a was edited since"),
        (REPLACED, at("a", b"new", 0o600), "a was set to mode 0600 since"),
        (REPLACED, at("a", b"old", 0o644), "a was put back by somebody since, with mode 0644"),
        (REPLACED, at("a", None), "a was removed since"),
        (CREATED, at("a", b"theirs"), "a was edited since"),
        (CREATED, at("a", b""), "a was edited since"),
    ],
)
def test_what_somebody_did_since_waits_for_a_decision(origin: Origin, now: SeenFile, said: str) -> None:
    made = plan(origin, seen(now))
    (conflict,) = made.conflicts
    assert conflict.describe() == said
    assert (conflict.ours, conflict.now) == (KEPT["kept/new"], now)
    assert conflict.before.content == (b"old" if origin is REPLACED else None)
    assert (made.steps, made.empty) == ((), False)
    assert plan(origin, seen(now), a="keep").empty
    (step,) = plan(origin, seen(now), a="overwrite").files
    assert (step.decided, step.now, step.before) == (True, now, conflict.before)
    assert "edit made since" in step.describe() or not step.origin.existed


@pytest.mark.parametrize("decision", ["overwrite", "keep"])
def test_a_decision_is_about_one_content_with_one_mode(decision: Decision) -> None:
    said = {"a": Decided(decision, standing(at("a", b"theirs").state))}
    assert plan_undo(REPLACED, seen(at("a", b"theirs")), said).conflicts == ()
    for now, told in (
        (at("a", b"theirs again"), "a was edited since, and again after it was decided on"),
        (at("a", b"theirs", 0o600), "a was edited since, and again after it was decided on"),
        (at("a", None), "a was removed since, and again after it was decided on"),
    ):
        made = plan_undo(REPLACED, seen(now), said)
        assert ([conflict.describe() for conflict in made.conflicts], made.steps) == ([told], ())


def test_what_needs_a_decision_or_has_one_is_told_with_what_stands_there() -> None:
    theirs, gone = seen(at("a", b"theirs")), {"kept/old": at("kept/old", None)}
    lost = seen(at("a", b"new"))
    lost = replace(lost, files={**lost.files, **gone})
    for decisions in ({}, {"a": "overwrite"}, {"a": "keep"}):
        assert plan(REPLACED, theirs, **decisions).edits == {"a": (digest(b"theirs"), 0o644)}
        assert plan(REPLACED, lost, **decisions).edits == {"a": (digest(b"new"), 0o644)}
    assert plan(REPLACED, seen(at("a", None))).edits == {"a": None}
    for ours in (b"old", b"new"):
        assert plan(REPLACED, seen(at("a", ours, 0o600 if ours == b"old" else 0o644))).edits == {}


def test_what_runs_there_may_go_on_writing_a_file_that_is_said_to_be_rewritten() -> None:
    replaced = told(wrote("a", b"old", b"new", rewritten=True), file_event("done", "a"))
    created = told(wrote("a", None, b"new", rewritten=True), file_event("done", "a"))
    grown = at("a", b"new, and more")
    assert plan(replaced, seen(grown)).describe() == ["put a back"]
    assert plan(created, seen(grown)).describe() == ["remove a"]
    assert plan(created, seen(at("a", None))).empty
    (conflict,) = plan(replaced, seen(at("a", None))).conflicts
    assert conflict.describe() == "a was removed since"


def test_what_we_wrote_goes_back_whatever_was_decided_about_an_edit() -> None:
    assert plan(REPLACED, seen(at("a", b"new")), a="keep").describe() == ["put a back"]


def test_an_original_that_is_gone_or_another_is_told_unless_the_file_is_to_be_kept() -> None:
    for gone in (at("kept/old", None), at("kept/old", b"other", 0o600), at("kept/old", b"old", 0o644)):
        now = seen(at("a", b"new"), gone)
        now = replace(now, files={**now.files, "kept/old": gone})
        made = plan(REPLACED, now)
        assert (made.lost, made.steps, made.empty) == (("a",), (), False)
        assert plan(REPLACED, now, a="keep").empty


@pytest.mark.parametrize(
    ("before", "enabled", "now", "acts"),
    [
        ("active", True, UP, "restart bot"),
        ("activating", True, UP, "restart bot"),
        ("active", True, replace(UP, active="failed"), "start bot"),
        ("active", True, replace(UP, active="inactive"), "start bot"),
        ("active", True, replace(UP, enablement="disabled"), "enable and restart bot"),
        ("active", False, UP, "disable bot, restart bot"),
        ("inactive", True, UP, "stop bot"),
        ("failed", True, UP, "stop bot"),
        ("inactive", False, UP, "stop and disable bot"),
        ("inactive", False, replace(UP, active="activating"), "stop and disable bot"),
        ("inactive", False, replace(UP, active="inactive"), "disable bot"),
        ("inactive", False, replace(UP, active="failed"), "forget the failure of and disable bot"),
        ("failed", False, replace(UP, active="failed"), "disable bot"),
        ("inactive", False, replace(UP, active="inactive", enablement="disabled"), ""),
    ],
)
def test_a_unit_runs_and_is_enabled_as_before(before: str, enabled: bool, now: UnitState, acts: str) -> None:
    origin = replace(REPLACED, units={"bot": UnitOrigin(before, enabled, "user")})
    made = plan(origin, seen(at("a", b"new"), bot=now))
    first, _, last = ", ".join(made.describe()).partition("put a back")
    assert (first + last).strip(", ").replace(", , ", ", ") == acts
    stops = {"stop bot", "stop and disable bot", "disable bot", "forget the failure of and disable bot"}
    assert not stops & set(last.split(", ")), "what did not run ends before its files go back"
    assert "start" not in first, "what ran reads what is back"


def test_nothing_to_put_back_restarts_nothing_unless_an_undo_owes_it() -> None:
    unit = UnitOrigin("active", True, "user")
    now = seen(at("a", b"old", 0o600), bot=UP)
    assert plan(replace(REPLACED, units={"bot": unit}), now).empty
    assert plan(replace(REPLACED, owed=frozenset({"bot"})), now).empty, "what it reads is as it always was"
    assert plan(replace(REPLACED, owed=frozenset({"bot"}), due=frozenset({"bot"})), now).describe() == ["restart bot"]
    down = seen(at("a", b"old", 0o600), bot=replace(UP, active="inactive"))
    assert plan(replace(REPLACED, owed=frozenset({"bot"}), due=frozenset({"bot"})), down).empty


def test_a_unit_that_was_about_to_be_restarted_reads_again_what_is_put_back() -> None:
    made = plan(replace(REPLACED, owed=frozenset({"bot"})), seen(at("a", b"new"), bot=UP))
    assert made.describe() == ["put a back", "restart bot"]


def test_what_runs_is_paused_while_what_it_wrote_is_removed() -> None:
    origin = replace(REPLACED, units={"bot": UnitOrigin("active", True, "user")}, leaves=("leaf", "other"))
    assert plan(origin, seen(at("a", b"new"), bot=UP)).describe() == [
        "stop bot",
        "put a back",
        "remove other, if what ran here has written it",
        "remove leaf, if what ran here has written it",
        "start bot",
    ]
    down = replace(UP, active="failed")
    assert plan(origin, seen(at("a", b"new"), leaves=("leaf",), bot=down)).describe() == [
        "put a back",
        "remove leaf, if what ran here has written it",
        "start bot",
    ]
    assert plan(origin, seen(at("a", b"old", 0o600), bot=UP)).empty


def test_a_command_is_undone_where_its_effect_is_there() -> None:
    origin = told(ran("nat"))
    assert plan(origin, seen(nat=True)).describe() == ["undo nat"]
    assert plan(origin, seen(nat=False)).empty


def test_what_nothing_takes_back_is_told_and_keeps_nothing_else_from_going_back() -> None:
    origin = told(ran("nat", None), wrote("a", None, b"new"))
    made = plan(origin, seen(at("a", b"new"), nat=True))
    assert made.stays == ("nat: nothing takes it back",)
    assert made.describe() == ["remove a"]
    assert plan(origin, seen(at("a", b"new"), nat=False)).stays == ()


def test_directories_go_last_of_all_files_the_deepest_first_and_are_tried_once() -> None:
    there = ("d", "d/e")
    gone = ["remove directory d/e if it is empty", "remove directory d if it is empty"]
    assert plan(CREATED, seen(at("a", b"new"), leaves=there)).describe() == ["remove a", *gone]
    assert plan(CREATED, seen(at("a", None), leaves=there)).describe() == gone
    tried = replace(CREATED, tried=frozenset(there))
    assert plan(tried, seen(at("a", None), leaves=there)).empty, "something else is in them"
    inside = replace(tried, files={"d/a": replace(CREATED.files["a"])})
    assert plan(inside, seen(at("d/a", b"new"), leaves=there)).describe() == ["remove d/a", gone[1]]


def test_systemd_reads_again_where_a_unit_file_goes_back() -> None:
    path = ".config/systemd/user/bot.service"
    origin = told(wrote(path, None, b"new"), file_event("done", path))
    reload = "have systemd read its unit files again"
    assert plan(origin, seen(at(path, b"new"))).describe() == [f"remove {path}", reload]
    assert plan(replace(origin, reload=True), seen(at(path, None))).describe() == [reload]


def test_all_of_it_goes_back_in_order() -> None:
    path = ".config/systemd/user/helper.service"
    origin = told(
        event("host", leaves=["leaf"], units=["bot", "helper"]),
        wrote("a", b"old", b"new"),
        wrote(path, None, b"new", "d"),
        acted("bot", "active", enabled=True),
        acted("helper", "inactive", enabled=False),
        ran("nat"),
        ran("mtu"),
    )
    now = seen(at("a", b"new"), at(path, b"new"), leaves=("leaf", "d"), nat=True, bot=UP, helper=UP)
    made = plan(origin, now)
    assert made.describe() == [
        "stop and disable helper",
        "stop bot",
        f"remove {path}",
        "put a back",
        "remove leaf, if what ran here has written it",
        "undo mtu",
        "undo nat",
        "remove directory d if it is empty",
        "have systemd read its unit files again",
        "start bot",
    ]
    assert [step.key for step in made.steps][:3] == ["unit:helper", "unit:bot", f"file:{path}"]
    assert (made.files[0].before.content, made.files[1].before.content) == (None, b"old")


@pytest.mark.parametrize(
    ("origin", "now", "said"),
    [
        (REPLACED, seen(at("a", b"old", 0o600)), []),
        (REPLACED, seen(at("a", b"new")), ["a is edited"]),
        (REPLACED, seen(at("a", b"old", 0o644)), ["a is of mode 0644"]),
        (REPLACED, seen(at("a", None)), ["a is removed"]),
        (CREATED, seen(at("a", None)), []),
        (CREATED, seen(at("a", b"new")), ["a is left"]),
        (told(ran("nat")), seen(nat=True), ["nat is done"]),
        (told(ran("nat")), seen(nat=False), []),
        (replace(CREATED, leaves=("leaf",)), seen(at("a", None), leaves=("leaf", "d")), ["leaf is left"]),
        (told(acted("bot", "active", enabled=True)), seen(bot=replace(UP, active="activating")), []),
        (
            told(acted("bot", "active", enabled=True)),
            seen(bot=replace(UP, active="failed", enablement="disabled")),
            ["bot is failed, not enabled and was active, enabled"],
        ),
    ],
)
def test_what_is_not_as_it_was_is_told(origin: Origin, now: Seen, said: list[str]) -> None:
    assert differences(origin, now) == said


def test_a_file_origin_without_anything_written_has_no_latest() -> None:
    assert FileOrigin(None, None).latest is None
