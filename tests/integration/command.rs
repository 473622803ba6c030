//! The command as a user meets it: what it says about wrong input, what comes out, and how it ends.

use std::fs;
use std::io::Write as _;
use std::process::Stdio;

use crate::common::{Place, error_of, hosts, poll, start_processes, within_tries};
use serde_json::Value;

#[cfg(not(feature = "kafka"))]
#[test]
fn an_option_of_a_missing_feature_says_how_to_build_it() {
    let place = Place::new();
    let output = place.run(&["run", "--source", "kafka://localhost:9092/topic", "--out", "out"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("--features kafka"), "{said}");
    let output = place.run(&["run", "--sink", "kafka://localhost:9092/topic", "--state", "state"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("--sink kafka:") && said.contains("--features kafka"), "{said}");
}

#[test]
fn a_url_that_needs_a_region_is_not_taken_for_a_function() {
    let place = Place::new();
    let advice = |lambda: &str| {
        let mut check = place.floodway(&["check", "--auth", "iam", "--lambda", lambda]);
        for variable in ["AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"] {
            check.env_remove(variable);
        }
        check.env("AWS_CONFIG_FILE", place.path("none"));
        check.env("AWS_SHARED_CREDENTIALS_FILE", place.path("none"));
        let output = check.output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let (url, name) = (advice("http://127.0.0.1:9161/"), advice("words"));
    assert!(url.contains("--region") && !url.contains("write http://"), "{url}");
    assert!(name.contains("--region") && name.contains("write http://"), "{name}");
}

#[test]
fn a_wrong_option_exits_with_2_and_names_option_value_and_what_would_be_right() {
    let place = Place::new();
    for (file, text) in [
        ("letters.csv", "0,100\n5,abc\n"),
        ("hole.csv", "0,100\n\n5,100\n"),
        ("late.csv", "1,100\n"),
        ("negative.csv", "0,100\n5,-1\n"),
        ("back.csv", "0,100\n5,1\n4,1\n"),
        ("empty.csv", ""),
        ("short.csv", "0,100\n"),
        ("good.csv", "0,100\n5,0\n"),
        ("rate.toml", "rate = \"5k\"\n"),
        ("unknown.toml", "evnets = 300\n"),
    ] {
        fs::write(place.path(file), text).unwrap();
    }
    let cases: &[(&[&str], &[&str])] = &[
        (&["--rate", "0"], &["--rate", "0", "events per second"]),
        (&["--rate", "-5"], &["--rate", "-5"]),
        (&["--rate", "fast"], &["--rate", "fast"]),
        (&["--events", "1.5"], &["--events", "1.5", "whole number"]),
        (&["--duration", "10"], &["--duration", "10", "1.5s"]),
        (&["--epoch", "0ms"], &["--epoch", "0ms"]),
        (&["--shape", "zigzag"], &["--shape", "zigzag", "square"]),
        (&["--shape", "spike"], &["--shape", "spike", "--peak-rate"]),
        (&["--peak-rate", "5"], &["--peak-rate", "5", "--shape"]),
        (&["--shape", "spike", "--rate", "max"], &["--shape", "--rate"]),
        (&["--shape", "trace:letters.csv"], &["letters.csv", "line 2", "abc"]),
        (&["--shape", "trace:hole.csv"], &["hole.csv", "line 2"]),
        (&["--shape", "trace:late.csv"], &["late.csv", "line 1"]),
        (&["--shape", "trace:negative.csv"], &["negative.csv", "line 2", "-1"]),
        (&["--shape", "trace:back.csv"], &["back.csv", "line 3"]),
        (&["--shape", "trace:empty.csv"], &["empty.csv", "the trace has 0 rows"]),
        (&["--shape", "trace:short.csv"], &["short.csv", "the trace has 1 row,"]),
        (&["--shape", "trace:none.csv"], &["none.csv"]),
        (&["--source", "nats://x/y"], &["--source", "nats", "lines:", "kafka:"]),
        (&["--source", "kafka://x/y"], &["--source", "kafka"]),
        (&["--source", "lines:"], &["--source"]),
        (&["--source", "lines:logs/a***"], &["--source", "logs/a***", "at its character 9"]),
        (&["--task", "wordz"], &["--task", "wordz", "words"]),
        (&["--policy", "spill"], &["--policy", "--threshold"]),
        (&["--policy", "local", "--threshold", "5"], &["--threshold", "spill"]),
        (&["--policy", "deadlines"], &["--policy", "deadlines", "deadline"]),
        (&["--policy", "deadline", "--threshold", "5k"], &["--threshold", "spill"]),
        (&["--deadline", "0ms"], &["--deadline", "0ms"]),
        (&["--shadow"], &["--shadow", "--policy"]),
        (&["--shadow", "--policy", "deadline", "--skew", "0.9"], &["--skew", "--shadow"]),
        (&["--summary", "same.json", "--series", "same.json"], &["--series", "same.json"]),
        (&["--budget", "0.50"], &["--budget", "0.50/h"]),
        (&["--budget", "0/h"], &["--budget", "0/h", "0.50/h"]),
        (&["--budget-total", "lots"], &["--budget-total", "lots", "2.00"]),
        (&["--lambda", "ftp://x/"], &["--lambda", "ftp", "https://"]),
        (&["--lambda", "non sense"], &["--lambda", "non sense", "ARN"]),
        (&["--local-lambda", "speed=9"], &["--local-lambda", "speed=9", "network"]),
        (&["--local-lambda", "failure_rate=2"], &["--local-lambda", "failure_rate=2"]),
        (&["--nexmark", "first_event_rate=3"], &["--nexmark", "--rate"]),
        (&["--nexmark", "num_events=3"], &["--nexmark", "--events"]),
        (&["--nexmark", "person_proportion=2,person_proportion=3"], &["--nexmark", "given twice"]),
        (&["--local-lambda", "network=1ms,network=300ms"], &["network=300ms", "given twice"]),
        (
            &["--local-lambda", "concurrency=5,reserved=10"],
            &["--local-lambda", "reserved=10", "at most concurrency, which is 5"],
        ),
        (&["--nexmark", "colour=3"], &["--nexmark", "colour"]),
        (&["--max-record", "0"], &["--max-record", "0"]),
        (&["--max-record", "1G"], &["--max-record", "1G"]),
        (&["--batch", "0"], &["--batch", "0"]),
        (&["--timeout", "1ms"], &["--timeout", "1ms", "--linger"]),
        (&["--sink", "s3://x"], &["--sink", "s3://x", "files:"]),
        (&["--sink", "files:x?sync=maybe"], &["--sink", "sync=maybe", "sync="]),
        (&["--sink", "files:?format=text"], &["--sink", "no folder", "files:DIR"]),
        (&["--sink", "files:x?sync=all&sync=none"], &["--sink", "sync=none", "twice"]),
        (&["--sink", "files:x?roll_size=0"], &["--sink", "roll_size=0", "at least 1"]),
        (&["--sink", "files:x?roll_age=0s"], &["--sink", "roll_age=0s", "longer than 0"]),
        // A file that would be two things.
        (
            &["--out", "x", "--dead-letter", "x/manifest.jsonl"],
            &["--dead-letter", "x/manifest.jsonl"],
        ),
        (&["--out", "x", "--summary", "./x/part-000000-000-000"], &["--summary", "output"]),
        (&["--out", "x", "--state", "y", "--series", "y/lock"], &["--series", "y/lock", "--state"]),
        (&["--summary", "x.json", "--dead-letter", "./x.json"], &["--dead-letter", "--summary"]),
        (
            &["--source", "lines:good.csv", "--dead-letter", "good.csv"],
            &["good.csv", "--source reads"],
        ),
        (&["--source", "lines:*.csv", "--summary", "good.csv"], &["good.csv", "--source reads"]),
        (&["--source", "lines:./*.csv", "--summary", "new.csv"], &["new.csv", "--source reads"]),
        (&["--listen", "9090"], &["--listen", "9090", "127.0.0.1:9090"]),
        (&["--listen", "http://127.0.0.1:9090"], &["--listen", "http:", "HOST:PORT"]),
        (&["--listen", "127.0.0.1:99999"], &["--listen", "99999", "HOST:PORT"]),
        (&["--listen", "no.such.host.invalid:0"], &["--listen", "no.such.host.invalid"]),
        (&["--listen", "203.0.113.1:0"], &["--listen", "203.0.113.1", "cannot listen"]),
        (&["--listen-after", "5s"], &["--listen-after", "5s", "--listen"]),
        (&["--listen", "127.0.0.1:0", "--listen-after", "5"], &["--listen-after", "5", "1.5s"]),
        (&["--log", "loud=="], &["--log"]),
        (&["--config", "none.toml"], &["none.toml"]),
        (&["--", "-w", "0"], &["-w 0", "1 worker"]),
        (&["--", "-n", "2", "-p", "2"], &["-p"]),
        (&["--", "--frobnicate"], &["frobnicate"]),
        (&["--", "-n", "2", "-p", "0"], &["--out"]),
        (&["--max-in-flight", "0"], &["--max-in-flight", "0", "at least 1"]),
        (&["--verify", "2"], &["--verify", "2", "a share from 0 to 1"]),
        (&["--verify", "101%"], &["--verify", "101%"]),
        (&["--hedge", "-1"], &["--hedge", "-1", "a share"]),
        (&["--warm-up", "soon"], &["--warm-up", "soon", "a share"]),
        (&["--price-gb-second", "-1"], &["--price-gb-second", "-1", "US dollars"]),
        (&["--price-million-requests", "nan"], &["--price-million-requests", "nan"]),
        (&["--memory", "512"], &["--memory", "512", "--local-lambda"]),
        (&["--lambda", "http://x/", "--memory", "64"], &["--memory", "64", "128"]),
        (&["--arch", "mips"], &["--arch", "mips", "arm"]),
        (&["--local-lambda", "outage=3s"], &["--local-lambda", "outage=3s", "3s-6s"]),
        (&["--state", "x"], &["--state"]),
        // A value that begins with a hyphen is the option's all the same.
        (&["--budget", "-1/h"], &["--budget", "-1/h", "0.50/h"]),
        (&["--deadline", "-5ms"], &["--deadline", "-5ms", "1.5s"]),
        (&["--work", "-1us"], &["--work", "-1us"]),
        (&["--task", "-words"], &["--task", "-words", "bpe"]),
        // What would change nothing.
        (&["--policy", "local", "--require-remote"], &["--require-remote", "--policy"]),
        (
            &["--policy", "remote", "--shadow", "--require-remote"],
            &["--require-remote", "--shadow"],
        ),
        (&["--policy", "local", "--budget", "1/h"], &["--budget", "1/h", "remote"]),
        (&["--budget-total", "1"], &["--budget-total", "1", "remote"]),
        (&["--skew", "0.9"], &["--skew", "0.9", "-w 2"]),
        (&["--local-lambda", "outage=3s-3s"], &["outage=3s-3s", "ends after it begins"]),
        (&["--local-lambda", "trouble=6s-3s"], &["trouble=6s-3s", "ends after it begins"]),
        (&["--shape", "trace:good.csv", "--rate", "5k"], &["--rate", "5k", "trace", "own rates"]),
        (&["--shape", "trace:good.csv", "--rate", "max"], &["--rate", "max", "own rates"]),
        (&["--config", "unknown.toml"], &["unknown.toml", "evnets", "no such setting"]),
        (&["--config", "rate.toml", "--config", "unknown.toml"], &["unknown.toml", "rate.toml"]),
        (&["--", "-h", "hosts"], &["-h", "-n"]),
        (&["--", "-p", "0"], &["-p", "-n"]),
    ];
    place.refuses("run", cases);
    assert!(!place.path("out").exists(), "nothing was begun");
}

#[test]
fn a_name_that_cannot_be_used_ends_with_2_and_one_clear_line() {
    let place = Place::new();
    fs::write(place.path("file"), "").unwrap();
    fs::create_dir(place.path("folder")).unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    // What comes after the options that are common to all runs, and what has to be named.
    let few = ["run", "--events", "10"];
    let cases: [(&[&str], &[&str], &str); 22] = [
        (&["run", "--out", "out"], &["--source", "lines:none.txt"], "none.txt"),
        (&["run", "--out", "out"], &["--source", "lines:none*"], "matches no file"),
        (&["run", "--out", "out"], &["--source", "lines:file/in"], "file/in"),
        (&["run", "--out", "out"], &["--source", "lines:folder"], "DIR/*"),
        (&few, &["--out", "file/out"], "Not a directory"),
        (&few, &["--out", "file"], "file"),
        (&few, &["--sink", "files:file/out?sync=none"], "file/out"),
        (&[&few[..], &["--sink", "null"]].concat(), &["--summary", "none/s.json"], "No such file"),
        (&[&few[..], &["--sink", "null"]].concat(), &["--summary", "folder"], "is a folder"),
        (&[&few[..], &["--sink", "null"]].concat(), &["--series", "new/"], "is a folder"),
        (&[&few[..], &["--sink", "null"]].concat(), &["--dead-letter", "folder"], "is a folder"),
        (&["run", "--sink", "null"], &["--events", "0"], "--events 0"),
        (&[&few[..], &["--sink", "null"]].concat(), &["--series", "file/s.jsonl"], "file/s.jsonl"),
        (&[&few[..], &["--sink", "null"]].concat(), &["--dead-letter", "none/d"], "none/d"),
        (&[&few[..], &["--out", "out"]].concat(), &["--state", "file/state"], "file/state"),
        (&few, &["--shape", "trace:none.csv"], "none.csv"),
        (&few, &["--config", "none.toml"], "none.toml"),
        (&few, &["--listen", &taken], "in use"),
        (&["lambda"], &["--bind", &taken], "in use"),
        (&["lambda"], &["--function", "none"], "none"),
        (&["compare", "--duration", "1s"], &["--report", "file/report"], "file/report"),
        (
            &["simulate", "--rate", "1k", "--duration", "1s"],
            &["--recorded", "none.json"],
            "none.json",
        ),
    ];
    for (common, wrong, named) in cases {
        let args = [common, wrong].concat();
        let output = place.run(&args);
        let error = error_of(&output);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {error}");
        assert!(error.contains(named), "{args:?} should name {named}: {error}");
        let [option, value] = wrong else { unreachable!() };
        let value = value.split('?').next().unwrap().trim_start_matches("files:");
        assert!(error.contains(&format!("{option} {value}")), "{args:?}: {error}");
        let lines: Vec<_> = error.lines().filter(|line| line.starts_with("floodway: ")).collect();
        assert_eq!(lines.len(), 1, "{args:?}: {error}");
    }
    assert!(!place.path("out").exists(), "a run that did not begin leaves no output");
}

#[test]
fn an_error_found_at_run_time_exits_with_1() {
    let place = Place::new();
    fs::write(place.path("broken.gz"), b"\x1f\x8b\x08\x00 and then nothing of gzip's").unwrap();
    for (args, named) in [
        (vec!["run", "--source", "lines:broken.gz", "--sink", "null"], "broken.gz"),
        (vec!["check", "--lambda", "http://127.0.0.1:1/"], "connection"),
    ] {
        let output = place.run(&args);
        let error = error_of(&output);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {error}");
        assert!(error.contains(named), "{args:?} should name {named}: {error}");
        let lines: Vec<_> = error.lines().filter(|line| line.starts_with("floodway: ")).collect();
        assert_eq!(lines.len(), 1, "{args:?}: {error}");
    }
}

#[test]
fn a_run_without_an_end_says_how_to_stop_it() {
    let place = Place::new();
    let mut child = place.floodway(&["run", "--out", "out"]);
    let mut child = child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = std::io::BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut said, &mut line).unwrap();
    crate::common::signal(&child, rustix::process::Signal::INT);
    assert!(crate::common::end_of(child, "the run").status.success());
    assert!(line.contains("until Ctrl-C") && line.contains("--duration 10s"), "{line}");
    let output = place.run(&["run", "--events", "10", "--out", "ended"]);
    assert!(!error_of(&output).contains("Ctrl-C"), "{}", error_of(&output));
}

#[test]
fn a_run_without_an_end_that_cannot_begin_says_only_why() {
    let place = Place::new();
    fs::write(place.path("file"), "").unwrap();
    for args in [
        vec!["run", "--source", "lines:none.txt", "--follow", "--out", "out"],
        vec!["run", "--out", "file/out"],
        vec!["run", "--sink", "null", "--summary", "none/summary.json"],
        vec!["run", "--sink", "null", "--listen", "256.0.0.1:0"],
    ] {
        let output = place.run(&args);
        let error = error_of(&output);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {error}");
        assert!(error.starts_with("floodway: ") && !error.contains("Ctrl-C"), "{args:?}: {error}");
        assert_eq!(
            error.lines().filter(|line| line.starts_with("floodway: ")).count(),
            1,
            "{error}"
        );
    }
}

/// On a machine that is too slow or too busy for it, it says that before and after.
#[test]
fn the_demonstration_offers_the_missions_rate_and_says_whether_the_deadline_was_kept() {
    let place = Place::new();
    let output = place.run(&["run"]);
    let (error, out) = (error_of(&output), String::from_utf8_lossy(&output.stdout).into_owned());
    assert!(output.status.success(), "{error}");
    let command = error.lines().find_map(|line| line.strip_prefix("    floodway run --task "));
    let command = command.unwrap_or_else(|| panic!("{error}"));
    assert!(command.starts_with("bpe ") || command.starts_with("words --work "), "{command}");
    assert!(command.contains(" --shape spike --peak-rate 100k "), "{command}");
    assert!(command.contains(" --duration 10s --policy deadline"), "{command}");
    assert!(place.path("out").is_dir());
    let kept = out.contains("\nThe deadline was kept: ") && out.contains("Without bursting");
    let missed = ["\nThe deadline was missed: ", "\nNothing was done remotely, "];
    assert!(kept || missed.iter().any(|words| out.contains(words)), "{out}");
}

#[test]
fn a_resumed_run_with_nothing_left_says_so() {
    let place = Place::new();
    let run = ["run", "--events", "1k", "--rate", "max", "--out", "out", "--state", "state"];
    let said = || String::from_utf8(place.run(&run).stdout).unwrap();
    assert!(said().starts_with("1,000 events in "));
    for earlier in ["an earlier run", "2 earlier runs"] {
        let words = said();
        assert!(words.starts_with("nothing was left to do: "), "{words}");
        assert!(words.contains(earlier) && words.contains("all of the 1,000 events"), "{words}");
        assert!(!words.contains("p50"), "{words}");
    }
}

#[test]
fn another_runs_output_is_kept_unless_it_may_be_replaced() {
    let place = Place::new();
    let first = ["run", "--events", "500", "--rate", "max", "--out", "out"];
    place.run_well(&first);
    let before = place.output("out");
    let output = place.run(&first);
    assert_eq!(output.status.code(), Some(2));
    assert!(error_of(&output).contains("--overwrite"), "{}", error_of(&output));
    assert!(place.output("out") == before);
    fs::write(place.path("out/mine.txt"), "keep").unwrap();
    let mut again = first.to_vec();
    again.extend(["--overwrite", "--seed", "2"]);
    place.run_well(&again);
    assert!(place.output("out") != before);
    assert_eq!(fs::read(place.path("out/mine.txt")).unwrap(), b"keep");
    // What looks like output and is in no manifest is somebody else's.
    fs::write(place.path("out/part-00000"), "theirs").unwrap();
    let output = place.run(&again);
    assert_eq!(output.status.code(), Some(2));
    assert!(error_of(&output).contains("part-00000"), "{}", error_of(&output));
    assert_eq!(fs::read(place.path("out/part-00000")).unwrap(), b"theirs");
}

#[test]
fn text_is_read_from_a_file_and_from_standard_input() {
    let place = Place::new();
    let text = b"one, two\n\n  \nna\xc3\xafve_1 caf\xc3\xa9!\r\nno end".to_vec();
    fs::write(place.path("text"), &text).unwrap();
    let expected = "0\tone two\n1\t\n2\t\n3\tna\u{ef}ve_1 caf\u{e9}\n4\tno end\n";
    let summary = place.run_well(&["run", "--source", "lines:text", "--out", "file"]);
    assert_eq!(String::from_utf8(place.output("file")).unwrap(), expected);
    assert_eq!(summary["events_in"], 5);

    let mut child = place
        .floodway(&["run", "--source", "lines:-", "--out", "stdin"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&text).unwrap();
    let output = crate::common::end_of(child, "it");
    assert!(output.status.success(), "{}", error_of(&output));
    assert_eq!(String::from_utf8(place.output("stdin")).unwrap(), expected);
}

#[test]
fn lines_on_a_pipe_are_committed_before_it_closes() {
    let place = Place::new();
    let mut child = place
        .floodway(&["run", "--source", "lines:-", "--out", "out"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    for (number, line) in ["first line", "second line"].iter().enumerate() {
        writeln!(pipe, "{line}").unwrap();
        poll("the line is committed", || {
            let lines = || fs::read(place.path("out/manifest.jsonl")).ok();
            let committed = lines().is_some_and(|manifest| {
                String::from_utf8_lossy(&manifest)
                    .contains(&format!("\"total_records\":{}", number + 1))
            });
            committed.then_some(())
        });
    }
    drop(pipe);
    assert!(child.wait().unwrap().success());
}

#[test]
fn bad_records_are_counted_and_kept_with_their_reasons() {
    let place = Place::new();
    let mut text = b"fine\nbroken \xff\xfe\n".to_vec();
    text.extend([b'x'; 150]);
    text.extend(b"\nfine again\n\xf0\x9f");
    fs::write(place.path("text"), &text).unwrap();
    for policy in [&["--policy", "local"][..], &["--policy", "remote"]] {
        let mut args = vec!["run", "--source", "lines:text", "--out", "out", "--overwrite"];
        args.extend(["--max-record", "100", "--dead-letter", "dead.jsonl"]);
        args.extend(policy);
        let _ = fs::remove_file(place.path("dead.jsonl"));
        let summary = place.run_well(&args);
        assert_eq!(place.output("out"), b"0\tfine\n3\tfine again\n");
        assert_eq!((&summary["events_in"], &summary["records_bad"]), (&5.into(), &3.into()));
        assert_eq!(summary["results_out"], 2);
        let dead = fs::read_to_string(place.path("dead.jsonl")).unwrap();
        let mut letters: Vec<Value> =
            dead.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        letters.sort_by_key(|letter| letter["record"].as_str().unwrap().to_owned());
        let reasons: Vec<_> =
            letters.iter().map(|letter| (&letter["record"], &letter["code"])).collect();
        let expected = [("1", "invalid_utf8"), ("2", "too_long"), ("4", "invalid_utf8")];
        let expected = expected.map(|(record, code)| (Value::from(record), Value::from(code)));
        assert_eq!(reasons, expected.iter().map(|(a, b)| (a, b)).collect::<Vec<_>>());
    }
}

#[test]
fn generate_writes_what_run_processes_event_for_event() {
    let place = Place::new();
    let events = ["--rate", "5k", "--shape", "sine", "--peak-rate", "20k", "--period", "300ms"];
    let more = ["--duration", "500ms", "--seed", "11", "--nexmark", "person_proportion=3"];
    let all: Vec<&str> = events.into_iter().chain(more).collect();
    let generate = |format: &str| {
        let mut args = vec!["generate", "--format", format];
        args.extend(&all);
        let output = place.run(&args);
        assert!(output.status.success(), "{}", error_of(&output));
        output.stdout
    };
    let csv = generate("csv");
    fs::write(place.path("events.csv"), &csv).unwrap();
    let mut args = vec!["run", "--out", "direct"];
    args.extend(&all);
    let summary = place.run_well(&args);
    place.run_well(&["run", "--source", "lines:events.csv", "--out", "read"]);
    assert!(place.output("direct") == place.output("read"), "{summary}");
    let count = csv.iter().filter(|byte| **byte == b'\n').count();
    assert_eq!(summary["events_in"], count);
    assert_eq!(count, 6_561, "the integral of the rate over the duration");

    let json = String::from_utf8(generate("json")).unwrap();
    assert_eq!(json.lines().count(), count);
    for (line, event) in csv.split(|byte| *byte == b'\n').zip(json.lines()).take(500) {
        let event: Value = serde_json::from_str(event).unwrap();
        let line = String::from_utf8_lossy(line);
        let first = line.split(',').next().unwrap();
        let key = if event["type"] == "bid" { "auction" } else { "id" };
        let id = event.get(key).unwrap_or_else(|| panic!("{event}"));
        assert_eq!(first, id.to_string(), "{line} is {event}");
    }
}

#[test]
fn the_summary_adds_up() {
    let place = Place::new();
    let args = ["run", "--events", "20k", "--rate", "40k", "--policy", "threshold", "--threshold"];
    let mut all = args.to_vec();
    all.extend(["20k", "--epoch", "50ms", "--out", "out", "--overwrite"]);
    all.extend(["--local-lambda", "network=2ms"]);
    let summary = place.run_until(&all, |all| all["offloaded_fraction"].as_f64() > Some(0.1));
    let number = |field: &str| summary[field].as_f64().unwrap_or_else(|| panic!("{field}"));
    assert_eq!(number("events_in"), 20_000.0);
    let by_path = ["records_local", "records_remote", "records_home", "records_bad"];
    assert_eq!(by_path.map(number).iter().sum::<f64>(), number("events_in"));
    assert_eq!(number("results_out"), number("events_in") - number("records_bad"));
    assert_eq!(number("epochs"), 10.0);
    let fraction = number("records_remote") / number("events_in");
    assert!((number("offloaded_fraction") - fraction).abs() < 1e-9);
    let throughput = number("results_out") / (number("wall_ms") / 1e3);
    assert!((number("throughput_eps") - throughput).abs() < 1.0);
    assert_eq!(
        number("retries"),
        number("attempts") - number("requests") - number("hedged"),
        "{summary}"
    );
    assert!(number("billed_ms") > 0.0 && number("cost_usd") > 0.0);
    let sent = ["first", "last"].map(|when| summary["offloading_ms"][when].as_f64().unwrap());
    assert!(50.0 <= sent[0] && sent[0] <= sent[1] && sent[1] <= number("wall_ms"), "{summary}");
    assert!(number("cpu_ns_per_event") > 0.0 && number("lambda_cpu_ms") > 0.0);
    assert!(number("peak_backlog") > 0.0 && number("backpressured_ms") >= 0.0);
    for latency in ["latency_ms", "commit_latency_ms"] {
        let of = |quantile: &str| summary[latency][quantile].as_f64().unwrap();
        let all = ["p50", "p90", "p99", "p999", "max"].map(of);
        assert!(all.is_sorted() && all[0] > 0.0, "{latency}: {all:?}");
    }
    assert_eq!((&summary["policy"], &summary["task"]), (&"threshold".into(), &"words".into()));
    assert_eq!((&summary["workers"], &summary["processes"]), (&1.into(), &1.into()));
    assert_eq!(summary["stopped"], "done");
    assert!(summary["lambda"].as_str().unwrap().contains("network=2ms"), "it states the model");
}

#[test]
fn work_is_done_locally_once_the_budget_is_spent() {
    let place = Place::new();
    // A request of 100 records lasts 10 ms and more: $4.88e-7. There are 100 of them.
    const REQUEST: f64 = 0.2e-6;
    const RECORD: f64 = 100e-6 * (1_769.0 / 1_024.0) * 16.666_7e-6;
    const BUDGET: f64 = 12e-6;
    let args = ["run", "--events", "10k", "--rate", "20k", "--policy", "remote", "--work", "100us"];
    let mut args = args.to_vec();
    args.extend([
        "--batch",
        "100",
        "--sink",
        "null",
        "--local-lambda",
        "network=2ms,cold_start=5ms",
    ]);
    args.extend([
        "--budget-total",
        "0.000012",
        "--summary",
        "summary.json",
        "--max-in-flight",
        "4",
    ]);
    // On a busy machine the function answers late: its time costs more than it is believed to, or a worker does what
    // would have spent the budget.
    within_tries("a run that spends its budget", || {
        let output = place.run(&args);
        let (error, summary) = (error_of(&output), place.summary());
        assert_eq!(output.status.code(), Some(0), "{error}");
        let number = |field: &str| summary[field].as_f64().unwrap_or_else(|| panic!("{field}"));
        assert_eq!(summary["results_out"], 10_000);
        // What was sent costs at least this, however late it was. Four in flight may cost more than those before.
        let least = number("attempts") * REQUEST + number("records_remote") * RECORD;
        let most = BUDGET + 4.0 * (REQUEST + 100.0 * RECORD);
        assert!(least <= most, "at least {least} of {BUDGET}: {summary}");
        let is_spent = (BUDGET / 2.0..=1.1 * BUDGET).contains(&number("cost_usd"));
        let was_over = number("over_budget_ms") > 0.0 && error.contains("the budget is spent");
        let is_shown = is_spent && was_over && number("records_remote") > 0.0;
        if is_shown { Ok(()) } else { Err(summary.to_string()) }
    });
}

#[test]
fn a_shadow_run_sends_nothing_and_reports_what_it_would_send() {
    let place = Place::new();
    // A worker does 10,000 a second, and has four times as many in the second half.
    let args =
        ["run", "--events", "10k", "--rate", "4k", "--shape", "square", "--peak-rate", "36k"];
    let mut args = args.to_vec();
    args.extend(["--period", "500ms", "--work", "100us", "--sink", "null", "--shadow"]);
    args.extend(["--policy", "deadline", "--deadline", "100ms", "--batch", "100"]);
    args.extend(["--local-lambda", "network=20ms,cold_start=50ms"]);
    // A worker that others hold up would send nearly all.
    place.run_until(&args, |summary| {
        assert_eq!((&summary["records_local"], &summary["attempts"]), (&10_000.into(), &0.into()));
        assert_eq!((&summary["cost_usd"], &summary["probes"]), (&0.0.into(), &0.into()));
        let shadow = |field: &str| summary["shadow"][field].as_f64().unwrap();
        assert!(shadow("cost_usd") > 0.0 && shadow("requests") > 10.0, "{summary}");
        let p99 = |of: &serde_json::Value| of["p99"].as_f64().unwrap();
        let (would, was) = (p99(&summary["shadow"]["latency_ms"]), p99(&summary["latency_ms"]));
        (0.1..0.9).contains(&shadow("offloaded_fraction")) && would < was / 2.0
    });
}

#[test]
fn a_deadline_shorter_than_a_request_is_warned_of_at_the_start() {
    let place = Place::new();
    let args = ["run", "--events", "1k", "--rate", "10k", "--policy", "deadline", "--deadline"];
    let mut args = args.to_vec();
    args.extend(["15ms", "--sink", "null", "--local-lambda", "network=40ms,cold_start=5ms"]);
    let output = place.run(&args);
    let error = error_of(&output);
    assert!(output.status.success(), "{error}");
    assert!(error.contains("the remote side takes") && error.contains("15 ms"), "{error}");
}

#[test]
fn work_costs_cpu_locally_and_time_in_the_lambda() {
    let place = Place::new();
    let args = ["run", "--events", "1000", "--rate", "max", "--work", "100us", "--sink", "null"];
    let local = place.run_well(&args);
    assert!(local["cpu_ns_per_event"].as_f64().unwrap() >= 100_000.0, "{local}");
    assert_eq!(local["work_us"], 100.0);
    let mut remote = args.to_vec();
    remote.extend(["--policy", "remote", "--local-lambda", "network=1ms,cold_start=0ms"]);
    // On a busy machine the idle worker may do some of them that are late.
    place.run_until(&remote, |remote| {
        let of = |field: &str| remote[field].as_u64().unwrap();
        assert_eq!(of("records_remote") + of("records_home"), 1_000, "{remote}");
        let slept = of("records_remote") as f64 * 0.1;
        assert!(remote["billed_ms"].as_f64().unwrap() >= slept, "{remote}");
        of("records_remote") >= 900
    });
}

#[test]
fn with_an_absent_endpoint_the_output_is_that_of_local() {
    let place = Place::new();
    let events = ["run", "--events", "3k", "--rate", "max"];
    let mut local = events.to_vec();
    local.extend(["--out", "local"]);
    place.run_well(&local);
    let mut remote = events.to_vec();
    remote.extend(["--out", "remote", "--policy", "remote", "--lambda", "http://127.0.0.1:1/"]);
    remote.extend(["--summary", "summary.json"]);
    let output = place.run(&remote);
    let (error, summary) = (error_of(&output), place.summary());
    assert_eq!(output.status.code(), Some(0), "{error}");
    assert!(error.contains("the endpoint does not answer as it should"), "at once: {error}");
    assert!(place.output("local") == place.output("remote"));
    let at_home = ["records_home", "records_local"].map(|field| summary[field].as_u64().unwrap());
    assert_eq!((at_home.iter().sum::<u64>(), &summary["records_remote"]), (3_000, &0.into()));
    assert_eq!(summary["cost_usd"], 0.0, "nothing can have run");
}

#[test]
fn settings_come_from_a_file_and_flags_override_them() {
    let place = Place::new();
    let toml = "events = 300\nrate = \"max\"\nseed = 5\nout = \"from-file\"\n";
    fs::write(place.path("floodway.toml"), toml).unwrap();
    let summary = place.run_well(&["run", "--config", "floodway.toml", "--events", "200"]);
    assert_eq!(summary["events_in"], 200);
    assert_eq!(place.output("from-file").iter().filter(|byte| **byte == b'\n').count(), 200);
    fs::write(place.path("wrong.toml"), "evnets = 300\n").unwrap();
    let output = place.run(&["run", "--config", "wrong.toml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(error_of(&output).contains("evnets"), "{}", error_of(&output));
}

#[test]
fn an_option_overrides_the_settings_that_it_excludes() {
    let place = Place::new();
    fs::write(place.path("trace.csv"), "0,1000\n0.1,0\n").unwrap();
    let toml = "events = 10\nrate = \"5k\"\nshape = \"step\"\npeak-rate = \"9k\"\nperiod = \"1s\"\nseed = 3\n\
                out = \"of-file\"\noverwrite = true\nstate = \"state-of-file\"\n";
    fs::write(place.path("all.toml"), toml).unwrap();
    fs::write(place.path("in.txt"), "a\nb\n").unwrap();
    fs::write(place.path("null.toml"), "events = 10\nsink = \"null\"\n").unwrap();
    let typed: [&[&str]; 5] = [
        &["--sink", "null"],
        &["--sink", "null", "--shape", "trace:trace.csv"],
        &["--sink", "null", "--shape", "constant"],
        &["--sink", "null", "--rate", "max"],
        &["--sink", "null", "--source", "lines:in.txt"],
    ];
    for args in typed {
        place.run_well(&[&["run", "--config", "all.toml"], args].concat());
        assert!(!place.path("of-file").exists() && !place.path("state-of-file").exists());
    }
    place.run_well(&["run", "--config", "null.toml", "--out", "typed"]);
    assert_eq!(place.output("typed").iter().filter(|byte| **byte == b'\n').count(), 10);
}

#[test]
fn an_error_of_a_setting_names_its_file_and_the_setting_as_it_stands_there() {
    let place = Place::new();
    for (toml, expected) in [
        ("rate = true", "--config a.toml: rate = true: expected a string or a number"),
        ("overwrite = \"yes\"", "--config a.toml: overwrite = \"yes\": expected true or false"),
        ("batch = 0", "--config a.toml: batch = 0: must be at least 1"),
        ("policy = \"best\"", "--config a.toml: policy = best: expected one of"),
        ("out = \"o\"\nsink = \"null\"", "--config a.toml: out: cannot be used with"),
        ("events = 5\nrate = 2k", "--config a.toml: line 2: rate = 2k: "),
    ] {
        fs::write(place.path("a.toml"), toml).unwrap();
        let output = place.run(&["run", "--config", "a.toml"]);
        let error = error_of(&output);
        assert_eq!(output.status.code(), Some(2), "{toml}: {error}");
        assert!(error.contains(expected) && !error.contains("\\n"), "{toml}: {error}");
    }
}

/// A file may have the settings of several policies; what is typed is meant.
#[test]
fn a_file_may_set_options_that_the_policy_does_not_use() {
    let place = Place::new();
    let toml = "events = 300\nrate = \"max\"\nsink = \"null\"\nthreshold = \"50k\"\n\
                deadline = \"100ms\"\nbudget = \"1/h\"\n";
    fs::write(place.path("all.toml"), toml).unwrap();
    for policy in ["local", "threshold", "deadline"] {
        let summary = place.run_well(&["run", "--config", "all.toml", "--policy", policy]);
        assert_eq!((&summary["policy"], &summary["events_in"]), (&policy.into(), &300.into()));
    }
    let typed = ["run", "--config", "all.toml", "--policy", "local", "--threshold", "1k"];
    let output = place.run(&typed);
    assert_eq!(output.status.code(), Some(2), "{}", error_of(&output));
    assert!(error_of(&output).contains("--threshold 1k"), "{}", error_of(&output));
}

/// Nobody reads on is no failure; that it cannot be written is. All that a command prints is printed so.
#[test]
fn a_full_disk_is_reported_and_a_closed_pipe_is_not() {
    let place = Place::new();
    let lambda = crate::common::Lambda::start("network=1ms");
    let check = ["check", "--lambda", &lambda.url];
    let help = ["run", "--help"];
    let trace = ["--rate", "1k", "--duration", "100ms"];
    let simulate = [&["simulate", "--service", "1us"][..], &trace].concat();
    let compare = [&["compare", "--policies", "local", "--warm-up-run", "0s"][..], &trace].concat();
    let printed: [&[&str]; 4] = [&["completion", "bash"], &check, &help, &["--version"]];
    for args in
        [&["generate", "--events", "10"][..], &simulate, &compare].into_iter().chain(printed)
    {
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let mut command = place.floodway(args);
        let child = command.stdout(full).stderr(Stdio::piped()).spawn().unwrap();
        let output = crate::common::end_of(child, "it");
        let error = error_of(&output);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {error}");
        assert!(error.contains("cannot write to standard output: No space"), "{args:?}: {error}");

        let mut command = place.floodway(args);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = crate::common::end_of(child, "it");
        assert!(output.status.success(), "{args:?}: {}", error_of(&output));
    }
}

#[test]
fn completions_are_printed_for_the_usual_shells() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish"] {
        let output = place.run(&["completion", shell]);
        assert!(output.status.success());
        assert!(String::from_utf8_lossy(&output.stdout).contains("threshold"), "{shell}");
    }
}

#[test]
fn check_makes_one_round_trip_and_names_an_unknown_function() {
    let place = Place::new();
    let lambda = crate::common::Lambda::start("network=1ms");
    let output = place.run(&["check", "--lambda", &lambda.url]);
    assert!(output.status.success(), "{}", error_of(&output));
    let wrong = format!("{}2015-03-31/functions/other/invocations", lambda.url);
    let output = place.run(&["check", "--lambda", &wrong]);
    assert_eq!(output.status.code(), Some(1));
    assert!(error_of(&output).contains("no such function"), "{}", error_of(&output));
}

/// Two processes at 40k/s each are above a threshold of 60k together: no counter but the epochs'
/// crosses them.
#[test]
fn a_threshold_applies_to_the_sum_of_two_processes() {
    let place = Place::new();
    let args = ["run", "--rate", "80k", "--events", "80k", "--policy", "threshold"];
    let mut all = args.to_vec();
    all.extend(["--threshold", "60k", "--epoch", "50ms", "--out", "out", "--overwrite"]);
    all.extend(["--local-lambda", "network=2ms,cold_start=0ms", "--summary", "summary.json"]);
    within_tries("a run that does a part remotely", || {
        for child in start_processes(&place, 2, &all) {
            let output = crate::common::end_of(child, "it");
            assert!(output.status.success(), "{}", error_of(&output));
        }
        let summary = place.summary();
        assert_eq!((&summary["events_in"], &summary["processes"]), (&80_000.into(), &2.into()));
        // None would be sent, if each saw only its own 40k/s.
        assert!(summary["requests"].as_u64() > Some(0), "{summary}");
        let is_shown = summary["offloaded_fraction"].as_f64() > Some(0.1);
        if is_shown { Ok(()) } else { Err(summary.to_string()) }
    });
}

#[test]
fn a_lost_process_ends_the_others_with_1() {
    let place = Place::new();
    let args = ["run", "--rate", "2k", "--out", "out"];
    let mut children = start_processes(&place, 2, &args);
    poll("something is committed", || {
        let manifest = fs::read_to_string(place.path("out/manifest.jsonl")).ok()?;
        (manifest.lines().count() > 1).then_some(())
    });
    children[1].kill().unwrap();
    children[1].wait().unwrap();
    let survivor = crate::common::end_of(children.remove(0), "the survivor");
    assert_eq!(survivor.status.code(), Some(1), "{}", error_of(&survivor));
    let error = error_of(&survivor);
    assert!(error.contains("process"), "{error}");
    let recovered = floodway::sink::recover(&place.path("out")).unwrap();
    assert!(recovered.last.unwrap().total_records > 0);
}

#[test]
fn processes_with_different_settings_are_refused() {
    let place = Place::new();
    let hosts = hosts(&place, 2);
    let start = |process: &str, task: &str| {
        let args = ["run", "--events", "100", "--rate", "max", "--out", "out", "--task", task];
        let mut command = place.floodway(&args);
        command.args(["--state", "state/of/it", "--dead-letter", "bad.jsonl"]);
        command.args(["--", "-n", "2", "-p", process, "-h"]).arg(&hosts);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    for child in [start("0", "words"), start("1", "bpe")] {
        let output = crate::common::end_of(child, "a process");
        let error = error_of(&output);
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert!(error.contains("different settings: --task. "), "{error}");
    }
    for name in ["out", "state", "bad.jsonl"] {
        assert!(!place.path(name).exists(), "{name}: the same command can be given again");
    }
}

#[test]
fn a_hosts_file_of_the_wrong_length_is_refused() {
    let place = Place::new();
    let hosts = hosts(&place, 1);
    let hosts = hosts.to_str().unwrap();
    let args = ["run", "--events", "1", "--out", "out", "--", "-n", "2", "-p", "0", "-h", hosts];
    let output = place.run(&args);
    assert_eq!(output.status.code(), Some(2), "{}", error_of(&output));
}
