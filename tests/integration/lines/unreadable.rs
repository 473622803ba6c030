//! Input that cannot be read is an error that names it, or is skipped with a warning.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;

use rustix::process::Signal;

use super::{committed, follow, gzip};
use crate::common::{Place, end_of, error_of, signal};

#[test]
fn unreadable_input_is_named() {
    let place = Place::new();
    fs::create_dir_all(place.path("folder/inner")).unwrap();
    let text: Vec<u8> = (0..9_000_000_u32).flat_map(u32::to_be_bytes).take(3_000_000).collect();
    let packed = gzip(&text);
    fs::write(place.path("cut.gz"), &packed[..packed.len() / 2]).unwrap();
    fs::write(place.path("no.gz"), b"\x1f\x8bthis is not packed").unwrap();
    fs::write(place.path("no.zst"), b"\x28\xb5\x2f\xfdthis is not packed").unwrap();
    fs::write(place.path("tab\there"), b"text\n").unwrap();
    fs::write(place.path("plain"), b"text\n").unwrap();
    fs::write(place.path("closed"), b"text\n").unwrap();
    fs::set_permissions(place.path("closed"), fs::Permissions::from_mode(0o000)).unwrap();
    std::os::unix::fs::symlink("nowhere", place.path("dangling")).unwrap();
    let cases: &[(i32, &[&str], &[&str])] = &[
        (2, &["lines:none/*.log"], &["--source", "none/*.log", "matches no file"]),
        (2, &["lines:folder/*"], &["--source", "folder/*", "matches no file"]),
        (2, &["lines:***"], &["--source", "***"]),
        (2, &["lines:tab*"], &["--source", "tab", "name"]),
        (2, &["lines:-", "--follow"], &["--source", "--follow", "lines:PATH"]),
        (2, &["nexmark", "--follow"], &["--source", "--follow", "lines:PATH"]),
        (2, &["lines:cut.gz", "--follow"], &["cut.gz", "compressed"]),
        (2, &["lines:[cp]*", "--follow"], &["cut.gz", "compressed"]),
        (2, &["lines:folder"], &["folder", "directory", "DIR/*"]),
        (2, &["lines:none"], &["none"]),
        (2, &["lines:dangl*"], &["matches no file", "dangling"]),
        (1, &["lines:cut.gz"], &["cut.gz", "truncated"]),
        (1, &["lines:c*.gz"], &["cut.gz", "truncated"]),
        (1, &["lines:no.gz"], &["no.gz", "damaged"]),
        (1, &["lines:no.zst"], &["no.zst", "damaged"]),
        (2, &["lines:closed"], &["closed", "ermission"]),
    ];
    for (code, source, words) in cases {
        if source[0] == "lines:closed" && fs::read(place.path("closed")).is_ok() {
            // Nothing is closed to root.
            continue;
        }
        let mut args = vec!["run", "--sink", "null", "--source"];
        args.extend(*source);
        let output = place.run(&args);
        let error = error_of(&output);
        assert_eq!(output.status.code(), Some(*code), "{source:?}: {error}");
        let line = error.lines().find(|line| line.starts_with("floodway: "));
        let line = line.unwrap_or_else(|| panic!("{source:?}: {error}"));
        for word in *words {
            assert!(line.contains(word), "{source:?}: {error} should say {word}");
        }
    }
}

#[test]
fn unreadable_files_of_a_glob_are_skipped_with_a_warning() {
    let place = Place::new();
    fs::create_dir_all(place.path("d/a")).unwrap();
    fs::create_dir_all(place.path("d/closed")).unwrap();
    fs::write(place.path("d/x.log"), "one\n").unwrap();
    fs::write(place.path("d/a/x.log"), "two\n").unwrap();
    let odd = std::ffi::OsStr::from_bytes(b"d/photo\xff.jpg");
    fs::write(place.path("d").parent().unwrap().join(odd), "no text").unwrap();
    std::os::unix::fs::symlink("nowhere", place.path("d/y.log")).unwrap();
    std::os::unix::fs::symlink("..", place.path("d/a/up")).unwrap();
    fs::set_permissions(place.path("d/closed"), fs::Permissions::from_mode(0o000)).unwrap();
    let output = place.run(&["run", "--source", "lines:d/**/*.log", "--out", "out"]);
    let error = error_of(&output);
    assert_eq!(output.status.code(), Some(0), "{error}");
    assert_eq!(place.output("out"), b"d/a/x.log:0\ttwo\nd/x.log:0\tone\n");
    assert!(error.contains("d/y.log is skipped: No such file"), "{error}");
    // While it is followed, it is the same.
    let child = follow(&place, "lines:d/*.log", &["--overwrite"]);
    committed(&place, 1);
    std::os::unix::fs::symlink("nowhere", place.path("d/z.log")).unwrap();
    fs::write(place.path("d").join(std::ffi::OsStr::from_bytes(b"\xff.log")), "no name\n").unwrap();
    fs::write(place.path("d/zz.log"), "three\n").unwrap();
    committed(&place, 2);
    signal(&child, Signal::INT);
    let output = end_of(child, "the run");
    assert_eq!(output.status.code(), Some(0), "{}", error_of(&output));
    assert_eq!(place.output("out"), b"d/x.log:0\tone\nd/zz.log:0\tthree\n");
}
