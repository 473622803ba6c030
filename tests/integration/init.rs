//! `floodway init`: what it writes, and what it refuses. `tests/external/hosting/init.rs` runs what it writes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::common::{Place, end_of, error_of, output_of, start};

const LANGUAGES: [&str; 4] = ["python", "java", "node", "rust"];

/// The files below a folder with their text, by their paths in it.
fn texts(folder: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                found.insert(name, fs::read_to_string(&path).unwrap());
            }
        }
    }
    found
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// What `init` writes for a language, and what it prints.
fn written(language: &str) -> (BTreeMap<String, String>, String) {
    let place = Place::new();
    let output = place.run(&["init", "function", "work/prices_2", "--lang", language]);
    assert!(output.status.success(), "{language}: {}", error_of(&output));
    (texts(&place.path("work/prices_2")), output_of(&output))
}

/// The value of a key in a file of `key = "value"`.
fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (name, value) = line.split_once('=')?;
        (name.trim() == key).then(|| value.trim().trim_matches('"'))
    })
}

#[test]
fn the_files_are_written_and_printed_with_the_next_three_commands() {
    for language in LANGUAGES {
        let (files, printed) = written(language);
        let (listed, next) = printed.split_once("\nNext:\n").unwrap();
        let listed: Vec<_> = listed.lines().map(|line| line.split(' ').next().unwrap()).collect();
        let mut expected: Vec<_> =
            files.keys().map(|name| format!("work/prices_2/{name}")).collect();
        expected.sort();
        let mut sorted = listed.clone();
        sorted.sort();
        assert_eq!(sorted, expected);
        assert!(printed.lines().next().unwrap().ends_with("edit this file"), "{printed}");
        let next: Vec<_> = next.lines().map(str::trim).collect();
        assert_eq!(next.len(), 4, "{next:?}");
        assert_eq!(next[0], "cd work/prices_2");
        assert!(next.iter().any(|line| line.starts_with("floodway lambda --function .")));
        for name in ["function.toml", "README.md", "template.yaml", "main.tf", ".gitignore"] {
            assert!(files.contains_key(name), "{language}: {name}");
        }
    }
}

#[test]
fn no_placeholder_is_left_and_the_name_is_that_of_the_folder() {
    for language in LANGUAGES {
        let (files, printed) = written(language);
        for (name, text) in
            files.iter().map(|(name, text)| (name.as_str(), text)).chain([("printed", &printed)])
        {
            assert!(!text.contains("{{") && !text.contains("}}"), "{language}: {name}: {text}");
            assert!(text.lines().all(|line| !line.ends_with(' ')), "{language}: {name}");
            let has_two = text.contains("\n\n\n") && !name.ends_with(".py");
            assert!(!has_two, "{language}: {name} has two empty lines");
        }
        assert_eq!(value(&files["function.toml"], "task"), Some("prices_2"));
        assert!(files["README.md"].starts_with("# prices_2\n"));
        // CloudFormation allows no underscore in the name of a stack.
        assert!(files["template.yaml"].contains("--stack-name floodway-prices-2 "));
    }
}

#[test]
fn both_deployments_have_the_handler_and_the_runtime_of_the_function() {
    for language in LANGUAGES {
        let (files, _) = written(language);
        let described = &files["function.toml"];
        let handler = value(described, "handler").unwrap_or("bootstrap");
        let runtime = value(described, "runtime").unwrap();
        assert_eq!(value(&files["main.tf"], "handler"), Some(handler), "{language}");
        assert!(files["template.yaml"].contains(&format!("      Handler: {handler}\n")));
        assert!(value(&files["main.tf"], "runtime").unwrap().starts_with(runtime), "{language}");
        assert!(
            files["template.yaml"].contains(&format!("      Runtime: {runtime}")),
            "{language}"
        );
    }
}

#[test]
fn every_template_is_used() {
    let folder = root().join("src/cli/init/templates");
    let written: Vec<_> =
        LANGUAGES.into_iter().map(|language| (language, written(language).0)).collect();
    for (path, template) in texts(&folder) {
        let (language, file) = path.split_once('/').unwrap();
        let file = file.trim_end_matches(".template").replace("gitignore", ".gitignore");
        // Cargo would leave out a folder with a Cargo.toml, and what a .gitignore names.
        assert!(!path.ends_with("/Cargo.toml") && !path.ends_with("/.gitignore"), "{path}");
        let users = written.iter().filter(|(of, _)| [of, "common"].contains(&language));
        let mut count = 0;
        for (of, files) in users {
            let named = files.iter().find(|(name, _)| name.rsplit('/').next() == Some(&file));
            let (_, text) = named.unwrap_or_else(|| panic!("{of} does not have {path}"));
            let mut fixed = template.lines().filter(|line| !line.contains("{{"));
            assert!(fixed.all(|line| text.contains(line)), "{of}: {path}");
            count += 1;
        }
        assert!(count > 0, "{path}");
    }
}

