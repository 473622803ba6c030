//! `floodway simulate` as a user meets it.

use std::fs;
use std::process::Output;

use crate::common::{Place, error_of, output_of};
use serde_json::Value;

/// A spike to four times what the worker does.
const SPIKE: &[&str] = &[
    "simulate",
    "--rate",
    "40k",
    "--shape",
    "spike",
    "--peak-rate",
    "330k",
    "--period",
    "10s",
    "--duration",
    "10s",
    "--service",
    "12us",
    "--local-lambda",
    "network=30ms,concurrency=1000",
];

fn simulate(place: &Place, more: &[&str]) -> (Value, Output) {
    let mut all = SPIKE.to_vec();
    all.extend(["--json", "out.json"]);
    all.extend(more);
    let output = place.run(&all);
    assert!(output.status.success(), "{all:?}: {}", error_of(&output));
    (serde_json::from_slice(&fs::read(place.path("out.json")).unwrap()).unwrap(), output)
}

#[test]
fn a_budget_below_one_request_is_not_spent() {
    let place = Place::new();
    let (json, _) = simulate(&place, &["--policy", "remote", "--budget-total", "0.0000001"]);
    let row = &json["policies"][0];
    assert_eq!((row["cost_usd"].as_f64(), row["records_remote"].as_u64()), (Some(0.0), Some(0)));
    assert_eq!(row["records_local"], json["events"]);
}

#[test]
fn the_table_has_all_policies_and_the_optimum_last() {
    let place = Place::new();
    let (json, output) = simulate(&place, &[]);
    let table = output_of(&output);
    let first: Vec<_> = table.lines().filter_map(|line| line.split_whitespace().next()).collect();
    let names = ["policy", "local", "remote", "threshold", "spill", "deadline", "optimum"];
    assert_eq!(first, names, "{table}");
    let output = place.run(&[SPIKE, &["--json", "-"]].concat());
    let alone: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(alone == json && error_of(&output).contains("optimum"));
    let events = json["events"].as_u64().unwrap();
    let optimum = json["optimum"]["records_local"].as_f64().unwrap();
    for row in json["policies"].as_array().unwrap() {
        let count = |name: &str| row[name].as_u64().unwrap();
        let done = count("records_local") + count("records_remote") + count("records_home");
        assert_eq!(done, events, "{row}");
        assert!(row["home_of_optimum"].as_f64().unwrap() * optimum <= optimum + 1.0, "{row}");
    }
    let deadline = &json["policies"][4];
    assert_eq!(deadline["policy"], "deadline");
    assert!(deadline["burst_latency_ms"]["p99"].as_f64().unwrap() <= 200.0, "{deadline}");
    assert!(deadline["cost_usd"].as_f64() >= json["optimum"]["cost_usd"].as_f64(), "{json}");
    // The same seed, the same figures.
    let (again, _) = simulate(&place, &[]);
    assert_eq!(again, json);
}

/// The simulation depends on nothing but its options, so the document has exactly what the command prints.
#[test]
fn the_documented_commands_print_what_the_document_says() {
    let text =
        [include_str!("../../docs/simulate.md"), include_str!("../../docs/benchmarks.md")].concat();
    let place = Place::new();
    let mut commands = 0;
    for block in text.split("```console\n").skip(1) {
        for step in block.split("```").next().unwrap().split("$ ").skip(1) {
            let (command, documented) = step.split_once('\n').unwrap();
            if let Some(file) = command.strip_prefix("cat ") {
                fs::write(place.path(file), documented).unwrap();
                continue;
            }
            let args: Vec<&str> = command.split(' ').skip(1).collect();
            let output = place.run(&args);
            let error = error_of(&output);
            assert!(output.status.success(), "{command}: {error}");
            // Its last line says how long it took.
            let (said, took) = error.trim_end().rsplit_once('\n').unwrap();
            assert!(took.contains(" of stream, "), "{error}");
            let table = output_of(&output);
            let table: Vec<_> = table.lines().map(str::trim_end).collect();
            let said = format!("{said}\n{}\n", table.join("\n"));
            assert_eq!(said, documented, "{command} prints this:\n{said}");
            commands += 1;
        }
    }
    assert_eq!(commands, 3);
}

