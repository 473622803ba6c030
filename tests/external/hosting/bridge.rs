//! Floodway's own bridge against the local Lambda that wants signed requests, as processes: what one of them
//! signs the other checks, and they share no code.

use std::process::{Command, Output};

use super::{Hosted, KEYS};
use crate::common::{Place, end_of, output_of, parts, said_by, start, within_tries};

/// The function of `functions/python`, for those who have the keys, for as long as they last.
fn words(until: Option<&str>) -> Option<Hosted> {
    let folder = parts::function("python")?;
    let mut command = super::command(&folder, "", &["--auth", "iam"])?;
    command.envs(KEYS).env_remove("AWS_SESSION_TOKEN").env_remove("AWS_CREDENTIAL_EXPIRATION");
    command.envs(until.map(|end| ("AWS_CREDENTIAL_EXPIRATION", end)));
    Some(Hosted::of(command))
}

/// The command, in an environment that has nothing of AWS but the keys and the service's address.
fn floodway(place: &Place, hosted: &Hosted, args: &[&str], secret: &str) -> Output {
    let mut command: Command = place.floodway(args);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("AWS_")) {
        command.env_remove(name);
    }
    command.envs([KEYS[0], (KEYS[1].0, secret), ("AWS_REGION", "us-east-1")]);
    command.env("AWS_ENDPOINT_URL_LAMBDA", &hosted.url).env("HOME", place.path(""));
    end_of(start(command), &format!("{args:?}"))
}

const TASK: [&str; 8] = ["run", "--events", "4k", "--rate", "4k", "--seed", "5", "--overwrite"];

fn run(place: &Place, hosted: &Hosted, lambda: &[&str], secret: &str) -> Output {
    let remote = ["--policy", "remote", "--warm-up", "off", "--batch", "200", "--out", "out"];
    let args = [&TASK[..], &remote, lambda, &["--summary", "summary.json"]].concat();
    floodway(place, hosted, &args, secret)
}

#[test]
fn signed_requests_are_accepted_and_a_wrong_secret_is_refused() {
    let Some(hosted) = words(None) else { return };
    let place = Place::new();
    place.run_well(&[&TASK[..], &["--out", "local"]].concat());
    let expected = place.output("local");
    let arn = "arn:aws:lambda:us-east-1:123456789012:function:floodway:$LATEST";
    let ways: [&[&str]; 3] = [
        &["--lambda", "floodway"],
        &["--lambda", arn],
        &["--lambda", &hosted.url, "--auth", "iam"],
    ];
    for lambda in ways {
        let checked = floodway(&place, &hosted, &[&["check"], lambda].concat(), KEYS[1].1);
        assert!(checked.status.success(), "{lambda:?}: {}", said_by(&checked));
        // On a busy machine the function may be late, and the worker does its records.
        let (ran, summary) = within_tries("a run that does most of it remotely", || {
            let ran = run(&place, &hosted, lambda, KEYS[1].1);
            assert!(ran.status.success(), "{lambda:?}: {}", said_by(&ran));
            assert!(place.output("out") == expected, "{lambda:?}");
            let summary = place.summary();
            let most = summary["records_remote"].as_u64() > Some(2_000);
            if most && summary["breaker_opened"] == 0 {
                Ok((ran, summary))
            } else {
                Err(summary.to_string())
            }
        });
        // What was billed is known to the millisecond, from the log's tail, of each request that was waited for.
        let function = &summary["functions"][0];
        let metered = function["metered"].as_f64().unwrap();
        let metered_ms = function["metered_ms"].as_f64().unwrap();
        assert!(metered * 2.0 > function["attempts"].as_f64().unwrap(), "{lambda:?}: {summary}");
        assert!(metered_ms >= metered && metered_ms.fract() == 0.0, "{lambda:?}: {summary}");
        assert!(function["billed_ms"].as_f64().unwrap() >= metered_ms, "{lambda:?}: {summary}");
        assert!(said_by(&ran).contains("billed    "), "{}", said_by(&ran));
        assert!(said_by(&checked).contains("ms, as the service says"), "{}", said_by(&checked));
    }
    for (lambda, parts) in [
        (ways[0], ["InvalidSignatureException", "AWS_SECRET_ACCESS_KEY"]),
        (ways[1], ["InvalidSignatureException", "AWS_SECRET_ACCESS_KEY"]),
        // A URL tells nobody why.
        (ways[2], ["AccessDeniedException", "the secret"]),
    ] {
        let checked = floodway(&place, &hosted, &[&["check"], lambda].concat(), "wrong");
        let ran = run(&place, &hosted, lambda, "wrong");
        for output in [&checked, &ran] {
            let said = said_by(output);
            assert_eq!(output.status.code(), Some(1), "{lambda:?}: {said}");
            let last = said.lines().last().unwrap_or_default();
            assert!(parts.iter().all(|part| last.contains(part)), "{lambda:?}: {last}");
        }
        assert!(place.output("out") == expected, "{lambda:?}: the work was done locally");
        let summary = place.summary();
        assert_eq!(summary["records_remote"], 0, "{lambda:?}: {summary}");
        assert_eq!(summary["results_out"], summary["events_in"], "{lambda:?}: {summary}");
    }
}

