"""The two engines agree: `FLOODWAY=target/release/floodway python tests/oracle/test_oracle.py [--full]`.

FLOODWAY is the command that makes the events. With --full, SQL also counts the rows of a million events.
"""

import json
import os
import subprocess
import sys
import tempfile
import unittest
from collections import Counter
from pathlib import Path

import replay
import schedule
import streams

try:
    import duck
except ModuleNotFoundError as missing:
    if os.environ.get("FLOODWAY_REQUIRE") == "all":
        raise
    reason = f"{missing}: .ci/requirements.txt has it"
    if __name__ == "__main__":
        sys.exit(reason)
    raise unittest.SkipTest(reason) from missing

FLOODWAY = os.environ.get("FLOODWAY")
FULL = "--full" in sys.argv
QUERIES = duck.QUERIES
CHANGELOG = ["q4", "q6", "q9", "q15", "q16", "q17", "q18", "q19"]

# Options of a run, without its events: what the table at the end of the queries' definition asks for.
RUNS = [
    {},
    {"rate": "max"},
    {"rate": "100", "epoch": "1s"},
    {"rate": "2", "epoch": "10m"},
    {"rate": "1M", "epoch": "1ms"},
    {"nexmark": "first_event_number=1234567"},
    {"rate": "100", "nexmark": "hot_auction_ratio=1"},
    {"rate": "100", "nexmark": "prob_delayed_event=0.1"},
    {"rate": "100", "nexmark": "out_of_order_group_size=1000"},
    {"rate": "101", "nexmark": "prob_delayed_event=0.2,out_of_order_group_size=70,first_event_number=54321"},
    {"rate": "100", "peak_rate": "30k", "shape": "square", "period": "40ms", "epoch": "7ms"},
]
# Rows of 200k and 1M events, seed 1.
ROWS = {
    "q0": (184_000, 920_000), "q1": (184_000, 920_000), "q2": (1_518, 6_890), "q3": (1_331, 6_170), "q4": (5, 5),
    "q5": (16, 57), "q6": (1_869, 9_897), "q7": (2, 10), "q8": (1_752, 8_426), "q9": (11_148, 55_867),
    "q10": (184_000, 920_000), "q11": (3_918, 19_918), "q12": (4_754, 27_444), "q13": (184_000, 920_000),
    "q14": (52_133, 260_628), "q15": (1, 1), "q16": (10_003, 10_004), "q17": (11_995, 59_974),
    "q18": (57_958, 292_819), "q19": (88_591, 441_571), "q20": (34_888, 201_710), "q21": (174_749, 874_033),
    "q22": (184_000, 920_000), "q23": (275_070, 1_283_327),
}  # fmt: skip
CHANGES = {"q9": 20_864, "q16": 171_171, "q17": 44_621, "q18": 83_742, "q19": 180_983}
AT_100 = {"q5": 1_004, "q7": 200, "q8": 129, "q11": 34_040, "q12": 39_436}


def setUpModule():
    global folder
    temporary = tempfile.TemporaryDirectory()
    unittest.addModuleCleanup(temporary.cleanup)
    folder = Path(temporary.name)


def flags(options):
    return [word for key, value in options.items() for word in ("--" + key.replace("_", "-"), str(value))]


def generate(events, **options):
    """A file of the generator's events."""
    if not FLOODWAY:
        if os.environ.get("FLOODWAY_REQUIRE") == "all":
            raise AssertionError("FLOODWAY is not set: it names the command that makes the events")
        raise unittest.SkipTest("FLOODWAY is not set")
    options.pop("epoch", None)
    path = folder / "events.jsonl"
    with open(path, "wb") as file:
        command = [FLOODWAY, "generate", "--format", "json", "--events", str(events), *flags(options)]
        subprocess.run(command, stdout=file, check=True)
    return path


def times_of(options):
    named = {"rate": "rate_text", "nexmark": "options"}
    return schedule.Schedule(**{named.get(key, key): value for key, value in options.items()})


class Test(unittest.TestCase):
    def agree(self, query, expected, got):
        """Both are sorted lists of rows."""
        if expected != got:
            missing, extra = Counter(expected) - Counter(got), Counter(got) - Counter(expected)
            examples = sorted(missing.elements())[:3], sorted(extra.elements())[:3]
            self.fail(f"{query}: SQL has {len(expected)} rows and the replay {len(got)}; only in one: {examples}")


class Streams(Test):
    def test_sql_and_the_replay_give_the_same_rows_of_every_special_stream(self):
        for name in streams.KINDS:
            for seed, disorder in ((1, 1), (2, 50)):
                path = folder / "stream.jsonl"
                lines = (json.dumps(event) + "\n" for event in streams.stream(name, seed, disorder=disorder))
                path.write_text("".join(lines), encoding="utf-8")
                events = replay.read(path)
                sql = duck.Duck(path, rate="50")
                expected = {query: sql.rows(query) for query in QUERIES}
                for epoch in ("100ms", "7s"):
                    times = schedule.Schedule("50", epoch)
                    for query in QUERIES:
                        with self.subTest(stream=name, seed=seed, epoch=epoch, query=query):
                            changes = replay.replay(query, events, times, replay.true_frontier(events))
                            self.agree(query, expected[query], replay.final(changes))


