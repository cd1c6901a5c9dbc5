"""The way to the exchange itself: settled candles only, within a budget of weight, behind one circuit breaker."""
