//! Calling AWS, and what is like it: signed requests against moto with IAM's enforcement on, AWS's signing
//! vectors, TLS with HTTP/2, credentials that end in mid-run, where the service is, refusals, versions, and that
//! no secret is ever printed or written.

#[cfg(feature = "aws-config")]
mod chain;
mod endpoints;
mod expiry;
mod moto;
mod profiles;
mod secrets;
mod server;
mod services;
mod signing;
mod tls;
mod versions;

use std::process::{Command, Output};

use crate::common::{Place, end_of, start};

/// Keys that are not real.
const ID: &str = "AKIDTHATISNOTREAL";
const SECRET: &str = "s3cr3t/Known+Valu3abcdefghijklmnopqrstuv";
const TOKEN: &str = "t0ken/Known+SessionOfNobody==";

/// The command in an environment that has nothing of AWS but this.
fn floodway(place: &Place, args: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = place.floodway(args);
    let of_aws = std::env::vars().filter(|(name, _)| name.starts_with("AWS_"));
    of_aws.for_each(|(name, _)| {
        command.env_remove(name);
    });
    command.env("HOME", place.path("")).env_remove("SSL_CERT_FILE").env_remove("SSL_CERT_DIR");
    command.envs(variables.iter().copied());
    command
}

/// Runs it to its end.
fn run(place: &Place, args: &[&str], variables: &[(&str, &str)]) -> Output {
    end_of(start(floodway(place, args, variables)), &format!("{args:?}"))
}

/// Keys in the environment.
const KEYS: [(&str, &str); 3] =
    [("AWS_ACCESS_KEY_ID", ID), ("AWS_SECRET_ACCESS_KEY", SECRET), ("AWS_REGION", "us-east-1")];

/// A run that sends everything to `lambda`, of `events`.
fn remote<'a>(lambda: &'a str, events: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut args = vec!["run", "--lambda", lambda, "--policy", "remote", "--events", events];
    args.extend(["--rate", "20k", "--batch", "50", "--warm-up", "off", "--out", "out"]);
    args.extend(["--summary", "summary.json", "--overwrite"]);
    args.extend(more);
    args
}

/// The sorted output of the same events, done locally.
fn expected_locally(events: &str) -> Vec<u8> {
    let place = Place::new();
    place.run_well(&["run", "--rate", "20k", "--events", events, "--out", "out"]);
    place.output("out")
}

/// All records are committed, and the workers computed them.
fn was_done_locally(place: &Place, expected: &[u8]) {
    let summary = place.summary();
    assert_eq!(summary["records_remote"], 0, "{summary}");
    assert_eq!(summary["results_out"], summary["events_in"], "{summary}");
    assert!(place.output("out") == expected, "the output is that of local");
}
