//! Functions in Node.js, under Floodway's runtime client: what it makes of a handler, and of how it fails.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;

use super::{Hosted, ask, command, gone, parts};
use crate::common::{Place, error_of};

/// A folder with a function in Node.js.
fn place(handler: &str, file: &str, code: &str) -> Place {
    let place = Place::new();
    let toml =
        format!("runtime = \"node\"\nhandler = {handler:?}\nenvironment = {{ MINE = \"é\" }}");
    fs::write(place.path("function.toml"), toml).unwrap();
    fs::create_dir_all(place.path(file).parent().unwrap()).unwrap();
    fs::write(place.path(file), code).unwrap();
    place
}

fn host(place: &Place) -> Option<Hosted> {
    parts::program("node")?;
    command(&place.path(""), "", &[]).map(Hosted::of)
}

const CODE: &str = r#"
export async function handler(event, context) {
  const later = (then) => new Promise((done) => setTimeout(() => done(then?.()), 50));
  switch (event.do) {
    case "throw": throw new RangeError("as é asked");
    case "throw text": throw "a text";
    case "nothing": return undefined;
    case "circular": { const own = {}; own.own = own; return own; }
    case "reject": Promise.reject(new Error("nobody waits")); return later();
    case "throw later": setTimeout(() => { throw new Error("nobody catches"); }, 1); return later();
    case "exit": process.exit(3);
    case "long": return "x".repeat(7e6);
  }
  console.log("printed", event);
  const left = context.getRemainingTimeInMillis();
  return {
    event, pid: process.pid, mine: process.env.MINE, runtime: process.env.AWS_EXECUTION_ENV,
    id: context.awsRequestId, arn: context.invokedFunctionArn, folder: process.cwd(),
    isInTime: left > 20000 && left <= 30000,
  };
}
"#;

#[test]
fn a_handler_gets_its_event_and_context_and_its_failures_are_those_of_awss_client() {
    let place = place("lib/index.handler", "lib/index.mjs", CODE);
    let Some(hosted) = host(&place) else { return };
    let told = ask(&hosted, json!({ "é": [1] }));
    assert_eq!((told.status, &told.error), (200, &None), "{}", told.body);
    assert_eq!((&told.body["event"], &told.body["mine"]), (&json!({ "é": [1] }), &json!("é")));
    assert_eq!(told.body["isInTime"], true, "{}", told.body);
    assert!(told.body["runtime"].as_str().unwrap().starts_with("AWS_Lambda_nodejs"));
    assert!(told.body["arn"].as_str().unwrap().starts_with("arn:aws:lambda:"));
    assert!(told.log.contains(told.body["id"].as_str().unwrap()), "{}", told.log);
    assert!(told.log.contains("printed { 'é': [ 1 ] }"), "{}", told.log);
    let pid = told.pid();
    assert_eq!(ask(&hosted, json!({ "do": "nothing" })).body, json!(null));
    for (what, kind, message) in [
        ("throw", "RangeError", "as é asked"),
        ("throw text", "string", "a text"),
        ("circular", "TypeError", "Converting circular structure to JSON"),
        ("long", "Function.ResponseSizeTooLarge", "exceeded maximum allowed payload size"),
    ] {
        let told = ask(&hosted, json!({ "do": what }));
        assert_eq!(told.error.as_deref(), Some("Unhandled"), "{what}");
        assert_eq!(told.body["errorType"], kind, "{what}");
        assert!(told.body["errorMessage"].as_str().unwrap().contains(message), "{}", told.body);
        assert_eq!(ask(&hosted, json!({})).pid(), pid, "{what}: the process goes on");
    }
    // These end the process, and the next request has another one.
    let mut pid = pid;
    for (what, kind, message) in [
        ("reject", "Runtime.UnhandledPromiseRejection", "nobody waits"),
        ("throw later", "Error", "nobody catches"),
        ("exit", "Runtime.ExitError", "exit status 3"),
    ] {
        let told = ask(&hosted, json!({ "do": what }));
        assert_eq!(told.body["errorType"], kind, "{what}: {}", told.body);
        assert!(told.body["errorMessage"].as_str().unwrap().contains(message), "{}", told.body);
        gone(pid);
        pid = ask(&hosted, json!({})).pid();
    }
}

#[test]
fn a_module_may_be_of_commonjs() {
    for file in ["index.cjs", "index.js"] {
        let place = place("index.handler", file, "exports.handler = async (event) => [event];");
        let Some(hosted) = host(&place) else { return };
        assert_eq!(ask(&hosted, json!("é")).body, json!(["é"]), "{file}");
    }
}

#[test]
fn a_handler_that_cannot_be_called_is_an_error_before_the_url_is_printed() {
    if parts::program("node").is_none() {
        return;
    }
    for (code, what) in [
        ("export const other = 1;", "exports no function handler"),
        ("export const handler = 1;", "exports no function handler"),
        (
            "export const handler = (event, context, callback) => {};",
            "takes a callback: write an async function",
        ),
        ("import './nowhere.mjs';", "nowhere.mjs"),
        ("throw new Error('at the start');", "at the start"),
        ("export const handler = ;", "Unexpected token"),
    ] {
        let place = place("index.handler", "index.mjs", code);
        let output = place.run(&["lambda", "--function", "."]);
        let error = error_of(&output);
        assert_eq!((output.status.code(), &*output.stdout), (Some(1), &b""[..]), "{code}: {error}");
        assert!(error.contains(what), "{code}: {error}");
    }
}

#[test]
fn a_missing_or_old_node_is_named_with_how_to_get_it() {
    let place = place("index.handler", "index.mjs", "");
    let old = place.path("old-node");
    fs::write(&old, "#!/bin/sh\necho v16.20.2\n").unwrap();
    fs::set_permissions(&old, fs::Permissions::from_mode(0o755)).unwrap();
    for (name, value, what) in [
        ("FLOODWAY_NODE", "/nowhere/node", "/nowhere/node (FLOODWAY_NODE) cannot be run"),
        ("PATH", "/nowhere", "node (the one on PATH) cannot be run"),
        ("FLOODWAY_NODE", "/bin/false", "does not say its version"),
        // A path is meant from here, and not from the function's folder.
        ("FLOODWAY_NODE", "./old-node", "old-node (FLOODWAY_NODE) is v16.20.2"),
    ] {
        let mut command = place.floodway(&["lambda", "--function", "."]);
        let output = command.env(name, value).output().unwrap();
        let error = error_of(&output);
        assert_eq!(output.status.code(), Some(1), "{error}");
        for part in [what, "Install Node.js 18 or newer", "FLOODWAY_NODE"] {
            assert!(error.contains(part), "{error}");
        }
    }
}