#[test]
fn when_keys_expire_during_a_run_it_completes_locally() {
    let end = Command::new("date").args(["-u", "-d", "+4 seconds", "+%FT%TZ"]).output().unwrap();
    let end = output_of(&end);
    let Some(hosted) = words(Some(end.trim())) else { return };
    let place = Place::new();
    // For longer than they last, however long the server took to start.
    let task =
        ["run", "--events", "24k", "--rate", "4k", "--seed", "5", "--summary", "summary.json"];
    let remote = ["--policy", "remote", "--warm-up", "off", "--batch", "200", "--out", "out"];
    let args = [&task[..], &remote, &["--lambda", "floodway"]].concat();
    let ran = floodway(&place, &hosted, &args, KEYS[1].1);
    // If they had ended before the first probe was answered it is a refusal of everything, and 1.
    let summary = place.summary();
    let had_worked = summary["records_remote"].as_u64() > Some(0);
    assert!(ran.status.success() || !had_worked, "{}", said_by(&ran));
    assert!(said_by(&ran).contains("ExpiredTokenException"), "{}", said_by(&ran));
    assert!(
        said_by(&ran).contains("the credentials have expired: get new ones"),
        "{}",
        said_by(&ran)
    );
    place.run_well(&[&task[..7], &["--out", "local"]].concat());
    assert!(place.output("out") == place.output("local"));
    assert_eq!(summary["results_out"], 24_000);
}

/// A function of one's own, in Python, whose answer to `words` has these results and errors.
fn of_ones_own(place: &Place, answer: &str) -> Option<Hosted> {
    let handler = format!(
        "import json, re\n\
         def lambda_handler(event, context):\n    \
             records = json.loads(event['body'])['records']\n    \
             return {{'v': 1, 'task': 'words', **({answer})}}\n"
    );
    std::fs::create_dir(place.path("own")).unwrap();
    std::fs::write(place.path("own/lambda_function.py"), handler).unwrap();
    super::command(&place.path("own"), "", &[]).map(Hosted::of)
}

#[test]
fn records_that_the_function_refuses_are_done_locally_and_reported() {
    let place = Place::new();
    let answer =
        "dict(results=[], ids=[], errors=[dict(id=i, code='boo') for i in range(len(records))])";
    let Some(hosted) = of_ones_own(&place, answer) else { return };
    place.run_well(&[&TASK[..], &["--out", "local"]].concat());
    // On a busy machine the function may be too late to refuse any.
    within_tries("a run whose records are refused", || {
        let ran = run(&place, &hosted, &["--lambda", &hosted.url], "unused");
        assert!(ran.status.success(), "{}", said_by(&ran));
        assert!(place.output("out") == place.output("local"), "{}", said_by(&ran));
        let said = said_by(&ran);
        if said.contains("refuses records that are good (\"boo\")") { Ok(()) } else { Err(said) }
    });
    let checked = place.run(&["check", "--lambda", &hosted.url]);
    assert_eq!(checked.status.code(), Some(1));
    assert!(said_by(&checked).contains("with \"boo\""), "{}", said_by(&checked));
}

/// Marks are of a word, which Python's own idea of one does not know: three short texts would not tell.
#[test]
fn check_finds_a_function_with_other_results() {
    let place = Place::new();
    let answer = "dict(results=[' '.join(re.findall(r'\\w+', r)) for r in records], \
                  ids=list(range(len(records))), errors=[])";
    let Some(hosted) = of_ones_own(&place, answer) else { return };
    let checked = place.run(&["check", "--lambda", &hosted.url]);
    assert_eq!(checked.status.code(), Some(1), "{}", said_by(&checked));
    assert!(said_by(&checked).contains(" there and "), "{}", said_by(&checked));
}

/// By its URL the function says it with a 400, by its name it fails: a run that got nowhere ends with 1 either way.
#[test]
fn a_task_that_the_function_lacks_is_a_refusal_by_name_and_by_url() {
    let Some(hosted) = words(None) else { return };
    let place = Place::new();
    for lambda in [&["--lambda", "floodway"][..], &["--lambda", &hosted.url, "--auth", "iam"]] {
        let other = [&["--task", "bpe"][..], lambda].concat();
        let ran = run(&place, &hosted, &other, KEYS[1].1);
        assert_eq!(ran.status.code(), Some(1), "{lambda:?}: {}", said_by(&ran));
        assert!(said_by(&ran).contains("there is no task"), "{lambda:?}: {}", said_by(&ran));
        assert_eq!(place.summary()["results_out"], 4_000);
        let checked = [&["check", "--task", "bpe"][..], lambda].concat();
        let checked = floodway(&place, &hosted, &checked, KEYS[1].1);
        assert_eq!(checked.status.code(), Some(1), "{}", said_by(&checked));
        assert!(said_by(&checked).contains("the function itself says"), "{}", said_by(&checked));
    }
}
