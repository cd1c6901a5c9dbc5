"""Bot configs and units: written for producers, edited for consumers, read and judged as freqtrade would."""
