//! The README's commands are run, shortened: what it tells a reader to type works.
#![allow(clippy::unwrap_used)]

mod common;

use common::Place;

#[test]
fn the_commands_of_the_readme_work() {
    let readme = include_str!("../README.md");
    let place = Place::new();
    std::fs::write(place.path("README.md"), readme).unwrap();
    let mut commands = 0;
    let blocks = readme.split("```console\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    for command in blocks.flat_map(str::lines) {
        let Some(arguments) = command.strip_prefix("cargo run --release -- ") else {
            // The examples have a test of their own, and this is `cargo test`.
            assert!(
                command.starts_with("cargo run --release --example") || command == "cargo test"
            );
            continue;
        };
        let mut arguments: Vec<&str> = arguments.split(' ').collect();
        if let Some(at) = arguments.iter().position(|argument| *argument == "--duration") {
            arguments[at + 1] = "500ms";
        }
        let output = place.run(&arguments);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{command}: {error}");
        commands += 1;
    }
    assert!(commands >= 5, "{commands} commands");
    let lines = String::from_utf8(place.output("out/readme")).unwrap();
    assert_eq!(lines.lines().count(), readme.lines().count());
}
