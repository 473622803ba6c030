//! What a run says of itself at its end: counts that add up, time, cost and its budget.

use crate::common::{Place, error_of, within_tries};

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
    assert!(error.contains("does not answer as it should"), "at once: {error}");
    assert!(place.output("local") == place.output("remote"));
    let locally = ["records_home", "records_local"].map(|field| summary[field].as_u64().unwrap());
    assert_eq!((locally.iter().sum::<u64>(), &summary["records_remote"]), (3_000, &0.into()));
    assert_eq!(summary["cost_usd"], 0.0, "nothing can have run");
}
