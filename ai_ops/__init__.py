"""The deterministic integer tensor engine: it knows nothing of a chain."""
