"""What is wanted and what was seen -> what is done; nothing here touches anything."""

import hashlib
from dataclasses import replace
from typing import Any

import pytest

from runbook_lib.change.plan import Act, HostPlan, Step, changed_since, is_unit_file, plan_host
from runbook_lib.change.resources import Command, File, Seen, SeenFile, Unit, Wanted
from runbook_lib.errors import ApplyFailed, ParamsError, StalePlan
from runbook_lib.fleet import UnitState
from runbook_lib.values import FileState

CONFIG = File("bot/config.json", b"{}", 0o600)
UNIT_FILE = File(".config/systemd/user/bot.service", b"[Service]")
NAT = Command("nat", check="is nat", do="do nat", undo="undo nat")
WANTED = Wanted("75", (CONFIG, UNIT_FILE, NAT, Unit("bot.service")))


def there(file: File, content: bytes | None = None, mode: int | None = None) -> SeenFile:
    data = file.content if content is None else content
    digest = hashlib.sha256(data).hexdigest()
    return SeenFile(FileState(file.path, True, digest, file.mode if mode is None else mode, len(data)), data)


def absent(file: File) -> SeenFile:
    return SeenFile(FileState(file.path, False), None, missing=("bot",))


def unit(name: str = "bot.service", **changed: Any) -> UnitState:
    return replace(UnitState(name, "loaded", "active", "running", "enabled", 7, 0, "success", 1.0, False), **changed)


def seen(*files: SeenFile, nat: bool = True, **changed: Any) -> Seen:
    """Return a host on which everything is as wanted, but for what is handed in."""
    found = {CONFIG.path: there(CONFIG), UNIT_FILE.path: there(UNIT_FILE)}
    return Seen(found | {file.state.path: file for file in files}, {"bot.service": unit(**changed)}, {"nat": nat})


def plan(*files: SeenFile, nat: bool = True, owed: tuple[str, ...] = (), **changed: Any) -> HostPlan:
    return plan_host(WANTED, seen(*files, nat=nat, **changed), owed=owed)


def test_a_host_that_is_as_it_should_be_needs_nothing() -> None:
    made = plan()
    assert made.empty
    assert made.describe() == []
    assert (made.files, made.units, made.commands) == ((), (), ())


def test_a_file_is_created() -> None:
    made = plan(absent(CONFIG))
    assert made.describe() == ["create bot/config.json (mode 0600)", "restart bot.service"]
    assert made.files[0].digest == hashlib.sha256(b"{}").hexdigest()
    assert made.files[0].before == absent(CONFIG)


def test_a_file_is_replaced() -> None:
    made = plan(there(CONFIG, b"{} "))
    assert made.describe() == ["replace bot/config.json", "restart bot.service"]
    assert made.files[0].before.content == b"{} "


def test_a_file_that_was_edited_since_its_new_version_was_made_of_it_is_not_replaced() -> None:
    made = replace(WANTED, resources=(replace(CONFIG, made_of=hashlib.sha256(b"{} ").hexdigest()),))
    assert plan_host(made, seen(there(CONFIG, b"{} "))).describe() == ["replace bot/config.json"]
    assert plan_host(made, seen(there(CONFIG))).empty, "it stands there already"
    for other in (there(CONFIG, b"{   }"), absent(CONFIG)):
        with pytest.raises(StalePlan, match=r"^75: bot/config\.json was edited since its new version was made of it"):
            plan_host(made, seen(other))


def test_a_mode_alone_is_a_step_of_its_own() -> None:
    assert plan(there(CONFIG, mode=0o644)).describe()[0] == "set mode of bot/config.json from 0644 to 0600"


def test_a_command_is_done_where_its_check_does_not_hold() -> None:
    made = plan(nat=False)
    assert made.describe() == ["do nat", "restart bot.service"]
    assert made.commands[0].wanted is NAT
    alone = Wanted("75", (replace(NAT, undo=None),))
    assert plan_host(alone, seen(nat=False)).describe() == ["do nat (cannot be undone)"]


