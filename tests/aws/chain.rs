//! AWS's own chain of credentials (`--features aws-config`): a process, and an instance's metadata.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Mutex};

use super::common::Place;
use super::server::{Server, well};
use super::{at_home, err, out, remote, run};

/// Prints other keys each time, which end 62 s later: after two they are to be replaced.
const PROCESS: &str = r#"#!/bin/sh
echo x >> "$0.count"
n=$(wc -l < "$0.count")
end=$(date -u -d '+62 seconds' +%Y-%m-%dT%H:%M:%SZ)
echo "{\"Version\":1,\"AccessKeyId\":\"KEY$n\",\"SecretAccessKey\":\"x\",\"Expiration\":\"$end\"}"
"#;

#[test]
fn those_of_a_process_are_replaced_before_they_end() {
    let place = Place::new();
    let program = place.path("process");
    std::fs::write(&program, PROCESS).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let config =
        format!("[default]\nregion = us-east-1\ncredential_process = {}\n", program.display());
    std::fs::write(place.path("config"), config).unwrap();
    let keys = Arc::new(Mutex::new(BTreeSet::new()));
    let seen_keys = Arc::clone(&keys);
    let server = Server::start(None, move |seen| {
        seen_keys.lock().unwrap().insert(seen.key().to_owned());
        well(seen)
    });
    let (service, file) = (server.url(), place.path("config").display().to_string());
    let variables = [("AWS_ENDPOINT_URL_LAMBDA", &*service), ("AWS_CONFIG_FILE", &file)];
    let checked = run(&place, &["check", "--lambda", "words"], &variables);
    assert!(checked.status.success(), "{}", err(&checked));
    assert!(out(&checked).contains("…KEY1 of AWS's chain, profile default"), "{}", out(&checked));
    let ran = run(&place, &remote("words", "120k", &[]), &variables);
    assert!(ran.status.success(), "{}", err(&ran));
    assert!(place.output("out") == at_home("120k"));
    let keys = keys.lock().unwrap();
    assert!(keys.len() >= 3, "one of the check and two of the run at least: {keys:?}");
    assert_eq!(place.summary()["failed"], 0, "{}", place.summary());
}

#[test]
fn those_of_an_instance() {
    let metadata = Server::start(None, |seen| {
        let body = match seen.path.as_str() {
            "/latest/api/token" => "session".to_owned(),
            path if path.ends_with("/security-credentials/") => "role".to_owned(),
            path if path.contains("/security-credentials") => {
                r#"{"Code":"Success","LastUpdated":"2026-01-01T00:00:00Z","Type":"AWS-HMAC",
                    "AccessKeyId":"KEYOFROLE","SecretAccessKey":"x","Token":"t",
                    "AccountId":"123456789012","Expiration":"2999-01-01T00:00:00Z"}"#
                    .to_owned()
            }
            _ => return (404, Vec::new(), Vec::new()),
        };
        let ttl = vec![("x-aws-ec2-metadata-token-ttl-seconds", "21600".to_owned())];
        (200, ttl, body.into_bytes())
    });
    let server = Server::start(None, |seen| {
        assert_eq!((seen.key(), seen.header("x-amz-security-token")), ("KEYOFROLE", "t"));
        well(seen)
    });
    let place = Place::new();
    let (service, metadata) = (server.url(), metadata.url());
    let variables = [
        ("AWS_ENDPOINT_URL_LAMBDA", &*service),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", &*metadata),
        ("AWS_REGION", "us-east-1"),
    ];
    let checked = run(&place, &["check", "--lambda", "words"], &variables);
    assert!(checked.status.success(), "{}", err(&checked));
    assert!(out(&checked).contains("…ROLE"), "{}", out(&checked));
}

#[test]
fn without_any_it_says_where_was_looked() {
    let place = Place::new();
    let variables = [("AWS_REGION", "us-east-1"), ("AWS_EC2_METADATA_DISABLED", "true")];
    let checked = run(&place, &["check", "--lambda", "words"], &variables);
    assert_eq!(checked.status.code(), Some(1));
    let said = err(&checked);
    assert!(said.contains("AWS's chain") && said.contains("AWS_ACCESS_KEY_ID"), "{said}");
}
