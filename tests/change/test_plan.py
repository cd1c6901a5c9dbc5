"""What is wanted and what was seen -> what is done; nothing here touches anything."""

import hashlib
from typing import Any

import pytest

from runbook_lib.change.plan import Act, HostPlan, Plan, changed_since, plan_host
from runbook_lib.change.resources import File, SeenFile, Service, Wanted
from runbook_lib.fleet import UnitState
from runbook_lib.values import FileState

CONFIG = File("bot/config.json", b"{}", 0o600)
UNIT_FILE = File(".config/systemd/user/bot.service", b"[Service]")
WANTED = Wanted("75", (CONFIG, UNIT_FILE), Service("bot.service", UNIT_FILE.path))


def seen(file: File, content: bytes | None = None, mode: int | None = None) -> SeenFile:
    data = file.content if content is None else content
    digest = hashlib.sha256(data).hexdigest()
    return SeenFile(FileState(file.path, True, digest, file.mode if mode is None else mode, len(data)), data)


def absent(file: File) -> SeenFile:
    return SeenFile(FileState(file.path, False), None)


def unit(**changed: Any) -> UnitState:
    told: dict[str, Any] = {
        "name": "bot.service", "load": "loaded", "active": "active", "sub": "running", "enabled": True, "main_pid": 7,
        "restarts": 0, "result": "success", "active_since": 1.0, "needs_reload": False,
    }  # fmt: skip
    return UnitState(**{**told, **changed})


def plan(*files: SeenFile, **changed: Any) -> HostPlan:
    """Plan for a host on which everything is as wanted, but for what is handed in."""
    found = {CONFIG.path: seen(CONFIG), UNIT_FILE.path: seen(UNIT_FILE)}
    return plan_host(WANTED, found | {file.state.path: file for file in files}, unit(**changed))


def test_a_host_that_is_as_it_should_be_needs_nothing() -> None:
    made = plan()
    assert made.empty
    assert made.describe() == []
    assert (made.files, made.service) == ((), None)


def test_a_file_is_created() -> None:
    made = plan(absent(CONFIG))
    assert made.describe() == ["create bot/config.json (mode 0600)", "restart bot.service"]
    assert made.files[0].digest == hashlib.sha256(b"{}").hexdigest()
    assert made.files[0].before == absent(CONFIG)


def test_a_file_is_replaced() -> None:
    made = plan(seen(CONFIG, b"{} "))
    assert made.describe() == ["replace bot/config.json", "restart bot.service"]
    assert made.files[0].before.content == b"{} "


def test_a_mode_alone_is_a_step_of_its_own() -> None:
    assert plan(seen(CONFIG, mode=0o644)).describe()[0] == "set mode of bot/config.json from 0644 to 0600"


def test_files_keep_their_order() -> None:
    made = plan(absent(UNIT_FILE), absent(CONFIG))
    assert [step.wanted for step in made.files] == [CONFIG, UNIT_FILE]


@pytest.mark.parametrize(("file", "reload"), [(CONFIG, False), (UNIT_FILE, True)])
def test_systemd_reads_again_only_where_a_unit_file_changes(file: File, reload: bool) -> None:
    made = plan(seen(file, b"old"))
    assert made.service
    assert made.service.acts == (Act.RESTART,)
    assert made.service.reload is reload


@pytest.mark.parametrize(
    ("changed", "files", "acts"),
    [
        ({"active": "inactive"}, (), (Act.START,)),
        ({"active": "failed"}, (), (Act.START,)),
        ({"active": "activating"}, (), (Act.START,)),
        ({"enabled": False}, (), (Act.ENABLE,)),
        ({"enabled": False, "active": "inactive"}, (), (Act.ENABLE, Act.START)),
        ({"active": "inactive"}, (absent(CONFIG),), (Act.START,)),
        ({"enabled": False}, (absent(CONFIG),), (Act.ENABLE, Act.RESTART)),
    ],
)
def test_a_service_is_brought_up_and_restarted_only_for_a_file(
    changed: dict[str, Any], files: tuple[SeenFile, ...], acts: tuple[Act, ...]
) -> None:
    made = plan(*files, **changed)
    assert made.service
    assert made.service.acts == acts
    assert made.service.before == unit(**changed)
    assert not made.empty


def test_acts_are_told_in_their_order() -> None:
    assert plan(enabled=False, active="inactive").describe() == ["enable and start bot.service"]


def test_a_fleets_plan_is_empty_when_every_hosts_is() -> None:
    nothing, something = plan(), plan(absent(CONFIG))
    assert Plan((nothing, nothing)).empty
    assert not Plan((nothing, something)).empty
    assert Plan((nothing,))["75"] is nothing


def changes(made: HostPlan, *files: SeenFile, **changed: Any) -> list[str]:
    found = {CONFIG.path: seen(CONFIG), UNIT_FILE.path: seen(UNIT_FILE)}
    return changed_since(made, WANTED, found | {file.state.path: file for file in files}, unit(**changed))


def test_a_plan_fits_as_long_as_nothing_has_changed() -> None:
    made = plan(absent(CONFIG), active="inactive")
    assert changes(made, absent(CONFIG), active="inactive") == []
    assert changes(plan(), main_pid=9, restarts=3) == []


@pytest.mark.parametrize(
    ("then", "now", "said"),
    [
        (absent(CONFIG), seen(CONFIG, b"by hand"), "bot/config.json was created"),
        (seen(CONFIG, b"old"), absent(CONFIG), "bot/config.json was removed"),
        (seen(CONFIG, b"old"), seen(CONFIG, b"by hand"), "bot/config.json was edited"),
        (seen(CONFIG, b"old"), seen(CONFIG, b"old", 0o640), "bot/config.json was set to mode 0640"),
    ],
)
def test_what_was_edited_since_is_named(then: SeenFile, now: SeenFile, said: str) -> None:
    assert changes(plan(then), now) == [said]


def test_a_service_that_moved_since_is_named() -> None:
    made = plan(absent(CONFIG), active="inactive")
    assert changes(made, absent(CONFIG), active="active") == [
        "bot.service was inactive, enabled and is active, enabled"
    ]
    disabled = plan(absent(CONFIG), enabled=False)
    said = ["bot.service was active, not enabled and is active, enabled"]
    assert changes(disabled, absent(CONFIG)) == said


def test_a_file_that_needed_nothing_and_was_edited_since_is_named() -> None:
    made = plan(absent(CONFIG))
    assert changes(made, absent(CONFIG), seen(UNIT_FILE, b"by hand")) == [f"{UNIT_FILE.path} was edited"]
