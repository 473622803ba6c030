//! A function in Java, under AWS's runtime interface client.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use serde_json::json;

use super::life::at_once;
use super::{Hosted, Told, ask, folder, in_async, parts};
use crate::common::Place;

#[test]
fn java_processes_run_side_by_side_under_awss_client() {
    let (Some(jars), Some(javac)) = (parts::java_client(), parts::program("javac")) else { return };
    let place = Place::new();
    let classes = place.path("classes");
    let compiled =
        Command::new(javac).arg("-d").arg(&classes).arg(folder("java/Echo.java")).status();
    assert!(compiled.unwrap().success());
    let toml = format!(
        "runtime = \"java\"\nhandler = \"Echo::handle\"\ncode = \"classes\"\nruntime_jars = {jars:?}"
    );
    fs::write(place.path("function.toml"), toml).unwrap();
    let model = "concurrency=2,memory=512";
    let Some(mut command) = super::command(&place.path(""), model, &[]) else { return };
    // A server that is killed leaves the client's native library behind.
    command.env("TMPDIR", place.path(""));
    let hosted = Hosted::of(command);
    let sleep = json!({ "sleep": "é" });
    let all = in_async(async |client| at_once(&client, &hosted.invoke_path(), 2, &sleep).await);
    assert_eq!(all.iter().map(Told::pid).collect::<BTreeSet<_>>().len(), 2);
    assert!(all.iter().all(|told| told.body["event"] == sleep));
    let told = ask(&hosted, json!("fail"));
    assert_eq!(told.error.as_deref(), Some("Unhandled"));
    assert_eq!(told.body["errorMessage"], "as asked");
    assert_eq!(told.body["errorType"], "java.lang.IllegalStateException");
    assert!(told.body["stackTrace"].as_array().is_some_and(|trace| !trace.is_empty()));
    assert_eq!(ask(&hosted, json!({})).status, 200);
    hosted.end(rustix::process::Signal::KILL);
    all.iter().for_each(|told| super::gone(told.pid()));
}
