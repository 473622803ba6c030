//! What the command says of itself: its help, and what is said of a command line that is none.

use crate::common::{Place, error_of, output_of};

const COMMANDS: [&str; 9] =
    ["run", "compare", "explain", "generate", "simulate", "lambda", "check", "init", "completion"];

fn help(place: &Place, command: &[&str]) -> String {
    let output = place.run(&[command, &["--help"]].concat());
    assert!(output.status.success(), "{command:?}");
    output_of(&output)
}

/// The file of docs/config.md.
fn documented_file() -> &'static str {
    let page = include_str!("../../docs/config.md");
    page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap()
}

#[test]
fn the_documented_configuration_works_and_the_command_line_overrides_it() {
    let place = Place::new();
    std::fs::write(place.path("floodway.toml"), documented_file()).unwrap();
    // Shorter and cheaper than it says.
    let less = ["--rate", "2k", "--peak-rate", "4k", "--period", "1s", "--duration", "500ms"];
    let mut args = vec!["run", "--config", "floodway.toml", "--task", "words"];
    args.extend(less);
    let summary = place.run_well(&args);
    assert_eq!((&summary["workers"], &summary["policy"]), (&2.into(), &"deadline".into()));
    assert_eq!(summary["task"], "words");
    assert!(place.path("out/from-config/manifest.jsonl").exists());
    args.extend(["--policy", "spill", "--threshold", "1k", "--", "-w", "1"]);
    let summary = place.run_well(&args);
    assert_eq!((&summary["workers"], &summary["policy"]), (&1.into(), &"spill".into()));
}

#[test]
fn a_typed_option_overrides_the_settings_of_the_documented_file_that_it_excludes() {
    let place = Place::new();
    std::fs::write(place.path("floodway.toml"), documented_file()).unwrap();
    std::fs::write(place.path("in.txt"), "a b\n").unwrap();
    let less = ["--rate", "2k", "--peak-rate", "4k", "--period", "1s", "--duration", "200ms"];
    let unused = "http://127.0.0.1:9/";
    for (name, typed) in [
        ("a remote function", &["--lambda", unused, "--policy", "local"][..]),
        ("shadow", &["--shadow"]),
        ("no policy that sends", &["--policy", "local"]),
        ("a constant rate", &["--shape", "constant"]),
        ("no output", &["--sink", "null"]),
        ("lines", &["--source", "lines:in.txt"]),
    ] {
        let has_shape = !typed.contains(&"--shape");
        let less = if has_shape { &less[..] } else { &["--rate", "2k", "--duration", "200ms"] };
        let args = [&["run", "--config", "floodway.toml", "--task", "words"], typed, less].concat();
        let output = place.run(&args);
        assert!(output.status.success(), "{name}: {}", error_of(&output));
    }
    // The other direction: a file for a function, and a run without one.
    let of_function =
        format!("lambda = {unused:?}\nregion = \"eu-west-1\"\nauth = \"iam\"\nmemory = 256\n");
    std::fs::write(place.path("function.toml"), of_function).unwrap();
    let few = ["run", "--config", "function.toml", "--events", "10", "--sink", "null"];
    for typed in [&["--lambda", "local"][..], &["--shadow", "--policy", "deadline"]] {
        let output = place.run(&[&few[..], typed].concat());
        assert!(output.status.success(), "{typed:?}: {}", error_of(&output));
    }
}

#[test]
fn compare_takes_the_documented_file_without_the_settings_that_it_refuses() {
    let place = Place::new();
    std::fs::write(place.path("floodway.toml"), documented_file()).unwrap();
    let less = ["--rate", "2k", "--peak-rate", "4k", "--period", "1s", "--duration", "200ms"];
    let own = ["--task", "words", "--policies", "local", "--warm-up-run", "0s", "--report", "r"];
    let output = place.run(&[&["compare", "--config", "floodway.toml"], &less[..], &own].concat());
    assert!(output.status.success(), "{}", error_of(&output));
    assert!(place.path("r/report.html").exists() && !place.path("out/from-config").exists());
    // `simulate` takes no file.
    place.refuses("simulate", &[(&["--config", "floodway.toml"], &["--config: there is no such"])]);
}

