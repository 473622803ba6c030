//! The README's commands are run, shortened: what it tells a reader to type works.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use crate::common::{Place, error_of, output_of, parts, within_tries};

#[test]
fn the_commands_of_the_readme_work() {
    let readme = include_str!("../../README.md");
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
        if let Some(at) = arguments.iter().position(|argument| *argument == "--listen") {
            // The reader's port may be taken here.
            arguments[at + 1] = "127.0.0.1:0";
        }
        let output = place.run(&arguments);
        let error = error_of(&output);
        assert!(output.status.success(), "{command}: {error}");
        commands += 1;
    }
    assert!(commands >= 5, "{commands} commands");
    let lines = String::from_utf8(place.output("out/readme")).unwrap();
    assert_eq!(lines.lines().count(), readme.lines().count());
}

/// A script of the README.
fn script(number: usize) -> &'static str {
    let readme = include_str!("../../README.md");
    readme.split("```sh\n").nth(number).and_then(|rest| rest.split("```").next()).unwrap()
}

/// Runs a script with this build of the command, and holds that both hashes that it ends with are the
/// same. Answers all that it said.
fn runs(place: &Place, script: &str) -> String {
    let (said, error) = ran(place, script);
    let hashes: Vec<&str> = hashes(&said);
    assert!(hashes.len() == 2 && hashes[0] == hashes[1], "{said}\n{error}");
    said
}

fn hashes(said: &str) -> Vec<&str> {
    said.lines().filter(|line| line.ends_with("  -")).collect()
}

/// Runs a script with this build of the command; answers what it said, and what went wrong.
fn ran(place: &Place, script: &str) -> (String, String) {
    std::fs::create_dir_all(place.path("target/release")).unwrap();
    let binary = place.path("target/release/floodway");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_floodway"), binary).unwrap();
    let output = Command::new("sh").arg("-c").arg(script).current_dir(place.path("")).output();
    let output = output.unwrap();
    let said = output_of(&output);
    let error = error_of(&output);
    (said, error)
}

#[test]
fn the_readmes_killed_run_ends_with_the_same_output() {
    let shorter = script(1).replace("--duration 6s", "--duration 3s").replace("sleep 3", "sleep 2");
    assert!(shorter.matches("--duration 3s").count() == 1 && shorter.contains("sleep 2; kill -9"));
    let place = Place::new();
    runs(&place, &shorter);
    let state = std::fs::read_to_string(place.path("out/killed.state/state.json")).unwrap();
    let lines = place.lines("out/killed");
    assert!(lines == 300_000 && state.contains("\"runs\": 2"), "{lines} lines, {state}");
}

#[test]
fn the_readmes_function_in_real_processes_gives_the_local_output() {
    // What the script's first line would build.
    let Some(_) = parts::function("rust/dist/bootstrap") else { return };
    // On a busy machine a function that answers late has its records done by the worker.
    within_tries("a run that does most of it remotely", || {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let shorter = script(2)
            .replace("functions/rust/build\n", "")
            .replace(":9000", &format!(":{port}"))
            .replace("--rate 20k --duration 5s", "--rate 2k --duration 1s");
        assert!(
            shorter.starts_with("target/release/floodway lambda") && shorter.contains("--rate 2k ")
        );
        let place = Place::new();
        let functions = Path::new(env!("CARGO_MANIFEST_DIR")).join("functions");
        std::os::unix::fs::symlink(functions, place.path("functions")).unwrap();
        let (said, error) = ran(&place, &shorter);
        let both = hashes(&said);
        if both.is_empty() && error.contains("Nothing was done remotely") {
            return Err(error);
        }
        assert!(both.len() == 2 && both[0] == both[1], "{said}\n{error}");
        assert!(said.contains("same results as here for bpe"), "{said}");
        assert!(said.contains("\ngood\n"), "{said}");
        assert_eq!(place.lines("out/remote"), 2_000);
        let share = said.split("\"offloaded_fraction\": ").nth(1).unwrap().split(',').next();
        if share.unwrap().parse::<f64>().unwrap() > 0.5 { Ok(()) } else { Err(said) }
    });
}

/// All done locally gives the same hashes: the proof has to fail where the function does not start.
#[test]
fn the_readmes_proof_fails_without_the_function() {
    let server = "target/release/floodway lambda --function functions/rust ";
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let broken = script(2)
        .replace("functions/rust/build\n", "")
        .replace(server, "false ")
        .replace(":9000", &format!(":{port}"))
        .replace("--rate 20k --duration 5s", "--rate 2k --duration 500ms");
    assert!(broken.starts_with("false ") && broken.contains("--rate 2k "), "{broken}");
    let (said, error) = ran(&Place::new(), &broken);
    assert!(
        hashes(&said).is_empty() && error.contains("Nothing was done remotely"),
        "{said}{error}"
    );
}
