//! The command as a user meets it: what it says about wrong input, how it ends, and what it prints.

use std::fs;
use std::process::Stdio;

use crate::common::{Place, end_of, error_of, output_of, signal};

#[cfg(not(feature = "kafka"))]
#[test]
fn an_option_of_a_missing_feature_says_how_to_build_it() {
    let place = Place::new();
    let output = place.run(&["run", "--source", "kafka://localhost:9092/topic", "--out", "out"]);
    let said = error_of(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("--features kafka"), "{said}");
    let output = place.run(&["run", "--sink", "kafka://localhost:9092/topic", "--state", "state"]);
    let said = error_of(&output);
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
        error_of(&output)
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
        (
            &["--sink", "s3://x"],
            &["--sink", "s3://x", "expected files:DIR, kafka://HOST:PORT/TOPIC or null"],
        ),
        (&["--sink", "nullx"], &["--sink", "nullx", "expected files:DIR"]),
        (&["--out", "files:x"], &["--out", "--sink files:x"]),
        (&["--sink", "files:x?sync=maybe"], &["--sink", "sync=maybe", "sync="]),
        (&["--sink", "files:?format=text"], &["--sink", "no folder", "files:DIR"]),
        (&["--sink", "files:x?sync=all&sync=none"], &["--sink", "sync=none", "twice"]),
        (&["--sink", "files:x?roll_size=0"], &["--sink", "roll_size=0", "at least 1"]),
        (&["--sink", "files:x?roll_age=0s"], &["--sink", "roll_age=0s", "above 0"]),
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
        // The only stage has the name of the task.
        (&["--stage", "words"], &["--stage", "words", "KEY=VALUE"]),
        (&["--stage", "batch=5"], &["--stage", "batch=5", "name of a stage"]),
        (&["--stage", "words.colour=red"], &["--stage", "no option colour", "policy", "batch"]),
        (&["--stage", "words.budget=1/h"], &["--stage", "no option budget", "threshold"]),
        (&["--stage", "score.batch=5"], &["--stage", "score.batch=5", "no such stage", "words"]),
        (&["--stage", "words.batch=0"], &["--stage", "words.batch=0", "at least 1"]),
        (&["--stage", "words.batch=5,linger=x"], &["--stage words.linger=x", "1.5s"]),
        (&["--stage", "words.batch=5,batch=6"], &["words.batch=6", "given twice"]),
        (
            &["--stage", "words.batch=5", "--stage", "words.batch=6"],
            &["--stage", "words.batch=6", "given twice"],
        ),
        (&["--stage", "words.policy=best"], &["--stage", "words.policy=best", "deadline"]),
        (&["--stage", "words.policy=spill"], &["words.policy=spill", "needs --threshold"]),
        (
            &["--stage", "words.policy=local,threshold=5k"],
            &["--stage", "words.threshold=5k", "is for --policy"],
        ),
        (&["--stage", "words.timeout=1ms"], &["--stage", "words.timeout=1ms", "--linger"]),
        (&["--stage", "words.linger=20s"], &["--stage words: --timeout 10s", "--linger"]),
        (&["--stage", "words.auth=iam"], &["--stage", "words.auth=iam", "--lambda"]),
        (&["--stage", "words.memory=512"], &["--stage", "words.memory=512", "--local-lambda"]),
        (&["--stage", "words.lambda=ftp://x/"], &["--stage", "words.lambda=ftp://x/", "https://"]),
        (
            &["--lambda", "http://x/", "--memory", "512", "--stage", "words.memory=64"],
            &["--stage", "words.memory=64", "128"],
        ),
        (
            &["--lambda", "http://x/", "--local-lambda", "network=1ms"],
            &["--local-lambda", "--lambda local"],
        ),
        (
            &["--shadow", "--policy", "deadline", "--stage", "words.batch=5"],
            &["--stage", "--shadow"],
        ),
        (&["--budget", "1/h", "--stage", "words.policy=local"], &["--budget", "1/h", "remote"]),
        (&["--", "-h", "hosts"], &["-h", "-n"]),
        (&["--", "-p", "0"], &["-p", "-n"]),
    ];
    place.refuses("run", cases);
    let of_explain: &[(&[&str], &[&str])] = &[
        (&["--out", "out"], &["--out", "out", "writes no output"]),
        (&["--summary", "summary.json"], &["--summary", "--json"]),
        (&["--policy", "local", "--budget", "1/h"], &["--budget", "1/h", "remote"]),
        (&["--json=yes"], &["--json", "yes"]),
    ];
    place.refuses("explain", of_explain);
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
    let mut child = place.start(&["run", "--out", "out"]);
    let mut said = std::io::BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut said, &mut line).unwrap();
    signal(&child, rustix::process::Signal::INT);
    assert!(end_of(child, "the run").status.success());
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
    let (error, out) = (error_of(&output), output_of(&output));
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
        let output = end_of(child, "it");
        let error = error_of(&output);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {error}");
        assert!(error.contains("cannot write to standard output: No space"), "{args:?}: {error}");

        let mut child = place.start(args);
        drop(child.stdout.take());
        let output = end_of(child, "it");
        assert!(output.status.success(), "{args:?}: {}", error_of(&output));
    }
}

#[test]
fn completions_are_printed_for_the_usual_shells() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish"] {
        let output = place.run(&["completion", shell]);
        assert!(output.status.success());
        assert!(output_of(&output).contains("threshold"), "{shell}");
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
