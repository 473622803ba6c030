//! A run that is ended, however it is, and started again with the same command: its output is that of
//! a run that was never ended.
//!
//! The instants of the kills are random (`tests/common/kills.rs`), and there can be more of them:
//! `FLOODWAY_KILLS=1000 cargo test --test integration resume::killed`.

use std::fs;
use std::io::Write as _;
use std::time::{Duration, Instant};

use crate::common::kills::{Killed, Way, kills, random};
use crate::common::{Place, end_of, error_of, output_of, poll, signal, start_processes};
use floodway::sink::Manifest;
use rustix::process::Signal;
use serde_json::Value;

/// A second of events in commits of 50 ms.
const INPUT: [&str; 8] =
    ["--rate", "60k", "--duration", "1200ms", "--epoch", "10ms", "--seed", "5"];
const COMMITS: [&str; 2] = ["--commit-every", "50ms"];

/// `run` with this input, `output` and more.
fn run<'a>(output: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    [&["run"], &INPUT[..], &COMMITS[..], output, more].concat()
}

const RESUMED: [&str; 4] = ["--out", "out", "--state", "state"];

/// The output of a run that nobody ends.
fn expected(place: &Place) -> Vec<u8> {
    place.run_well(&run(&["--out", "expected"], &[]));
    place.output("expected")
}

fn total(summary: &Value, field: &str) -> u64 {
    summary["total"][field].as_u64().unwrap()
}

/// Waits until something is committed.
fn committed(place: &Place, commits: usize) {
    poll("a commit", || {
        let manifest = Manifest::read(&place.path("out")).ok()?;
        (manifest.commits.len() >= commits).then_some(())
    });
}

#[test]
fn the_same_command_resumes_where_it_was_stopped() {
    let place = Place::new();
    let expected = expected(&place);
    let all = [&["run", "--summary", "summary.json"][..], &run(&RESUMED, &[])[1..]].concat();
    let child = place.start(&all);
    committed(&place, 3);
    signal(&child, Signal::TERM);
    assert_eq!(end_of(child, "the run").status.code(), Some(0));
    let first = place.summary();
    assert_eq!((&first["stopped"], total(&first, "runs")), (&"signal".into(), 1));

    // With other workers, another policy, and more processes it is the same output.
    let more = ["--policy", "remote", "--local-lambda", "network=2ms,failure_rate=0.1"];
    let began = Instant::now();
    let second = place.run_well(&run(&RESUMED, &[&more[..], &["--", "-w", "3"]].concat()));
    assert!(place.output("out") == expected);
    let done = |summary: &Value| summary["results_out"].as_u64().unwrap();
    assert_eq!(done(&first) + done(&second), 72_000);
    assert!(done(&first) > 0 && done(&second) > 0);
    assert_eq!(total(&second, "results_out"), 72_000);
    assert_eq!((total(&second, "events_in"), total(&second, "runs")), (72_000, 2));
    let epochs = |summary: &Value| summary["epochs"].as_u64().unwrap();
    assert_eq!(epochs(&first) + epochs(&second), 120);
    // The schedule goes on where it stood: nothing is late by what the first run lasted.
    let wall = second["wall_ms"].as_f64().unwrap();
    assert!(wall < began.elapsed().as_secs_f64() * 1e3, "{second}");

    // What is complete is complete.
    let third = place.run_well(&run(&RESUMED, &[]));
    assert_eq!((done(&third), total(&third, "results_out")), (0, 72_000));
    assert!(place.output("out") == expected);
    let stray = fs::read_dir(place.path("out"))
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with('.'));
    assert_eq!(stray.count(), 0);
}