/// The shape is the same for one stage and for several.
#[test]
fn the_json_has_the_time_of_an_event_and_each_stage() {
    let place = Place::new();
    let stage_keys = |stages: &Value| -> Vec<Vec<String>> {
        let stages = stages.as_array().expect("a list of stages").iter();
        stages.map(|stage| stage.as_object().unwrap().keys().cloned().collect()).collect()
    };
    for (services, time, records) in [
        (&["--service", "10us"][..], 10.0, &[1][..]),
        (&["--service", "10us", "--service", "3x30us"], 100.0, &[1, 3]),
    ] {
        let args = ["simulate", "--rate", "30k", "--duration", "1s", "--json", "-"];
        let local_and_deadline = ["--policy", "local,deadline"];
        let output = place.run(&[&args[..], &local_and_deadline, services].concat());
        assert!(output.status.success(), "{}", error_of(&output));
        let json: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(json["service_us"], time, "{services:?}");
        let of_model = ["records_per_result", "remote_us", "service_us"];
        assert_eq!(stage_keys(&json["stages"]), vec![of_model; records.len()]);
        let rows = json["policies"].as_array().unwrap().iter();
        for row in rows.chain([&json["optimum"]]) {
            let of_row = ["records", "records_remote"];
            assert_eq!(stage_keys(&row["stages"]), vec![of_row; records.len()], "{row}");
            for (stage, records) in row["stages"].as_array().unwrap().iter().zip(records) {
                let received = stage["records"].as_f64().unwrap();
                assert!((received - f64::from(30_000 * records)).abs() < 0.5, "{row}");
            }
        }
    }
}

#[test]
fn policies_are_named_in_one_option_or_in_several() {
    let place = Place::new();
    let names = |more: &[&str]| -> Vec<String> {
        let (json, _) = simulate(&place, more);
        let rows = json["policies"].as_array().unwrap().clone();
        rows.iter().map(|row| row["policy"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&["--policy", "deadline", "--policy", "local"]), ["deadline", "local"]);
    assert_eq!(names(&["--policy", "spill,local,spill", "--threshold", "70k"]), ["spill", "local"]);
    let (json, _) = simulate(&place, &["--policy", "local", "--", "-w", "4"]);
    assert_eq!(json["workers"], 4);
    assert_eq!(json["policies"][0]["late_fraction"], 0.0, "four workers do it all: {json}");
}

#[test]
fn the_cost_per_record_can_come_from_a_runs_summary() {
    let place = Place::new();
    fs::write(
        place.path("summary.json"),
        r#"{"events_in": 1000, "records_remote": 200, "cpu_ns_per_event": 8000, "workers": 2,
            "processes": 1, "billed_ms": 4.0, "lambda": "network=5ms,cold_start=10ms"}"#,
    )
    .unwrap();
    let args = ["simulate", "--rate", "10k", "--duration", "1s", "--recorded", "summary.json"];
    let mut all = args.to_vec();
    all.extend(["--json", "out.json"]);
    let output = place.run(&all);
    assert!(output.status.success(), "{}", error_of(&output));
    let json: Value = serde_json::from_slice(&fs::read(place.path("out.json")).unwrap()).unwrap();
    assert_eq!((&json["service_us"], &json["workers"]), (&10.0.into(), &2.into()));
    assert!(json["lambda"].as_str().unwrap().starts_with("network=5ms"), "{json}");

    // The true rate is the workers' sum: two of them did 50,000 a second, each 25,000.
    fs::write(
        place.path("summary.json"),
        r#"{"events_in": 1000, "records_remote": 200, "cpu_ns_per_event": 8000, "workers": 2,
            "processes": 1, "billed_ms": 4.0, "true_rate_eps": 50000.0}"#,
    )
    .unwrap();
    let output = place.run(&all);
    assert!(output.status.success(), "{}", error_of(&output));
    let json: Value = serde_json::from_slice(&fs::read(place.path("out.json")).unwrap()).unwrap();
    assert_eq!(json["service_us"], 40.0);
}

