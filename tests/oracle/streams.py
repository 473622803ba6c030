#!/usr/bin/env python3
"""Streams of events that the generator does not make, as JSON lines with its fields. Times never decrease,
except with --disorder.

    streams.py NAME [--seed N] [--events N] [--disorder N]
    streams.py --list

All streams have auctions and bids that meet to the millisecond: bids before their auction in the same millisecond, bids
at an auction's opening and expiry, bids on the borders of windows and of sessions. They differ in what else they have.
"""

import argparse
import itertools
import json
import random
import sys
from dataclasses import dataclass

BASE_TIME = 1436918400000
HOUR = 3_600_000
DAY = 24 * HOUR
HOT = ["Google", "facebook", "BAIDU", "Apple"]  # in any case
URL = "https://www.nexmark.com/ab/cde/fg/item.htm?query=1"
PLACES = [("Boise", "ID"), ("Portland", "OR"), ("San Francisco", "CA"), ("Kent", "WA"), ("Phoenix", "AZ")]


@dataclass
class Kind:
    """What a stream is made of."""

    about: str
    prices: list
    steps: list  # milliseconds from one event to the next
    lengths: list  # milliseconds that an auction is open
    base_time: int = BASE_TIME
    first_auction: int = 1000
    people: int = 40  # how many of the last people bid and sell
    auctions: int = 12  # how many of the last auctions get bids
    texts: tuple = ("a", "cc", "Caracas c", "x" * 40)
    newcomers: float = 0.1  # share of the events that are people
    instants: float = 0.3  # share of the steps that lead to the next instant at which something ends


COARSE = [100, 200, 300]
FINE = [9_999, 10_000, 999_999, 1_000_000, 1_101_321, 1_101_322, 55_066_079, 55_066_080, 100_000_000]
SHORT = [0, 0, 0, 1, 1, 2, 5, 40, 300]
KINDS = {
    "ties": Kind("few prices, many events a millisecond", COARSE, [0] * 8 + [1], [0, 1, 5, 30]),
    "borders": Kind(
        "times on the borders of windows", COARSE + FINE, [0, 1, 100, 999, 1000], [0, 999, 2000, 10_000]
    ),
    "sessions": Kind(
        "bids of a bidder 10 s apart, and a millisecond less or more", FINE, [0, 1, 700, 5000], [20_000], people=5
    ),
    "winners": Kind(
        "auctions that expire at a bid's time", COARSE, SHORT, [0, 1, 2, 40, 300], auctions=4, instants=0.5
    ),
    "texts": Kind(
        "texts that are empty or not ASCII, urls with few parts", FINE, SHORT, [100, 1000],
        texts=("", "", "é ccç", "c c", "-"),
    ),
    "days": Kind(
        "several days, all hours", FINE, [0, 60_000, HOUR, HOUR - 1, 1], [HOUR, DAY], base_time=BASE_TIME - 1
    ),
    "ids": Kind("auctions above 10,000", FINE, SHORT, [100, 5000], first_auction=9_900, auctions=300),
    "sellers": Kind(
        "few people, who bid, sell and register late", FINE, [0] * 5 + [1, 40, 300], [0, 1000], people=4,
        newcomers=0.01,
    ),
    "early": Kind(
        "times from the first milliseconds of 1970 on", COARSE, [0, 1, 500, 3000], [0, 500, 10_000], base_time=0
    ),
}  # fmt: skip


