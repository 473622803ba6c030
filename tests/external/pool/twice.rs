//! `check --twice` finds functions that are not pure.

use std::fs;
use std::process::Output;

use super::{lines, place};
use crate::common::{Lambda, Place, error_of, output_of};

const CHECK: [&str; 4] = ["check", "--task", "function:f", "--twice"];
const SAMPLE: [&str; 2] = ["--sample", "lines.txt"];

fn check(place: &Place, more: &[&str]) -> Output {
    place.run(&[&CHECK[..], more].concat())
}

/// Changes what the function in `f` answers for a good line.
fn answers(place: &Place, expression: &str) {
    let bootstrap = fs::read_to_string(place.path("f/bootstrap")).unwrap();
    let changed = bootstrap.replace("return line[::-1]", &format!("return {expression}"));
    assert_ne!(bootstrap, changed);
    fs::write(place.path("f/bootstrap"), changed).unwrap();
}

#[test]
fn a_pure_function_has_the_same_results_twice_whatever_it_fails_for() {
    let Some(place) = place(&lines(1_200)) else { return };
    let output = check(&place, &SAMPLE);
    let said = output_of(&output);
    assert!(output.status.success(), "{}", error_of(&output));
    let expected =
        "the same results in two processes: 1,000 records, 2 of them bad, 8 of them failures";
    assert!(said.contains(expected) && said.ends_with("good\n"), "{said}");
    // Without a sample, events are computed.
    for records in ["text", "json"] {
        let output = check(&place, &["--records", records]);
        let said = output_of(&output);
        assert!(said.contains("processes: 1,000 records\n"), "{said}{}", error_of(&output));
    }
}

#[test]
fn a_function_of_the_time_or_of_what_came_before_is_found_and_the_record_is_named() {
    let sample: Vec<String> = (0..50).map(|number| format!("order {number}")).collect();
    for (impure, shown) in [
        ("str(time.time_ns())", None),
        // How many records the process has had.
        (
            "str(globals().__setitem__('n', globals().get('n', 0) + 1) or n)",
            Some(["\"1\"", "\"50\""]),
        ),
        ("str(os.getpid())", None),
    ] {
        let Some(place) = place(&sample) else { return };
        answers(&place, impure);
        let output = check(&place, &SAMPLE);
        let error = error_of(&output);
        assert_eq!(output.status.code(), Some(1), "{impure}: {error}");
        let parts = ["the results of record 0, \"order 0\", differ: ", "The function is not pure"];
        for part in parts.into_iter().chain(shown.into_iter().flatten()) {
            assert!(error.contains(part), "{impure}: without {part}: {error}");
        }
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

#[test]
fn the_results_of_the_remote_function_are_compared_too() {
    let Some(place) = place(&lines(300)) else { return };
    let lambda = Lambda::with(&["--function", place.path("f").to_str().unwrap()], &[]);
    let url = lambda.invoke_path();
    let with = [&SAMPLE[..], &["--lambda", &url]].concat();
    let output = check(&place, &with);
    let said = output_of(&output);
    assert!(output.status.success(), "{}", error_of(&output));
    // Those for which it fails are not sent.
    assert!(said.contains("remote    the same results as here: 296 records"), "{said}");
    answers(&place, "line.upper()");
    let output = check(&place, &with);
    let error = error_of(&output);
    assert_eq!(output.status.code(), Some(1), "{error}");
    let parts =
        ["record 0, \"line 0 übung\"", "\"LINE 0 ÜBUNG\" in", "\"gnubü 0 enil\" by the remote"];
    assert!(parts.iter().all(|part| error.contains(part)), "{error}");
}

#[test]
fn a_function_that_never_answers_and_wrong_options_are_said() {
    let Some(place) = place(&["raise this".to_owned()]) else { return };
    fs::write(place.path("lines.txt"), "raise this\n".repeat(300)).unwrap();
    let error = error_of(&check(&place, &SAMPLE));
    let said = "the function fails for every record: ValueError: no result for this";
    assert!(error.contains(said), "{error}");
    fs::write(place.path("empty"), "").unwrap();
    let twice = |more: &[&'static str]| [&CHECK[1..], more].concat();
    place.refuses(
        "check",
        &[
            (&twice(&["--sample", "none"]), &["--sample none", "No such file"]),
            (&twice(&["--sample", "empty"]), &["--sample empty", "no line of text"]),
            (&["--twice"], &["--twice", "function:DIR", "are pure"]),
            (&["--task", "function:f"], &["--lambda", "URL, name or ARN", "give --twice"]),
            (&["--task", "function:f", "--sample", "x"], &["--twice"]),
        ],
    );
}
