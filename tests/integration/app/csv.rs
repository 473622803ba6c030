//! Lines of CSV: each file has its own header, which every worker knows, also after a restart; and each file of the
//! output begins with one.

use std::fmt::Write as _;
use std::fs;
use std::time::Duration;

use serde_json::{Value, json};

use super::programs::graph;
use super::{FAILING, WAYS, dead_letters, letter, run_on, run_with};
use crate::common::kills::{Killed, Way, until_killed};
use crate::common::{Place, end_of, error_of, poll};

/// The header of the output.
const HEADER: &str = "id,item,total\n";

/// The columns of an order in the files. Each file has its own order of them.
const HEADERS: [[&str; 5]; 2] =
    [["id", "item", "note", "count", "price"], ["price", "note", "id", "count", "item"]];

/// A file of orders with the numbers `ids`, of which every hundredth has no count. `note` is ignored.
fn file(header: [&str; 5], ids: std::ops::Range<u64>, note: &str) -> String {
    let mut text = header.join(",") + "\n";
    for id in ids {
        let fields = header.map(|column| match column {
            "id" => id.to_string(),
            "item" => format!("\"a \"\"{}\"\", or b\"", id % 7),
            "price" => format!("{}.5", id % 10),
            "count" if id % 100 == 99 => String::new(),
            "count" => (id % 5).to_string(),
            _ => note.to_owned(),
        });
        writeln!(text, "{}", fields.join(",")).unwrap();
    }
    text
}

/// The sorted lines that a run on these orders must commit, without headers.
fn totals(ids: std::ops::Range<u64>) -> Vec<u8> {
    let mut lines = Vec::new();
    for id in ids.filter(|id| id % 100 != 99) {
        let total = (id % 5) as f64 * ((id % 10) as f64 + 0.5);
        lines.push(format!("{id},\"a \"\"{}\"\", or b\",{total:?}\n", id % 7));
    }
    lines.sort_unstable();
    lines.concat().into_bytes()
}

/// Checks that each file of the output begins with a header and has no other, and returns the sorted lines of all.
fn lines_of(place: &Place) -> Vec<u8> {
    let entries = fs::read_dir(place.path("out")).unwrap().map(|entry| entry.unwrap());
    let mut lines = Vec::new();
    for entry in entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("part-")) {
        let text = fs::read_to_string(entry.path()).unwrap();
        let rows = text.strip_prefix(HEADER).expect("a file begins with the header");
        assert!(!rows.contains(HEADER) && !rows.is_empty());
        lines.extend(rows.lines().map(|line| line.to_owned() + "\n"));
    }
    lines.sort_unstable();
    lines.concat().into_bytes()
}

/// Writes two files with other headers, which all workers share if they are large.
fn files(place: &Place, orders: u64, note: &str) {
    fs::create_dir(place.path("in")).unwrap();
    let half = orders / 2;
    fs::write(place.path("in/a.csv"), file(HEADERS[0], 0..half, note)).unwrap();
    fs::write(place.path("in/b.csv"), file(HEADERS[1], half..orders, note)).unwrap();
}

#[test]
fn columns_are_found_by_the_header_of_each_file_with_any_workers_and_policy() {
    let local = ["--policy", "local"];
    let remote = [&["--policy", "remote"], &FAILING[..]].concat();
    // More than 16 MiB are read by all workers in chunks.
    for (orders, note) in [(2_000, ""), (9_000, &*"n".repeat(2_000))] {
        let place = graph("csv");
        files(&place, orders, note);
        for (way, policy) in WAYS.into_iter().zip([&local[..], &remote, &local, &remote]) {
            let args = ["run", "--source", "lines:in/*.csv", "--sink", "files:out?roll_size=20k"];
            let more = ["--summary", "summary.json", "--overwrite"];
            run_with(&place, &[&args[..], &more, policy].concat(), way);
            assert!(lines_of(&place) == totals(0..orders), "{orders}, {way:?}");
            let summary = place.summary();
            let count = |field: &str| summary[field].as_u64().unwrap();
            // The headers are lines, and no records.
            assert_eq!(count("events_in"), orders, "{summary}");
            assert_eq!(count("results_out"), orders - orders / 100, "{summary}");
            assert_eq!(count("records_bad"), orders / 100, "{summary}");
        }
    }
}

#[test]
fn a_run_that_is_killed_and_resumed_knows_the_header_of_the_file_that_it_is_in() {
    let ways = [
        Way { workers: "1", processes: 1, options: &["--policy", "local"] },
        Way { workers: "3", processes: 1, options: &["--policy", "remote"] },
        Way { workers: "1", processes: 2, options: &["--policy", "local"] },
    ];
    until_killed(2, |random| {
        let place = graph("csv");
        files(&place, 4_000, "");
        let args = ["run", "--source", "lines:in/*.csv", "--rate", "10k", "--epoch", "10ms"];
        let more = ["--commit-every", "20ms", "--out", "out", "--state", "state"];
        let args = [&args[..], &more].concat();
        let after = Duration::from_millis(200);
        let run = Killed { place: &place, args: &args, ways: &ways, commits: "out", after };
        let kills = run.until_done(random);
        assert!(lines_of(&place) == totals(0..4_000));
        kills
    });
}