class Stream:
    """Makes events one by one."""

    def __init__(self, kind, seed):
        self.kind, self.random = kind, random.Random(seed)
        self.time = kind.base_time
        self.next_auction, self.next_person = kind.first_auction, 1000
        self.ends = {}  # instant: bids that are worth making then, as (auction, bidder)

    def text(self):
        return self.random.choice(self.kind.texts)

    def recent(self, following, count):
        """One of the last ids, or now and then one that is yet to come or never comes."""
        if self.random.random() < 0.05:
            return following + self.random.randrange(3)
        return following - 1 - self.random.randrange(count)

    def some_auction(self):
        return max(self.kind.first_auction, self.recent(self.next_auction, self.kind.auctions))

    def some_person(self):
        return max(1000, self.recent(self.next_person, self.kind.people))

    def remember(self, instant, auction, bidder):
        if instant >= self.time and self.random.random() < 0.2:
            self.ends.setdefault(instant, []).append((auction, bidder))

    def person(self):
        city, state = self.random.choice(PLACES)
        id, self.next_person = self.next_person, self.next_person + 1
        return {
            "type": "person", "id": id, "name": self.text(), "email_address": f"p{id}@example.com",
            "credit_card": "1234 5678 9012 3456", "city": city, "state": state, "date_time": self.time,
            "extra": self.text(),
        }  # fmt: skip

    def auction(self):
        id, self.next_auction = self.next_auction, self.next_auction + 1
        expires = self.time + self.random.choice(self.kind.lengths)
        for instant in (expires - 1, expires, expires, expires + 1):
            self.remember(instant, id, self.some_person())
        return {
            "type": "auction", "id": id, "item_name": self.text(), "description": self.text(),
            "initial_bid": self.random.choice(self.kind.prices), "reserve": self.random.choice(self.kind.prices),
            "date_time": self.time, "expires": expires, "seller": self.some_person(),
            "category": self.random.choice([10, 10, 11, 12, 13]), "extra": self.text(),
        }  # fmt: skip

    def bid(self, auction=None, bidder=None):
        auction = auction or self.some_auction()
        bidder = bidder or self.some_person()
        for border in (2000, 10_000):
            start = self.time - self.time % border + border
            self.remember(start - 1, auction, bidder)
            self.remember(start, auction, bidder)
        for gap in (9999, 10_000, 10_001):
            self.remember(self.time + gap, self.some_auction(), bidder)
        channel = self.random.choice([*HOT, f"channel-{self.random.randrange(20)}"])
        url = URL
        if channel not in HOT:
            url += self.random.choice(
                ["", "&channel_id=", "&channel_id=7&x=1&channel_id=8", "&xchannel_id=5", "&channel_id=9/a"]
            )
            if "" in self.kind.texts:
                channel = self.random.choice([channel, ""])
                url = self.random.choice([url, "", "channel_id=3&b/c", "a/b/c/d", "http://x/y&channel_id=-2147483648"])
        return {
            "type": "bid", "auction": auction, "bidder": bidder, "price": self.random.choice(self.kind.prices),
            "channel": channel, "url": url, "date_time": self.time, "extra": self.text(),
        }  # fmt: skip

    def step(self):
        """Time goes on, or stays; returns the bids that are worth making at the new time."""
        if self.ends and self.random.random() < self.kind.instants:
            self.time = min(self.ends)
            return self.ends.pop(self.time)
        self.time += self.random.choice(self.kind.steps)
        for instant in [i for i in self.ends if i <= self.time]:
            del self.ends[instant]
        return []

    def events(self):
        """Without end."""
        while True:
            for auction, bidder in self.step()[:6]:
                yield self.bid(auction, bidder)
            chance = self.random.random()
            if chance < self.kind.newcomers:
                yield self.person()
            elif chance < self.kind.newcomers + 0.1:
                yield self.auction()
            elif chance < self.kind.newcomers + 0.2:  # bids for an auction that comes in the same millisecond
                for _ in range(self.random.randrange(1, 4)):
                    yield self.bid(self.next_auction)
                yield self.auction()
            else:
                yield self.bid()


def stream(name, seed=1, events=3000, disorder=1):
    """The events of a stream, as dictionaries. As many consecutive ones as `disorder` says come in a random order."""
    made = list(itertools.islice(Stream(KINDS[name], f"{name} {seed}").events(), events))
    order = random.Random(seed)
    groups = (made[n : n + disorder] for n in range(0, events, disorder))
    return [event for group in groups for event in order.sample(group, len(group))]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="?", choices=KINDS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--events", type=int, default=3000)
    parser.add_argument("--disorder", type=int, default=1, help="so many consecutive events come in a random order")
    parser.add_argument("--list", action="store_true", help="print the streams' names and what they have")
    args = parser.parse_args()
    if args.list or not args.name:
        for name, kind in KINDS.items():
            print(f"{name:10}{kind.about}")
        return
    sys.stdout.reconfigure(encoding="utf-8", newline="\n")
    for event in stream(args.name, args.seed, args.events, args.disorder):
        print(json.dumps(event, ensure_ascii=False, separators=(",", ":")))


if __name__ == "__main__":
    main()