class Generated(Test):
    def test_sql_and_the_replay_give_the_same_rows_at_the_end_and_at_epochs_before(self):
        for options in RUNS:
            path, times = generate(20_000, **options), times_of(options)
            events = replay.read(path)
            due = folder / "due"
            due.write_text("".join(f"{times.due(n)}\n" for n in range(len(events))), encoding="utf-8")
            sql = duck.Duck(path, due=due)
            outputs = {query: list(replay.replay(query, events, times)) for query in QUERIES}
            for query, changes in outputs.items():
                with self.subTest(**options, query=query):
                    self.agree(query, sql.rows(query), replay.final(changes))
                    self.check_form(query, changes)
            last = times.epoch(len(events) - 1)
            for epoch in {last // 3, last * 4 // 5} - {last}:
                self.check_epoch(path, due, sql, times, epoch, outputs, options)

    def check_form(self, query, changes):
        if query in CHANGELOG:
            self.assertEqual(len(changes), len({(epoch, row) for epoch, _, row in changes}), query)
            self.assertNotIn(0, (diff for _, diff, _ in changes), query)
        else:
            self.assertLessEqual({diff for _, diff, _ in changes}, {1}, query)

    def check_epoch(self, path, due, sql, times, epoch, outputs, options):
        """SQL, of the events of these epochs or of what has ended by then, has the rows that the replay has."""
        first = next(n for n in range(10**9) if times.epoch(n) > epoch)
        event_time = times.frontier(first)
        until_epoch = duck.Duck(path, due=due, where=f"n < {first}")
        until_window = duck.Duck(path, due=due, where=f"date_time < {event_time // 10_000 * 10_000}")
        closed = duck.Duck(path, due=due, where=f"type <> 'auction' OR expires < {event_time}")
        of_window = "SELECT auction, num FROM counts"
        self.assertIn(of_window, duck.sql("q5"))
        windows = duck.sql("q5").replace(of_window, "SELECT auction, num, start + 10000 FROM counts")
        hot = sql.db.execute(windows).fetchall()
        for query in QUERIES:
            if query == "q5":
                expected = sorted(f"{auction},{count}" for auction, count, end in hot if end <= event_time)
            elif query in ("q7", "q8"):
                expected = until_window.rows(query)
            elif query == "q6":
                expected = closed.rows(query)
            elif query in ("q11", "q12"):
                now = event_time if query == "q11" else times.due(first)
                expected = [row for row in sql.rows(query) if int(row.split(",")[-1]) <= now]
            else:
                expected = until_epoch.rows(query)
            with self.subTest(**options, query=query, at=epoch):
                self.agree(query, expected, replay.final(c for c in outputs[query] if c[0] <= epoch))

    def test_events_have_the_times_that_the_schedule_gives_them(self):
        for options in [*RUNS, {"rate": "3000001"}, {"rate": "0.5"}]:
            times = times_of(options)
            for n, (_, event) in enumerate(replay.read(generate(5_000, **options))):
                number, group = times.first + n, times.group
                undelayed = times.undelayed(number - number % group + number * 953 % group)
                self.assertLessEqual(undelayed - times.delay, event.date_time, (options, n))
                self.assertLessEqual(event.date_time, undelayed, (options, n))

    def test_a_run_commits_as_many_events_of_its_epochs_as_the_schedule_has(self):
        square = {"rate": "100", "peak_rate": "3k", "shape": "square", "period": "40ms", "epoch": "7ms"}
        for options in ({"rate": "10k"}, {"rate": "1001", "epoch": "7ms"}, square, {"rate": "max"}):
            events, times = 110_000 if options["rate"] == "max" else 300, times_of(options)
            generate(1)
            out = Path(tempfile.mkdtemp(dir=folder))
            command = [FLOODWAY, "run", "--task", "words", "--events", str(events), "--out", out, *flags(options)]
            subprocess.run([*command, "--commit-every", "7ms"], check=True, capture_output=True)
            commits = [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()[1:]]
            self.assertGreater(len(commits), 0)
            for commit in commits:
                expected = sum(times.epoch(n) <= commit["up_to_epoch"] for n in range(events))
                self.assertEqual(commit["total_records"], expected, (options, commit["up_to_epoch"]))


class Counts(Test):
    def test_200k_events_have_the_rows_and_changes_that_the_definition_states(self):
        path, times = generate(200_000), schedule.Schedule()
        events, sql = replay.read(path), duck.Duck(path)
        self.assertEqual(times.epoch(len(events) - 1), 199)
        for query, (rows, _) in ROWS.items():
            with self.subTest(query=query):
                changes = list(replay.replay(query, events, times))
                self.assertEqual(len(changes), CHANGES.get(query, len(changes)), query)
                expected = sql.rows(query)
                self.assertEqual(len(expected), rows, query)
                self.agree(query, expected, replay.final(changes))

    def test_200k_events_at_100_a_second_have_the_rows_that_the_definition_states(self):
        path, times = generate(200_000, rate=100), schedule.Schedule("100", "1s")
        events, sql = replay.read(path), duck.Duck(path, rate="100")
        for query, rows in AT_100.items():
            with self.subTest(query=query):
                expected = sql.rows(query)
                self.assertEqual(len(expected), rows, query)
                self.agree(query, expected, replay.final(replay.replay(query, events, times)))
        path = generate(200_000, rate=100, nexmark="hot_auction_ratio=1")
        self.assertEqual(duck.Duck(path).count("q5"), 1_429)

    @unittest.skipUnless(FULL, "--full")
    def test_a_million_events_have_the_rows_that_the_definition_states(self):
        sql = duck.Duck(generate(10**6))
        for query, (_, rows) in ROWS.items():
            with self.subTest(query=query):
                self.assertEqual(sql.count(query), rows, query)


if __name__ == "__main__":
    unittest.main(argv=[arg for arg in sys.argv if arg != "--full"])
