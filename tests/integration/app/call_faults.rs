//! What fails for good, what is refused, and the limits of a call.

use std::fs;

use serde_json::{Value, json};

use super::programs::{graph, numbers};
use super::{dead_letters, run_with};
use crate::common::{Place, error_of, for_all};
use crate::fault_server::{Fault, On, Server};

const RUN: [&str; 9] = [
    "run",
    "--source",
    "lines:numbers",
    "--dead-letter",
    "dead.jsonl",
    "--summary",
    "summary.json",
    "--out",
    "out",
];

/// A place for the program `name`, with the numbers below `end`.
fn place(name: &'static str, end: u64) -> Place {
    let place = graph(name);
    fs::write(place.path("numbers"), numbers(end)).unwrap();
    place
}

fn squares(end: u64) -> Vec<u8> {
    let mut lines: Vec<_> = (0..end).map(|number| format!("{}\n", number * number)).collect();
    lines.sort_unstable();
    lines.concat().into_bytes()
}

/// Each request is tried as often as the settings say, then in halves, and then each record by itself.
#[test]
fn what_fails_for_good_is_a_bad_record_with_its_code() {
    let cases = [
        (Fault::Status(500), "status_500"),
        (Fault::Status(400), "status_400"),
        (Fault::Reset, "connection_failed"),
        (Fault::Empty, "invalid_answer"),
        (Fault::Doubled, "invalid_answer"),
        (Fault::FunctionError("Unhandled"), "function_failed"),
        (Fault::Huge, "answer_too_long"),
    ];
    for_all(&cases, |(fault, code)| {
        const RECORDS: u64 = 4;
        let place = place("call", RECORDS);
        let server = Server::square_with(*fault, On::Records);
        let call = format!("square={}", server.url);
        let output = place.run(&[&RUN[..], &["--call", &call]].concat());
        assert!(output.status.success(), "{fault:?}: {}", error_of(&output));
        let letter =
            |number: u64| json!({ "record": "square", "code": code, "text": number.to_string() });
        let expected: Vec<Value> = (0..RECORDS).map(letter).collect();
        assert_eq!(dead_letters(&place), expected, "{fault:?}");
        assert_eq!(place.lines("out"), 0);
        let summary = place.summary();
        assert_eq!(summary["records_bad"], RECORDS, "{summary}");
        assert_eq!(summary["calls"][0]["failed"], RECORDS, "{summary}");
    });
}

/// The others of its requests have their results.
#[test]
fn a_record_on_which_its_service_fails_is_bad_and_holds_up_no_other() {
    let place = place("call", 200);
    let server = Server::square_with(Fault::Chokes(77), On::Records);
    let call = format!("square={}", server.url);
    let output = place.run(&[&RUN[..], &["--call", &call]].concat());
    assert!(output.status.success(), "{}", error_of(&output));
    let expected = json!({ "record": "square", "code": "status_500", "text": "77" });
    assert_eq!(dead_letters(&place), [expected]);
    let lost = b"5929\n";
    let all = squares(200);
    let at = all.windows(6).position(|window| window == [b"\n", &lost[..]].concat()).unwrap() + 1;
    assert!(place.output("out") == [&all[..at], &all[at + lost.len()..]].concat());
}

#[test]
fn faults_that_pass_change_nothing_in_the_output() {
    let faults = [
        Fault::None,
        Fault::Status(503),
        Fault::Reset,
        Fault::RetryAfter(0),
        Fault::Truncated,
        Fault::None,
        Fault::Doubled,
        Fault::Missing,
        Fault::None,
        Fault::OtherTask,
        Fault::ResetInAnswer,
        Fault::Status(404),
        Fault::None,
        Fault::Redirect,
        Fault::FunctionError("Unhandled"),
        Fault::Huge,
        Fault::None,
    ];
    for_all(&["1", "2"], |workers| {
        let place = place("call", 500);
        let server = Server::square(faults.to_vec());
        let call = format!("square={}", server.url);
        let output = place.run(&[&RUN[..], &["--call", &call, "--", "-w", workers]].concat());
        assert!(output.status.success(), "{}", error_of(&output));
        assert!(place.output("out") == squares(500), "other lines than expected");
        assert_eq!(dead_letters(&place), Vec::<Value>::new());
        assert_eq!(server.followed(), 0, "the records are for this service alone");
    });
}