#[test]
fn lines_resume_where_they_stopped_unless_the_file_was_changed() {
    let place = Place::new();
    Input::Files.make(&place);
    let input = Input::Files.options();
    let whole = place.run_well(&[&["run"][..], &input, &["--out", "expected"]].concat());
    let dead = sorted(&place, "dead.jsonl");
    fs::remove_file(place.path("dead.jsonl")).unwrap();
    // The state may be on another file system.
    let memory = std::path::Path::new("/dev/shm");
    let elsewhere = memory.exists().then(|| tempfile::tempdir_in(memory).unwrap());
    let state = elsewhere.as_ref().map_or(place.path("state"), |dir| dir.path().join("state"));
    let resumed = ["--out", "out", "--state", state.to_str().unwrap()];
    let command = [&["run"][..], &input, &COMMITS, &resumed].concat();
    for _ in 0..2 {
        // The first run may have made any number of commits until it was stopped.
        let before = place.commits("out");
        let child = place.start(&command);
        committed(&place, before + 3);
        signal(&child, Signal::TERM);
        assert_eq!(end_of(child, "the run").status.code(), Some(0));
    }
    // A file that shrank, and one that is another.
    let log = place.path("logs/a.log");
    let text = fs::read(&log).unwrap();
    for changed in [&text[..100], &[b"x", &text[1..]].concat()] {
        fs::write(&log, changed).unwrap();
        let output = place.run(&command);
        let error = error_of(&output);
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert!(error.contains("logs/a.log"), "{error}");
    }
    fs::write(&log, text).unwrap();
    let last = place.run_well(&command);
    assert!(place.output("out") == place.output("expected"));
    assert!(sorted(&place, "dead.jsonl") == dead);
    assert_eq!(total(&last, "events_in"), whole["events_in"].as_u64().unwrap());
    assert_eq!(total(&last, "runs"), 3, "one that is refused has not begun");
}

#[test]
fn a_state_of_another_command_is_refused() {
    let place = Place::new();
    let refused = |args: &[&str], what: &str| {
        let output = place.run(args);
        let error = error_of(&output);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {error}");
        assert!(error.contains(what), "{args:?}: {error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    };
    let lines = ["run", "--source", "lines:-", "--out", "out", "--state", "state"];
    refused(&lines, "standard input cannot be read again");
    let max = ["run", "--rate", "max", "--duration", "1s", "--out", "out", "--state", "state"];
    refused(&max, "give --events N");
    refused(&["run", "--sink", "null", "--state", "state"], "give --out DIR");
    refused(&["run", "--events", "1", "--state", "state"], "needs --out DIR");

    let small = |more: &[&'static str]| {
        let events = ["run", "--events", "2k", "--rate", "max", "--out", "out", "--state", "state"];
        [&events[..], more].concat()
    };
    place.run_well(&small(&["--seed", "1"]));
    refused(&small(&["--seed", "2"]), "--seed was 1 and is 2");
    refused(&small(&["--task", "bpe"]), "--task was words and is bpe");
    refused(
        &small(&["--dead-letter", "bad.jsonl"]),
        "--dead-letter was not given and is bad.jsonl",
    );
    // The same, written in another way, is the same.
    let same = ["run", "--events", "2000", "--rate", "max", "--out", "out", "--state", "state"];
    place.run_well(&[&same[..], &["--max-record", "1024Ki"]].concat());

    // Another output than the state's is refused, and replaced if that is asked for; its own never is.
    let other = ["run", "--events", "10", "--rate", "max", "--out", "out", "--overwrite"];
    place.run_well(&other);
    refused(&small(&[]), "holds another run's output");
    assert_eq!(total(&place.run_well(&small(&["--overwrite"])), "results_out"), 2_000);
    assert_eq!(place.run_well(&small(&["--overwrite"]))["results_out"], 0);

    // A file of the output that was changed.
    let part = fs::read_dir(place.path("out")).unwrap().find_map(|entry| {
        let path = entry.unwrap().path();
        path.file_name()?.to_str()?.starts_with("part-").then_some(path)
    });
    fs::write(part.unwrap(), "").unwrap();
    let output = place.run(&small(&[]));
    let error = error_of(&output);
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("was changed since"), "{error}");

    fs::write(place.path("state/state.json"), "{").unwrap();
    refused(&small(&[]), "is not the record of a state");
}

#[test]
fn a_state_is_used_by_one_run_at_a_time() {
    let place = Place::new();
    let mut child = place.start(&run(&RESUMED, &["--work", "1ms"]));
    poll("the state", || place.path("state/state.json").exists().then_some(()));
    let output = place.run(&run(&RESUMED, &[]));
    let error = error_of(&output);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("another run is using it"), "{error}");
    // The lock dies with its owner.
    child.kill().unwrap();
    child.wait().unwrap();
    let expected = expected(&place);
    place.run_well(&run(&RESUMED, &[]));
    assert!(place.output("out") == expected);
}

