//! Nexmark's queries against an oracle: a program in Python that answers them event by event, and knows nothing of
//! Floodway (`tests/oracle`).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::kills::{Killed, Way, until_killed};
use crate::common::{Place, end_of, error_of, for_all, parts, start_processes};

const QUERIES: usize = 24;
const EVENTS: &str = "8000";

/// Events, and how they are scheduled.
struct Stream {
    /// The options of `generate` and of `run`.
    events: &'static [&'static str],
    epoch: &'static str,
}

const STREAMS: [Stream; 3] = [
    Stream { events: &["--rate", "100"], epoch: "1s" },
    Stream {
        events: &[
            "--rate",
            "101",
            "--nexmark",
            "prob_delayed_event=0.2,out_of_order_group_size=70,first_event_number=54321",
        ],
        epoch: "3s",
    },
    // Some epochs have no events.
    Stream {
        events: &[
            "--rate",
            "100",
            "--peak-rate",
            "30k",
            "--shape",
            "square",
            "--period",
            "40ms",
            "--seed",
            "7",
        ],
        epoch: "7ms",
    },
];

/// A function that fails often, and how it is asked.
const FAILING: [&str; 8] = [
    "--local-lambda",
    "network=2ms,cold_start=5ms,failure_rate=0.2,seed=3",
    "--attempts",
    "2",
    "--batch",
    "50",
    "--linger",
    "1ms",
];

/// The oracle's folder.
fn oracle() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle")
}

/// What the oracle answers, of the events in the file `events`.
fn expected(python: &Path, place: &Place, query: &str, options: &[&str]) -> String {
    let mut command = Command::new(python);
    command.arg(oracle().join("replay.py")).arg(place.path("events")).arg(query).args(options);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", error_of(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// A place with the events of a stream, as JSON lines.
fn place(stream: &Stream) -> Place {
    let place = Place::in_memory();
    let args = [&["generate", "--format", "json", "--events", EVENTS], stream.events].concat();
    let output = place.run(&args);
    assert!(output.status.success(), "{}", error_of(&output));
    fs::write(place.path("events"), output.stdout).unwrap();
    place
}

/// Returns the options that the oracle needs of those of a stream: it is told the events.
fn schedule<'a>(stream: &Stream, epoch: &'a str) -> Vec<&'a str>
where
    'static: 'a,
{
    let mut options = vec!["--epoch", epoch];
    for option in stream.events.chunks(2).filter(|option| option[0] != "--seed") {
        options.extend(option);
    }
    options
}

/// Fails if a run has not committed these lines.
fn check(place: &Place, out: &str, expected: &str, what: &str) {
    let output = String::from_utf8(place.output(out)).unwrap();
    if output != expected {
        let differ = output.lines().zip(expected.lines()).find(|(one, other)| one != other);
        let (lines, wanted) = (output.lines().count(), expected.lines().count());
        panic!("{what}: {lines} lines for {wanted}, first {differ:?}");
    }
}

#[test]
fn every_query_commits_what_the_oracle_answers_under_every_policy() {
    let Some(python) = parts::python() else { return };
    let ways: [(&[&str], &str, usize); 4] = [
        (&[], "1", 1),
        (&["--policy", "remote"], "2", 1),
        (&["--policy", "spill", "--threshold", "1k"], "4", 1),
        (&["--policy", "deadline", "--deadline", "20ms", "--speed", "20"], "2", 2),
    ];
    let events = STREAMS.each_ref().map(place);
    let queries: Vec<usize> = (0..QUERIES).collect();
    for_all(&queries, |number| {
        let query = format!("q{number}");
        let place = Place::in_memory();
        for (at, (stream, events)) in STREAMS.iter().zip(&events).enumerate() {
            let wanted = expected(&python, events, &query, &schedule(stream, stream.epoch));
            // Each query has each way with one of the streams, and one with all.
            for way in [0, 1 + (number + at) % 3] {
                let (options, workers, processes) = ways[way];
                let out = format!("{query}-{at}-{way}");
                let run = ["run", "--query", &query, "--events", EVENTS, "--epoch", stream.epoch];
                let speed: &[&str] =
                    if options.contains(&"--speed") { &[] } else { &["--speed", "max"] };
                let more = ["--out", &out, "--", "-w", workers];
                let args = [&run[..], stream.events, speed, options, &FAILING, &more].concat();
                let args: Vec<&str> = if way == 0 { without_failing(&args) } else { args };
                let children = match processes {
                    1 => vec![place.start(&args)],
                    several => start_processes(&place, several, &args),
                };
                for child in children {
                    let ended = end_of(child, "a process");
                    assert!(ended.status.success(), "{args:?}: {}", error_of(&ended));
                }
                check(&place, &out, &wanted, &format!("{args:?}"));
            }
        }
    });
}

