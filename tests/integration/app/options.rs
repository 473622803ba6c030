//! A program's own options stand beside those of `floodway`.

use super::programs::{graph, numbers};
use crate::common::{Place, error_of};

fn place() -> Place {
    let place = graph("options");
    std::fs::write(place.path("numbers"), numbers(100)).unwrap();
    place
}

const RUN: [&str; 6] = ["run", "--source", "lines:numbers", "--out", "out", "--overwrite"];

/// The numbers, multiplied by `factor`, as the output has them.
fn multiplied(factor: i64) -> Vec<u8> {
    let mut lines: Vec<_> = (0..100).map(|number| format!("{}\n", number * factor)).collect();
    lines.sort_unstable();
    lines.concat().into_bytes()
}

#[test]
fn the_dataflow_gets_the_options_that_are_typed_or_in_the_file_or_their_defaults() {
    let place = place();
    std::fs::write(place.path("settings.toml"), "factor = 5\npolicy = \"local\"\n").unwrap();
    let cases: [(&[&str], i64); 4] = [
        (&[], 2),
        (&["--factor", "3"], 3),
        // Also one that begins with a hyphen.
        (&["--factor", "-4"], -4),
        (&["--config", "settings.toml"], 5),
    ];
    for (options, factor) in cases {
        place.run_well(&[&RUN, options].concat());
        assert_eq!(place.output("out"), multiplied(factor), "{options:?}");
    }
}

#[test]
fn wrong_values_are_refused_and_the_help_lists_the_options() {
    let place = place();
    let output = place.run(&[&RUN[..], &["--factor", "two"]].concat());
    assert_eq!(output.status.code(), Some(2));
    assert!(error_of(&output).contains("--factor two"), "{}", error_of(&output));
    for command in ["run", "compare", "check", "lambda"] {
        let help = String::from_utf8(place.run(&[command, "--help"]).stdout).unwrap();
        assert!(help.contains("--factor") && help.contains("multiplied by"), "{help}");
    }
}

#[test]
fn a_program_whose_option_has_a_name_of_floodways_is_refused_by_every_command() {
    let place = graph("rounds");
    for command in ["run", "compare", "explain", "check", "lambda", "package", "simulate"] {
        let output = place.run(&[command]);
        let error = error_of(&output);
        assert_eq!(output.status.code(), Some(1), "{command}: {error}");
        assert!(error.starts_with("program: an option of the program"), "{command}: {error}");
        assert!(error.contains("--rounds, as options of compare do"), "{command}: {error}");
    }
}

#[test]
fn a_state_is_not_resumed_with_other_values() {
    let place = place();
    let run = ["run", "--source", "lines:numbers", "--out", "out", "--state", "state"];
    place.run_well(&[&run[..], &["--factor", "3"]].concat());
    let output = place.run(&[&run[..], &["--factor", "4"]].concat());
    let error = error_of(&output);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("--factor"), "{error}");
}

#[test]
fn the_embedded_lambda_computes_with_the_same_options() {
    let place = place();
    let remote = ["--factor", "7", "--policy", "remote", "--verify", "100%"];
    let model = ["--local-lambda", "network=1ms,cold_start=1ms"];
    place.run_well(&[&RUN[..], &remote, &model].concat());
    assert_eq!(place.output("out"), multiplied(7));
}
