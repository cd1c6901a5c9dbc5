"""What of a measurement later phases and the record need: plain numbers, kept in the notebook that measured them."""

from __future__ import annotations

from runbook_lib.params import Model


class Reading(Model):
    """The fleet over some whole candles.

    ``since``, ``until``: unix seconds. ``meter``: who counted. By host: ``candle_requests`` (over the whole time),
    ``streams`` (open at its end), ``weight_peak`` (request weight in the busiest minute, as the exchange reported it to
    that host), ``rejected`` (403, 418, 429), ``newest_age`` (seconds since the close of the newest candle of its worst
    pair, when it was read), ``delays`` (seconds from a candle's close until the bot had analysed it, one per pair).
    ``other_calls``: the bots' own, by endpoint; ``own_pings``: what looking at the weight cost, one each.
    ``latency_ms``: round trips, by "consumer → producer". ``cells`` were compared with the exchange's settled values,
    ``mismatching`` of them differ, ``missing`` candles were held by the bot only or by the exchange only.
    """

    since: float
    until: float
    candles: int
    meter: str
    candle_requests: dict[str, int]
    other_calls: dict[str, int]
    own_pings: int
    streams: dict[str, int]
    weight_peak: dict[str, int | None]
    weight_limit: int
    rejected: dict[str, int]
    cells: int
    mismatching: int
    missing: int
    newest_age: dict[str, float]
    delays: dict[str, list[float]]
    latency_ms: dict[str, list[float]]

    @property
    def per_candle(self) -> dict[str, float]:
        """Host -> candle requests per closed candle."""
        return {host: count / self.candles for host, count in self.candle_requests.items()}

    @property
    def fleet_per_candle(self) -> float:
        """Candle requests of the whole fleet per closed candle."""
        return sum(self.candle_requests.values()) / self.candles

    @property
    def streams_total(self) -> int | None:
        """Kline streams of the whole fleet; None where nobody counts them."""
        return sum(self.streams.values()) if self.streams else None

    @property
    def weight_worst(self) -> int | None:
        """Request weight of the busiest host in its busiest minute."""
        return max((weight for weight in self.weight_peak.values() if weight is not None), default=None)

    @property
    def weight_total(self) -> int | None:
        """Sum over the hosts of each one's busiest minute."""
        known = [weight for weight in self.weight_peak.values() if weight is not None]
        return sum(known) if known else None

    @property
    def rejected_total(self) -> int:
        """Calls of the whole fleet that the exchange refused."""
        return sum(self.rejected.values())

    @property
    def all_latencies_ms(self) -> list[float]:
        """Every round trip between any consumer and any producer."""
        return [value for values in self.latency_ms.values() for value in values]

    @property
    def all_delays(self) -> list[float]:
        """Every bot's every pair."""
        return [value for values in self.delays.values() for value in values]
