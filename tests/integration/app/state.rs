//! Programs with state, by the example `visits`: what they commit does not depend on workers, policies, faults, or on
//! how often they were ended.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use rustix::process::Signal;
use serde_json::Value;

use super::programs::{graph, numbers};
use super::{FAILING, INPUT, LINES, OUTPUT, WAYS, run_with};
use crate::common::kills::{Killed, Way, until_killed};
use crate::common::shown::Shown;
use crate::common::{Place, end_of, error_of, example, for_all, poll, signal, within_tries};

/// What visits are counted by.
pub(super) const BY: [&str; 4] = ["minute", "sliding", "session", "page"];
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
        let Some(page) = page.strip_prefix('/').and_then(|page| page.split('/').next()) else {
            continue;
        };
        let (count, users) = pages.entry(page.to_owned()).or_insert((0, BTreeSet::new()));
        *count += 1;
        users.insert(user);
        *minutes.entry((time.div_euclid(60_000) * 60_000, page.to_owned())).or_insert(0) += 1;
    }
    let place = place();
    run_with(&place, &args("page", &["--policy", "local"]), ("2", 1));
    // The changes add up to what there is.
    let rows = added_up(&place);
    let expected =
        pages.iter().map(|(page, (count, users))| (format!("{page},{count},{}", users.len()), 1));
    assert_eq!(rows, expected.collect());

    // With enough time for those that are late, all are in their minute.
    let place = self::place();
    run_with(
        &place,
        &[&args("minute", &["--policy", "local"])[..], &["--late", "20000"]].concat(),
        ("2", 1),
    );
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
            for policy in [&["--policy", "remote"][..], &["--policy", "spill", "--threshold", "3k"]]
            {
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

/// What a join of [`programs`](super::programs) counts by key, by a look at all numbers.
fn joined(numbers: u64) -> BTreeMap<String, i64> {
    let mut counts = BTreeMap::new();
    for few in (0..numbers).filter(|number| number % 7 == 0) {
        for doubled in (0..numbers).filter(|number| number * 2 % 50 == few % 50) {
            *counts.entry(doubled * 2 % 50).or_insert(0) += 1;
        }
    }
    counts.into_iter().map(|(key, count)| (format!("{key},{count}"), 1)).collect()
}

/// What changes add up to.
fn added_up(place: &Place) -> BTreeMap<String, i64> {
    let mut rows: BTreeMap<String, i64> = BTreeMap::new();
    for line in String::from_utf8(place.output("out")).unwrap().lines() {
        let [_, change, row] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        *rows.entry(row.to_owned()).or_default() += change.parse::<i64>().unwrap();
    }
    rows.retain(|_, count| *count != 0);
    rows
}

#[test]
fn kills_at_random_instants_change_nothing_in_collections_and_what_is_made_of_them() {
    const NUMBERS: u64 = 2_000;
    let place = || {
        let place = graph("joined");
        fs::write(place.path("input"), numbers(NUMBERS)).unwrap();
        place
    };
    let args = |more: &[&'static str]| {
        [&["run", "--summary", "summary.json"], &INPUT[..], &OUTPUT, more].concat()
    };
    let alone = place();
    run_with(&alone, &args(&["--policy", "local"]), ("1", 1));
    assert_eq!(added_up(&alone), joined(NUMBERS));
    let expected = alone.output("out");
    until_killed(3, |random| {
        let place = place();
        let args = args(&[&["--state", "state"], &FAILING[..]].concat());
        let after = Duration::from_millis(300);
        let run = Killed { place: &place, args: &args, ways: &STARTS, commits: "out", after };
        let kills = run.until_done(random);
        assert!(place.output("out") == expected);
        kills
    });
}

/// The files of the state, by their names.
pub(super) fn state_files(place: &Place) -> Vec<PathBuf> {
    let entries = fs::read_dir(place.path("out")).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> =
        entries.filter(|path| path.to_string_lossy().contains("/.state-")).collect();
    files.sort();
    files
}

#[test]
fn a_stop_closes_no_window_and_the_same_command_goes_on() {
    for by in ["session", "sliding"] {
        let expected = alone(by);
        within_tries("a stop before the end", || {
            let place = place();
            let args = args(by, &["--state", "state"]);
            let mut child = place.start(&[&args[..], &["--", "-w", "2"]].concat());
            poll("a commit", || {
                (place.commits("out") > 1 || child.try_wait().unwrap().is_some()).then_some(())
            });
            if child.try_wait().unwrap().is_none() {
                signal(&child, Signal::TERM);
            }
            let ended = end_of(child, "the run");
            assert!(ended.status.success(), "{}", error_of(&ended));
            let first = place.summary();
            run_with(&place, &args, ("3", 1));
            assert!(place.output("out") == expected, "{by}");
            if first["stopped"] == "signal" { Ok(()) } else { Err(first.to_string()) }
        });
    }
}

#[test]
fn files_of_the_state_are_merged_and_the_summary_says_what_it_holds() {
    let place = place();
    run_with(&place, &args("page", &["--state", "state"]), ("2", 1));
    let summary = place.summary();
    let state = &summary["state"][0];
    assert_eq!((&state["name"], state["keys"].as_u64()), (&"pages".into(), Some(7)), "{summary}");
    assert_eq!(state["late_rows"], 0, "{summary}");
    assert!(state["written_bytes"].as_u64() > Some(0), "{summary}");
    // It has some 15 commits, each of which adds a file.
    run_with(&place, &args("page", &["--state", "state"]), ("2", 1));
    let files = state_files(&place).len();
    assert!(0 < files && files < 10, "{files} files");
    // A session that is over holds nothing.
    let place = self::place();
    run_with(&place, &args("session", &[]), ("2", 1));
    let summary = place.summary();
    let state = &summary["state"][0];
    assert_eq!(
        (state["keys"].as_u64(), &state["written_bytes"]),
        (Some(0), &0.into()),
        "{summary}"
    );
    assert!(state["late_rows"].as_u64() > Some(0), "{summary}");
}

#[test]
fn the_page_and_the_metrics_say_what_the_stages_hold() {
    let place = place();
    let listen = ["--listen", "127.0.0.1:0", "--listen-after", "1h", "--policy", "local"];
    let run = Shown::start(place.floodway(&args("page", &listen)));
    let last = run.until("done");
    let of = |metric: &str| last.get(&format!("floodway_state_{metric}{{stage=\"pages\"}}"));
    assert_eq!((of("keys"), of("late_rows_total")), (7.0, 0.0));
    assert!(of("bytes") > 0.0 && of("merged_rows_total") >= 7.0);
    let shown: Value = serde_json::from_str(&run.get("/series.json").body).unwrap();
    assert_eq!(
        (&shown["states"][0]["name"], shown["states"][0]["keys"].as_u64()),
        (&"pages".into(), Some(7))
    );
    run.end();
}

#[test]
fn a_state_that_is_damaged_or_gone_or_of_another_dataflow_is_refused() {
    let place = place();
    let args =
        |by: &'static str| args(by, &["--state", "state", "--events", "2000", "--policy", "local"]);
    run_with(&place, &args("page"), ("1", 1));
    let refused = |args: &[&str], code: i32, says: &str| {
        let ended = place.run(args);
        let error = error_of(&ended);
        assert_eq!(ended.status.code(), Some(code), "{error}");
        assert!(error.contains(says), "{error}");
    };
    refused(&args("minute"), 2, "--by was page and is minute");
    let file = state_files(&place).pop().unwrap();
    let whole = fs::read(&file).unwrap();
    let mut changed = whole.clone();
    let last = changed.len() - 1;
    changed[last] ^= 1;
    fs::write(&file, &changed).unwrap();
    refused(&args("page"), 1, "is damaged: the shard at byte");
    fs::write(&file, &whole[..last]).unwrap();
    refused(&args("page"), 1, "was committed with");
    fs::remove_file(&file).unwrap();
    refused(&args("page"), 1, "cannot look at");
    fs::write(&file, &whole).unwrap();
    run_with(&place, &args("page"), ("2", 1));
}

#[test]
fn a_state_that_grows_too_large_ends_the_run_and_more_room_resumes_it() {
    let expected = alone("sliding");
    let place = place();
    let with =
        |most| args("sliding", &["--state", "state", "--policy", "local", "--max-state", most]);
    let ended = place.run(&with("512"));
    let error = error_of(&ended);
    assert_eq!(ended.status.code(), Some(1), "{error}");
    assert!(
        error.contains("more than --max-state allows (512 B): most of it is visits"),
        "{error}"
    );
    run_with(&place, &with("1Gi"), ("2", 1));
    assert!(place.output("out") == expected);
}
