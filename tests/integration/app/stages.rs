//! Stages with options of their own (`--stage`): policies, functions and requests.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use serde_json::Value;

use super::call::Service;
use super::{
    FAILING, INPUT, OUTPUT, WAYS, clicks, counts_are_right, is_complete, remote, run_with,
};
use crate::common::shown::Shown;
use crate::common::{Lambda, Place, error_of, example, for_all, output_of, within_tries};

/// Starts the function of the stages of `clicks`, which logs its requests to the file `log` of `place`.
fn function(place: &Place, log: &str) -> Service {
    let log = place.path(log);
    Service::start("tests/integration/app/clicks_function.py", &[log.to_str().unwrap()])
}

/// The numbers of records in the requests of a function, by stage.
fn requests(place: &Place, log: &str) -> BTreeMap<String, Vec<usize>> {
    let mut stages: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for line in fs::read_to_string(place.path(log)).unwrap().lines() {
        let (stage, records) = line.split_once(' ').unwrap();
        stages.entry(stage.to_owned()).or_default().push(records.parse().unwrap());
    }
    stages
}

/// Runs `clicks` in this way to a good end, and returns its summary.
fn run(place: &Place, options: &[&str], way: (&str, usize)) -> Value {
    let run = ["run", "--summary", "summary.json", "--overwrite"];
    run_with(place, &[&run[..], &INPUT, &OUTPUT, options].concat(), way);
    is_complete(place);
    let summary = place.summary();
    counts_are_right(&summary);
    summary
}

/// A figure of each stage.
fn by_stage(summary: &Value, field: &str) -> Vec<Value> {
    summary["stages"].as_array().unwrap().iter().map(|stage| stage[field].clone()).collect()
}

#[test]
fn each_stage_is_sent_to_its_own_function_in_requests_of_its_own_size() {
    within_tries("requests to both", || {
        let place = clicks();
        let (fetch, score) = (function(&place, "fetch"), function(&place, "score"));
        let of_fetch = format!("fetch.lambda={},batch=40", fetch.url);
        let of_score = format!("score.lambda={},score.batch=7", score.url);
        let stages = ["--policy", "remote", "--stage", &of_fetch, "--stage", &of_score];
        let summary = run(&place, &stages, ("2", 1));
        let (at_fetch, at_score) = (requests(&place, "fetch"), requests(&place, "score"));
        assert!(at_fetch.keys().all(|stage| stage == "fetch"), "{at_fetch:?}");
        assert!(at_score.keys().all(|stage| stage == "score"), "{at_score:?}");
        assert!(at_fetch.values().flatten().all(|records| *records <= 40), "{at_fetch:?}");
        assert!(at_score.values().flatten().all(|records| *records <= 7), "{at_score:?}");
        // What each was billed is said by function, and adds up.
        let functions = summary["functions"].as_array().unwrap();
        let names: Vec<_> = functions.iter().map(|it| it["name"].as_str().unwrap()).collect();
        assert_eq!(names, [&*fetch.url, &*score.url], "{summary}");
        let sum = |field: &str| functions.iter().map(|it| it[field].as_f64().unwrap()).sum::<f64>();
        let is_sum = |field: &str| (sum(field) - summary[field].as_f64().unwrap()).abs() < 1e-9;
        assert!(is_sum("cost_usd") && is_sum("billed_ms"), "{summary}");
        assert_eq!(summary["policy"], "remote");
        let is_sent = by_stage(&summary, "remote").iter().all(|records| records.as_u64() > Some(0));
        if is_sent && at_fetch.values().flatten().any(|records| *records > 7) {
            return Ok(());
        }
        Err(format!("{at_fetch:?} {at_score:?} {summary}"))
    });
}

#[test]
fn one_stage_is_sent_and_the_other_is_not() {
    within_tries("records that are sent", || {
        let place = clicks();
        let score = function(&place, "log");
        let of_score = format!("score.policy=remote,lambda={}", score.url);
        let summary = run(&place, &["--policy", "local", "--stage", &of_score], ("1", 1));
        assert_eq!(summary["policy"], "local for fetch and remote for score");
        assert_eq!(by_stage(&summary, "policy"), ["local", "remote"]);
        let sent = requests(&place, "log");
        assert!(sent.keys().all(|stage| stage == "score"), "{sent:?}");
        match &by_stage(&summary, "remote")[..] {
            [fetched, scored] if scored.as_u64() > Some(0) => {
                assert_eq!(fetched, 0, "{summary}");
                Ok(())
            }
            _ => Err(summary.to_string()),
        }
    });
}

/// One bridge is to the local Lambda, and one to a function elsewhere.
#[test]
fn the_output_is_the_same_whatever_the_stages_have_of_their_own() {
    for_all(&WAYS, |way| {
        let place = clicks();
        let score = function(&place, "log");
        let of_score = format!("score.lambda={},timeout=5s", score.url);
        let stages = ["--policy", "remote", "--stage", &of_score, "--stage", "fetch.attempts=1"];
        let summary = run(&place, &[&stages[..], &FAILING].concat(), *way);
        let names: Vec<_> = summary["functions"].as_array().unwrap().iter().collect();
        assert_eq!((names.len(), &names[0]["name"]), (2, &"local".into()), "{summary}");
        assert!(remote(&summary) > 0, "{summary}");
    });
}

