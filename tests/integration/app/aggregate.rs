//! A stage that makes partial aggregates: the totals, the dead letters and the counts are those of a stage that makes a
//! result of each record.

use std::collections::BTreeMap;
use std::fs;

use floodway::job::{Job, Lines};
use floodway::merge::{Count, Max, Merge, Sum};
use floodway::policy::{POLICIES, Sends, Spec};
use floodway::task::{Code, Rows};
use serde_json::{Value, json};
use timely::container::CapacityContainerBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Exchange as ByKey;
use timely::dataflow::operators::Operator as _;

use super::call::Service;
use super::programs::{graph, numbers};
use super::{FAILING, INPUT, OUTPUT, WAYS, dead_letters, run_with};
use crate::common::{Place, for_all, within_tries};

const NUMBERS: u64 = 3_000;

/// What is known of the numbers of a class.
type Known = (Count, Sum, Max<u64>);

/// The class of a number and what is known of it, or a code.
pub fn row(number: &u64) -> Result<(u64, Known), Code> {
    match number % 50 {
        49 => Err(Code("unlucky".into())),
        _ => Ok((number % 7, (Count(1), Sum::from(*number as i64), Max(*number)))),
    }
}

/// Makes rows of numbers, and merges them for each epoch.
pub fn counts<'scope>(
    job: &mut Job<'scope>,
    numbers: Stream<'scope, u64, Vec<u64>>,
) -> Stream<'scope, u64, Vec<(u64, u64, Known)>> {
    let rows = job.aggregate("count", numbers, |number: &u64, rows: &mut Rows<u64, Known>| {
        // A row of a record that turns out to be bad does not count.
        rows.add(number % 7, (Count(0), Sum::default(), Max(*number)));
        let (key, (count, sum, _)) = row(number)?;
        rows.add(key, (count, sum, Max(0)));
        Ok(())
    });
    merged(rows)
}

/// Does the same with lines that are not parsed.
pub fn counts_of_lines<'scope>(
    job: &mut Job<'scope>,
    lines: Lines<'scope>,
) -> Stream<'scope, u64, Vec<(u64, u64, Known)>> {
    let rows = job.aggregate_lines("count", lines, |line, rows: &mut Rows<u64, Known>| {
        let number = line.parse().map_err(|_| Code("no_number".into()))?;
        let (key, known) = row(&number)?;
        rows.add(key, known);
        Ok(())
    });
    merged(rows)
}

/// Merges the rows of each epoch by their keys.
pub fn merged<'scope>(
    rows: Stream<'scope, u64, Vec<(u64, Known)>>,
) -> Stream<'scope, u64, Vec<(u64, u64, Known)>> {
    rows.unary_frontier::<CapacityContainerBuilder<_>, _, _, _>(
        ByKey::new(|(key, _): &(u64, Known)| *key),
        "Merge",
        |_, _| {
            let mut epochs = BTreeMap::new();
            move |(input, frontier), output| {
                input.for_each(|capability, rows| {
                    let Some(&epoch) = capability.least() else { return };
                    let (_, known) = epochs
                        .entry(epoch)
                        .or_insert_with(|| (capability.delayed(&epoch, 0), BTreeMap::new()));
                    for (key, value) in rows.drain(..) {
                        known.entry(key).or_insert(None).merge(Some(value));
                    }
                });
                while let Some(first) = epochs.first_entry()
                    && !frontier.less_equal(first.key())
                {
                    let (epoch, (capability, known)) = first.remove_entry();
                    let rows = known.into_iter();
                    let rows = rows.map(|(key, known): (u64, Option<Known>)| {
                        (epoch, key, known.expect("a key has a row"))
                    });
                    output.session(&capability).give_iterator(rows);
                }
            }
        },
    )
}

/// The sorted lines that a run must commit, computed without Floodway. An epoch has a hundred numbers.
fn expected() -> Vec<u8> {
    let mut known = BTreeMap::new();
    for number in (0..NUMBERS).filter(|number| number % 50 != 49) {
        let (count, sum, most) =
            known.entry((number / 100, number % 7)).or_insert((0_u64, 0_u64, 0_u64));
        (*count, *sum, *most) = (*count + 1, *sum + number, number);
    }
    let line = |((epoch, key), known)| json!([epoch, key, known]).to_string() + "\n";
    let mut lines: Vec<String> = known.into_iter().map(line).collect();
    lines.sort_unstable();
    lines.concat().into_bytes()
}

