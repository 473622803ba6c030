//! The function's version, which its answers name.

use std::sync::Arc;
use std::time::Duration;

use floodway::bridge::{Bridge, Settings};
use floodway::task;

use super::server::{Reply, Seen, Server, right};
use super::{expected_locally, remote, run, was_done_locally};
use crate::common::{Place, error_of};

/// The right answer of a function of `version`, or of one that names none.
fn of_version(seen: &Seen, version: Option<&str>) -> Reply {
    let json: serde_json::Value = serde_json::from_slice(&right(&seen.body)).unwrap();
    let mut json = json;
    match version {
        Some(version) => json["version"] = version.into(),
        None => drop(json.as_object_mut().unwrap().remove("version")),
    }
    (200, Vec::new(), json.to_string().into_bytes())
}

#[test]
fn a_function_of_an_incompatible_version_is_refused_and_named() {
    let expected = expected_locally("1k");
    const SAID: &str = "the function is of version 0.0.9, this program needs 0.1";
    let server = Server::start(None, |seen| of_version(seen, Some("0.0.9")));
    let place = Place::new();
    let checked = run(&place, &["check", "--lambda", &server.url()], &[]);
    assert_eq!(checked.status.code(), Some(1));
    assert!(error_of(&checked).contains(SAID), "{}", error_of(&checked));
    let ran = run(&place, &remote(&server.url(), "1k", &[]), &[]);
    assert_eq!(ran.status.code(), Some(1), "{}", error_of(&ran));
    assert!(
        error_of(&ran).contains(SAID) && error_of(&ran).contains("functions/"),
        "{}",
        error_of(&ran)
    );
    was_done_locally(&place, &expected);
}

#[test]
fn compatible_versions_and_answers_without_one_are_accepted() {
    for version in [None, Some("0.1.99"), Some("0.1.0-rc.1")] {
        let server = Server::start(None, move |seen| of_version(seen, version));
        let place = Place::new();
        let checked = run(&place, &["check", "--lambda", &server.url()], &[]);
        assert!(checked.status.success(), "{version:?}: {}", error_of(&checked));
        let ran = run(&place, &remote(&server.url(), "1k", &[]), &[]);
        assert!(ran.status.success(), "{version:?}: {}", error_of(&ran));
        assert!(place.summary()["records_remote"].as_u64() > Some(0), "{}", place.summary());
    }
}

#[test]
fn a_users_own_task_accepts_any_version() {
    let server = Server::start(None, |_| {
        let body = r#"{"v":1,"task":"square","results":[],"ids":[],"errors":[],"version":"7"}"#;
        (200, Vec::new(), body.into())
    });
    let settings = Settings { endpoint: server.url().parse().unwrap(), ..Settings::default() };
    let bridge = Bridge::start(settings).unwrap();
    let lane = bridge.remote_task(Arc::new(task::function("square", |n: &u64| Ok(n * n))));
    bridge.wait_for_probes(Duration::from_secs(30));
    assert_eq!(bridge.refusal(), None);
    assert!(lane.offer().room > 0, "it is sent to");
}
