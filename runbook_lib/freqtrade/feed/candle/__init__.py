"""Candles: their dates, their exact values, what is held of them, how they travel."""
