//! The walk-through of `docs/your-function.md`, with a function that `init` has written.

use std::fs;

use crate::common::{Place, error_of, parts};

/// Writes a function in `language`, and orders for it. None if a tool is absent.
fn place(language: &str) -> Option<Place> {
    let python = parts::python()?;
    parts::program("node")?;
    let floodway = move || {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_floodway"));
        command.env("FLOODWAY_PYTHON", &python);
        command
    };
    let place = Place::new().running(floodway);
    let wrote = place.run(&["init", "function", "prices", "--lang", language]);
    assert!(wrote.status.success(), "{}", error_of(&wrote));
    let order = |number: usize| match number % 100 {
        7 => format!("tea,{number},"),
        9 => format!("tea,many,{number}"),
        _ => format!("tea,{number},3"),
    };
    let orders: Vec<String> = (0..400).map(order).collect();
    fs::write(place.path("orders.txt"), orders.join("\n")).unwrap();
    Some(place)
}

#[test]
fn a_function_that_init_has_written_computes_here_and_remotely() {
    for language in ["python", "node"] {
        let Some(place) = place(language) else { return };
        let run = ["run", "--source", "lines:orders.txt", "--task", "function:prices"];
        let bad = ["--dead-letter", "bad.jsonl", "--processes", "2", "--out", "out", "--overwrite"];
        let local = place.run_well(&[&run[..], &bad].concat());
        let first = place.output("out");
        assert!(first.starts_with(b"0\ttea 0\n1\ttea 3\n10\ttea 30\n"), "{language}");
        assert_eq!(local["results_out"], 392, "{language}: {local}");
        let letters = fs::read_to_string(place.path("bad.jsonl")).unwrap();
        let count = |code: &str| letters.lines().filter(|line| line.contains(code)).count();
        assert_eq!(count(r#""code":"no_price""#), 4, "{language}: {letters}");
        if language == "python" {
            let failed = r#""code":"function_error","message":"ValueError: invalid literal"#;
            assert_eq!(count(failed), 4, "{letters}");
        }
        let remote = ["--policy", "remote", "--batch", "20", "--verify", "1", "--overwrite"];
        let sent = place.run_until(&[&run[..], &bad[..6], &remote].concat(), |summary| {
            summary["records_remote"].as_u64() > Some(200)
        });
        assert!(place.output("out") == first, "{language}: {sent}");
    }
}
