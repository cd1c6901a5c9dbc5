"""On a real host over SSH: what a change touched is as it was, by byte, mode, owner, time and running process."""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
import stat
import threading
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from runbook_lib import redaction
from runbook_lib.change.decisions import Decided
from runbook_lib.change.engine import Engine
from runbook_lib.change.journal import Journal
from runbook_lib.change.origin import Origin
from runbook_lib.change.resources import Command, File, Unit, Wanted
from runbook_lib.change.rollback import Rollback
from runbook_lib.change.undo import differences, origins
from runbook_lib.change.undo_plan import UndoPlan
from runbook_lib.errors import ApplyFailed, EditedSince, StalePlan, VerifyFailed
from runbook_lib.fleet import Fleet, Session
from runbook_lib.lab.hosts import EmbeddedHosts, HostSettings
from runbook_lib.lab.hosts.keys import write_keys
from runbook_lib.params.model import Host, Site, Ssh

pytestmark = pytest.mark.hosts
UNITS = ".config/systemd/user"
SERVICE = """\
[Service]
ExecStart=/bin/sh -c 'cp bot/config.json ran-with; test ! -e bot/broken || exit 1; exec sleep 1000'
WorkingDirectory=%h
Restart=on-failure
RestartSec=20ms

[Install]
WantedBy=default.target
"""
HELPER = SERVICE.replace("cp bot/config.json ran-with", "mkdir -p bot/state/deep; echo 1 > bot/state/deep/db")
OLD_TIME = 1_000_000_000_123_456_789
CONFIG = File("bot/config.json", b"new", 0o600)
BROKEN = File("bot/broken", b"")
BOT = Unit("bot.service")
WANTED = Wanted(
    "73",
    (
        CONFIG,
        File("bot/twin.json", b"new twin"),
        File("bot/linked.json", b"new through a link"),
        File("bot/made/deep/er/feed.py", b"feed"),
        File(f"{UNITS}/helper.service", HELPER.encode()),
        BOT,
        Unit("helper.service"),
        Command("flag", "test -e bot/flag", "touch bot/flag", "rm bot/flag"),
    ),
    leaves=("bot/state", "bot/never"),
)
LITTLE = Wanted("73", (CONFIG, File("bot/made/feed.py", b"feed")))


