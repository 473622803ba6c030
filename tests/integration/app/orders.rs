//! The example `orders`: a chain of which more is offered than the workers can do.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::common::{Place, error_of, example, for_all, output_of};

const LINES: u64 = 4_000;

fn orders() -> Place {
    let place = Place::in_memory().running(|| Command::new(example("orders")));
    let lines: String = (0..LINES).map(|number| "x".repeat(number as usize % 50) + "\n").collect();
    fs::write(place.path("lines"), lines).unwrap();
    place
}

/// Whatever goes where, the results are the same, and the stages' figures add up.
#[test]
fn the_stages_of_a_chain_share_a_plan_and_say_what_they_cost() {
    let run = ["run", "--source", "lines:lines", "--rate", "8k", "--epoch", "10ms", "--out", "out"];
    let more = ["--overwrite", "--order", "20us", "--item", "60us", "--summary", "summary.json"];
    let done = |place: &Place, options: &[&str]| {
        let output = place.run(&[&run[..], &more, options].concat());
        assert!(output.status.success(), "{options:?}: {}", error_of(&output));
        output_of(&output)
    };
    let expected = {
        let place = orders();
        done(&place, &["--policy", "local"]);
        place.output("out")
    };
    assert!(!expected.is_empty());
    for_all(&["deadline", "remote", "spill"], |policy| {
        let place = orders();
        let threshold: &[&str] = if *policy == "spill" { &["--threshold", "4k"] } else { &[] };
        let lambda = ["--policy", policy, "--lambda", "local", "--batch", "100"];
        let printed = done(&place, &[&lambda[..], threshold].concat());
        assert!(place.output("out") == expected, "{policy}");
        let summary = place.summary();
        let stages = summary["stages"].as_array().unwrap();
        let of = |field: &str| -> Vec<f64> {
            stages.iter().map(|stage| stage[field].as_f64().unwrap_or(0.0)).collect()
        };
        assert_eq!(of("received"), [LINES as f64, 3.0 * LINES as f64]);
        assert_eq!(of("done"), of("received"), "{summary}");
        // Probes and warm-ups are no stage's.
        let (parts, remote) =
            (of("cost_usd").iter().sum::<f64>(), of("remote").iter().sum::<f64>());
        let all = summary["cost_usd"].as_f64().unwrap();
        assert!(parts > 0.0 || remote == 0.0, "{summary}");
        assert!(parts <= all * 1.001, "{parts} of {all}");
        let needs: f64 = of("needs_workers").iter().sum();
        let workers = summary["workers"].as_f64().unwrap();
        assert_eq!(printed.contains("bottleneck"), needs > workers, "{printed}");
    });
}

/// An order has three items, so results are not events.
#[test]
fn a_comparison_counts_events_and_says_that_the_optimum_of_several_stages_is_not_known() {
    let place = orders();
    let compare = ["compare", "--source", "lines:lines", "--rate", "8k", "--policies", "local"];
    let more = ["--order", "1us", "--item", "1us", "--warm-up-run", "100ms", "--report", "report"];
    let output = place.run(&[&compare[..], &more].concat());
    let printed = output_of(&output);
    assert!(output.status.success(), "{}", error_of(&output));
    assert!(printed.contains("optimum   not known for a dataflow of several stages"), "{printed}");
    assert!(!printed.contains("of optimum"), "there is no such column: {printed}");
    let text = fs::read_to_string(place.path("report/compare.json")).unwrap();
    let compared: Value = serde_json::from_str(&text).unwrap();
    let medians = &compared["policies"][0]["medians"];
    let [events, results] =
        ["events_eps", "throughput_eps"].map(|rate| medians[rate].as_f64().unwrap());
    assert!((results / events - 3.0).abs() < 0.01, "{medians}");
    let page = fs::read_to_string(place.path("report/report.html")).unwrap();
    assert!(page.contains("is not known for a dataflow of several stages"), "{page}");
}

/// Both sides have far more to do than the processors can.
#[test]
fn a_missed_deadline_says_that_the_local_lambda_computed_on_the_same_processors() {
    let place = orders();
    let run = ["run", "--source", "lines:lines", "--rate", "80k", "--sink", "null", "--summary"];
    let more = ["summary.json", "--policy", "remote", "--item", "400us", "--deadline", "20ms"];
    let output = place.run(&[&run[..], &more].concat());
    assert!(output.status.success(), "{}", error_of(&output));
    let summary = place.summary();
    let missed = summary["missed"].as_str().unwrap_or_else(|| panic!("{summary}"));
    assert!(missed.contains("The local Lambda computed on this machine's processors"), "{missed}");
}
