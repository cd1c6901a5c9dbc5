"""A saved plan says what has changed since, and takes no account of what the change itself has done."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runbook_lib.change.journal import START, Event
from runbook_lib.change.plan import HostPlan, plan_host
from runbook_lib.change.resources import Command, File, Seen, SeenFile, Unit, Wanted
from runbook_lib.change.saved import compare, save
from runbook_lib.errors import RecordError
from runbook_lib.fleet import UnitState
from runbook_lib.values import FileState

TOKEN = "n3w-t0ken-n3w-t0ken"
NEW = f'{{"ws_token": "{TOKEN}", "pairs": 4}}'.encode()
CONFIG, NAT = File("bot/config.json", NEW, 0o600), Command("nat", "is nat", "set nat")
WANTED = Wanted("75", (CONFIG, NAT, Unit("bot.service")))


def state(path: str, data: bytes | None, mode: int = 0o644) -> SeenFile:
    if data is None:
        return SeenFile(FileState(path, False), None)
    return SeenFile(FileState(path, True, hashlib.sha256(data).hexdigest(), mode, len(data)), data)


def seen(data: bytes | None = b"old", mode: int = 0o600, *, nat: bool = False, **unit: Any) -> Seen:
    bot = UnitState("bot.service", "loaded", "active", "running", "enabled", 7, 0, "success", 1.0, False)
    return Seen({CONFIG.path: state(CONFIG.path, data, mode)}, {"bot.service": replace(bot, **unit)}, {"nat": nat})


def plan(now: Seen | None = None, wanted: Wanted = WANTED) -> dict[str, HostPlan]:
    return {"75": plan_host(wanted, now or seen())}


def event(what: str, key: str, host: str = "75", **detail: Any) -> Event:
    return Event(1, 0.0, "me@here", "30", what, host, {"kind": key.partition(":")[0], "key": key, **detail}, START)


def written(data: bytes, mode: int, host: str = "75") -> Event:
    return event("intent", "file:bot/config.json", host, after=hashlib.sha256(data).hexdigest(), mode_after=mode)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    save(tmp_path, "30_producers", plan(), by="me@here", at=12.0)
    return tmp_path / "plans" / "30_producers.json"


def test_what_is_saved_is_on_the_disk_by_its_digest_and_holds_no_content(tmp_path: Path) -> None:
    digest = save(tmp_path, "30_producers", plan(), by="me@here", at=12.0)
    folder = tmp_path / "plans"
    assert [each.name for each in folder.iterdir()] == ["30_producers.json"]
    data = (folder / "30_producers.json").read_bytes()
    assert hashlib.sha256(data).hexdigest() == digest
    assert TOKEN not in data.decode()
    assert "pairs" not in data.decode()
    content = json.loads(data)
    assert (content["plan"], content["by"], content["at"]) == ("30_producers", "me@here", 12.0)
    assert [step["act"] for step in content["hosts"]["75"]["steps"]] == plan()["75"].describe()


def test_the_digest_of_the_diff_is_that_of_what_was_shown(tmp_path: Path) -> None:
    """With secrets masked: two tokens make the same diff, two numbers of pairs do not."""

    def diff(content: bytes) -> str:
        wanted = replace(WANTED, resources=(replace(CONFIG, content=content), *WANTED.resources[1:]))
        save(tmp_path, "x", plan(wanted=wanted), by="", at=0.0)
        return str(json.loads((tmp_path / "plans" / "x.json").read_text())["hosts"]["75"]["diff"])

    assert diff(NEW) == diff(NEW.replace(TOKEN.encode(), b"an0ther-t0ken-0ther"))
    assert diff(NEW) != diff(NEW.replace(b"4", b"5"))


def test_a_plan_that_cannot_be_saved_says_so_and_leaves_the_earlier_one(
    tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = path.read_bytes()

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(RecordError, match="No space"):
        save(tmp_path, "30_producers", plan(seen(b"x")), by="", at=0.0)
    assert [each.read_bytes() for each in path.parent.iterdir()] == [before]


def test_a_plan_still_fits_as_long_as_nothing_has_changed(path: Path) -> None:
    assert compare(path, plan(), []) == []
    assert compare(path, plan(seen(main_pid=9, restarts=2, active_since=5.0)), []) == []


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (seen(b"by hand"), "75: bot/config.json was edited"),
        (seen(None), "75: bot/config.json was removed"),
        (seen(mode=0o644), "75: bot/config.json was set to mode 0644"),
        (seen(active="failed"), "75: bot.service was active, enabled and is failed, enabled"),
        (seen(enablement="disabled"), "75: bot.service was active, enabled and is active, not enabled"),
        (seen(nat=True), "75: nat was done by somebody else"),
    ],
)
def test_what_has_changed_since_is_named_with_its_host(path: Path, now: Seen, said: str) -> None:
    assert compare(path, plan(now), []) == [said]


ALL_DONE = seen(NEW, nat=True)
DONE = [
    written(NEW, 0o600),
    event("done", "file:bot/config.json"),
    event("intent", "command:nat"),
    event("done", "command:nat"),
    event("intent", "unit:bot.service"),
]


@pytest.mark.parametrize("cut", range(len(DONE) + 1))
def test_a_change_that_was_cut_off_resumes_by_the_plan_that_it_began_with(path: Path, cut: int) -> None:
    now = seen(NEW if cut else b"old", nat=cut >= 3, active="inactive" if cut == 5 else "active")
    assert compare(path, plan(now), DONE[:cut]) == []


def test_when_all_of_it_is_done_it_still_fits(path: Path) -> None:
    assert compare(path, plan(ALL_DONE), [*DONE, event("done", "unit:bot.service")]) == []


def test_what_was_put_back_is_no_change_either(tmp_path: Path) -> None:
    save(tmp_path, "x", plan(ALL_DONE), by="", at=0.0)
    back = event("undo", "file:bot/config.json", to=hashlib.sha256(b"old").hexdigest(), mode_to=0o600)
    undone = [*DONE, back, event("undo", "command:nat"), event("undo", "unit:bot.service")]
    assert compare(tmp_path / "plans" / "x.json", plan(seen(active="inactive")), undone) == []
    assert compare(tmp_path / "plans" / "x.json", plan(seen(active="inactive")), DONE) != []


@pytest.mark.parametrize(
    ("now", "events"),
    [
        (seen(b"by hand"), DONE),  # an edit over what we wrote
        (seen(NEW, 0o644, nat=True), DONE),
        (seen(NEW), [written(NEW, 0o600, host="76")]),  # another host's
        (seen(NEW, nat=True, active="failed"), [*DONE, event("done", "unit:bot.service")]),
    ],
)
def test_what_others_did_is_a_change_though_the_change_has_begun(path: Path, now: Seen, events: list[Event]) -> None:
    assert len(compare(path, plan(now), events)) == 1


def other(make: Callable[[Wanted], Wanted]) -> dict[str, HostPlan]:
    return plan(wanted=make(WANTED))


MORE = File("bot/more", b"")


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ((replace(CONFIG, content=b"{}"), NAT), "75: replace bot/config.json: not with what was planned"),
        ((replace(CONFIG, mode=0o640), NAT), "75: replace bot/config.json: not with what was planned"),
        ((replace(CONFIG, content=b"old"), NAT), "75: replace bot/config.json: is no longer to be done"),
        ((CONFIG, replace(NAT, do="drop nat")), "75: do nat (cannot be undone): not with what was planned"),
    ],
)
def test_that_something_else_is_wanted_now_is_told(path: Path, wanted: tuple[Any, ...], said: str) -> None:
    assert compare(path, plan(wanted=Wanted("75", (*wanted, Unit("bot.service")))), []) == [said]


def test_another_token_is_no_other_plan(path: Path) -> None:
    """Whoever plans a new secret generates it: what was read and approved was the same, its secrets masked."""
    again = replace(CONFIG, content=NEW.replace(TOKEN.encode(), b"an0ther-t0ken-an0ther"))
    assert compare(path, plan(wanted=Wanted("75", (again, NAT, Unit("bot.service")))), []) == []


def test_that_less_is_wanted_now_is_told(path: Path) -> None:
    less = replace(WANTED, resources=WANTED.resources[1:])
    assert compare(path, plan(replace(seen(), files={}), less), []) == ["75: bot/config.json is no longer part of it"]


def test_that_more_is_wanted_now_is_told(path: Path, tmp_path: Path) -> None:
    now = seen()
    now = replace(now, files={**now.files, MORE.path: state(MORE.path, None)})
    more = replace(WANTED, resources=(MORE, *WANTED.resources))
    assert compare(path, plan(now, more), []) == ["75: bot/more was no part of it"]
    save(tmp_path, "x", plan(seen(NEW, nat=True)), by="", at=0.0)
    newer = replace(WANTED, resources=(replace(CONFIG, content=b"newer"), *WANTED.resources[1:]))
    assert compare(tmp_path / "plans" / "x.json", plan(ALL_DONE, newer), []) == [
        "75: replace bot/config.json: was not planned"
    ]


def test_hosts_that_come_and_go_are_told(path: Path) -> None:
    assert compare(path, {}, []) == ["75 is no longer part of it"]
    assert compare(path, plan() | {"76": plan()["75"]}, []) == ["76 was no part of it"]


@pytest.mark.parametrize("torn", ["", "{", "[]", '{"hosts": {"75": {}}}', '{"hosts": 7}'])
def test_a_saved_plan_that_is_none_is_refused(path: Path, torn: str) -> None:
    path.write_text(torn)
    with pytest.raises(RecordError, match=r"30_producers\.json: is no saved plan"):
        compare(path, plan(), [])
    path.unlink()
    with pytest.raises(RecordError, match="is no saved plan"):
        compare(path, plan(), [])