def test_steps_have_the_order_of_what_is_wanted() -> None:
    made = plan(absent(UNIT_FILE), absent(CONFIG), nat=False, enablement="disabled")
    keys = [step.key for step in made.steps]
    assert keys == [f"file:{CONFIG.path}", f"file:{UNIT_FILE.path}", "command:nat", "unit:bot.service"]
    assert [step.wanted for step in made.files] == [CONFIG, UNIT_FILE]


@pytest.mark.parametrize(
    ("files", "changed", "reload"),
    [
        ((there(CONFIG, b"old"),), {}, False),
        ((there(UNIT_FILE, b"old"),), {}, True),
        ((absent(UNIT_FILE), there(CONFIG, b"old")), {}, True),
        ((), {"active": "inactive"}, False),
        ((), {"active": "inactive", "needs_reload": True}, True),
        ((), {"active": "inactive", "load": "not-found"}, True),
    ],
)
def test_systemd_reads_again_where_a_unit_file_changes_or_it_has_not_read_it(
    files: tuple[SeenFile, ...], changed: dict[str, Any], reload: bool
) -> None:
    (step,) = plan(*files, **changed).units
    assert step.reload is reload


def test_a_unit_that_needs_nothing_is_not_reloaded_for_its_own_sake() -> None:
    assert plan(needs_reload=True).empty


@pytest.mark.parametrize(
    ("path", "is_one"),
    [
        (".config/systemd/user/bot.service", True),
        ("/etc/systemd/system/bot.timer", True),
        ("/etc/systemd/system/bot.service.d/limits.conf", True),
        ("/etc/systemd/system/README", False),
        ("bot/bot.service", False),
    ],
)
def test_what_systemd_reads(path: str, is_one: bool) -> None:
    assert is_unit_file(path) is is_one


NEW = (absent(CONFIG),)


@pytest.mark.parametrize(
    ("changed", "files", "owed", "acts"),
    [
        ({"active": "inactive"}, (), (), (Act.START,)),
        ({"active": "failed"}, (), (), (Act.START,)),
        ({"active": "activating"}, (), (), (Act.START,)),
        ({"enablement": "disabled"}, (), (), (Act.ENABLE,)),
        ({"enablement": "disabled", "active": "inactive"}, (), (), (Act.ENABLE, Act.START)),
        ({"active": "inactive"}, NEW, (), (Act.START,)),
        ({"active": "failed"}, NEW, ("bot.service",), (Act.START,)),
        ({"active": "activating"}, NEW, (), (Act.RESTART,)),
        ({"enablement": "disabled"}, NEW, (), (Act.ENABLE, Act.RESTART)),
        ({}, (), ("bot.service",), (Act.RESTART,)),
        ({"active": "deactivating"}, (), ("bot.service",), (Act.RESTART,)),
        ({}, NEW, ("bot.service",), (Act.RESTART,)),
    ],
)
def test_a_unit_is_brought_up_and_restarted_only_for_what_it_reads(
    changed: dict[str, Any], files: tuple[SeenFile, ...], owed: tuple[str, ...], acts: tuple[Act, ...]
) -> None:
    (step,) = plan(*files, owed=owed, **changed).units
    assert step.acts == acts
    assert step.before == unit(**changed)


def test_a_restart_that_another_unit_is_owed_is_not_this_ones() -> None:
    assert plan(owed=("other.service",)).empty


def test_a_unit_is_restarted_for_what_comes_before_it_alone() -> None:
    wanted = Wanted("75", (Unit("first.service"), CONFIG, Unit("second.service"), UNIT_FILE, Unit("third.service")))
    units = {name: unit(name) for name in ("first.service", "second.service", "third.service")}

    def described(*files: SeenFile) -> list[str]:
        return plan_host(wanted, replace(seen(*files), units=units)).describe()

    assert described(absent(CONFIG))[1:] == ["restart second.service", "restart third.service"]
    assert described(there(UNIT_FILE, b"old"))[1:] == ["restart third.service"]


def test_a_unit_that_comes_up_does_not_restart_the_next() -> None:
    wanted = Wanted("75", (Unit("first.service"), Unit("second.service")))
    units = {"first.service": unit("first.service", active="failed"), "second.service": unit("second.service")}
    assert plan_host(wanted, Seen({}, units, {})).describe() == ["start first.service"]