/// US dollars that the state says were spent, by so many processes.
fn spent(place: &Place) -> (f64, usize) {
    let files = fs::read_dir(place.path("state")).unwrap().filter_map(|entry| {
        let path = entry.unwrap().path();
        let name = path.file_name()?.to_str()?;
        // Another is being written.
        let is_whole = name.starts_with("spent-") && name.ends_with(".json");
        is_whole.then(|| {
            let json: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            json["usd"].as_f64().unwrap()
        })
    });
    files.fold((0.0, 0), |(sum, files), usd| (sum + usd, files + 1))
}

#[test]
fn a_budget_includes_what_earlier_runs_spent() {
    let place = Place::new();
    let input = ["run", "--rate", "10k", "--duration", "3s", "--epoch", "10ms", "--batch", "50"];
    let whole = [&input[..], &["--out", "expected"]].concat();
    place.run_well(&whole[..]);
    let remote = ["--policy", "remote", "--local-lambda", "network=2ms"];
    let more = ["--summary", "summary.json", "--max-in-flight", "8"];
    let resumed = [&input[..], &COMMITS, &RESUMED, &remote, &more].concat();

    let mut processes = start_processes(&place, 2, &resumed);
    poll("what both spend", || {
        (place.path("state").exists() && spent(&place).1 == 2).then_some(())
    });
    processes[1].kill().unwrap();
    assert_eq!(end_of(processes.remove(0), "the other one").status.code(), Some(1));
    processes[0].wait().unwrap();
    let (known, _) = spent(&place);
    assert!(known > 0.0 && place.output("out") != place.output("expected"));

    // All of it is spent, whoever spent it: not even a probe goes.
    let none = (known * 0.999).to_string();
    let command = [&resumed[..], &["--budget-total", &none]].concat();
    let before = place.commits("out");
    let child = place.start(&command);
    committed(&place, before + 3);
    signal(&child, Signal::TERM);
    let output = end_of(child, "the run");
    let said = error_of(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("the budget is spent"), "{said}");
    let words = output_of(&output);
    assert!(words.contains("for all 2 runs of this state"), "{words}");
    let summary = place.summary();
    assert_eq!((&summary["attempts"], &summary["cost_usd"]), (&0.into(), &0.0.into()), "{summary}");
    let in_all = |summary: &Value| summary["total"]["cost_usd"].as_f64().unwrap();
    assert!((in_all(&summary) - known).abs() < 1e-9, "{summary}");
    assert!(summary["over_budget_ms"].as_f64().unwrap() > 0.0, "{summary}");

    // A little more of it is that, and no more: 150 requests would cost it if they took no time. 8 are in flight.
    let little = (known + 150.0 * 0.2e-6).to_string();
    let last = place.run_well(&[&resumed[..], &["--budget-total", &little]].concat());
    assert!(place.output("out") == place.output("expected"));
    assert!(last["records_remote"].as_u64().unwrap() > 0, "{last}");
    // On a busy machine what was in flight when the budget was spent may cost more than it was believed to: what the
    // run cost says less than how often it sent.
    assert!(last["over_budget_ms"].as_f64().unwrap() > 0.0, "{last}");
    assert!(last["attempts"].as_u64().unwrap() <= 150 + 8, "{last}");
    assert!(last["records_local"].as_u64().unwrap() > 0, "{last}");
    let (spent, processes) = spent(&place);
    assert!((in_all(&last) - spent).abs() < 1e-6 && processes == 2, "{spent}: {last}");
}

