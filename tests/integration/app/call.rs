//! The example `cities`, which calls a service: its output is what a direct computation gives, whatever the service
//! does.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use super::{FAILING, INPUT, LINES, OUTPUT, WAYS, dead_letters, run_with};
use crate::common::kills::{Killed, Way, until_killed};
use crate::common::shown::Shown;
use crate::common::{Place, end_of, error_of, example, for_all, output_of, poll};

/// The arguments of a run with this call.
fn args<'a>(call: &'a str, options: &[&'a str]) -> Vec<&'a str> {
    let run = ["run", "--summary", "summary.json", "--call", call];
    [&run[..], &INPUT, &OUTPUT, options].concat()
}

/// A service of a test's own, in Python. It is killed with it.
pub(super) struct Service {
    child: Child,
    pub url: String,
}

impl Service {
    /// Starts a service with these arguments.
    pub(super) fn start(script: &str, args: &[&str]) -> Service {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(script);
        let mut command = Command::new("python3");
        command.arg(script).args(args).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::null()).spawn().expect("Python starts");
        let mut url = String::new();
        let out = child.stdout.take().expect("its output is a pipe");
        BufReader::new(out).read_line(&mut url).expect("the first line is the URL");
        let url = url.trim().to_owned();
        assert!(url.starts_with("http://"), "{url:?} is no URL");
        Service { child, url }
    }

    /// Starts the service of the example with a fault.
    fn with(fault: &str, place: &Place) -> Service {
        Service::at("0", fault, place)
    }

    /// Starts it at this port.
    fn at(port: &str, fault: &str, place: &Place) -> Service {
        let log = log(place);
        let args = [fault, log.to_str().unwrap(), port];
        Service::start("tests/integration/app/faulty_cities.py", &args)
    }

    /// The value of `--call` with its URL.
    fn call(&self) -> String {
        format!("lookup={}", self.url)
    }

    fn port(&self) -> &str {
        self.url.trim_end_matches('/').rsplit(':').next().unwrap()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The city of a line; one in a hundred is none that the service knows.
fn city(number: usize) -> &'static str {
    match number % 100 {
        50 => "Atlantis",
        _ => ["Berlin", "Lagos", "Lima", "Paris", "Tokyo"][number % 5],
    }
}

/// The log of the requests of a service with faults.
fn log(place: &Place) -> PathBuf {
    place.path("requests")
}

fn visits() -> Place {
    let place = Place::in_memory().running(|| Command::new(example("cities")));
    let line = |number| format!("{{\"user\":\"u{}\",\"city\":\"{}\"}}\n", number % 7, city(number));
    fs::write(place.path("input"), (0..LINES).map(line).collect::<String>()).unwrap();
    place
}

/// The sorted lines that a run must commit, computed without Floodway.
fn sizes() -> Vec<u8> {
    let line = |number| match city(number) {
        "Berlin" => "[\"Berlin\",\"Germany\",\"large\"]\n",
        "Lagos" => "[\"Lagos\",\"Nigeria\",\"huge\"]\n",
        "Lima" => "[\"Lima\",\"Peru\",\"huge\"]\n",
        "Paris" => "[\"Paris\",\"France\",\"large\"]\n",
        "Tokyo" => "[\"Tokyo\",\"Japan\",\"huge\"]\n",
        _ => "",
    };
    let mut lines: Vec<&str> = (0..LINES).map(line).collect();
    lines.sort_unstable();
    lines.concat().into_bytes()
}

/// Checks that each visit has its result or its dead letter.
fn is_complete(place: &Place) {
    let unknown = json!({ "record": "lookup", "code": "unknown_city", "text": "\"Atlantis\"" });
    let letters = dead_letters(place);
    assert_eq!(letters, vec![unknown; LINES / 100], "other dead letters than expected");
    assert!(place.output("out") == sizes(), "other lines than expected");
}

/// Runs the program in this way to a good end, and returns its summary.
fn run(place: &Place, call: &str, options: &[&str], way: (&str, usize)) -> Value {
    run_with(place, &args(call, options), way);
    let summary = place.summary();
    let count = |field: &str| summary[field].as_u64().unwrap();
    let bad = LINES as u64 / 100;
    assert_eq!(count("events_in"), LINES as u64, "{summary}");
    assert_eq!(count("results_out"), LINES as u64 - bad, "{summary}");
    assert_eq!(count("records_bad"), bad, "{summary}");
    summary
}

/// The most requests that were in progress at the service at a time.
fn most_in_progress(place: &Place) -> usize {
    let lines = fs::read_to_string(log(place)).unwrap();
    let in_progress = |line: &str| line.split(' ').next().unwrap().parse().unwrap();
    lines.lines().map(in_progress).max().unwrap()
}

#[test]
fn a_call_has_the_same_output_with_any_workers_whatever_its_service_does() {
    let faults = ["none", "failing", "slow"];
    let cells: Vec<_> = faults.iter().flat_map(|fault| WAYS.map(|way| (*fault, way))).collect();
    for_all(&cells, |(fault, way)| {
        let place = visits();
        let service = Service::with(fault, &place);
        // What follows the call is sent to a function that fails too.
        let remote = [&["--policy", "remote"], &FAILING[..]].concat();
        let options = if way.0 == "2" { &remote[..] } else { &[] };
        let summary = run(&place, &service.call(), options, *way);
        is_complete(&place);
        let call = &summary["calls"][0];
        assert_eq!((&call["name"], &call["failed"]), (&json!("lookup"), &json!(0)), "{summary}");
        assert_eq!(summary["stages"][0]["remote"], LINES - LINES / 100, "{summary}");
        match *fault {
            "failing" => assert!(call["retries"].as_u64() > Some(0), "{summary}"),
            // The example allows four, which the processes share.
            // What is given up while the breaker is open may go on at the service.
            "slow" if call["breaker_opened"] == 0 => {
                assert!(most_in_progress(&place) <= 4, "{}", most_in_progress(&place));
            }
            "slow" => {}
            _ => assert_eq!(call["retries"], 0, "{summary}"),
        }
    });
}

#[test]
fn the_source_waits_while_a_service_is_away_and_nothing_is_lost() {
    let place = visits();
    let service = Service::with("slow", &place);
    let call = service.call();
    let bounded = ["--max-backlog", "300", "--listen", "127.0.0.1:0", "--listen-after", "1h"];
    let shown = Shown::start(place.floodway(&args(&call, &bounded)));
    poll("some requests", || (fs::read(log(&place)).ok()?.len() > 20).then_some(()));
    let port = service.port().to_owned();
    drop(service);
    let shows = |metric: &str, value: f64| {
        poll(metric, || (shown.metrics().0.get(metric) == Some(&value)).then_some(()));
    };
    shows("floodway_call_is_available{call=\"lookup\"}", 0.0);
    shows("floodway_bottleneck{what=\"call\"}", 1.0);
    // What the source has emitted stays as it is.
    let emitted = || shown.metrics().get("floodway_records_emitted_total");
    let mut before = emitted();
    poll("a source that waits", || {
        std::thread::park_timeout(Duration::from_millis(500));
        let now = emitted();
        (std::mem::replace(&mut before, now) == now).then_some(())
    });
    assert!(before < LINES as f64, "it waits before the end");
    let _service = Service::at(&port, "none", &place);
    let metrics = shown.until("done");
    shown.end();
    is_complete(&place);
    let summary = place.summary();
    let call = &summary["calls"][0];
    let counters = [
        ("requests", "requests", 1.0),
        ("attempts_retried", "retries", 1.0),
        ("breaker_opened", "breaker_opened", 1.0),
        ("breaker_open_seconds", "unavailable_ms", 1e-3),
    ];
    for (metric, field, unit) in counters {
        let shown = metrics.get(&format!("floodway_call_{metric}_total{{call=\"lookup\"}}"));
        let summed = call[field].as_f64().unwrap() * unit;
        assert!((shown - summed).abs() < 1e-6, "{metric} {shown}, {field} {summed}");
    }
    assert!(call["breaker_opened"].as_u64() > Some(0), "{summary}");
    assert!(call["unavailable_ms"].as_f64() > Some(400.0), "{summary}");
    assert!(summary["backpressured_ms"].as_f64() > Some(400.0), "{summary}");
    // The bound, and the batch that was under way.
    assert!(summary["peak_backlog"].as_u64() <= Some(300 + 500), "{summary}");
}

#[test]
fn kills_change_nothing_in_the_output_of_a_call() {
    const ONE: Way = Way { workers: "1", processes: 1, options: &[] };
    let ways = [ONE, Way { workers: "3", ..ONE }, Way { workers: "2", processes: 2, ..ONE }];
    until_killed(4, |random| {
        let place = visits();
        let service = Service::with("failing", &place);
        let call = service.call();
        let args = args(&call, &["--state", "state"]);
        let after = Duration::from_millis(300);
        let run = Killed { place: &place, args: &args, ways: &ways, commits: "out", after };
        let kills = run.until_done(random);
        is_complete(&place);
        kills
    });
}

#[test]
fn a_run_that_is_stopped_while_a_service_is_away_is_resumed_with_another_endpoint() {
    let place = visits();
    let service = Service::with("slow", &place);
    let call = service.call();
    let stopped = args(&call, &["--state", "state", "--stop-within", "1s"]);
    let child = place.start(&stopped);
    poll("a commit", || (place.commits("out") > 0).then_some(()));
    drop(service);
    crate::common::signal(&child, rustix::process::Signal::TERM);
    let ended = end_of(child, "a run that is stopped");
    assert_eq!(ended.status.code(), Some(0), "{}", error_of(&ended));
    let first = place.lines("out");
    assert_eq!(place.summary()["results_out"], first, "what is committed is whole");

    let service = Service::with("none", &place);
    let resumed = place.run(&args(&service.call(), &["--state", "state"]));
    assert!(resumed.status.success(), "{}", error_of(&resumed));
    is_complete(&place);
}

#[test]
fn check_asks_the_service_of_a_call() {
    let place = visits();
    let service = Service::start("examples/cities.py", &[]);
    let call = service.call();
    let checked = place.run(&["check", "--call", &call]);
    let said = output_of(&checked);
    assert!(checked.status.success(), "{said}{}", error_of(&checked));
    assert!(said.contains("answers for the call lookup") && said.ends_with("good\n"), "{said}");
    drop(service);
    let checked = place.run(&["check", "--call", &call]);
    assert_eq!(checked.status.code(), Some(1), "{}", output_of(&checked));
}

/// Also under the policy that sends nothing.
#[test]
fn compare_makes_the_calls_in_each_run() {
    let place = visits();
    let service = Service::start("examples/cities.py", &[]);
    let call = service.call();
    let how = ["--policies", "local,remote", "--warm-up-run", "0s", "--report", "report"];
    let output = place.run(&[&["compare", "--call", &call], &INPUT[..], &how].concat());
    assert!(output.status.success(), "{}", error_of(&output));
    let report = fs::read(place.path("report/compare.json")).unwrap();
    let report: Value = serde_json::from_slice(&report).unwrap();
    for policy in report["policies"].as_array().unwrap() {
        let summary = &policy["rounds"][0]["summary"];
        assert_eq!(summary["stages"][0]["remote"], LINES - LINES / 100, "{summary}");
        assert_eq!(summary["calls"][0]["name"], "lookup", "{summary}");
    }
}