#[test]
fn the_metrics_have_the_sum_of_all_functions_and_each() {
    let place = clicks();
    let model = ["--local-lambda", "network=1ms,cold_start=1ms", "--policy", "remote"];
    let shown = ["--stage", "score.batch=50", "--listen", "127.0.0.1:0", "--listen-after", "1h"];
    let args = [&["run"], &INPUT[..], &OUTPUT, &model, &shown].concat();
    let run = Shown::start(place.floodway(&args));
    let metrics = run.until("done");
    let of = |stage: &str| {
        metrics.get(&format!("floodway_function_requests_total{{stages=\"{stage}\"}}"))
    };
    assert!(of("fetch") > 0.0 && of("score") > 0.0);
    assert_eq!(of("fetch") + of("score"), metrics.get("floodway_requests_total"));
    // A busy machine may open the breaker.
    assert!(metrics.get("floodway_function_is_available{stages=\"fetch\"}") <= 1.0);
    run.end();
    is_complete(&place);
}

#[test]
fn a_function_that_lacks_its_stage_is_named_and_workers_do_its_records() {
    let place = clicks();
    let (good, lacks) = (function(&place, "good"), Lambda::start("network=1ms"));
    let own = format!("fetch.lambda={},score.lambda={}", good.url, lacks.url);
    let stages = ["--policy", "remote", "--stage", &own];
    let output = place.run(&[&["run"], &INPUT[..], &OUTPUT, &stages].concat());
    let error = error_of(&output);
    assert!(output.status.success(), "{error}");
    let said =
        |url: &str| error.contains(&format!("the function {url} does not answer as it should"));
    assert!(said(&lacks.url) && !said(&good.url), "{error}");
    is_complete(&place);
    let checked = place.run(&["check", "--stage", &own]);
    let (said, error) = (output_of(&checked), error_of(&checked));
    assert_eq!(checked.status.code(), Some(1), "{said}{error}");
    assert!(said.contains("answers for the stage fetch"), "{said}");
    assert!(error.starts_with("clicks: the stage score: "), "{error}");
}

#[test]
fn check_asks_each_function_for_its_stages() {
    let place = clicks();
    let (all, score) = (function(&place, "all"), function(&place, "score"));
    let of_score = format!("score.lambda={}", score.url);
    for (args, endpoints) in [
        (&["check", "--lambda", &all.url, "--stage", &of_score][..], vec![&all.url, &score.url]),
        (&["check", "--lambda", &all.url, "--stage", "score.batch=5"], vec![&all.url]),
        (&["check", "--stage", &of_score], vec![&score.url]),
    ] {
        let checked = place.run(args);
        let said = output_of(&checked);
        assert!(
            checked.status.success() && said.ends_with("good\n"),
            "{said}{}",
            error_of(&checked)
        );
        let asked: Vec<_> =
            said.lines().filter_map(|line| line.strip_prefix("endpoint  ")).collect();
        let is_asked = |(asked, url): (&&str, &&String)| asked.starts_with(url.as_str());
        assert_eq!(asked.len(), endpoints.len(), "{said}");
        assert!(asked.iter().zip(&endpoints).all(is_asked), "{said}");
        assert!(said.contains("answers for the stage score"), "{said}");
    }
}

#[test]
fn a_file_has_the_options_of_stages_in_an_array() {
    // A threshold in it does not count under a policy that has none.
    let stages = "[\"score.policy=local,threshold=5k\", \"fetch.policy=remote\"]";
    let file = format!("policy = \"local\"\nstage = {stages}\n");
    // What is typed counts in place of all of them.
    let typed: &[&str] = &["--stage", "score.policy=remote"];
    for (typed, policies) in [(&[][..], ["remote", "local"]), (typed, ["local", "remote"])] {
        let place = clicks();
        fs::write(place.path("stages.toml"), &file).unwrap();
        let summary = run(&place, &[&["--config", "stages.toml"], typed].concat(), ("1", 1));
        assert_eq!(by_stage(&summary, "policy"), policies);
    }
    let place = clicks();
    fs::write(place.path("wrong.toml"), "stage = [\"score.batch=0\"]\n").unwrap();
    let error = error_of(&place.run(&["run", "--config", "wrong.toml"]));
    assert!(error.contains("--config wrong.toml: stage = score.batch=0: expected"), "{error}");
}

#[test]
fn compare_gives_the_options_of_stages_to_each_run() {
    let place = clicks();
    let own = ["--stage", "score.policy=local", "--budget-total", "1"];
    let how = ["--policies", "local,remote", "--warm-up-run", "0s", "--report", "report"];
    let output = place.run(&[&["compare"], &INPUT[..], &own, &how].concat());
    assert!(output.status.success(), "{}", error_of(&output));
    let report: Value =
        serde_json::from_slice(&fs::read(place.path("report/compare.json")).unwrap()).unwrap();
    let policies = report["policies"].as_array().unwrap();
    let of_fetch = policies.iter().map(|it| by_stage(&it["rounds"][0]["summary"], "policy"));
    assert_eq!(of_fetch.collect::<Vec<_>>(), [["local", "local"], ["remote", "local"]]);
}

#[test]
fn wrong_stages_are_refused() {
    let place = clicks();
    let cities = Place::in_memory().running(|| Command::new(example("cities")));
    let of_call = ["--call", "lookup=http://127.0.0.1:9/", "--stage", "lookup.batch=5"];
    let parts = ["--stage lookup.batch=5", "lookup is a call", "--call lookup=URL"];
    cities.refuses("run", &[(&of_call, &parts)]);
    place.refuses("run", &[(&["--stage", "scores.batch=5"], &["no such stage", "fetch, score"])]);
    place
        .refuses("check", &[(&["--stage", "scores.lambda=x"], &["no such stage", "fetch, score"])]);
}
