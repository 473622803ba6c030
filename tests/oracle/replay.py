#!/usr/bin/env python3
"""The complete output of a Nexmark query, event by event: lines `EPOCH<TAB>DIFF<TAB>ROW`, sorted by bytes.

    floodway generate --format json --events 20k --rate 100 > events.jsonl
    replay.py events.jsonl q5 --rate 100 --epoch 1s

Line n of the file is event n. The options are those of `floodway run`. With --lines the file is the source itself
(`--source lines:events.jsonl`): its events may have any times, so no option says how far event time has come, and
queries that wait for it have only a final result (--final).
"""

import argparse
import json
import math
import sys
from collections import Counter

import schedule
from queries import KINDS, QUERIES


def read(path):
    """The events of a file, as (kind, event)."""
    events = []
    with open(path, encoding="utf-8", newline="\n") as lines:
        for n, line in enumerate(lines):
            fields = json.loads(line)
            kind = fields.pop("type")
            events.append((kind, KINDS[kind](n, **fields)))
    return events


def replay(name, events, times, frontier=None):
    """Yields (epoch, diff, row). `frontier` says how far event time has come if event n is the next epoch's first."""
    query = QUERIES[name](times)
    frontier = frontier or times.frontier
    epochs = [times.epoch(n) for n in range(len(events))]
    for n, (kind, event) in enumerate(events):
        getattr(query, kind)(event)
        if n + 1 == len(events):
            query.end_of_epoch(math.inf, math.inf)
        elif epochs[n + 1] != epochs[n]:
            query.end_of_epoch(frontier(n + 1), times.due(n + 1))
        else:
            continue
        for diff, row in query.changes():
            yield epochs[n], diff, row


def true_frontier(events):
    """The frontier of events with any times: the least time of all that follow."""
    least, later = math.inf, []
    for _, event in reversed(events):
        least = min(least, event.date_time)
        later.append(least)
    later.reverse()
    return later.__getitem__


def lines(changes):
    """Complete output. Python's order of texts is that of their bytes."""
    return sorted(f"{epoch}\t{diff}\t{row}" for epoch, diff, row in changes)


def final(changes):
    """The rows that remain when all changes are added up."""
    result = Counter()
    for _, diff, row in changes:
        result[row] += diff
    assert all(count >= 0 for count in result.values()), "a row was taken back that was not there"
    return sorted(result.elements())


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, parents=[schedule.arguments()], formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("events", help="file of events, as JSON lines")
    parser.add_argument("query", choices=QUERIES, metavar="qN")
    parser.add_argument("--lines", action="store_true", help="the file is the run's source, not the generator")
    parser.add_argument("--final", action="store_true", help="the rows that remain, without epochs")
    args = parser.parse_args()
    if args.lines and QUERIES[args.query].closes and not args.final:
        parser.error(f"--lines: the epochs of {args.query} depend on event time: add --final")
    rate = args.rate or ("max" if args.lines else "10k")
    times = schedule.Schedule(rate, args.epoch, args.shape, args.peak_rate, args.period, args.nexmark)
    events = read(args.events)
    changes = replay(args.query, events, times, true_frontier(events) if args.lines else None)
    sys.stdout.reconfigure(encoding="utf-8", newline="\n")
    sys.stdout.writelines(line + "\n" for line in (final if args.final else lines)(changes))


if __name__ == "__main__":
    main()