#[test]
fn the_help_of_a_command_lists_no_option_of_run_that_it_refuses() {
    let place = Place::new();
    let of_both = ["--shadow", "--sink", "--state", "--summary", "--listen"];
    let all = of_both.iter().flat_map(|option| [("compare", *option), ("explain", *option)]);
    for (command, option) in all.chain([("compare", "--policy"), ("compare", "--follow")]) {
        let listed = help(&place, &[command]);
        let is_listed = listed.lines().any(|line| {
            let line = line.trim_start();
            line.strip_prefix(option).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
        });
        assert!(!is_listed, "{command} {option}");
        let is_flag = ["--follow", "--shadow"].contains(&option);
        let value = if is_flag { &[][..] } else { &["local"] };
        let output = place.run(&[&[command, option], value].concat());
        assert_eq!(output.status.code(), Some(2), "{option}");
        let error = error_of(&output);
        assert!(error.starts_with(&format!("floodway: {option} ")), "{error}");
    }
    let compare = help(&place, &["compare"]);
    assert!(compare.contains("--policies") && compare.contains("--deadline"));
    let explain = help(&place, &["explain"]);
    assert!(explain.contains("--json") && explain.contains("--policy"));
}

#[test]
fn each_command_has_examples_that_parse_and_its_exit_codes() {
    let place = Place::new();
    std::fs::write(place.path("floodway.toml"), documented_file()).unwrap();
    let mut examples = 0;
    for command in [&[][..]].into_iter().chain(COMMANDS.iter().map(std::slice::from_ref)) {
        let help = help(&place, command);
        let (_, rest) = help.split_once("\nExamples:\n").expect("examples");
        let (lines, codes) = rest.split_once("\n\nExit codes:\n").expect("exit codes");
        for code in ["  0  Done", "  1  Failed", "  2  Cannot run as given"] {
            assert!(codes.contains(code), "{command:?}: {codes}");
        }
        // A long example is broken into lines, which are indented as the first one is.
        let lines = lines.replace("\n  floodway", "\u{0}floodway");
        for example in lines.trim_start().split('\u{0}') {
            let words = example.split(" # ").next().unwrap().split(" > ").next().unwrap();
            let words: Vec<&str> = words.split_whitespace().skip(1).collect();
            let own = words.iter().position(|word| *word == "--").unwrap_or(words.len());
            // The rest of the line is parsed before the help is shown.
            let mut all = words[..own].to_vec();
            all.push("--help");
            all.extend(&words[own..]);
            let output = place.run(&all);
            let error = error_of(&output);
            assert!(output.status.success(), "{example}: {error}");
            examples += 1;
        }
    }
    assert!(examples >= 15, "{examples} examples");
}

#[test]
fn the_help_states_the_actual_values_and_defaults() {
    let place = Place::new();
    let run = help(&place, &["run"]).split_whitespace().collect::<Vec<_>>().join(" ");
    for task in floodway::task::NAMES {
        assert!(run.contains(&format!(" {task} ")), "{task}");
    }
    assert!(run.contains("[default: 10k for Nexmark events, max for lines]"));
    assert!(run.contains("Nexmark events come until Ctrl-C"));
    // The rate that is said is the one that is taken.
    let summary = place.run_well(&["run", "--duration", "1s", "--sink", "null"]);
    assert_eq!(summary["events_in"], 10_000);
}

#[test]
fn a_parse_error_is_one_line_with_what_would_be_right() {
    let place = Place::new();
    let cases: &[(&[&str], &[&str])] = &[
        (&["run", "-w", "2"], &["-w", "timely", "-- -w 2"]),
        (&["compare", "-n", "2"], &["-n", "timely", "--"]),
        (&["run", "--rate", "5k", "-w2"], &["-w", "timely", "--"]),
        (&["run", "--evnts", "5"], &["--evnts", "--events"]),
        (&["run", "--policy", "spil"], &["--policy spil", "spill", "deadline"]),
        (&["run", "--rate"], &["--rate"]),
        (&["run", "in.txt"], &["in.txt"]),
        (&["run", "--overwrite=yes"], &["--overwrite", "yes"]),
        (&["run", "--out", "a", "--sink", "null"], &["--out", "--sink"]),
        (&["ru"], &["ru", "run", "compare", "check"]),
        (&["completion"], &["SHELL"]),
        (&["run", "--log", "verbose"], &["--log verbose", "error, warn, info, debug, trace"]),
        (&["run", "--log", "floodway=loud"], &["--log floodway=loud", "debug"]),
        (&["run", "--log", "warn,hyper"], &["--log warn,hyper", "MODULE=LEVEL"]),
        (&["run", "--\u{1b}[31mred"], &[r"\u{1b}[31mred"]),
    ];
    for (args, named) in cases {
        let output = place.run(args);
        let error = error_of(&output);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {error}");
        assert!(error.starts_with("floodway: ") && error.lines().count() == 1, "{args:?}: {error}");
        for part in *named {
            assert!(error.contains(part), "{args:?} without {part:?}: {error}");
        }
    }
    for level in ["debug", "off", "warn,floodway::bridge=debug"] {
        let output = place.run(&["run", "--events", "1", "--sink", "null", "--log", level]);
        assert!(output.status.success(), "{level}");
    }
}
