from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from runbook_lib.errors import ParamsError, Unreachable

if TYPE_CHECKING:
    from tests.fleet.conftest import Connect, Start

pytestmark = pytest.mark.hosts


def test_one_dead_host_does_not_hold_up_the_others(start: Start, connect: Connect) -> None:
    hosts = [start(name) for name in ("z", "dead", "a")]
    hosts[1].acceptor.close()
    began = time.monotonic()
    results = connect(*hosts).on_all(lambda session: session.run("echo $HOME").text.strip())
    assert time.monotonic() - began < 3
    assert list(results) == ["z", "dead", "a"]
    assert [result.host for result in results.failed] == ["dead"]
    assert isinstance(results["dead"].error, Unreachable)
    assert results["z"].value == str(hosts[0].home)


def test_nothing_is_connected_before_it_is_needed(start: Start, connect: Connect) -> None:
    hosts = [start(name) for name in ("a", "b")]
    with connect(*hosts) as fleet:
        assert fleet.hosts == ("a", "b") == tuple(fleet)
        fleet.on_all(lambda session: session.run("true"), ["b"]).unwrap()
        assert [host.opened for host in hosts] == [0, 1]
        assert fleet["a"] is fleet["a"]
        fleet["a"].run("true")
        fleet.on_all(lambda session: session.run("true")).unwrap()
        assert [host.opened for host in hosts] == [1, 1]
    for _ in range(100):
        if not any(host.connections for host in hosts):
            break
        time.sleep(0.02)
    assert not any(host.connections for host in hosts)
    with pytest.raises(Unreachable, match="a: its session is closed"):
        fleet["a"].run("true")


def test_named_hosts_come_in_the_order_of_the_inventory(start: Start, connect: Connect) -> None:
    fleet = connect(start("z"), start("m"), start("a"))
    assert list(fleet.on_all(lambda session: session.name, ["a", "z"])) == ["z", "a"]


def test_a_name_that_is_not_in_the_inventory(start: Start, connect: Connect) -> None:
    fleet = connect(start("a"))
    with pytest.raises(ParamsError, match="b: no such host -> the inventory has a"):
        fleet["b"]
    with pytest.raises(ParamsError, match="b: no such host"):
        fleet.on_all(lambda session: session.name, ["a", "b"])
