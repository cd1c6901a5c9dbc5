import io

import pytest

from runbook_lib.values import Progress
from runbook_lib.view import progress
from runbook_lib.view.progress import MIME, Display, Lines, Silent, Waiting, countdown, duration, sentence, wait_until


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0.42, "0.4 s"), (9.97, "10 s"), (42.2, "42 s"), (59.6, "1 min 00 s"), (185, "3 min 05 s"), (3720, "1 h 02 min")],
)
def test_durations_read_well(seconds: float, told: str) -> None:
    assert duration(seconds) == told


def test_no_time_is_named_that_is_not_known() -> None:
    assert (
        sentence(Progress("3 candles", 1100, 1, 3), 1000) == "waiting for 3 candles, 1 of 3, at most 1 min 40 s still"
    )
    assert sentence(Progress("the bot on 75"), 1000) == "waiting for the bot on 75"


def test_wait_until_returns_what_it_waited_for() -> None:
    clock, silent = Clock(), Silent()
    answer = wait_until(
        "3 candles",
        lambda: "there" if clock.now >= 1042 else None,
        seconds=100,
        reporter=silent,
        clock=clock,
        sleep=clock.sleep,
    )
    assert answer == "there"
    assert silent.lines == ["waited 42 s for 3 candles"]
    assert silent.reports[0] == Progress("3 candles", 1100, 0, 1)


def test_wait_until_gives_up_after_one_last_look() -> None:
    clock, silent, asked = Clock(), Silent(), []
    answer = wait_until(
        "it", lambda: asked.append(clock.now), seconds=2.5, reporter=silent, clock=clock, sleep=clock.sleep
    )
    assert answer is None
    assert asked == [1000, 1001, 1002, 1002.5]
    assert silent.lines == ["gave up waiting for it after 2.5 s: 0 of 1"]


def test_countdown_ends_at_its_moment() -> None:
    clock, silent = Clock(), Silent()
    countdown("the candle's close", 1003.5, silent, clock=clock, sleep=clock.sleep)
    assert clock.now == 1003.5
    assert len(silent.reports) == 4
    assert silent.lines == ["waited 3.5 s for the candle's close"]


@pytest.mark.parametrize("jump", [3600, -3600])
def test_waits_are_as_long_as_they_were_however_the_clock_is_set(monkeypatch: pytest.MonkeyPatch, jump: int) -> None:
    machine = Clock()
    even = Clock()
    monkeypatch.setattr("runbook_lib.view.progress.time.time", machine)
    monkeypatch.setattr("runbook_lib.view.progress.time.monotonic", even)

    def sleep(seconds: float) -> None:
        even.sleep(seconds)
        machine.sleep(seconds + (jump if even.now == 1002 else 0))

    silent = Silent()
    assert wait_until("it", lambda: None, seconds=5, reporter=silent, sleep=sleep) is None
    assert even.now == 1005
    even.now, machine.now = 1000, 5000
    countdown("the candle's close", 5004, silent, sleep=sleep)
    assert even.now == 1004
    assert silent.lines == ["gave up waiting for it after 5 s: 0 of 1", "waited 4 s for the candle's close"]


def test_lines_go_on_when_the_clock_was_set_back() -> None:
    clock, stream = Clock(), io.StringIO()
    lines = Lines(stream, clock)
    lines.report(Progress("bots"))
    clock.now -= 3600
    lines.report(Progress("bots"))
    lines.report(Progress("bots"))
    assert stream.getvalue().splitlines() == ["waiting for bots"] * 2


def test_an_error_within_a_wait_is_told_as_giving_up() -> None:
    silent = Silent()
    waiting = Waiting("bots", silent, clock=Clock())
    waiting.report(Progress("bots", None, 2, 6))
    waiting.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert silent.lines == ["gave up waiting for bots after 0 s: 2 of 6"]


def test_lines_are_few_and_the_last_is_always_written() -> None:
    clock, stream = Clock(), io.StringIO()
    lines = Lines(stream, clock)
    for _ in range(12):
        lines.report(Progress("bots"))
        clock.sleep(1)
    lines.done("waited 12 s for bots")
    assert stream.getvalue().splitlines() == ["waiting for bots"] * 3 + ["waited 12 s for bots"]


def test_lines_mask_secrets() -> None:
    stream = io.StringIO()
    Lines(stream, Clock()).report(Progress("?token=hunter2hunter2"))
    assert "hunter2" not in stream.getvalue()


def test_display_rewrites_one_output(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[tuple[str, dict[str, object]]] = []

    class Handle:
        def update(self, bundle: dict[str, object], *, raw: bool) -> None:
            assert raw
            shown.append(("update", bundle))

    def display(bundle: dict[str, object], *, raw: bool, display_id: bool) -> Handle:
        assert raw
        assert display_id
        shown.append(("display", bundle))
        return Handle()

    monkeypatch.setattr("IPython.display.display", display)
    to = Display(Clock())
    to.report(Progress("3 candles", 1100.0, 1, 3))
    to.report(Progress("3 candles", 1100.0, 2, 3))
    to.done("waited 42 s for 3 candles")
    assert [how for how, _ in shown] == ["display", "update", "update"]
    assert shown[0][1][MIME] == {"what": "3 candles", "until": 1100.0, "done": 1, "total": 3}
    assert shown[-1][1] == {"text/plain": "waited 42 s for 3 candles"}
    to.report(Progress("bots"))
    assert shown[-1][0] == "display"


def test_outside_a_kernel_lines_are_written() -> None:
    assert isinstance(progress.reporter(), Lines)