#[test]
fn a_deadline_that_the_remote_side_cannot_keep_is_warned_of_with_the_figure() {
    let place = Place::new();
    let (json, output) = simulate(&place, &["--deadline", "20ms"]);
    let error = error_of(&output);
    assert!(error.contains("warning: --deadline 20 ms"), "{error}");
    assert!(error.contains("42 ms") && error.contains("nothing that is sent"), "{error}");
    assert_eq!(json["optimum"]["feasible"], false);
}

#[test]
fn a_wrong_option_exits_with_2_and_names_option_value_and_what_would_be_right() {
    let place = Place::new();
    for (file, text) in [
        ("hole.csv", "0,100\n\n5,100\n"),
        ("back.csv", "0,100\n5,1\n5,1\n"),
        ("short.csv", "0,100\n"),
        ("silent.csv", "0,0\n5,0\n"),
        ("summary.json", "{\"events_in\": 5}"),
    ] {
        fs::write(place.path(file), text).unwrap();
    }
    let ok = ["--service", "10us", "--duration", "1s"];
    let cases: &[(&[&str], &[&str])] = &[
        (&["--duration", "1s"], &["--service", "12us"]),
        (&["--service", "10us"], &["--duration", "--events"]),
        (&["--service", "0us", "--duration", "1s"], &["--service", "0us", "above 0"]),
        (&["--service", "9us,wild", "--duration", "1s"], &["--service", "9us,wild", "lognormal"]),
        (&["--rate", "max", "--service", "1us"], &["--rate", "max", "events per second"]),
        (&["--rate", "0", "--service", "1us"], &["--rate", "0"]),
        (&["--shape", "trace:x", "--rate", "5k", "--service", "1us"], &["--rate 5k", "own rates"]),
        (&["--shape", "trace:x", "--rate", "max", "--service", "1us"], &["--rate", "own rates"]),
        (&["--service", "-1us", "--duration", "1s"], &["--service -1us"]),
        (&[ok[0], ok[1], ok[2], ok[3], "--json", "none/x"], &["--json none/x", "folder"]),
        (&[ok[0], ok[1], ok[2], ok[3], "--json", "."], &["--json .", "folder"]),
        (&["--shape", "trace:hole.csv", "--service", "1us"], &["hole.csv", "line 2"]),
        (&["--shape", "trace:back.csv", "--service", "1us"], &["back.csv", "line 3"]),
        (&["--shape", "trace:short.csv", "--service", "1us"], &["short.csv", "two rows"]),
        (&["--shape", "trace:silent.csv", "--service", "1us"], &["silent.csv", "0 all the time"]),
        (&[ok[0], ok[1], "--events", "0"], &["--events", "0"]),
        (&[ok[0], ok[1], ok[2], ok[3], "--policy", "magic"], &["--policy", "magic", "deadline"]),
        (&[ok[0], ok[1], ok[2], ok[3], "--policy", "spill"], &["--policy", "spill", "--threshold"]),
        (
            &[ok[0], ok[1], ok[2], ok[3], "--policy", "local", "--threshold", "5"],
            &["--threshold", "5", "spill"],
        ),
        (
            &[ok[0], ok[1], ok[2], ok[3], "--policy", "local", "--budget", "1/h"],
            &["--budget", "1/h", "remote"],
        ),
        (
            &[ok[0], ok[1], ok[2], ok[3], "--policy", "local", "--budget-total", "1"],
            &["--budget-total", "1", "remote"],
        ),
        (&[ok[0], ok[1], ok[2], ok[3], "--deadline", "0ms"], &["--deadline", "0ms"]),
        (&[ok[0], ok[1], ok[2], ok[3], "--remote-spread", "x"], &["--remote-spread", "x"]),
        (&[ok[0], ok[1], ok[2], ok[3], "--batch", "0"], &["--batch", "0"]),
        (&[ok[0], ok[1], ok[2], ok[3], "--local-lambda", "speed=9"], &["speed=9", "network"]),
        (&[ok[0], ok[1], ok[2], ok[3], "--", "-w", "0"], &["-w 0"]),
        (&["--recorded", "none.json", "--duration", "1s"], &["--recorded", "none.json"]),
        (&["--recorded", "summary.json", "--duration", "1s"], &["summary.json", "records_remote"]),
    ];
    place.refuses("simulate", cases);
}
