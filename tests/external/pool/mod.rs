//! `--task function:DIR`: a function's processes on this machine are the local side of a run.

mod bad;
mod kills;
mod same;
mod twice;
mod walk_through;

use std::fs;
use std::path::PathBuf;

use crate::common::{Place, parts};
use crate::hosting::folder;

/// A place with a folder `f`, whose function reverses lines, and a file `lines.txt`. None without Python.
pub(crate) fn place(lines: &[String]) -> Option<Place> {
    parts::program("python3")?;
    let place = Place::new();
    fs::create_dir(place.path("f")).unwrap();
    fs::copy(folder("lines").join("bootstrap"), place.path("f/bootstrap")).unwrap();
    settings(&place, "");
    fs::write(place.path("lines.txt"), lines.join("\n") + "\n").unwrap();
    Some(place)
}

/// Sets what `function.toml` says besides the runtime.
fn settings(place: &Place, more: &str) {
    fs::write(place.path("f/function.toml"), format!("runtime = \"provided\"\n{more}\n")).unwrap();
}

/// Lines of which the function fails for some.
fn lines(count: usize) -> Vec<String> {
    let line = |number: usize| match number % 700 {
        30 => format!("raise {number}"),
        90 => format!("exit {number}"),
        150 => format!("refuse not_wanted {number}"),
        210 => "number".to_owned(),
        270 => "break".to_owned(),
        _ => format!("line {number} übung"),
    };
    (0..count).map(line).collect()
}

/// What is committed of `lines`.
fn expected(lines: &[String]) -> Vec<u8> {
    let result = |(number, line): (usize, &String)| {
        let is_good = line.starts_with("line");
        is_good.then(|| format!("{number}\t{}\n", line.chars().rev().collect::<String>()))
    };
    let mut results: Vec<String> = lines.iter().enumerate().filter_map(result).collect();
    results.sort_unstable();
    results.concat().into_bytes()
}

/// The lines of a run's dead letters, sorted.
fn dead_letters(path: PathBuf) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    let mut letters: Vec<String> = text.lines().map(str::to_owned).collect();
    letters.sort_unstable();
    letters
}

/// The dead letters of `lines`.
fn expected_letters(lines: &[String]) -> Vec<String> {
    let letter = |(number, line): (usize, &String)| {
        let (code, message) = match line.split_once(' ').unwrap_or((line, "")) {
            ("raise", rest) => ("function_error", format!("ValueError: no result for {rest}")),
            ("exit", _) => ("function_exit", "Runtime exited with error: exit status 3".to_owned()),
            ("refuse", rest) => {
                return Some(format!(r#"{{"record":"{number}","code":"{rest}","text":"{line}"}}"#));
            }
            ("number", _) => ("function_error", "invalid type: integer".to_owned()),
            ("break", _) => ("function_error", "a result has a line break in it".to_owned()),
            _ => return None,
        };
        Some(format!(r#"{{"record":"{number}","code":"{code}","message":"{message}"#))
    };
    let mut letters: Vec<String> = lines.iter().enumerate().filter_map(letter).collect();
    letters.sort_unstable();
    letters
}

/// Checks that a run has committed what it must, and that its dead letters say why the others are bad.
fn assert_whole(place: &Place, lines: &[String], what: &str) {
    assert!(place.output("out") == expected(lines), "{what}: another output");
    let (letters, expected) = (dead_letters(place.path("bad.jsonl")), expected_letters(lines));
    assert_eq!(letters.len(), expected.len(), "{what}: {letters:#?}");
    for (letter, begin) in letters.iter().zip(&expected) {
        let (begin, contained) =
            match begin.contains("invalid type") || begin.contains("line break") {
                true => begin.split_once(r#""message":""#).unwrap(),
                false => (&**begin, ""),
            };
        assert!(letter.starts_with(begin) && letter.contains(contained), "{what}: {letter}");
    }
}
