//! The test filters that the documents name: each matches a test, or the command that a reader types runs none and
//! passes.

use std::fs;
use std::path::{Path, PathBuf};

use crate::common::files_in;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The full names of the tests below `folder`, which has the crate's root: `module::test`.
fn tests(folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for file in files_in(folder, "rs") {
        let path = file.strip_prefix(folder).unwrap().with_extension("");
        let parts: Vec<&str> = path.iter().map(|part| part.to_str().unwrap()).collect();
        let modules: Vec<&str> =
            parts.into_iter().filter(|part| !["mod", "main", "lib"].contains(part)).collect();
        let code = fs::read_to_string(&file).unwrap();
        for after in code.split("#[test]").skip(1) {
            let name = after.split("fn ").nth(1).unwrap().split('(').next().unwrap();
            names.push([&modules[..], &[name]].concat().join("::"));
        }
    }
    names
}

/// The programs that a command runs, as the folders of their crates' roots, and its filters.
fn parsed(command: &str) -> (Vec<PathBuf>, Vec<&str>) {
    let mut words =
        command.split_whitespace().take_while(|word| !word.starts_with(['#', '|', ';']));
    let (mut programs, mut filters) = (Vec::new(), Vec::new());
    while let Some(word) = words.next() {
        match word {
            "--test" => programs.push(root().join("tests").join(words.next().unwrap())),
            "--lib" => programs.push(root().join("src")),
            "-p" | "--features" | "--test-threads" => drop(words.next()),
            option if option.starts_with('-') => {}
            filter => filters.push(filter.trim_end_matches(['.', ')', ','])),
        }
    }
    (programs, filters)
}

#[test]
fn every_test_filter_that_a_document_names_matches_a_test() {
    let mut texts = files_in(&root().join("docs"), "md");
    texts.extend(files_in(&root().join("tests"), "rs"));
    texts.extend(
        ["README.md", "CONTRIBUTING.md", "functions/README.md", ".ci/run"]
            .map(|name| root().join(name)),
    );
    let (mut wrong, mut found) = (Vec::new(), 0);
    for path in texts {
        let text = fs::read_to_string(&path).unwrap();
        let text = text.split("\\\n").map(str::trim).collect::<Vec<_>>().join(" ");
        for line in text.lines() {
            let Some((_, command)) = line.split_once("cargo test ") else { continue };
            // What stands behind two spaces explains it.
            let command = command.split("  ").next().unwrap().split('`').next().unwrap();
            let (programs, filters) = parsed(command);
            let names: Vec<String> = programs.iter().flat_map(|program| tests(program)).collect();
            for filter in filters.iter().filter(|_| !programs.is_empty()) {
                found += 1;
                if !names.iter().any(|name| name.contains(filter)) {
                    wrong.push(format!("{}: cargo test {command}: {filter}", path.display()));
                }
            }
        }
    }
    assert!(found > 10, "{found} filters were found");
    assert!(wrong.is_empty(), "these match no test:\n{}", wrong.join("\n"));
}
