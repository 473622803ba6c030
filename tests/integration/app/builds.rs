//! A function of another build of the program is refused, before any record is sent to it.

use std::process::{Command, Output};

use super::programs::{NAME, VERSION, graph, numbers};
use crate::common::{Lambda, Place, end_of, error_of, example, output_of, start};

/// Starts the function of the program `name` in this version, at a URL.
fn function(place: &Place, name: &str, version: &str) -> Lambda {
    let mut command = place.floodway(&["lambda"]);
    command.env(NAME, name).env(VERSION, version);
    Lambda::of(command)
}

/// Runs the program `name` in this version.
fn run(place: &Place, name: &str, version: &str, args: &[&str]) -> Output {
    let mut command = place.floodway(args);
    command.env(NAME, name).env(VERSION, version);
    end_of(start(command), &format!("{args:?}"))
}

#[test]
fn check_accepts_the_same_build() {
    let place = graph("exchange");
    let function = function(&place, "exchange", "1.0.0");
    let output = run(&place, "exchange", "1.0.0", &["check", "--lambda", &function.url]);
    let said = output_of(&output);
    assert!(output.status.success(), "{said}{}", error_of(&output));
    assert!(said.contains("program/1.0.0 (stages ") && said.contains("the stage triple"), "{said}");
    let version = run(&place, "exchange", "1.0.0", &["--version"]);
    assert!(output_of(&version).contains("program 1.0.0 on floodway "), "{version:?}");
}

/// Another version, and other stages.
#[test]
fn check_and_run_refuse_another_build_and_name_both_versions() {
    for (there, here) in
        [(("double", "1.0.0"), ("double", "1.0.1")), (("double", "1.0.0"), ("exchange", "1.0.0"))]
    {
        let place = graph("double");
        let function = function(&place, there.0, there.1);
        let (name, version) = here;
        let check = run(&place, name, version, &["check", "--lambda", &function.url]);
        let said = error_of(&check);
        assert_eq!(check.status.code(), Some(1), "{said}");
        let parts = ["the function is of version program/1.0.0 (stages ", "needs program/"];
        let names_both = |said: &str| {
            let needed = format!("needs program/{version} (stages ");
            said.contains(parts[0]) && said.contains(&needed) && said.contains("`package`")
        };
        assert!(names_both(&said), "{here:?}: {said}");

        std::fs::write(place.path("numbers"), numbers(3_000)).unwrap();
        let args = ["run", "--source", "lines:numbers", "--out", "out", "--lambda", &function.url];
        let args = [&args[..], &["--policy", "remote", "--summary", "summary.json"]].concat();
        let output = run(&place, name, version, &args);
        let said = error_of(&output);
        // All records are done, and the user wanted functions to do them.
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(names_both(&said), "{here:?}: {said}");
        let summary = place.summary();
        assert_eq!((&summary["results_out"], &summary["records_bad"]), (&3_000.into(), &0.into()));
        assert_eq!(summary["records_remote"], 0, "{summary}");
        // The probes are all that it was asked.
        assert_eq!(summary["requests"], 0, "{summary}");
        assert_eq!(place.lines("out"), 3_000);
    }
}

/// The program's own options are part of the build, for results may depend on them.
#[test]
fn a_function_with_other_values_of_the_programs_options_is_refused() {
    let place = Place::new().running(|| Command::new(example("orders")));
    let lambda = |options: &[&str]| Lambda::of(place.floodway(&[&["lambda"], options].concat()));
    let [usual, more] = [lambda(&[]), lambda(&["--items", "4"])];
    for (function, options, is_accepted) in [
        (&usual, &[][..], true),
        (&usual, &["--items", "3"], true),
        (&usual, &["--items", "4"], false),
        (&more, &["--items", "4"], true),
        (&more, &[], false),
    ] {
        let check = place.run(&[&["check", "--lambda", &function.url], options].concat());
        let said = error_of(&check);
        assert_eq!(check.status.success(), is_accepted, "{options:?}: {said}");
        assert!(is_accepted || said.contains("the program's own options"), "{options:?}: {said}");
    }
}