/// What a run reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Input {
    /// Nexmark events.
    Events,
    /// The same, of which some are too long.
    Short,
    /// Lines of several files, two of them packed.
    Files,
    /// Lines of a file that is so large that all workers read it.
    Large,
}

impl Input {
    const ALL: [Input; 4] = [Input::Events, Input::Short, Input::Files, Input::Large];

    fn options(self) -> Vec<&'static str> {
        match self {
            Input::Events => INPUT.to_vec(),
            Input::Short => {
                [&INPUT[..], &["--max-record", "150", "--dead-letter", "dead.jsonl"]].concat()
            }
            Input::Files => {
                let input = ["--source", "lines:logs/*", "--dead-letter", "dead.jsonl"];
                [&input[..], &["--rate", "60k", "--epoch", "10ms"]].concat()
            }
            Input::Large => vec!["--source", "lines:large.log"],
        }
    }

    /// Makes the files in a place.
    fn make(self, place: &Place) {
        match self {
            Input::Events | Input::Short => {}
            Input::Files => {
                fs::create_dir(place.path("logs")).unwrap();
                let lines = |from: u32, to| (from..to).map(line).collect::<Vec<_>>().concat();
                let write = |name: &str, bytes: &[u8]| {
                    fs::write(place.path("logs").join(name), bytes).unwrap();
                };
                write("a.log", &lines(0, 20_000));
                let mut gzip = flate2::write::GzEncoder::new(Vec::new(), Default::default());
                gzip.write_all(&lines(20_000, 40_000)).unwrap();
                write("b.log.gz", &gzip.finish().unwrap());
                write("c.log.zst", &zstd::encode_all(&*lines(40_000, 55_000), 1).unwrap());
                // Without an end.
                write("d.log", &[&*lines(55_000, 70_000), b"\xff\nand an end"].concat());
            }
            Input::Large => {
                let lines: Vec<u8> = (0..450_000).flat_map(line).collect();
                assert!(lines.len() > 16 << 20);
                fs::write(place.path("large.log"), lines).unwrap();
            }
        }
    }
}

/// A line of text, and now and then one that is none.
fn line(number: u32) -> Vec<u8> {
    match number % 1_000 {
        999 => format!("{number} \u{e9}t\u{e9} \u{4e16}\u{754c}\r\n").into_bytes(),
        500 => [number.to_string().as_bytes(), b" \xc3\n"].concat(),
        _ => format!("{number} of some words, {:x} among them\n", number.wrapping_mul(0x9e37_79b1))
            .into_bytes(),
    }
}

const FAILING: &str = "network=3ms,cold_start=20ms,failure_rate=0.1,throttle_rate=0.1";
const LOCAL: [&str; 2] = ["--policy", "local"];
const REMOTE: [&str; 4] = ["--policy", "remote", "--local-lambda", FAILING];
const SPILL: [&str; 6] = ["--policy", "spill", "--threshold", "20k", "--local-lambda", FAILING];
const THRESHOLD: [&str; 6] =
    ["--policy", "threshold", "--threshold", "20k", "--local-lambda", FAILING];
const DEADLINE: [&str; 6] = ["--policy", "deadline", "--work", "30us", "--local-lambda", FAILING];

const RUNS: [(Input, Way); 9] = [
    (Input::Events, Way { workers: "1", processes: 1, options: &LOCAL }),
    (Input::Files, Way { workers: "2", processes: 1, options: &REMOTE }),
    (Input::Events, Way { workers: "4", processes: 1, options: &DEADLINE }),
    (Input::Large, Way { workers: "2", processes: 1, options: &LOCAL }),
    (Input::Events, Way { workers: "1", processes: 2, options: &SPILL }),
    (Input::Short, Way { workers: "3", processes: 1, options: &REMOTE }),
    (Input::Large, Way { workers: "1", processes: 2, options: &LOCAL }),
    (Input::Files, Way { workers: "1", processes: 2, options: &DEADLINE }),
    (Input::Events, Way { workers: "2", processes: 2, options: &THRESHOLD }),
];