/// Returns the options without those of the failing function, which a run that sends nothing refuses.
fn without_failing<'a>(args: &[&'a str]) -> Vec<&'a str> {
    args.iter().copied().filter(|arg| !FAILING.contains(arg)).collect()
}

#[test]
fn queries_answer_events_that_the_generator_does_not_make() {
    let Some(python) = parts::python() else { return };
    let list = Command::new(&python).arg(oracle().join("streams.py")).arg("--list").output();
    let list = String::from_utf8(list.unwrap().stdout).unwrap();
    let names: Vec<&str> = list.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(names.len() > 3, "{list}");
    // Where events come in disorder, the order of numbers is not that of ids.
    let in_order = names.iter().map(|name| (*name, "1"));
    let streams: Vec<_> = in_order.chain([("winners", "8")]).collect();
    for_all(&streams, |(name, disorder)| {
        let place = Place::in_memory();
        let made = Command::new(&python)
            .arg(oracle().join("streams.py"))
            .args([*name, "--events", "1500", "--disorder", disorder])
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", error_of(&made));
        fs::write(place.path("events"), made.stdout).unwrap();
        for number in 0..QUERIES {
            let query = format!("q{number}");
            let wanted = expected(&python, &place, &query, &["--lines", "--final"]);
            let run = ["run", "--query", &query, "--source", "lines:events", "--out", &query];
            place.run_well(&run);
            let output = String::from_utf8(place.output(&query)).unwrap();
            assert!(added_up(&output) == wanted, "{query} of {name}");
        }
    });
}

/// Returns the rows that remain of changes, sorted.
fn added_up(lines: &str) -> String {
    let mut rows = std::collections::BTreeMap::new();
    for line in lines.lines() {
        let mut fields = line.splitn(3, '\t').skip(1);
        let difference: i64 = fields.next().unwrap().parse().unwrap();
        *rows.entry(fields.next().unwrap()).or_insert(0) += difference;
    }
    rows.iter().flat_map(|(row, count)| (0..*count).map(move |_| format!("{row}\n"))).collect()
}

#[test]
fn killed_queries_commit_what_the_oracle_answers() {
    let Some(python) = parts::python() else { return };
    const STARTS: [Way; 4] = [
        Way { workers: "1", processes: 1, options: &["--policy", "local"] },
        Way { workers: "2", processes: 1, options: &["--policy", "remote"] },
        Way { workers: "4", processes: 1, options: &["--policy", "remote"] },
        Way { workers: "2", processes: 2, options: &["--policy", "deadline"] },
    ];
    let stream = &STREAMS[1];
    let events = place(stream);
    for query in ["q4", "q5", "q6", "q8", "q9", "q11", "q15", "q19", "q20", "q23"] {
        let wanted = expected(&python, &events, query, &schedule(stream, stream.epoch));
        until_killed(1, |random| {
            let place = Place::in_memory();
            let run = ["run", "--query", query, "--events", EVENTS, "--epoch", stream.epoch];
            let state = ["--out", "out", "--state", "state", "--speed", "40"];
            let commits = ["--commit-every", "60ms"];
            let args = [&run[..], stream.events, &state, &commits, &FAILING].concat();
            let after = std::time::Duration::from_millis(400);
            let run = Killed { place: &place, args: &args, ways: &STARTS, commits: "out", after };
            let kills = run.until_done(random);
            check(&place, "out", &wanted, query);
            kills
        });
    }
}