class OneHost:
    """A host that runs, its session, and the journal of one change on it."""

    def __init__(self, base: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.12.73", 0))
            port = int(probe.getsockname()[1])
        where = {"root": base / "root", "host_key": base / "host_key", "authorized_keys": base / "authorized_keys"}
        settings = HostSettings(name="73", address="127.0.12.73", port=port, user="freqai", **where)
        write_keys([settings], operator_key=base / "operator", known_hosts=base / "known_hosts")
        (base / "ssh_config").write_text(f"Host 73\n  Port {port}\n")
        known = {"known_hosts": base / "known_hosts", "config": base / "ssh_config", "key": base / "operator"}
        ssh = Ssh(user="freqai", command_seconds=10, connect_seconds=5, **known)
        self.fleet = Fleet.of(Site(site="one", hosts={"73": Host(address=settings.address)}, ssh=ssh))
        self.home = settings.home
        self.journal = Journal(base / "journal.jsonl", "30_producers")
        self.rollback = Rollback(self.journal, "user")
        self._hosts = EmbeddedHosts([settings])
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._wait(self._hosts.start())

    def close(self) -> None:
        self.fleet.close()
        try:
            self._wait(self._hosts.stop())
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    @property
    def session(self) -> Session:
        return self.fleet["73"]

    @property
    def origin(self) -> Origin:
        return origins(self.journal.events())["73"]

    def power_cycle(self) -> None:
        self._wait(self._hosts.power_off("73"))
        self._wait(self._hosts.power_on("73"))

    def forward(self, wanted: Wanted = WANTED) -> None:
        engine = Engine(self.journal, "user")
        engine.apply(self.session, engine.plan(self.session, wanted), wanted)

    def back(self, **decisions: Any) -> bool:
        return self.rollback.apply(self.session, self.plan(**decisions)).changed

    def plan(self, **decisions: Any) -> UndoPlan:
        said = {path: Decided(decision) for path, decision in decisions.items()}
        return self.rollback.plan(self.session, self.origin, said)

    def like(self) -> dict[str, Any]:
        """Return every file, directory and link but for our own and the clocks that services set."""
        return {
            str(path.relative_to(self.home)): _about(path)
            for path in self.home.rglob("*")
            if ".runbook" not in path.parts and path.name != "ran-with"
        }

    def units(self) -> str:
        names = "bot.service helper.service"
        return self.session.run(f"systemctl --user show -p LoadState,ActiveState,UnitFileState {names}").text

    def _wait(self, what: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result(20)


def _about(path: Path) -> tuple[Any, ...]:
    about = path.lstat()
    if stat.S_ISDIR(about.st_mode):
        return oct(about.st_mode), about.st_uid, about.st_gid
    content = str(path.readlink()) if path.is_symlink() else hashlib.sha256(path.read_bytes()).hexdigest()
    return oct(about.st_mode), about.st_uid, about.st_gid, about.st_mtime_ns, content


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OneHost]:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(redaction, "_registered", {})
    running = OneHost(tmp_path)
    _furnish(running)
    yield running
    running.close()


def _furnish(host: OneHost) -> None:
    """Leave on the host what an operator would: odd modes and owners, old times, twins, a link, a bot that runs."""
    bot = host.home / "bot"
    (bot / "elsewhere").mkdir(parents=True)
    files = {"config.json": (b"old", 0o640), "twin.json": (b"old", 0o640), "elsewhere/real.json": (b"old", 0o604)}
    for number, (name, (data, mode)) in enumerate(files.items()):
        path = bot / name
        path.write_bytes(data)
        path.chmod(mode)
        if os.getuid() == 0:
            os.chown(path, 4711 + number, 4811 + number)
        os.utime(path, ns=(OLD_TIME, OLD_TIME + number))
    (bot / "linked.json").symlink_to("elsewhere/real.json")
    (host.home / UNITS / "bot.service").write_text(SERVICE)
    host.session.run("systemctl --user daemon-reload && systemctl --user enable --now bot.service")


def test_a_change_is_undone_to_the_byte_the_mode_the_owner_and_the_nanosecond(host: OneHost) -> None:
    before, units = host.like(), host.units()
    host.forward()
    assert (host.home / "ran-with").read_bytes() == b"new"
    assert (host.home / "bot/state/deep/db").exists()
    assert (host.home / "bot/linked.json").is_symlink()
    assert host.like() != before
    assert host.units() != units
    assert host.back()
    assert host.like() == before
    assert host.units() == units
    assert (host.home / "ran-with").read_bytes() == b"old"
    assert host.rollback.plan(host.session, host.origin).empty
    whole = origins(host.journal.events(), whole=True)["73"]
    assert (len(whole.files), len(whole.units)) == (5, 2)
    assert differences(whole, host.rollback.observe(host.session, whole)) == []


@pytest.mark.parametrize("link", ["bot/to-nowhere.json", "bot/to-nowhere"])
def test_what_would_be_written_through_a_link_that_leads_nowhere_is_refused(host: OneHost, link: str) -> None:
    (host.home / link).symlink_to("../elsewhere/target")
    before = host.like()
    path = link if link.endswith(".json") else f"{link}/deep/feed.json"
    with pytest.raises(ApplyFailed, match=rf"^73: {link} is a link that leads nowhere -> remove the link, or put"):
        host.forward(Wanted("73", (CONFIG, File(path, b"{}"))))
    assert host.like() == before
    assert not (host.home / "elsewhere").exists()
    assert host.journal.events() == []


def test_what_an_earlier_change_wrote_is_an_original_like_any_other(host: OneHost, tmp_path: Path) -> None:
    host.forward(Wanted("73", (CONFIG,)))
    os.utime(host.home / CONFIG.path, ns=(OLD_TIME, OLD_TIME))
    before = host.like()
    host.journal = Journal(tmp_path / "second.jsonl", "30_producers")
    host.rollback = Rollback(host.journal, "user")
    host.forward(Wanted("73", (File(CONFIG.path, b"newer", 0o640),)))
    host.back()
    assert host.like() == before


def test_a_host_that_lost_its_power_midway_is_put_back_when_it_is_up_again(host: OneHost) -> None:
    before, units = host.like(), host.units()
    host.forward()
    steps = iter(range(4))

    def lose_power() -> None:
        if next(steps, None) is None:
            host.power_cycle()
            raise KeyboardInterrupt

    rollback = Rollback(host.journal, "user", lose_power)
    with pytest.raises(KeyboardInterrupt):
        rollback.apply(host.session, rollback.plan(host.session, host.origin))
    assert host.back()
    assert (host.like(), host.units()) == (before, units)
    assert (host.home / "ran-with").read_bytes() == b"old"


def test_a_service_that_will_not_start_is_put_back_at_once(host: OneHost) -> None:
    """It fails so often that systemd itself refuses to start it, even as it was."""
    before, units = host.like(), host.units()
    with pytest.raises(VerifyFailed):
        host.forward(Wanted("73", (CONFIG, BROKEN, Unit(BOT.name, settle_seconds=5))))
    host.session.run("until systemctl --user is-failed bot.service; do sleep 0.05; done")
    assert host.session.run("systemctl --user start bot.service", check=False).status != 0
    assert host.rollback.put_back(host.session, 0, "bot.service did not come up").changed
    assert (host.like(), host.units()) == (before, units)
    assert (host.home / "ran-with").read_bytes() == b"old"
    last = host.journal.events()[-1].number
    assert not host.rollback.put_back(host.session, last, "again").changed
    assert host.journal.events()[-1].number == last


def test_an_edit_made_since_is_shown_and_overwritten_only_by_decision(host: OneHost) -> None:
    before = host.like()
    host.forward(LITTLE)
    (host.home / CONFIG.path).write_bytes(b"by hand")
    edited = host.like()
    plan = host.rollback.plan(host.session, host.origin)
    (conflict,) = plan.conflicts
    assert conflict.describe() == "bot/config.json was edited since"
    assert [each.content for each in (conflict.ours, conflict.now, conflict.before)] == [b"new", b"by hand", b"old"]
    assert [each.state.mode for each in (conflict.ours, conflict.now, conflict.before)] == [0o600, 0o600, 0o640]
    with pytest.raises(EditedSince, match=r"73: nothing was undone here: bot/config\.json was edited since"):
        host.rollback.apply(host.session, plan)
    assert host.like() == edited
    assert host.back(**{CONFIG.path: "overwrite"})
    assert host.like() == before
    kept = [path.read_bytes() for path in (host.home / ".runbook/kept").iterdir()]
    assert b"by hand" in kept


def test_an_edit_that_is_kept_is_the_only_thing_that_stays(host: OneHost) -> None:
    before = host.like()
    host.forward(LITTLE)
    (host.home / "bot/made/feed.py").write_bytes(b"by hand")
    assert host.back(**{"bot/made/feed.py": "keep"})
    left = {path for path, about in host.like().items() if before.get(path) != about}
    assert left == {"bot/made", "bot/made/feed.py"}
    assert host.plan(**{"bot/made/feed.py": "keep"}).empty


def test_an_original_that_is_gone_is_told_before_anything_is_touched(host: OneHost) -> None:
    host.forward(LITTLE)
    plan = host.rollback.plan(host.session, host.origin)
    host.session.run("rm -r .runbook/kept")
    after = host.like()
    with pytest.raises(StalePlan, match="was removed"):
        host.rollback.apply(host.session, plan)
    plan = host.rollback.plan(host.session, host.origin)
    assert plan.lost == (CONFIG.path,)
    with pytest.raises(ApplyFailed, match=r"the original of bot/config\.json is gone"):
        host.rollback.apply(host.session, plan)
    assert host.like() == after
