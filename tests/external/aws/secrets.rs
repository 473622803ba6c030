//! No secret is ever printed or written, however a run goes and however much it logs.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::SystemTime;

use aws_sigv4::sign::v4::generate_signing_key;

use super::server::{Reply, Seen, Server, error, well};
use super::{ID, KEYS, SECRET, TOKEN, floodway, remote, run};
use crate::common::{Place, end_of, error_of, hosts};

/// What must be nowhere: the secret, the token, and the key that is derived of the secret for the day.
fn hidden() -> Vec<String> {
    let now = SystemTime::now();
    let key = generate_signing_key(SECRET, now, "us-east-1", "lambda");
    let hex = key.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    vec![SECRET.to_owned(), TOKEN.to_owned(), hex]
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn has_none(what: &str, bytes: &[u8], hidden: &[String]) {
    let text = String::from_utf8_lossy(bytes);
    for hidden in hidden {
        // As JSON may have it, too.
        for form in [hidden.clone(), hidden.replace('/', "\\/")] {
            let found = text.lines().find(|line| line.contains(&form));
            assert!(found.is_none(), "{what} has a secret in it: {found:?}");
        }
    }
}

/// Nothing that is hidden was printed, or written below `place`.
pub fn told_none(what: &str, output: &Output, place: &Place, hidden: &[String]) {
    has_none(what, &output.stdout, hidden);
    has_none(what, &output.stderr, hidden);
    for file in files(&place.path("")) {
        has_none(&format!("{what}: {}", file.display()), &std::fs::read(&file).unwrap(), hidden);
    }
}

fn printed_none(what: &str, output: &Output) {
    told_none(what, output, &Place::new(), &hidden());
}

/// All that came with a request, back, and the token first: only the beginning of a text is shown.
fn echo(seen: &Seen) -> String {
    let mut headers = seen.headers.clone();
    headers.sort_by_key(|(name, _)| name != "x-amz-security-token");
    headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect()
}

const TEMPORARY: [(&str, &str); 1] = [("AWS_SESSION_TOKEN", TOKEN)];

/// Variables of whoever wants to hear everything.
pub const LOUD: [(&str, &str); 3] =
    [("RUST_LOG", "trace"), ("RUST_BACKTRACE", "full"), ("LOG_SIGNABLE_BODY", "true")];

#[test]
fn no_failure_prints_or_writes_a_secret() {
    type Ways = [(&'static str, fn(&Seen) -> Reply); 9];
    let ways: Ways = [
        ("well", well),
        // AWS says what it would have signed, with the token in it.
        ("a wrong secret", |seen| error(403, "InvalidSignatureException", &echo(seen))),
        ("expired", |seen| error(403, "ExpiredTokenException", &echo(seen))),
        ("denied", |seen| error(403, "AccessDeniedException", &echo(seen))),
        ("an answer that repeats the request", |seen| (200, Vec::new(), echo(seen).into_bytes())),
        ("a failed function", |seen| {
            let headers = vec![("x-amz-function-error", "Unhandled".to_owned())];
            (200, headers, echo(seen).into_bytes())
        }),
        ("an answer that has it for a number", |seen| {
            let token = seen.header("x-amz-security-token");
            (200, Vec::new(), format!(r#"{{"v":"{token}","task":"words"}}"#).into_bytes())
        }),
        ("an answer that has it for a version", |seen| {
            let token = seen.header("x-amz-security-token");
            let rest = r#""v":1,"task":"words","results":[],"ids":[]"#;
            (200, Vec::new(), format!(r#"{{{rest},"version":"{token}"}}"#).into_bytes())
        }),
        ("unwell", |seen| error(500, "ServiceException", &echo(seen))),
    ];
    for (what, way) in ways {
        let server = Server::start(None, move |seen| {
            assert_eq!((seen.key(), seen.header("x-amz-security-token")), (ID, TOKEN));
            way(seen)
        });
        let place = Place::new();
        let service = server.url();
        let variables = [&KEYS[..], &TEMPORARY, &LOUD, &[("AWS_ENDPOINT_URL", &*service)]].concat();
        let more = ["--log", "trace", "--state", "state", "--series", "series.jsonl"];
        let ran = run(&place, &remote("words", "500", &more), &variables);
        assert!(error_of(&ran).contains("TRACE"), "it logs all that it does");
        told_none(what, &ran, &place, &hidden());
        let check = ["check", "--lambda", "words", "--log", "trace"];
        printed_none(what, &run(&place, &check, &variables));
        assert_eq!(ran.status.success(), matches!(ran.status.code(), Some(0)));
    }
}

#[test]
fn neither_a_panic_nor_an_unreadable_file_prints_a_secret() {
    let server = Server::start(None, well);
    let place = Place::new();
    let service = server.url();
    let variables = [&KEYS[..], &TEMPORARY, &LOUD, &[("AWS_ENDPOINT_URL", &*service)]].concat();
    // A process whose other one is killed: timely panics, and the backtrace is logged.
    let hosts = hosts(&place, 2);
    let process = |index: &str| {
        let mut args = vec!["run", "--lambda", "words", "--policy", "remote", "--log", "trace"];
        args.extend(["--rate", "20k", "--out", "out", "--", "-n", "2", "-p", index, "-h"]);
        let mut command = floodway(&place, &args, &variables);
        // To a file: a pipe that nobody reads meanwhile would be full soon.
        let log = std::fs::File::create(place.path(&format!("log-{index}"))).unwrap();
        command.arg(&hosts).stderr(log).spawn().expect("the command starts")
    };
    let (first, mut second) = (process("0"), process("1"));
    crate::common::poll("the first commit", || {
        let entries = std::fs::read_dir(place.path("out")).ok()?;
        let mut names = entries.flatten().map(|entry| entry.file_name());
        names.any(|name| name.to_string_lossy().starts_with("part-")).then_some(())
    });
    second.kill().unwrap();
    end_of(second, "the second");
    let first = end_of(first, "the first");
    let said = std::fs::read_to_string(place.path("log-0")).unwrap();
    assert!(!first.status.success() && said.contains("backtrace"), "{:?}", first.status);
    told_none("a panic", &first, &place, &hidden());
    // Half of a file of credentials, and one that is not text.
    let file = place.path("credentials");
    let half = format!("[default]\naws_secret_access_key = {SECRET}\n");
    let broken =
        [format!("[default]\naws_secret_access_key = {SECRET}\n").as_bytes(), b"\xff"].concat();
    for text in [half.as_bytes(), &broken] {
        std::fs::write(&file, text).unwrap();
        let name = file.display().to_string();
        let variables = [KEYS[2], ("AWS_SHARED_CREDENTIALS_FILE", &name)];
        let output = run(&place, &["check", "--lambda", "words", "--log", "trace"], &variables);
        assert_eq!(output.status.code(), Some(1));
        printed_none("a broken file", &output);
    }
}