def test_acts_are_told_in_their_order() -> None:
    assert plan(enablement="disabled", active="inactive").describe() == ["enable and start bot.service"]


@pytest.mark.parametrize(
    ("enablement", "said"),
    [
        ("masked", "is masked: it cannot be started"),
        ("masked-runtime", "masked until the next boot"),
        ("linked", "would remove the link"),
        ("linked-runtime", "would remove the link"),
        ("enabled-runtime", "until the next boot only"),
        ("generated", "cannot be enabled"),
        ("transient", "cannot be enabled"),
    ],
)
def test_a_unit_that_could_not_be_put_back_is_refused_before_anything_is_touched(enablement: str, said: str) -> None:
    with pytest.raises(ApplyFailed, match=said) as refused:
        plan(enablement=enablement)
    assert (refused.value.host, "plan again" in refused.value.remedy) == ("75", True)


@pytest.mark.parametrize("enablement", ["enabled", "alias"])
def test_a_unit_that_starts_with_the_host_is_not_enabled_again(enablement: str) -> None:
    assert plan(enablement=enablement).empty


@pytest.mark.parametrize("enablement", ["disabled", "static", "indirect", ""])
def test_a_unit_that_does_not_is_enabled(enablement: str) -> None:
    assert plan(enablement=enablement).describe() == ["enable bot.service"]


def test_a_plan_fits_as_long_as_nothing_has_changed() -> None:
    then = seen(absent(CONFIG), active="inactive")
    assert changed_since(then, seen(absent(CONFIG), active="inactive")) == []
    assert changed_since(seen(), seen(main_pid=9, restarts=3, active_since=5.0)) == []
    for settled in ("active", "failed", "inactive"):
        assert changed_since(seen(active=settled), seen(active="activating", sub="auto-restart")) == []
        assert changed_since(seen(active="deactivating"), seen(active=settled)) == []


@pytest.mark.parametrize(
    ("then", "now", "said"),
    [
        (seen(absent(CONFIG)), seen(there(CONFIG, b"by hand")), "bot/config.json was created"),
        (seen(there(CONFIG, b"old")), seen(absent(CONFIG)), "bot/config.json was removed"),
        (seen(there(CONFIG, b"old")), seen(there(CONFIG, b"by hand")), "bot/config.json was edited"),
        (
            seen(there(CONFIG, b"old")),
            seen(there(CONFIG, b"old", 0o640)),
            "bot/config.json was set to mode 0640",
        ),
        (seen(), seen(there(UNIT_FILE, b"by hand")), f"{UNIT_FILE.path} was edited"),
        (seen(), seen(active="failed"), "bot.service was active, enabled and is failed, enabled"),
        (seen(enablement="disabled"), seen(), "bot.service was active, not enabled and is active, enabled"),
        (seen(nat=False), seen(), "nat was done by somebody else"),
        (seen(), seen(nat=False), "nat was undone by somebody else"),
    ],
)
def test_what_changed_since_is_named(then: Seen, now: Seen, said: str) -> None:
    assert changed_since(then, now) == [said]


def test_everything_that_changed_since_is_named() -> None:
    assert len(changed_since(seen(), seen(absent(CONFIG), absent(UNIT_FILE), nat=False, active="failed"))) == 4


def test_a_command_that_holds_a_secret_is_refused() -> None:
    with pytest.raises(ParamsError, match="command login: a secret stands in it"):
        Command("login", check="true", do="log-in --url https://me:hunter2-hunter2@exchange")


def test_a_resource_is_wanted_once() -> None:
    with pytest.raises(ParamsError, match=r"75: file:bot/config\.json is wanted twice"):
        Wanted("75", (CONFIG, CONFIG))


@pytest.mark.parametrize("path", ["/var/log", "../other", "a/../../b", ".", "", "~", "~/", "~//etc"])
def test_a_leaf_outside_the_home_is_refused(path: str) -> None:
    with pytest.raises(ParamsError, match="is not inside the login's home"):
        Wanted("75", (), (path,))


def test_plans_show_no_content() -> None:
    made: Step = plan(there(File(CONFIG.path, b"s3cret-old"))).steps[0]
    assert "s3cret-old" not in repr(made)
    assert "b'{}'" not in repr(made)
