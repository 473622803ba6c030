//! Requests that are signed by somebody else: AWS's own client for Python.

use std::process::Command;

use serde_json::{Value, json};

use super::{Hosted, KEYS, folder, in_async, parts, post, tell};
use crate::common::error_of;

/// A server for those who have the keys, and a token if there is one.
fn hosted(token: Option<&str>) -> Option<Hosted> {
    let mut command = super::command(&folder("python"), "", &["--auth", "iam"])?;
    command.envs(KEYS).env_remove("AWS_SESSION_TOKEN").env_remove("AWS_CREDENTIAL_EXPIRATION");
    if let Some(token) = token {
        command.env("AWS_SESSION_TOKEN", token);
    }
    Some(Hosted::of(command))
}

/// What AWS's client is told, with `changed` keys.
fn sdk(hosted: &Hosted, name: &str, event: &Value, changed: &[(&str, &str)]) -> Option<Value> {
    let mut command = Command::new(parts::python()?);
    command.arg(folder("sdk.py")).args([&hosted.url, name, &event.to_string()]);
    command.env_remove("AWS_SESSION_TOKEN").envs(KEYS).envs(changed.iter().copied());
    command.env("AWS_EC2_METADATA_DISABLED", "true");
    let output = command.output().expect("Python runs");
    let error = error_of(&output);
    Some(serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{error}")))
}

#[test]
fn requests_signed_by_botocore_are_accepted_by_name_and_by_arn() {
    let Some(hosted) = hosted(None) else { return };
    let arn = "arn:aws:lambda:us-east-1:123456789012:function:floodway";
    for name in ["floodway", arn, &format!("{arn}:$LATEST")] {
        let Some(said) = sdk(&hosted, name, &tell(), &[]) else { return };
        assert_eq!((&said["status"], &said["error"]), (&json!(200), &Value::Null), "{said}");
        assert_eq!((&said["body"]["event"], &said["version"]), (&tell(), &json!("$LATEST")));
        assert!(said["log"].as_str().is_some_and(|log| !log.is_empty()));
    }
    let failing = json!({ "do": "fail", "why": "é" });
    let Some(said) = sdk(&hosted, "floodway", &failing, &[]) else { return };
    assert_eq!((&said["error"], &said["body"]["errorMessage"]), (&json!("Unhandled"), &json!("é")));
    let Some(said) = sdk(&hosted, "--url", &json!({}), &[]) else { return };
    assert_eq!(said["status"], 200, "{said}");
    let body: Value = serde_json::from_str(said["body"].as_str().unwrap()).unwrap();
    assert_eq!(body["event"]["rawPath"], "/some path/");
    assert_eq!(body["event"]["queryStringParameters"], json!({ "a": "é &", "b": "2" }));
}

#[test]
fn a_wrong_secret_an_unknown_key_and_a_wrong_token_are_refused() {
    let (Some(plain), Some(with_token)) = (hosted(None), hosted(Some("token"))) else { return };
    for (hosted, changed, code) in [
        (&plain, [("AWS_SECRET_ACCESS_KEY", "wrong")], "InvalidSignatureException"),
        (&plain, [("AWS_ACCESS_KEY_ID", "AKIDOTHER")], "UnrecognizedClientException"),
        (&plain, [("AWS_SESSION_TOKEN", "token")], "UnrecognizedClientException"),
        (&with_token, [("AWS_SESSION_TOKEN", "other")], "UnrecognizedClientException"),
        (&with_token, [("AWS_SECRET_ACCESS_KEY", "a/secret+key")], "UnrecognizedClientException"),
    ] {
        let Some(said) = sdk(hosted, "floodway", &tell(), &changed) else { return };
        assert_eq!((&said["status"], &said["Code"]), (&json!(403), &json!(code)), "{said}");
        let Some(by_url) = sdk(hosted, "--url", &tell(), &changed) else { return };
        assert_eq!(
            (&by_url["status"], &by_url["body"]),
            (&json!(403), &json!("{\"Message\":\"Forbidden\"}"))
        );
    }
    let Some(said) = sdk(&with_token, "floodway", &tell(), &[("AWS_SESSION_TOKEN", "token")])
    else {
        return;
    };
    assert_eq!(said["status"], 200, "{said}");
}

#[test]
fn expired_keys_are_refused() {
    let Some(mut command) = super::command(&folder("python"), "", &["--auth", "iam"]) else {
        return;
    };
    command.envs(KEYS).env("AWS_SESSION_TOKEN", "token");
    command.env("AWS_CREDENTIAL_EXPIRATION", "2020-01-01T00:00:00Z");
    let hosted = Hosted::of(command);
    let token = [("AWS_SESSION_TOKEN", "token")];
    let Some(said) = sdk(&hosted, "floodway", &tell(), &token) else { return };
    let expected = (&json!(403), &json!("ExpiredTokenException"));
    assert_eq!((&said["status"], &said["Code"]), expected, "{said}");
    assert_eq!(said["Message"], "The security token included in the request is expired");
    let Some(by_url) = sdk(&hosted, "--url", &tell(), &token) else { return };
    assert_eq!(
        (&by_url["status"], &by_url["body"]),
        (&json!(403), &json!("{\"Message\":\"Forbidden\"}"))
    );
}

#[test]
fn unsigned_requests_are_refused() {
    let Some(hosted) = hosted(None) else { return };
    in_async(async |client| {
        let told = post(&client, &hosted.invoke_path(), &tell()).await;
        assert_eq!(told.status, 403);
        assert_eq!(told.headers["x-amzn-errortype"], "MissingAuthenticationTokenException");
        assert_eq!(told.body["message"], "Missing Authentication Token");
        let told = post(&client, &hosted.url, &tell()).await;
        assert_eq!((told.status, &told.body), (403, &json!({ "Message": "Forbidden" })));
    });
}

#[test]
fn iam_auth_without_keys_in_the_environment_names_the_missing_ones() {
    let place = crate::common::Place::new();
    for (given, missing) in
        [(None, "AWS_ACCESS_KEY_ID"), (Some("AWS_ACCESS_KEY_ID"), "AWS_SECRET_ACCESS_KEY")]
    {
        let mut command = place.floodway(&["lambda", "--auth", "iam"]);
        command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
        command.envs(given.map(|name| (name, "AKID")));
        let output = command.output().unwrap();
        let error = error_of(&output);
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains("--auth iam") && error.contains(missing), "{error}");
    }
    let mut command = place.floodway(&["lambda", "--auth", "iam"]);
    command.envs(KEYS).env("AWS_CREDENTIAL_EXPIRATION", "tomorrow");
    let output = command.output().unwrap();
    let error = error_of(&output);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("\"tomorrow\": expected a time"), "{error}");
}
