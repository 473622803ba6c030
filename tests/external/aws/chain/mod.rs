//! AWS's own chain of credentials (`--features aws-config`): a process, roles, a web identity, single sign-on,
//! the metadata of a container and of an instance. Where keys are secret the command logs all that it can, and
//! none is in what it prints or writes.

mod container;
mod role;
mod sso;

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Output;
use std::sync::{Arc, Mutex};

use super::secrets::{LOUD, told_none};
use super::server::{Server, well};
use super::{expected_locally, remote, run};
use crate::common::{Place, error_of, output_of, within_tries};

/// A command, of which everything is to be heard.
struct Loud<'a> {
    place: &'a Place,
    args: &'a [&'a str],
    variables: &'a [(&'a str, &'a str)],
}

impl Loud<'_> {
    /// Runs it to its end; what is hidden then is nowhere.
    fn told(self, hidden: impl FnOnce() -> Vec<String>) -> Output {
        let args = [self.args, &["--log", "trace"]].concat();
        let output = run(self.place, &args, &[self.variables, &LOUD].concat());
        let is_loud = error_of(&output).contains("TRACE") || !output.status.success();
        assert!(is_loud, "it logs all that it does: {}", error_of(&output));
        told_none(&format!("{:?}", self.args), &output, self.place, &hidden());
        output
    }
}

/// A run that sends everything, for longer than keys last.
fn slow(events: &str) -> Vec<&str> {
    let mut args = vec!["run", "--lambda", "words", "--policy", "remote", "--events", events];
    args.extend(["--rate", RATE, "--batch", "200", "--warm-up", "off", "--out", "out"]);
    args.extend(["--summary", "summary.json", "--overwrite"]);
    args
}

const RATE: &str = "1500";

/// Whether a run was given `keys` of which the first were replaced, and its requests were answered; records that a
/// worker was sooner with may have been returned. A busy machine may do all records with the first keys, or be too late
/// to use the answers.
fn has_renewed(keys: usize, summary: &serde_json::Value) -> Result<(), String> {
    let [remote, all] = ["records_remote", "events_in"].map(|name| summary[name].as_u64().unwrap());
    match keys >= 2 && summary["breaker_opened"] == 0 && remote > all / 2 {
        true => Ok(()),
        false => Err(format!("{keys} keys: {summary}")),
    }
}

/// The sorted output of the same, done locally.
fn slowly_locally(events: &str) -> Vec<u8> {
    let place = Place::new();
    place.run_well(&["run", "--rate", RATE, "--events", events, "--out", "out"]);
    place.output("out")
}

/// Prints other keys each time, which end 62 s later: after two they are to be replaced.
const PROCESS: &str = r#"#!/bin/sh
echo x >> "$0.count"
n=$(wc -l < "$0.count")
end=$(date -u -d '+62 seconds' +%Y-%m-%dT%H:%M:%SZ)
echo "{\"Version\":1,\"AccessKeyId\":\"KEY$n\",\"SecretAccessKey\":\"x\",\"Expiration\":\"$end\"}"
"#;

#[test]
fn credentials_of_a_process_are_renewed_before_they_expire() {
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
    assert!(checked.status.success(), "{}", error_of(&checked));
    assert!(
        output_of(&checked).contains("…KEY1 of AWS's chain, profile default"),
        "{}",
        output_of(&checked)
    );
    let expected = expected_locally("120k");
    within_tries("a run that renews its keys", || {
        keys.lock().unwrap().clear();
        let ran = run(&place, &remote("words", "120k", &[]), &variables);
        assert!(ran.status.success(), "{}", error_of(&ran));
        assert!(place.output("out") == expected);
        has_renewed(keys.lock().unwrap().len(), &place.summary())
    });
}

#[test]
fn credentials_of_instance_metadata_are_used() {
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
    assert!(checked.status.success(), "{}", error_of(&checked));
    assert!(output_of(&checked).contains("…ROLE"), "{}", output_of(&checked));
}

#[test]
fn without_credentials_the_error_lists_where_it_looked() {
    let place = Place::new();
    let variables = [("AWS_REGION", "us-east-1"), ("AWS_EC2_METADATA_DISABLED", "true")];
    let checked = run(&place, &["check", "--lambda", "words"], &variables);
    assert_eq!(checked.status.code(), Some(1));
    let said = error_of(&checked);
    assert!(said.contains("AWS's chain") && said.contains("AWS_ACCESS_KEY_ID"), "{said}");
}

#[test]
fn credentials_that_cannot_be_parsed_are_not_printed() {
    const SECRET: &str = "Known-Valu3OfNobody";
    let broken = format!(r#"{{"Version":1,"AccessKeyId":"KEY","SecretAccessKey":"{SECRET}","#);
    let given = Place::new();
    let process = |name: &str, script: &str| {
        let program = given.path(name);
        std::fs::write(&program, script).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        format!(
            "[profile {name}]\nregion = us-east-1\ncredential_process = {}\n",
            program.display()
        )
    };
    let config = process("broken", &format!("#!/bin/sh\necho '{broken}'\n"))
        + &process("failing", &format!("#!/bin/sh\necho '{broken}'\necho sorry >&2\nexit 3\n"));
    std::fs::write(given.path("config"), config).unwrap();
    let config = given.path("config").display().to_string();
    let agent = Server::start(None, move |seen| match seen.path.as_str() {
        "/broken" => (200, Vec::new(), broken.clone().into_bytes()),
        _ => (400, Vec::new(), seen.header("authorization").as_bytes().to_vec()),
    });
    let [half, echo] = ["broken", "echo"].map(|path| format!("{}{path}", agent.url()));
    let agent = |url| {
        let uri = ("AWS_CONTAINER_CREDENTIALS_FULL_URI", url);
        [("AWS_REGION", "us-east-1"), uri, ("AWS_CONTAINER_AUTHORIZATION_TOKEN", SECRET)]
    };
    let of_profile = |name| [("AWS_CONFIG_FILE", &*config), ("AWS_PROFILE", name)];
    for (variables, part) in [
        (&of_profile("broken")[..], "credential_process in "),
        (&of_profile("failing"), "sorry"),
        (&agent(&half), "AWS's chain"),
        (&agent(&echo), "AWS's chain"),
    ] {
        let place = Place::new();
        let args = ["check", "--lambda", "words"];
        let checked =
            Loud { place: &place, args: &args, variables }.told(|| vec![SECRET.to_owned()]);
        assert_eq!(checked.status.code(), Some(1), "{}", output_of(&checked));
        let said = error_of(&checked);
        let last = said.lines().last().unwrap_or_default();
        assert!(last.starts_with("floodway: ") && last.contains(part), "one line: {said}");
    }
}
