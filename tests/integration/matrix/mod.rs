//! Law 1 as a [matrix](crate::law_1), for all features that need no other program. Policies and tasks come from the
//! program's own lists, so a new one is in the matrix without a line; a new source or sink needs one.

mod earlier;
mod features;

use crate::common::{Place, output_of};
use crate::law_1;
use features::{USUAL, features};

/// What the help of `run` lists and is not in this matrix, and why.
const OUTSIDE: [(&str, &str); 2] = [
    (
        "kafka://HOST:PORT/TOPIC",
        "needs a broker: tests/external/kafka/matrix.rs has the source and the sink",
    ),
    ("null", "has no output"),
];

#[test]
fn every_feature_makes_the_output_of_the_local_run_in_every_scenario() {
    law_1::check(&features());
}

#[test]
fn each_source_and_sink_that_the_help_lists_is_in_the_matrix() {
    let help = output_of(&Place::new().run(&["run", "-h"]));
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    let features = features();
    for (option, what) in [("source", "Where records come from: "), ("sink", "Where results go: ")]
    {
        let values = help.split_once(what).unwrap().1.split_once(" [default").unwrap().0;
        for value in values.split(", ").flat_map(|values| values.split(" or ")) {
            let name = format!("{option} {value}");
            let is_outside = OUTSIDE.iter().any(|(outside, _)| *outside == value);
            let is_feature =
                USUAL.contains(&&*name) || features.iter().any(|feature| feature.name == name);
            assert!(is_feature != is_outside, "{name} is in the matrix or in OUTSIDE");
        }
    }
}
