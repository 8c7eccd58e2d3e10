"""What a recipe is doing, a line each time, with the seconds since it began."""

import time

PERIOD = 5
"""Seconds between two lines of one stage."""


class Progress:
    """Print stages; the part of a line before its colon names the stage."""

    def __init__(self):
        self.began = self.printed = time.monotonic()
        self.stage = None

    def __call__(self, line):
        """Print a line, unless its stage printed one a moment ago; "" ends a stage."""
        stage, now = line.partition(":")[0], time.monotonic()
        if line and (stage != self.stage or now - self.printed >= PERIOD):
            print(f"{now - self.began:5.0f} s  {line}", flush=True)
            self.printed = now
        self.stage = stage

    def count(self, stage, items):
        """Yield each item, and print how many there were."""
        total = len(items)
        for index, item in enumerate(items):
            self(f"{stage}: {index + 1} of {total}")
            yield item