#[test]
fn a_followed_file_may_get_its_header_later_and_be_replaced_by_one_with_another_header() {
    let place = graph("csv");
    let log = place.path("log.csv");
    fs::write(&log, "").unwrap();
    let args = ["run", "--source", "lines:log.csv", "--follow", "--out", "out", "--state", "state"];
    let args = [&args[..], &["--epoch", "20ms", "--commit-every", "40ms", "--policy", "local"]];
    let args = args.concat();
    let committed = |lines: u64| {
        poll(&format!("{lines} lines"), || {
            let manifest = fs::read_to_string(place.path("out/manifest.jsonl")).ok()?;
            manifest.contains(&format!("\"total_records\":{lines},")).then_some(())
        });
    };
    let stop = |run| {
        crate::common::signal(&run, rustix::process::Signal::TERM);
        let ended = end_of(run, "the run");
        assert!(ended.status.success(), "{}", error_of(&ended));
    };
    let first = file(HEADERS[0], 0..40, "");
    let run = place.start(&args);
    let (begin, rest) = first.split_at(10);
    fs::write(&log, begin).unwrap();
    std::thread::park_timeout(Duration::from_millis(100));
    fs::OpenOptions::new()
        .append(true)
        .open(&log)
        .and_then(|mut log| std::io::Write::write_all(&mut log, rest.as_bytes()))
        .unwrap();
    committed(40);
    stop(run);
    // The resumed run begins in the middle of the file.
    let more = file(HEADERS[0], 40..60, "").split_once('\n').unwrap().1.to_owned();
    fs::OpenOptions::new()
        .append(true)
        .open(&log)
        .and_then(|mut log| std::io::Write::write_all(&mut log, more.as_bytes()))
        .unwrap();
    let run = place.start(&args);
    committed(60);
    fs::rename(&log, place.path("log.csv.1")).unwrap();
    fs::write(&log, file(HEADERS[1], 60..90, "")).unwrap();
    committed(90);
    stop(run);
    assert!(lines_of(&place) == totals(0..90));
}

#[test]
fn lines_that_are_no_orders_are_dead_letters_and_the_first_is_named() {
    let place = graph("csv");
    let said = run_on(
        &place,
        "\u{feff}id,item,count,price\r\n1,x,2,1.5\r\ntwo,x,2,1.5\n3,x\n4,\"x,2,1.5\ny\",2,1.5\n\n6,x,,1\n",
    );
    assert_eq!(String::from_utf8(lines_of(&place)).unwrap(), "1,x,3.0\n");
    let letter = |number, message, text| letter(number, "invalid_csv", message, text);
    let no_record = "a quote in it is not closed, or it is empty";
    let mut expected = [
        letter(2, "id: invalid digit found in string", "two,x,2,1.5"),
        letter(3, "expected field, but got end of row", "3,x"),
        letter(4, no_record, "4,\"x,2,1.5"),
        letter(5, "id: invalid digit found in string", "y\",2,1.5"),
        letter(6, no_record, ""),
        json!({ "record": "total", "code": "no_count",
            "text": "{\"id\":6,\"item\":\"x\",\"count\":null,\"price\":1.0}" }),
    ];
    expected.sort_by_key(Value::to_string);
    assert_eq!(dead_letters(&place), expected);
    assert!(
        said.contains("\"two,x,2,1.5\" is not a") && said.contains("id: invalid digit"),
        "{said}"
    );
}

#[test]
fn a_header_without_a_field_of_the_type_makes_all_lines_bad_and_says_so() {
    let place = graph("csv");
    let said = run_on(&place, "id,article,count,price\n1,x,2,1.5\n");
    assert_eq!(
        dead_letters(&place),
        [letter(1, "invalid_csv", "missing field `item`", "1,x,2,1.5")]
    );
    assert!(said.contains("missing field `item`"), "{said}");
}

#[test]
fn columns_that_the_program_names_need_no_header() {
    let place = graph("columns");
    run_on(&place, "1;x,y;?;1.5;2\n2;z;;2;3\n");
    assert_eq!(String::from_utf8(lines_of(&place)).unwrap(), "1,\"x,y\",3.0\n2,z,6.0\n");
}

#[test]
fn a_source_without_files_has_no_header_and_the_warning_says_what_to_do() {
    let place = graph("csv");
    let args = ["run", "--source", "nexmark", "--events", "10", "--out", "out"];
    let output = place.run(&[&args[..], &["--policy", "local"]].concat());
    let said = error_of(&output);
    assert!(said.contains("name the columns by Csv::columns"), "{said}");
}

#[test]
fn a_field_with_a_line_break_ends_the_run_with_1() {
    let place = graph("csv");
    fs::write(place.path("orders.csv"), "id,item,count,price\n1,a|b,1,1\n").unwrap();
    let args = ["run", "--source", "lines:orders.csv", "--out", "out", "--policy", "local"];
    let output = place.run(&args);
    let said = error_of(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("cannot be written as CSV: a field has a line break"), "{said}");
    assert!(lines_of(&place).is_empty());
}
