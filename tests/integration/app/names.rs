//! Messages of a user's program name it, and not `floodway`, in the commands that they show.

use std::fs;
use std::path::PathBuf;

use super::clicks;
use crate::common::{error_of, files_in};

#[test]
fn errors_show_commands_of_the_program_itself() {
    let place = clicks();
    fs::write(place.path("input"), b"BZh91AY&SY").unwrap();
    let mut cases: Vec<(&[&str], &str)> = vec![
        (
            &["run", "--source", "lines:input", "--out", "out"],
            "bzip2 -dc FILE | clicks run --source lines:-",
        ),
        (&["compare", "--listen", "127.0.0.1:0"], "use it with the command run"),
        (&["init", "function", "new", "--lang", "node"], "is a command of floodway itself"),
    ];
    if cfg!(not(feature = "kafka")) {
        cases.push((
            &["run", "--source", "kafka://127.0.0.1:9/clicks"],
            "this clicks was built without Kafka: give its dependency floodway the feature kafka",
        ));
    }
    for (args, expected) in cases {
        let output = place.run(args);
        let error = error_of(&output);
        assert!(!output.status.success() && error.starts_with("clicks: "), "{args:?}: {error}");
        assert!(error.contains(expected), "{args:?}: {error}");
        assert!(!error.contains("floodway run"), "{args:?}: {error}");
    }
}

/// The examples in the help are those of `floodway` alone, as is the command `init`.
#[test]
fn no_message_shows_a_command_of_floodway() {
    const COMMANDS: [&str; 8] =
        ["run", "compare", "simulate", "generate", "lambda", "check", "package", "completion"];
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    for file in files_in(&folder, "rs") {
        if file.ends_with("cli/help.rs") || file.starts_with(folder.join("cli/init")) {
            continue;
        }
        let code = fs::read_to_string(&file).unwrap();
        let code = code.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        // The documentation of an option is its help.
        let is_comment = |line: &str| line.starts_with("//") && !line.starts_with("///");
        let lines = code.lines().filter(|line| !is_comment(line.trim_start()));
        let shows = |line: &&str| {
            COMMANDS.iter().any(|command| line.contains(&format!("floodway {command}")))
        };
        wrong.extend(lines.filter(shows).map(|line| format!("{}: {line}", file.display())));
    }
    assert!(wrong.is_empty(), "PROGRAM may have another name:\n{}", wrong.join("\n"));
}
