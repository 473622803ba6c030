//! Settings from a file (`--config`): how they go with options, and what is said of wrong ones.

use std::fs;

use crate::common::{Place, error_of};

#[test]
fn settings_come_from_a_file_and_flags_override_them() {
    let place = Place::new();
    let toml = "events = 300\nrate = \"max\"\nseed = 5\nout = \"from-file\"\n";
    fs::write(place.path("floodway.toml"), toml).unwrap();
    let summary = place.run_well(&["run", "--config", "floodway.toml", "--events", "200"]);
    assert_eq!(summary["events_in"], 200);
    assert_eq!(place.lines("from-file"), 200);
}

#[test]
fn an_option_overrides_the_settings_that_it_excludes() {
    let place = Place::new();
    fs::write(place.path("trace.csv"), "0,1000\n0.1,0\n").unwrap();
    let toml = "events = 10\nrate = \"5k\"\nshape = \"step\"\npeak-rate = \"9k\"\nperiod = \"1s\"\nseed = 3\n\
                out = \"of-file\"\noverwrite = true\nstate = \"state-of-file\"\n";
    fs::write(place.path("all.toml"), toml).unwrap();
    fs::write(place.path("in.txt"), "a\nb\n").unwrap();
    fs::write(place.path("null.toml"), "events = 10\nsink = \"null\"\n").unwrap();
    let typed: [&[&str]; 5] = [
        &["--sink", "null"],
        &["--sink", "null", "--shape", "trace:trace.csv"],
        &["--sink", "null", "--shape", "constant"],
        &["--sink", "null", "--rate", "max"],
        &["--sink", "null", "--source", "lines:in.txt"],
    ];
    for args in typed {
        place.run_well(&[&["run", "--config", "all.toml"], args].concat());
        assert!(!place.path("of-file").exists() && !place.path("state-of-file").exists());
    }
    place.run_well(&["run", "--config", "null.toml", "--out", "typed"]);
    assert_eq!(place.lines("typed"), 10);

    let function = "lambda = \"http://127.0.0.1:9/\"\nregion = \"eu-west-1\"\nmemory = 256\n";
    let not_shadow = format!("{function}require-remote = true\nskew = 0.9\nstate = \"of-file\"\n");
    let cases: [(&str, &[&str]); 7] = [
        ("follow = true", &["--source", "nexmark", "--events", "10"]),
        ("follow = true\nstate = \"of-file\"\nskew = 0.9", &["--source", "lines:-"]),
        ("nexmark = \"person_proportion=2\"\nseed = 3\nskew = 0.9", &["--source", "lines:in.txt"]),
        (&not_shadow, &["--shadow", "--policy", "deadline", "--events", "10"]),
        ("shadow = true", &["--require-remote", "--policy", "remote", "--events", "10"]),
        ("shadow = true\nbudget = \"1/h\"", &["--policy", "local", "--events", "10"]),
        ("require-remote = true\nbudget-total = 1", &["--policy", "local", "--events", "10"]),
    ];
    for (toml, typed) in cases {
        fs::write(place.path("a.toml"), format!("{toml}\nsink = \"null\"\n")).unwrap();
        place.run_well(&[&["run", "--config", "a.toml"], typed].concat());
        assert!(!place.path("of-file").exists(), "{toml}");
    }
}

/// A file that says that nothing is sent is not overridden by an option that is about something else.
#[test]
fn shadow_in_the_file_is_not_overridden_by_an_option_that_shadow_excludes() {
    let place = Place::new();
    fs::write(place.path("a.toml"), "shadow = true\npolicy = \"deadline\"\n").unwrap();
    for typed in [["--skew", "0.9"], ["--region", "eu-west-1"]] {
        let args = ["run", "--config", "a.toml", "--events", "10", "--sink", "null"];
        let output = place.run(&[&args[..], &typed].concat());
        let error = error_of(&output);
        assert_eq!(output.status.code(), Some(2), "{typed:?}: {error}");
        assert!(error.contains("shadow") && error.contains(typed[0]), "{typed:?}: {error}");
    }
}

#[test]
fn an_error_of_a_setting_names_its_file_and_the_setting_as_it_stands_there() {
    let place = Place::new();
    for (toml, expected) in [
        ("rate = true", "--config a.toml: rate = true: expected a string or a number"),
        ("overwrite = \"yes\"", "--config a.toml: overwrite = \"yes\": expected true or false"),
        ("batch = 0", "--config a.toml: batch = 0: expected a whole number of at least 1"),
        ("policy = \"best\"", "--config a.toml: policy = best: expected one of"),
        ("out = \"o\"\nsink = \"null\"", "--config a.toml: out: cannot be used with"),
        ("events = 5\nrate = 2k", "--config a.toml: line 2: rate = 2k: "),
    ] {
        fs::write(place.path("a.toml"), toml).unwrap();
        let output = place.run(&["run", "--config", "a.toml"]);
        let error = error_of(&output);
        assert_eq!(output.status.code(), Some(2), "{toml}: {error}");
        assert!(error.contains(expected) && !error.contains("\\n"), "{toml}: {error}");
    }
}

/// A file may have the settings of several policies; what is typed is meant.
#[test]
fn a_file_may_set_options_that_the_policy_does_not_use() {
    let place = Place::new();
    let toml = "events = 300\nrate = \"max\"\nsink = \"null\"\nthreshold = \"50k\"\n\
                deadline = \"100ms\"\nbudget = \"1/h\"\n";
    fs::write(place.path("all.toml"), toml).unwrap();
    for policy in ["local", "threshold", "deadline"] {
        let summary = place.run_well(&["run", "--config", "all.toml", "--policy", policy]);
        assert_eq!((&summary["policy"], &summary["events_in"]), (&policy.into(), &300.into()));
    }
    let typed = ["run", "--config", "all.toml", "--policy", "local", "--threshold", "1k"];
    let output = place.run(&typed);
    assert_eq!(output.status.code(), Some(2), "{}", error_of(&output));
    assert!(error_of(&output).contains("--threshold 1k"), "{}", error_of(&output));
}
