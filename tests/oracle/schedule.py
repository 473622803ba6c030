"""When events are due, in which epoch, and how far event time has come: what follows from a run's options alone.

All arithmetic is exact. An event is due at the first whole nanosecond at which the rate's integral reaches its number.
"""

import argparse
import functools
import math
from fractions import Fraction

BASE_TIME = 1436918400000  # the generator's default: 2015-07-15 00:00 UTC
NOMINAL_RATE = Fraction(10_000)  # of --rate max
MAX_EPOCH = 100_000  # events of an epoch under --rate max
UNITS = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
SECOND = UNITS["s"]


def rate(text):
    """Events per second, None for max."""
    factor = {"k": 1000, "M": 10**6}.get(text[-1:], 1)
    return None if text == "max" else Fraction(text.rstrip("kM")) * factor


def duration(text):
    """Nanoseconds."""
    number = text.rstrip("nusmh")
    return Fraction(number) * UNITS[text[len(number) :]]


def nexmark(text):
    """The generator's options."""
    return dict(pair.split("=", 1) for pair in text.split(",") if pair)


def arguments():
    """The options of `floodway run` that decide about times."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--rate", help="events per second, or max (10k; max with --lines)")
    parser.add_argument("--epoch", default="100ms", help="length of an epoch (100ms)")
    parser.add_argument("--shape", default="constant", choices=["constant", "square", "step", "spike"])
    parser.add_argument("--peak-rate")
    parser.add_argument("--period")
    parser.add_argument("--nexmark", default="", help="the generator's options: those about times matter")
    return parser


class Schedule:
    """The schedule of one run."""

    def __init__(self, rate_text="10k", epoch="100ms", shape="constant", peak_rate=None, period=None, options=""):
        options = nexmark(options)
        self.base_time = int(options.get("base_time", BASE_TIME))
        self.first = int(options.get("first_event_number", 0))
        self.group = int(options.get("out_of_order_group_size", 1))
        delayed = float(options.get("prob_delayed_event", 0)) > 0
        self.delay = int(options.get("occasional_delay_sec", 3)) * 1000 if delayed else 0
        self.epoch_ns = int(duration(epoch))
        self.rate = rate(rate_text)
        base = self.rate or NOMINAL_RATE
        # Pieces of (nanoseconds, events per nanosecond): those of `head` once, then those of `cycle` again and again.
        low, high = base / SECOND, rate(peak_rate or "0") / SECOND
        length = duration(period) if period else None
        self.head, self.cycle = {
            "constant": lambda: ([], [(SECOND, low)]),
            "square": lambda: ([], [(length / 2, low), (length / 2, high)]),
            "step": lambda: ([(length, low)], [(SECOND, high)]),
            "spike": lambda: ([], [(length / 10, low), (length / 10, high), (length * 8 / 10, low)]),
        }[shape]()
        self.of_cycle = sum(length * rate for length, rate in self.cycle)
        self.cycle_ns = sum(length for length, _ in self.cycle)

    @functools.cache
    def instant(self, number):
        """The first nanosecond from the start at which the integral of the rate has reached `number`."""
        at = 0
        for length, rate in self.head:
            if number <= length * rate:
                return math.ceil(at + number / rate if number else at)
            at, number = at + length, number - length * rate
        cycles = number // self.of_cycle
        at, number = at + cycles * self.cycle_ns, number - cycles * self.of_cycle
        for length, rate in self.cycle:
            if number <= length * rate:
                return math.ceil(at + number / rate if number else at)
            at, number = at + length, number - length * rate
        raise AssertionError("a cycle has fewer events than its sum")

    def undelayed(self, number):
        """The event time, in milliseconds, that the generator gives to an event number."""
        return self.base_time + self.instant(number) // UNITS["ms"]

    def due(self, n):
        """The due time p(n), in milliseconds, of the run's event n."""
        return self.undelayed(n)

    def epoch(self, n):
        """The epoch of the run's event n."""
        return n // MAX_EPOCH if self.rate is None else self.instant(n) // self.epoch_ns

    def frontier(self, n):
        """The event-time frontier W(E) if event n is the first one after the epoch E."""
        number = self.first + n
        return self.undelayed(number - number % self.group) - self.delay
