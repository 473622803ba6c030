//! The README's commands are run, shortened: what it tells a reader to type works.
#![allow(clippy::unwrap_used)]

mod common;

use std::process::Command;

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

#[test]
fn the_run_that_is_killed_in_the_readme_ends_with_the_same_output() {
    let readme = include_str!("../README.md");
    let script = readme.split("```sh\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let shorter = script.replace("--duration 6s", "--duration 3s").replace("sleep 3", "sleep 2");
    assert!(shorter.matches("--duration 3s").count() == 1 && shorter.contains("sleep 2; kill -9"));
    let place = Place::new();
    std::fs::create_dir_all(place.path("target/release")).unwrap();
    let binary = place.path("target/release/floodway");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_floodway"), binary).unwrap();
    let output = Command::new("sh").arg("-c").arg(shorter).current_dir(place.path("")).output();
    let output = output.unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    let hashes: Vec<&str> = said.lines().filter(|line| line.ends_with("  -")).collect();
    assert!(hashes.len() == 2 && hashes[0] == hashes[1], "{said}\n{error}");
    let lines = place.output("out/killed").iter().filter(|byte| **byte == b'\n').count();
    let state = std::fs::read_to_string(place.path("out/killed.state/state.json")).unwrap();
    assert!(lines == 300_000 && state.contains("\"runs\": 2"), "{lines} lines, {state}");
}
