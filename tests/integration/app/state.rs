//! Programs with state, by the example `visits`: what they commit does not depend on workers, policies, faults, or on
//! how often they were ended.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::Value;

use super::{FAILING, INPUT, LINES, OUTPUT, WAYS, run_with};
use crate::common::kills::{Killed, Way, until_killed};
use crate::common::{Place, error_of, example, for_all};

/// What visits are counted by.
const BY: [&str; 4] = ["minute", "sliding", "session", "page"];
/// Some visits are later than others by up to this time, in milliseconds.
const DISORDER: i64 = 20_000;

struct Visit {
    user: String,
    page: String,
    time: i64,
}

/// Visits of half an hour, some of them out of order and some of pages that are none.
fn visits() -> Vec<Visit> {
    let mut random = SmallRng::seed_from_u64(7);
    let visit = |number: usize| Visit {
        user: format!("user{}", random.random_range(0..40)),
        page: match random.random_range(0..30) {
            0 => "none".to_owned(),
            page => format!("/page{}/{number}", page % 7),
        },
        time: 1_767_225_600_000 + number as i64 * 600 - random.random_range(0..DISORDER),
    };
    (0..LINES).map(visit).collect()
}

fn place() -> Place {
    let place = Place::in_memory().running(|| Command::new(example("visits")));
    let line = |Visit { user, page, time }| {
        format!("{{\"user\":\"{user}\",\"page\":\"{page}\",\"time\":{time}}}\n")
    };
    fs::write(place.path("input"), visits().into_iter().map(line).collect::<String>()).unwrap();
    place
}

fn args<'a>(by: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let run = ["run", "--summary", "summary.json", "--by", by, "--late", "5000"];
    [&run[..], &INPUT, &OUTPUT, more].concat()
}

/// What a run on one worker, which computes all, commits.
fn alone(by: &str) -> Vec<u8> {
    let place = place();
    run_with(&place, &args(by, &["--policy", "local"]), ("1", 1));
    place.output("out")
}

#[test]
fn the_committed_state_is_what_a_look_at_all_visits_finds() {
    let (mut pages, mut minutes) = (BTreeMap::new(), BTreeMap::new());
    for Visit { user, page, time } in visits() {
        let Some(page) = page.strip_prefix('/').and_then(|page| page.split('/').next()) else { continue };
        let (count, users) = pages.entry(page.to_owned()).or_insert((0, BTreeSet::new()));
        *count += 1;
        users.insert(user);
        *minutes.entry((time.div_euclid(60_000) * 60_000, page.to_owned())).or_insert(0) += 1;
    }
    let place = place();
    run_with(&place, &args("page", &["--policy", "local"]), ("2", 1));
    // The changes add up to what there is.
    let mut rows: BTreeMap<String, i64> = BTreeMap::new();
    for line in String::from_utf8(place.output("out")).unwrap().lines() {
        let [_, change, row] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        *rows.entry(row.to_owned()).or_default() += change.parse::<i64>().unwrap();
    }
    rows.retain(|_, count| *count != 0);
    let expected = pages.iter().map(|(page, (count, users))| (format!("{page},{count},{}", users.len()), 1));
    assert_eq!(rows, expected.collect());

    // With enough time for those that are late, all are in their minute.
    let place = self::place();
    run_with(&place, &[&args("minute", &["--policy", "local"])[..], &["--late", "20000"]].concat(), ("2", 1));
    let counted = String::from_utf8(place.output("out")).unwrap();
    let counted = counted.lines().map(|line| {
        let window: Value = serde_json::from_str(line).unwrap();
        let key = (window["start"].as_i64().unwrap(), window["key"].as_str().unwrap().to_owned());
        (key, window["value"][0].as_i64().unwrap())
    });
    assert_eq!(counted.collect::<BTreeMap<_, _>>(), minutes);
}

#[test]
fn workers_policies_and_faults_change_nothing() {
    for by in BY {
        let expected = alone(by);
        assert!(!expected.is_empty());
        for_all(&WAYS, |way| {
            for policy in [&["--policy", "remote"][..], &["--policy", "spill", "--threshold", "3k"]] {
                let place = place();
                run_with(&place, &args(by, &[policy, &FAILING].concat()), *way);
                assert!(place.output("out") == expected, "{by} {way:?}");
            }
        });
    }
}

const ONE: Way = Way { workers: "1", processes: 1, options: &[] };
const PROCESSES: Way = Way { workers: "2", processes: 2, options: &[] };

/// Under other policies and with other workers in each start.
const STARTS: [Way; 4] = [
    Way { options: &["--policy", "remote"], ..ONE },
    Way { workers: "3", options: &["--policy", "local"], ..ONE },
    Way { options: &["--policy", "spill", "--threshold", "3k"], ..PROCESSES },
    Way { workers: "4", options: &["--policy", "remote"], ..ONE },
];

#[test]
fn kills_at_random_instants_change_nothing_in_the_state() {
    for by in BY {
        let expected = alone(by);
        until_killed(3, |random| {
            let place = place();
            let args = args(by, &[&["--state", "state"], &FAILING[..]].concat());
            let after = Duration::from_millis(300);
            let run = Killed { place: &place, args: &args, ways: &STARTS, commits: "out", after };
            let kills = run.until_done(random);
            assert!(place.output("out") == expected, "{by}");
            // What is complete is complete.
            let again = place.run(&args);
            assert!(again.status.success(), "{}", error_of(&again));
            assert_eq!(place.summary()["results_out"], 0);
            assert!(place.output("out") == expected, "{by}");
            kills
        });
    }
}