/// The versions of a file in Maven's or Cargo's format, by the name before them.
fn versions(text: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut artifact = String::new();
    for line in text.lines().map(str::trim) {
        let tag = |tag: &str| line.strip_prefix(tag)?.split('<').next().map(str::to_owned);
        if let Some(name) = tag("<artifactId>") {
            artifact = name;
        } else if let Some(version) = tag("<version>") {
            found.insert(artifact.clone(), version);
        } else if let Some((name, rest)) = line.split_once(" = ") {
            let rest = rest.split("version = ").last().unwrap();
            found.insert(name.to_owned(), rest.split('"').nth(1).unwrap_or_default().to_owned());
        }
    }
    found
}

#[test]
fn dependencies_have_the_versions_that_the_projects_own_functions_are_tested_with() {
    let own = |path: &str| fs::read_to_string(root().join("functions").join(path)).unwrap();
    let (java, rust) = (written("java").0, written("rust").0);
    for (made, own, least) in [
        (&java["pom.xml"], own("java/pom.xml") + &own("java/runtime.xml"), 8),
        (&rust["Cargo.toml"], own("rust/Cargo.toml"), 4),
    ] {
        let own = versions(&own);
        let made = versions(made);
        let both: Vec<_> = made
            .iter()
            .filter(|(name, _)| own.contains_key(*name) && *name != "function")
            .collect();
        for (name, version) in &both {
            if !["name", "edition", "path", "version", "publish"].contains(&name.as_str()) {
                assert_eq!(*version, &own[*name], "{name}");
            }
        }
        assert!(both.len() >= least, "{made:?} {own:?}");
    }
}

#[test]
fn what_cannot_be_the_new_folder_is_refused_and_stays_as_it_is() {
    let place = Place::new();
    fs::create_dir_all(place.path("full")).unwrap();
    fs::write(place.path("full/mine"), "text").unwrap();
    fs::write(place.path("file"), "text").unwrap();
    let long = "a".repeat(300);
    place.refuses(
        "init",
        &[
            (
                &["function", "full", "--lang", "node"],
                &["DIR full", "is not empty: name a new folder"],
            ),
            (
                &["function", "file", "--lang", "node"],
                &["DIR file", "is a file: name a new folder"],
            ),
            (&["function", "file/below", "--lang", "rust"], &["DIR file/below"]),
            (&["function", &long, "--lang", "java"], &["DIR aaa"]),
            (
                &["function", "new", "--lang", "cobol"],
                &["--lang cobol", "python, java, node, rust"],
            ),
            (&["function", "new"], &["--lang", "python|java|node|rust"]),
            (&["function", "--lang", "node"], &["DIR"]),
            (&["program", "new"], &["program: there is no such command: expected one of function"]),
        ],
    );
    let left = texts(&place.path(""));
    assert_eq!(left.into_keys().collect::<Vec<_>>(), ["file", "full/mine"]);
    assert!(!place.path("new").exists());
}

#[test]
fn an_empty_folder_is_filled_also_the_present_one() {
    let place = Place::new();
    fs::create_dir(place.path("Unit Prices")).unwrap();
    let mut command = place.floodway(&["init", "function", ".", "--lang", "node"]);
    command.current_dir(place.path("Unit Prices"));
    let output = end_of(start(command), "init");
    assert!(output.status.success(), "{}", error_of(&output));
    let described = fs::read_to_string(place.path("Unit Prices/function.toml")).unwrap();
    assert_eq!(value(&described, "task"), Some("unit-prices"));
}

#[test]
fn a_failure_leaves_nothing_behind() {
    let place = Place::new();
    fs::create_dir(place.path("empty")).unwrap();
    for folder in ["new/below", "empty"] {
        // No file may be longer than 1 or 2 KiB, which some of them are.
        let script = "trap '' XFSZ; ulimit -f 2; exec \"$0\" init function \"$1\" --lang python";
        let mut command = std::process::Command::new("sh");
        command.args(["-c", script, env!("CARGO_BIN_EXE_floodway"), folder]);
        command.current_dir(place.path(""));
        let output = end_of(start(command), "init");
        let error = error_of(&output);
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert!(error.contains("cannot write "), "{error}");
    }
    assert!(!place.path("new").exists());
    assert_eq!(fs::read_dir(place.path("empty")).unwrap().count(), 0);
}
