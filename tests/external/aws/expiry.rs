//! Credentials that end in mid-run.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use super::server::{Server, error, well};
use super::{expected_locally, remote, run};
use crate::common::{Place, error_of, within_tries};

fn file(key: &str) -> String {
    format!("[default]\naws_access_key_id = {key}\naws_secret_access_key = x\nregion = us-east-1\n")
}

/// What the server saw: answered to the old key, refused to it, answered to the new one.
#[derive(Default)]
struct Seen([AtomicUsize; 3]);

/// Runs with a key that ends after eight requests; `new` says whether another is in the file by then.
fn run_with(new: bool, events: &str) -> (Place, std::process::Output, Arc<Seen>) {
    let place = Place::new();
    let path = place.path("credentials");
    std::fs::write(&path, file("OLD")).unwrap();
    let seen = Arc::new(Seen::default());
    let counted = Arc::clone(&seen);
    let of_server = path.clone();
    let server = Server::start(None, move |seen| {
        let [old, ended, others] = &counted.0;
        match seen.key() {
            "OLD" if old.load(SeqCst) < 8 => {
                if old.fetch_add(1, SeqCst) == 7 && new {
                    std::fs::write(&of_server, file("NEW")).unwrap();
                }
                well(seen)
            }
            "OLD" => {
                ended.fetch_add(1, SeqCst);
                error(
                    403,
                    "ExpiredTokenException",
                    "The security token included in the request is expired",
                )
            }
            _ => {
                others.fetch_add(1, SeqCst);
                well(seen)
            }
        }
    });
    let service = server.url();
    let credentials = path.display().to_string();
    let variables =
        [("AWS_ENDPOINT_URL_LAMBDA", &*service), ("AWS_SHARED_CREDENTIALS_FILE", &credentials)];
    let output = run(&place, &remote("words", events, &[]), &variables);
    (place, output, seen)
}

#[test]
fn credentials_that_expire_are_reread_from_the_file_and_nothing_is_returned() {
    let expected = expected_locally("10k");
    // On a busy machine a worker may be done with a late request's records, and no request comes after the eighth.
    within_tries("a run that goes on with the new key", || {
        let (place, output, seen) = run_with(true, "10k");
        assert!(output.status.success(), "{}", error_of(&output));
        assert!(place.output("out") == expected);
        let [old, _, others] = seen.0.each_ref().map(|count| count.load(SeqCst));
        let summary = place.summary();
        assert!(old == 8 || others == 0, "the old key was given up after {old}: {summary}");
        let nothing_failed = summary["failed"] == 0 && summary["breaker_opened"] == 0;
        if others > 0 && nothing_failed { Ok(()) } else { Err(summary.to_string()) }
    });
}

#[test]
fn when_credentials_expire_without_replacement_the_run_completes_locally() {
    let expected = expected_locally("10k");
    // On a busy machine the refusal may come when the request is given up already.
    within_tries("a run whose key expires", || {
        let (place, output, seen) = run_with(false, "10k");
        assert!(output.status.success(), "it had worked: {}", error_of(&output));
        assert!(place.output("out") == expected);
        let [old, ended, others] = seen.0.each_ref().map(|count| count.load(SeqCst));
        assert_eq!((ended == 0 || old == 8, others), (true, 0), "{old} and {ended} of the old key");
        let is_said = error_of(&output).contains("the credentials have expired: get new ones");
        let instead = || format!("{ended} refusals: {}", error_of(&output));
        (ended > 0 && is_said).then_some(()).ok_or_else(instead)
    });
}
