//! Law 1: the committed output is a pure function of the input. Sorted, it is the same bytes for
//! any number of workers and processes, any policy, and a remote side that fails.

use std::fs;
use std::path::Path;

use floodway::policy::{POLICIES, Sends, Spec};

use crate::common::{Lambda, Place, error_of, parts, start_processes};

/// 10,000 events in a third of a second or so, most of them in a burst.
const EVENTS: [&str; 14] = [
    "run",
    "--events",
    "10k",
    "--rate",
    "10k",
    "--shape",
    "spike",
    "--peak-rate",
    "60k",
    "--period",
    "500ms",
    "--seed",
    "7",
    "--overwrite",
];

const FAILING: &str = "network=2ms,cold_start=5ms,failure_rate=0.3,seed=3";

/// The answer: what `generate` writes, tokenized here by the definition of a word for ASCII.
fn expected(place: &Place) -> Vec<u8> {
    let mut args = EVENTS.to_vec();
    args[0] = "generate";
    args.pop();
    let generated = place.run(&args);
    assert!(generated.status.success(), "{}", error_of(&generated));
    let text = String::from_utf8(generated.stdout).expect("events are text");
    let mut lines: Vec<String> = text
        .lines()
        .enumerate()
        .map(|(number, line)| {
            let words: Vec<&str> = line
                .split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
                .filter(|word| !word.is_empty())
                .collect();
            format!("{number}\t{}\n", words.join(" "))
        })
        .collect();
    assert_eq!(lines.len(), 10_000);
    lines.sort_unstable();
    lines.concat().into_bytes()
}

/// The options of every policy, with which it sends some of [`EVENTS`].
fn policies() -> impl Iterator<Item = (&'static Spec, Vec<&'static str>)> {
    let options = |policy: &Spec| -> &[&str] {
        match policy.sends {
            Sends::Nothing | Sends::Always => &[],
            Sends::AboveThreshold => &["--threshold", "20k"],
            // A worker does 5,000 a second of these, and the function as many in each environment.
            Sends::Late => &["--deadline", "60ms", "--work", "200us", "--batch", "50"],
        }
    };
    POLICIES
        .iter()
        .map(move |policy| (*policy, [&["--policy", policy.name], options(policy)].concat()))
}

#[test]
fn the_output_is_the_same_for_any_workers_and_policy_with_a_remote_side_that_fails() {
    let place = Place::new();
    let expected = expected(&place);
    for (spec, policy) in policies() {
        let sends = spec.sends != Sends::Nothing;
        for workers in ["1", "2", "4"] {
            let mut args = EVENTS.to_vec();
            args.extend(["--out", "out", "--attempts", "2"]);
            args.extend(&policy);
            args.extend(["--linger", "2ms", "--epoch", "50ms", "--commit-every", "100ms"]);
            if sends {
                args.extend(["--local-lambda", FAILING]);
            }
            args.extend(["--", "-w", workers]);
            place.run_until(&args, |summary| {
                let named = format!("{policy:?} with {workers} workers: {summary}");
                assert!(place.output("out") == expected, "{named}");
                assert_eq!(summary["events_in"], 10_000, "{named}");
                assert_eq!(summary["results_out"], 10_000, "{named}");
                (summary["records_remote"].as_u64() > Some(0)) == sends
            });
        }
    }
}

#[test]
fn two_processes_write_the_same_and_share_an_endpoint() {
    let place = Place::new();
    let expected = expected(&place);
    let lambda = Lambda::start(FAILING);
    for (spec, policy) in policies() {
        let mut args = EVENTS.to_vec();
        args.extend(["--out", "out", "--summary", "summary.json", "--epoch", "50ms"]);
        args.extend(["--commit-every", "100ms"]);
        args.extend(&policy);
        if spec.sends != Sends::Nothing {
            args.extend(["--lambda", &lambda.url]);
        }
        args.extend(["--", "-w", "2"]);
        for child in start_processes(&place, 2, &args) {
            let output = crate::common::end_of(child, "it");
            let errors = error_of(&output);
            assert!(output.status.success(), "{policy:?}: {errors}");
        }
        let summary = place.summary();
        assert!(place.output("out") == expected, "{policy:?}: {summary}");
        assert_eq!(summary["events_in"], 10_000);
        assert_eq!((&summary["processes"], &summary["workers"]), (&2.into(), &4.into()));
    }
}

/// Text of all scripts, of marks and emoji, long and empty lines: the golden vectors', and some of one's own.
fn all_scripts(path: &Path) {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("functions/golden/words.jsonl");
    let golden = fs::read_to_string(golden).unwrap();
    let mut lines: Vec<String> = golden
        .lines()
        .filter_map(|line| {
            let vector: serde_json::Value = serde_json::from_str(line).unwrap();
            vector.as_object()?.values().find_map(|value| value.as_str().map(str::to_owned))
        })
        // A line has no line break in it.
        .map(|text| text.replace(['\n', '\r'], " "))
        .collect();
    assert!(lines.len() > 20 && lines.iter().any(|line| !line.is_ascii()), "{lines:?}");
    for seed in 0..2_000_u32 {
        // One of each thousandth character there is, from another start in each line.
        let characters =
            (0..60_u32).filter_map(|nth| char::from_u32((seed * 557 + nth * 1_009) % 0x2_0000));
        lines.push(characters.filter(|c| !matches!(c, '\n' | '\r')).collect());
    }
    fs::write(path, lines.join("\n") + "\n").unwrap();
}

/// Real processes of the functions in all languages make what the workers make.
#[test]
fn functions_in_all_languages_make_the_same() {
    let (Some(_), Some(_)) = (parts::function("java/dist/function.jar"), parts::java_client())
    else {
        return;
    };
    let (Some(_), Some(python)) = (parts::function("rust/dist/bootstrap"), parts::python()) else {
        return;
    };
    let place = Place::new();
    all_scripts(&place.path("scripts.txt"));
    let text = ["run", "--source", "lines:scripts.txt", "--overwrite", "--out"];
    place.run_well(&[&text[..], &["scripts", "--policy", "local"]].concat());
    let (expected, scripts) = (expected(&place), place.output("scripts"));
    for language in ["python", "java", "rust"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("functions").join(language);
        let lambda = Lambda::hosting(&folder, &python, "network=1ms,concurrency=2");
        // Slow locally, or the worker would be sooner on a busy machine, which is no function that hangs.
        let slow = ["--work", "500us", "--timeout", "60s"];
        let remote = ["--policy", "remote", "--lambda", &lambda.url, "--batch", "500"];
        let remote = [&remote[..], &slow].concat();
        let most = |summary: &serde_json::Value| {
            summary["records_remote"].as_u64() > Some(summary["events_in"].as_u64().unwrap() / 2)
        };
        place.run_until(&[&EVENTS[..], &["--out", "out"], &remote].concat(), |summary| {
            assert!(place.output("out") == expected, "{language}: {summary}");
            most(summary)
        });
        place.run_until(&[&text[..], &["out"], &remote].concat(), |summary| {
            assert!(place.output("out") == scripts, "{language}: {summary}");
            assert_eq!(summary["records_bad"], 0, "{language}: {summary}");
            most(summary)
        });
    }
}
