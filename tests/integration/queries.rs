//! Nexmark's queries by the command line. What they answer is compared with an oracle by `tests/external/queries.rs`.

use std::fs;

use crate::common::{Lambda, Place, for_all};

/// Two hundred seconds of events.
const RUN: [&str; 7] = ["run", "--events", "20k", "--rate", "100", "--epoch", "1s"];

/// Runs a query, as fast as possible, and returns what it has committed.
fn answer(place: &Place, query: &str, out: &str, more: &[&str]) -> Vec<u8> {
    let query = ["--speed", "max", "--query", query, "--out", out];
    place.run_well(&[&RUN[..], &query, more].concat());
    place.output(out)
}

#[test]
fn queries_have_as_many_rows_as_their_definition_says() {
    // Of 200,000 events of the default rate. docs/nexmark.md has the others.
    let rows = [("q2", 1_518), ("q3", 1_331), ("q6", 1_869), ("q8", 1_752), ("q11", 3_918)];
    for_all(&rows, |(query, rows)| {
        let place = Place::in_memory();
        let run = ["run", "--events", "200k", "--speed", "max", "--query", query, "--out", "out"];
        place.run_well(&run);
        let output = String::from_utf8(place.output("out")).unwrap();
        let differences = output.lines().map(|line| line.split('\t').nth(1).unwrap());
        let sum: i64 = differences.map(|difference| difference.parse::<i64>().unwrap()).sum();
        assert_eq!(sum, *rows, "{query}");
    });
}

#[test]
fn a_local_lambda_of_its_own_answers_queries() {
    let lambda = Lambda::start("network=1ms,cold_start=5ms");
    for_all(&["q1", "q5", "q9", "q16", "q20"], |query| {
        let place = Place::in_memory();
        let local = answer(&place, query, "local", &[]);
        assert!(!local.is_empty());
        let sends = ["--policy", "remote", "--require-remote", "--lambda", &lambda.url];
        assert!(answer(&place, query, "remote", &sends) == local, "{query}");
    });
}

#[test]
fn lines_that_are_no_events_are_dead_letters_once() {
    let place = Place::new();
    let bid = r#"{"type":"bid","auction":7,"bidder":1,"price":5,"channel":"c","url":"u","date_time":1,"extra":""}"#;
    fs::write(place.path("events"), format!("{bid}\nno event\n{{\"type\":\"bet\"}}\n{bid}\n"))
        .unwrap();
    let source = ["run", "--source", "lines:events", "--dead-letter", "dead.jsonl"];
    let query = ["--query", "q20", "--out", "out"];
    let summary = place.run_well(&[&source[..], &query].concat());
    assert_eq!(summary["records_bad"], 2);
    let dead = fs::read_to_string(place.path("dead.jsonl")).unwrap();
    assert_eq!(dead.lines().count(), 2, "{dead}");
    assert!(dead.contains(r#""record":"1""#) && dead.contains("invalid_json"), "{dead}");
}

#[test]
fn the_speed_of_a_schedule_changes_nothing_in_the_output() {
    let place = Place::in_memory();
    let run = |speed: &'static str| {
        let events = ["run", "--events", "4k", "--rate", "2k", "--shape", "square"];
        let shape = ["--peak-rate", "6k", "--period", "400ms", "--speed", speed];
        let out = ["--out", speed, "--policy", "deadline"];
        place.run_well(&[&events[..], &shape, &out].concat());
        place.output(speed)
    };
    let real = run("1");
    assert_eq!(real.iter().filter(|byte| **byte == b'\n').count(), 4_000);
    for speed in ["5", "max"] {
        assert!(run(speed) == real, "{speed}");
    }
}

#[test]
fn what_is_wrong_with_a_query_is_said() {
    Place::new().refuses(
        "run",
        &[
            (&["--query", "q24"], &["--query", "q24", "expected q0 to q23"]),
            (&["--query", "q1", "--task", "words"], &["--query", "--task"]),
            (
                &["--query", "q12", "--source", "lines:-"],
                &["--query", "q12", "when each event is due"],
            ),
            (&["--query", "q1", "--records", "json"], &["--records", "function:DIR"]),
            (&["--speed", "0"], &["--speed", "expected max, or a number"]),
            (&["--speed", "2", "--rate", "max"], &["--speed", "there is no schedule to play"]),
        ],
    );
}

#[test]
fn the_last_ten_auctions_of_a_seller_are_those_with_the_larger_numbers() {
    let place = Place::new();
    // Eleven auctions that expire together, with ids that fall, and a bid of 100 cents more for each.
    let event = |at: u64| {
        let (id, price) = (200 - at, 1_000 + 100 * at);
        let auction = format!(
            r#"{{"type":"auction","id":{id},"item_name":"a","description":"b","initial_bid":1,"reserve":2,"date_time":10,"expires":90,"seller":7,"category":10,"extra":""}}"#
        );
        let bid = format!(
            r#"{{"type":"bid","auction":{id},"bidder":1,"price":{price},"channel":"c","url":"u","date_time":20,"extra":""}}"#
        );
        format!("{auction}\n{bid}\n")
    };
    fs::write(place.path("events"), (0..11).map(event).collect::<String>()).unwrap();
    place.run_well(&["run", "--source", "lines:events", "--query", "q6", "--out", "out"]);
    // The first one is left out: the others have 1,100 to 2,000.
    assert_eq!(String::from_utf8(place.output("out")).unwrap(), "0\t1\t7,1550\n");
}