/// Runs the program `name` to a good end, and returns its summary. Its output and its dead letters are as they must be.
fn run(name: &'static str, options: &[&str], way: (&str, usize)) -> Value {
    let place: Place = graph(name);
    fs::write(place.path("input"), numbers(NUMBERS)).unwrap();
    let args = ["run", "--summary", "summary.json", "--overwrite"];
    let error = run_with(&place, &[&args[..], &INPUT, &OUTPUT, options].concat(), way);
    let refuses = error.contains("refuses records that are good");
    assert!(!refuses || options.contains(&"--lambda"), "{options:?}: {error}");
    assert!(place.output("out") == expected(), "{name} {options:?} {way:?}: other totals");
    let bad = (0..NUMBERS).filter(|number| number % 50 == 49);
    let letter = |number: u64| {
        // A line has its number.
        let record = if name == "aggregate lines" { number.to_string() } else { "count".into() };
        json!({ "record": record, "code": "unlucky", "text": number.to_string() })
    };
    let mut letters: Vec<Value> = bad.map(letter).collect();
    letters.sort_by_key(Value::to_string);
    assert!(dead_letters(&place) == letters, "{name} {options:?} {way:?}: other dead letters");
    place.summary()
}

/// The figures that depend on the input only.
fn figures(summary: &Value) -> Vec<Value> {
    let mut figures: Vec<Value> =
        ["events_in", "results_out", "records_bad"].map(|field| summary[field].clone()).into();
    figures.extend(["received", "done"].map(|field| summary["stages"][0][field].clone()));
    figures
}

fn remote(summary: &Value) -> u64 {
    summary["records_remote"].as_u64().unwrap()
}

/// The policy, with options with which it sends.
fn options(policy: &Spec) -> Vec<&'static str> {
    let more: &[&str] = match policy.sends {
        Sends::Nothing | Sends::Always => &[],
        // Half of the rate of the records. In chunks, the rate is far below it.
        Sends::AboveThreshold => &["--threshold", "5k"],
        Sends::Late => &["--deadline", "30ms"],
    };
    let function: &[&str] = if policy.needs_remote() { &FAILING } else { &[] };
    [&["--policy", policy.name], more, function].concat()
}

#[test]
fn totals_are_the_same_under_every_policy_with_any_workers_and_a_failing_function() {
    let plain = figures(&run("rows", &["--policy", "local"], ("1", 1)));
    let cells: Vec<_> = POLICIES.iter().flat_map(|policy| WAYS.map(|way| (*policy, way))).collect();
    for_all(&cells, |(policy, way)| {
        let sends = matches!(policy.sends, Sends::Always | Sends::AboveThreshold);
        within_tries(&format!("{} with {way:?}", policy.name), || {
            for name in ["aggregate", "aggregate lines"] {
                let summary = run(name, &options(policy), *way);
                assert_eq!(figures(&summary), plain, "{summary}");
                if sends && remote(&summary) == 0 {
                    return Err(format!("nothing was sent: {summary}"));
                }
            }
            Ok(())
        });
    });
}

#[test]
fn a_threshold_is_in_records_per_second_and_not_in_chunks() {
    for (threshold, sends) in [("20k", false), ("5k", true)] {
        for policy in ["threshold", "spill"] {
            let lambda = ["--local-lambda", "network=1ms,cold_start=1ms"];
            let args = [&["--policy", policy, "--threshold", threshold], &lambda[..]].concat();
            within_tries(policy, || {
                let summary = run("aggregate", &args, ("1", 1));
                let sent = remote(&summary);
                // A late source may offer an epoch's records as a burst.
                match sends == (sent > 0) {
                    true => Ok(()),
                    false => Err(format!("{sent} of {NUMBERS} records at {threshold}: {summary}")),
                }
            });
        }
    }
}

#[test]
fn remote_results_are_verified_and_a_difference_would_end_the_run() {
    let lambda = ["--local-lambda", "network=1ms,cold_start=1ms"];
    let args = [&["--policy", "remote", "--verify", "100%"], &lambda[..]].concat();
    within_tries("verified records", || {
        let summary = run("aggregate", &args, ("2", 1));
        match summary["verified"].as_u64() {
            Some(0) | None => Err(summary.to_string()),
            _ => Ok(()),
        }
    });
}

/// The function is in Python, and answers in every way that the wire allows, and in a wrong one.
#[test]
fn a_function_in_another_language_answers_with_rows() {
    for_all(&["merged", "rows", "refuses", "wrong"], |how| {
        let function = Service::start("tests/integration/app/count_function.py", &[how]);
        let args = ["--policy", "remote", "--batch", "500", "--lambda", &function.url];
        within_tries(how, || {
            let summary = run("aggregate", &args, ("2", 1));
            if remote(&summary) > 0 { Ok(()) } else { Err(summary.to_string()) }
        });
    });
}
