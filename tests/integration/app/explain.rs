//! `PROGRAM explain`: what a short run says of a chain of two stages.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::common::{Place, error_of, example, output_of, within_tries};

/// A chain in which an item takes more time than a worker has, however busy the machine is.
const SLOW: [&str; 8] = ["--rate", "5k", "--order", "10us", "--item", "100us", "--items", "3"];

fn orders() -> Place {
    Place::in_memory().running(|| Command::new(example("orders")))
}

/// What the command prints.
fn explained(place: &Place, options: &[&str]) -> String {
    let output = place.run(&[&["explain"], options].concat());
    assert!(output.status.success(), "{options:?}: {}", error_of(&output));
    output_of(&output)
}

fn figures(place: &Place, options: &[&str]) -> Value {
    let printed = explained(place, &[options, &["--json"]].concat());
    serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error}: {printed}"))
}

#[test]
fn the_stage_that_needs_the_most_workers_is_named_and_the_share_to_send_lets_them_keep_up() {
    let place = orders();
    let options = [&SLOW[..], &["--duration", "500ms"]].concat();
    let figures = figures(&place, &options);
    let number = |value: &Value| value.as_f64().unwrap_or_else(|| panic!("{figures}"));
    assert_eq!(figures["bottleneck"], "item", "{figures}");
    let [order, item] = &figures["stages"].as_array().unwrap()[..] else { panic!("{figures}") };
    // They are offered what is due, although it takes the worker longer.
    assert!((number(&order["offered_eps"]) - 5_000.0).abs() < 500.0, "{figures}");
    assert!((number(&item["offered_eps"]) - 15_000.0).abs() < 1_500.0, "{figures}");
    assert!(
        number(&item["useful_us"]) >= 100.0 && number(&item["needs_workers"]) > 1.3,
        "{figures}"
    );
    assert_eq!((number(&item["remote"]), &item["is_estimated"]), (0.0, &true.into()));
    // With that share sent, the rest of the needs is what there is.
    let (needs, sending) = (number(&figures["needs_workers"]), &figures["sending"]);
    let left = needs - number(&sending["fraction"]) * number(&item["needs_workers"]);
    assert!(left <= 1.0 + 1e-6 || number(&sending["fraction"]) == 1.0, "{figures}");
    let per_hour = number(&item["usd_per_saved_hour"]) * (needs - left);
    assert!((number(&sending["usd_per_hour"]) - per_hour).abs() < 1e-9, "{figures}");
    // A function with the processor of a worker costs about a tenth of a dollar an hour.
    assert!((0.1..0.5).contains(&number(&item["usd_per_saved_hour"])), "{figures}");

    let words = explained(&place, &options);
    assert!(words.contains("The bottleneck is item: it needs "), "{words}");
    assert!(
        words.contains("of its records are sent") && words.contains("costs about $"),
        "{words}"
    );
    assert_eq!(fs::read_dir(place.path(".")).unwrap().count(), 0, "it writes nothing");
}

#[test]
fn workers_that_keep_up_have_no_bottleneck() {
    let place = orders();
    let rest = ["--rate", "200", "--order", "1us", "--item", "1us", "--duration", "500ms"];
    within_tries("a run that keeps up", || {
        let words = explained(&place, &rest);
        match words.contains("The workers keep up") {
            true => Ok(()),
            false => Err(words),
        }
    });
}

#[test]
fn what_is_sent_has_its_real_price() {
    let place = orders();
    let sent =
        [&SLOW[..], &["--duration", "1s", "--policy", "deadline", "--batch", "100"]].concat();
    // A function on a busy machine may answer too late.
    within_tries("remote results", || {
        let figures = figures(&place, &sent);
        let stages = figures["stages"].as_array().unwrap();
        let is_sent = |stage: &&Value| stage["remote"].as_u64() > Some(0);
        let sent: Vec<_> = stages.iter().filter(is_sent).collect();
        if sent.is_empty() {
            return Err(figures.to_string());
        }
        for stage in sent {
            assert_eq!(stage["is_estimated"], false, "{figures}");
            assert!(stage["cost_usd"].as_f64() > Some(0.0), "{figures}");
        }
        Ok(())
    });
}

#[test]
fn lines_without_a_rate_are_read_until_the_time_is_over() {
    let place = orders();
    fs::write(place.path("lines"), "x\n".repeat(1_000_000)).unwrap();
    let lines = ["--source", "lines:lines", "--item", "50us", "--duration", "300ms"];
    let words = explained(&place, &lines);
    assert!(words.contains("The events have no rate") && words.contains("is item"), "{words}");
    assert!(words.contains("the workers have time for"), "{words}");
}

#[test]
fn an_estimate_has_the_requests_of_the_stage() {
    let place = orders();
    let alone = [&SLOW[..], &["--duration", "300ms", "--stage", "item.batch=1"]].concat();
    let price = |figures: &Value, stage: usize| {
        let price = figures["stages"][stage]["usd_per_saved_hour"].as_f64();
        price.unwrap_or_else(|| panic!("{figures}"))
    };
    let [together, alone] = [&[&SLOW[..], &["--duration", "300ms"]].concat(), &alone]
        .map(|options| figures(&place, options));
    // A request costs more than the time of a record.
    assert!(price(&alone, 1) > 5.0 * price(&together, 1), "{alone}");
    assert!(price(&alone, 0) < 5.0 * price(&together, 0), "{alone}");
}