/// Nobody else does its records meanwhile: it goes on until its time-out. Its hedge hangs too.
#[test]
fn a_request_that_hangs_is_sent_again_after_its_time_out() {
    let place = place("call", 10);
    // The first two are probes.
    let faults = vec![Fault::None, Fault::None, Fault::Hang, Fault::Hang, Fault::None];
    let server = Server::square(faults);
    let call = format!("square={}", server.url);
    let output = place.run(&[&RUN[..], &["--call", &call]].concat());
    assert!(output.status.success(), "{}", error_of(&output));
    assert!(place.output("out") == squares(10), "other lines than expected");
}

#[test]
fn a_config_file_names_endpoints_of_calls() {
    let place = place("call", 10);
    let server = Server::square(vec![Fault::None]);
    fs::write(place.path("config.toml"), format!("call = [\"square={}\"]\n", server.url)).unwrap();
    let output = place.run(&[&RUN[..], &["--config", "config.toml"]].concat());
    assert!(output.status.success(), "{}", error_of(&output));
    assert!(place.output("out") == squares(10), "other lines than expected");
}

#[test]
fn a_record_that_its_service_refuses_has_the_services_code() {
    let place = place("call", 10);
    let server = Server::square_with(Fault::FirstRefused, On::Records);
    let call = format!("square={}", server.url);
    let output = place.run(&[&RUN[..], &["--call", &call]].concat());
    assert!(output.status.success(), "{}", error_of(&output));
    let letters = dead_letters(&place);
    assert!(
        !letters.is_empty() && letters.iter().all(|letter| letter["code"] == "no"),
        "{letters:?}"
    );
    assert_eq!(place.lines("out") + letters.len(), 10);
}

/// Otherwise the run would wait for ever.
#[test]
fn a_service_that_refuses_everything_ends_the_run_with_1() {
    for status in [401, 403, 404] {
        let place = place("call", 10);
        let server = Server::square_with(Fault::Status(status), On::All);
        let call = format!("square={}", server.url);
        let output = place.run(&[&RUN[..], &["--call", &call]].concat());
        let error = error_of(&output);
        assert_eq!(output.status.code(), Some(1), "{error}");
        let lines: Vec<_> = error.lines().filter(|line| line.starts_with("program: ")).collect();
        assert_eq!(lines.len(), 1, "{error}");
        let said = format!(
            "refuses every request of the call square: the service refused the request with {status}"
        );
        assert!(lines[0].contains(&said), "{error}");
    }
}

/// A hundred requests, of which no second has more than twenty: they take four seconds at least.
#[test]
fn no_more_requests_are_sent_in_a_second_than_the_settings_allow() {
    for_all(&[("1", 1), ("2", 2)], |way| {
        let place = place("slow call", 1_000);
        let server = Server::square(vec![Fault::None]);
        let call = format!("square={}", server.url);
        run_with(&place, &[&RUN[..], &["--call", &call]].concat(), *way);
        assert!(place.output("out") == squares(1_000), "other lines than expected");
        let summary = place.summary();
        let sent = summary["calls"][0]["attempts"].as_f64().unwrap();
        let least = ((sent / 20.0).ceil() - 1.0) * 1e3;
        assert!(sent >= 100.0 && summary["wall_ms"].as_f64() >= Some(least), "{summary}");
    });
}

#[test]
fn a_wrong_endpoint_of_a_call_is_refused() {
    let place = place("call", 10);
    let source = ["--source", "lines:numbers", "--out", "out"];
    let with = |more: &[&'static str]| [&source[..], more].concat();
    let cases = [
        (with(&[]), "--call square=: the program does not say where this service is"),
        (with(&["--call", "cube=http://localhost:9/"]), "its calls are square"),
        (with(&["--call", "square"]), "expected the name of a call and its endpoint"),
        (with(&["--call", "square=ftp://localhost/"]), "its scheme, ftp, is not http or https"),
        (
            with(&["--call", "square=http://a/", "--call", "square=http://b/"]),
            "is the second endpoint of this call",
        ),
        (
            with(&["--call", "square=http://localhost:9/", "--", "-n", "9", "-p", "0"]),
            "each process needs a share of the requests of the call square, of which 8 may be in flight",
        ),
    ];
    let cases: Vec<(&[&str], [&str; 1])> =
        cases.iter().map(|(args, part)| (&args[..], [*part])).collect();
    let cases: Vec<(&[&str], &[&str])> =
        cases.iter().map(|(args, parts)| (*args, &parts[..])).collect();
    place.refuses("run", &cases);
    let clicks = super::clicks();
    clicks
        .refuses("run", &[(&["--call", "a=http://b/"], &["clicks has no such call: it has none"])]);
    Place::new().refuses("run", &[(&["--call", "a=http://b/"], &["floodway has no such call"])]);
}
