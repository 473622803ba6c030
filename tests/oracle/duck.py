#!/usr/bin/env python3
"""The final rows of Nexmark queries, by SQL over all events: sorted by bytes, as `ROW` of `floodway run --query`.

    floodway generate --format json --events 20k --rate 100 > events.jsonl
    duck.py events.jsonl q5
    duck.py events.jsonl q12 --rate 100
    duck.py events.jsonl q0 q1 q2 --out FOLDER

Line n of the file is event n. Only q12 needs to know when events are due: --rate and --base-time say so if the rate is
constant (or max), and else a file with the due time of each event, in Unix milliseconds, one a line.
"""

import argparse
import sys
from fractions import Fraction
from pathlib import Path

import duckdb

SQL = Path(__file__).resolve().parent / "sql"
QUERIES = [f"q{number}" for number in range(24)]
INTEGERS = "id date_time initial_bid reserve expires seller category auction bidder price".split()
TEXTS = "type name email_address credit_card city state extra item_name description channel url".split()


def sql(name):
    return (SQL / f"{name}.sql").read_text(encoding="utf-8")


def per_second(text):
    """A rate as (events, seconds). Under max, event time is that of 10,000 a second."""
    text = "10k" if text == "max" else text
    factor = {"k": 10**3, "M": 10**6}.get(text[-1], 1)
    return (Fraction(text.rstrip("kM")) * factor).as_integer_ratio()


class Duck:
    """A database of events."""

    def __init__(self, path, rate="10k", base_time=1436918400000, due=None, where="true"):
        """The events of a file for which `where` holds."""
        self.db = duckdb.connect()
        # One thread, so that rows are numbered in the order of lines.
        self.db.execute("SET threads = 1")
        columns = {name: "BIGINT" for name in INTEGERS} | {name: "VARCHAR" for name in TEXTS}
        numbered = "SELECT row_number() OVER () - 1 AS n, * FROM"
        self.db.execute(
            f"CREATE TABLE event AS SELECT * FROM ({numbered} read_ndjson($path, columns = $columns)) WHERE {where}",
            {"path": str(path), "columns": columns},
        )
        if due:
            times = "read_csv($path, columns = {'due': 'BIGINT'}, header = false)"
            self.db.execute(f"CREATE TABLE due AS {numbered} {times}", {"path": str(due)})
        else:
            # The first whole nanosecond at which n events are due, in milliseconds.
            events, seconds = per_second(rate)
            nanoseconds = f"(n::HUGEINT * {10**9 * seconds} + {events - 1}) // {events}"
            self.db.execute(
                f"CREATE VIEW due AS SELECT n, {base_time} + ({nanoseconds} // 1000000)::BIGINT AS due FROM event"
            )
        self.db.execute(sql("tables"))

    def rows(self, query):
        """A query's rows, as text. Python's order of texts is that of their bytes."""
        return sorted(",".join(map(str, row)) for row in self.db.execute(sql(query)).fetchall())

    def count(self, query):
        return self.db.execute(f"SELECT count(*) FROM ({sql(query)})").fetchone()[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("events", help="file of events, as JSON lines")
    parser.add_argument("queries", nargs="+", choices=QUERIES, metavar="qN")
    parser.add_argument("--rate", default="10k", help="events per second, or max (10k)")
    parser.add_argument("--base-time", type=int, default=1436918400000, help="when event 0 is due, in Unix ms")
    parser.add_argument("--due", help="file of due times, in place of these two")
    parser.add_argument("--count", action="store_true", help="print only how many rows there are")
    parser.add_argument("--out", type=Path, help="folder for a file of rows for each query")
    args = parser.parse_args()
    duck = Duck(args.events, args.rate, args.base_time, args.due)
    sys.stdout.reconfigure(encoding="utf-8", newline="\n")
    for query in args.queries:
        if args.count:
            print(query, duck.count(query))
        elif args.out:
            args.out.mkdir(parents=True, exist_ok=True)
            with open(args.out / query, "w", encoding="utf-8", newline="\n") as file:
                file.writelines(row + "\n" for row in duck.rows(query))
        else:
            sys.stdout.writelines(row + "\n" for row in duck.rows(query))


if __name__ == "__main__":
    main()
