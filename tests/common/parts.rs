//! The real parts that tests start: `.ci/parts` installs them under `target/parts`, and builds the
//! functions' packages.

use std::io::Write as _;
use std::path::PathBuf;

/// Where `.ci/parts` installs.
fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/parts")
}

/// A part by its path under `target/parts`; without it the test says so, and does not count.
pub fn part(path: &str) -> Option<PathBuf> {
    let path = folder().join(path);
    path.exists().then_some(path).or_else(|| absent("what .ci/parts installs"))
}

/// Says that the test did not run because something is absent. With `FLOODWAY_REQUIRE` the test fails.
pub fn not_run(what: &str) {
    assert!(std::env::var("FLOODWAY_REQUIRE").is_err(), "this test needs {what}, and is required");
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    // `eprintln!` of a test that passes is not shown.
    let _ = writeln!(std::io::stderr(), "!! NOT RUN: {test} needs {what}");
}

/// The same for what may be absent: answers that it is.
pub fn absent<T>(what: &str) -> Option<T> {
    not_run(what);
    None
}

/// Python with AWS's runtime interface client and moto.
pub fn python() -> Option<PathBuf> {
    part("python/bin/python")
}

/// A function's package or what its build puts beside it, by its path under `functions`.
pub fn function(path: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("functions").join(path);
    path.exists().then_some(path).or_else(|| absent("what .ci/parts builds"))
}

/// The folder with AWS's runtime interface client for Java and what it needs.
pub fn java_client() -> Option<PathBuf> {
    function("java/dist/runtime")
}

/// A program on the PATH.
pub fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found =
        std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file());
    found.or_else(|| absent(name))
}
