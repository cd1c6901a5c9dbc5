"""Producers among themselves and towards consumers: who has which candle, who takes over, who is believed."""