#[test]
fn killed_at_any_instant_it_ends_with_the_same_output() {
    let (kills, mut random) = (kills(100), random());
    // What a run of each input comes to that nobody ends: its lines, its dead letters, its records.
    let whole = Input::ALL.map(|input| {
        let place = Place::new();
        input.make(&place);
        let summary = place.run_well(&[&["run"][..], &input.options(), &["--out", "out"]].concat());
        let records = summary["events_in"].as_u64().unwrap();
        (place.output("out"), sorted(&place, "dead.jsonl"), records)
    });
    assert!([1, 2].iter().all(|at| !whole[*at].1.is_empty()), "some are dead letters");

    let mut killed = 0;
    for (input, way) in RUNS.iter().cycle() {
        let place = Place::new();
        input.make(&place);
        let summary = ["--summary", "summary.json"];
        let args = [&["run"][..], &input.options(), &COMMITS, &RESUMED, &summary].concat();
        let times = Killed {
            place: &place,
            args: &args,
            ways: std::slice::from_ref(way),
            commits: "out",
            after: Duration::from_millis(350),
        }
        .until_done(&mut random);
        let said = format!("after {killed} and {times} kills, {input:?} with {:?}", way.options);
        let (lines, letters, records) = &whole[*input as usize];
        assert!(place.output("out") == *lines, "{said}");
        assert!(sorted(&place, "dead.jsonl") == *letters, "{said}");
        let summary = place.summary();
        assert_eq!(total(&summary, "events_in"), *records, "{said}");
        // One that is killed before it has looked at its state has not begun.
        assert!(total(&summary, "runs") as usize <= times + 1, "{said}");
        // What is complete is complete.
        let again = [&["run"][..], &input.options(), &RESUMED].concat();
        assert_eq!(place.run_well(&again)["results_out"], 0, "{said}");
        assert!(place.output("out") == *lines, "{said}");
        killed += times;
        if killed >= kills {
            break;
        }
    }
    eprintln!("killed {killed} times");
}

/// The sorted lines of a file.
fn sorted(place: &Place, file: &str) -> Vec<String> {
    let text = fs::read_to_string(place.path(file)).unwrap_or_default();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort_unstable();
    lines
}

/// What a shell substitutes for a process is a pipe: its rates are those of the run and of its state.
#[test]
fn a_trace_that_is_a_pipe_is_read_once() {
    let place = Place::new();
    let run = |rows: &str, command: &str| {
        let script = format!("exec \"$0\" {command} --shape trace:<(printf '{rows}')");
        let mut bash = std::process::Command::new("bash");
        bash.args(["-c", &script, env!("CARGO_BIN_EXE_floodway")]).current_dir(place.path("."));
        let output = bash.output().unwrap();
        (output.status.code(), error_of(&output))
    };
    let (out, rows) = ("run --out out --state state", "seconds,rate\\n0,1000\\n1,0\\n");
    let (code, error) = run(rows, out);
    assert_eq!(code, Some(0), "{error}");
    assert_eq!(place.lines("out"), 1_000);
    let (code, error) = run("0,9000\\n1,0\\n", out);
    assert_eq!(code, Some(2), "{error}");
    assert!(error.contains("the trace's rates"), "{error}");
    // The same rates are the same trace, though it is another pipe, and each run of a comparison reads it.
    let (code, error) = run(rows, out);
    assert_eq!(code, Some(0), "{error}");
    let compare = "compare --policies local,remote --warm-up-run 0s --report report";
    let (code, error) = run(rows, compare);
    assert_eq!(code, Some(0), "{error}");
    assert!(place.path("report/trace.csv").is_file());
}
