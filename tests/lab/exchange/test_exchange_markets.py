from hypothesis import given
from hypothesis import strategies as st

from runbook_lib.lab.exchange.candles import LARGEST, LISTED, minutes
from runbook_lib.lab.exchange.markets import QUOTE_DECIMALS, decimal, market, markets


@given(st.integers(0, 2**62), st.integers(0, QUOTE_DECIMALS))
def test_decimals_are_exact(value: int, decimals: int) -> None:
    text = decimal(value, decimals)
    whole, fraction = text.split(".")
    assert len(fraction) == QUOTE_DECIMALS
    assert whole
    assert int(whole + fraction) == value * 10 ** (QUOTE_DECIMALS - decimals)


def test_110_markets_have_ticks_from_1_to_the_eighth_decimal() -> None:
    drawn = markets(11, [f"C{i}/USDT" for i in range(110)])
    assert {m.tick_decimals for m in drawn.values()} == set(range(9))
    assert drawn["C7USDT"].pair == "C7/USDT"


@given(st.integers(0, 2**64), st.integers(LISTED, LISTED + 20_000_000))
def test_a_days_turnover_fits_the_wire_and_63_bits(seed: int, minute: int) -> None:
    m = market(seed, "X/USDT")
    assert 0 <= m.step_decimals <= QUOTE_DECIMALS - m.tick_decimals
    high = int(minutes(m, minute, 1).high[0])
    assert high * (1 << LARGEST) * 1440 < 2**63
