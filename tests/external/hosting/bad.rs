//! Functions that misbehave.

use serde_json::{Value, json};

use super::{Hosted, Told, ask, folder, gone, in_async, post, tell};
use crate::common::{error_of, within_tries};

fn failed(told: &Told) -> (&str, &str) {
    assert_eq!((told.status, told.error.as_deref()), (200, Some("Unhandled")), "{}", told.body);
    let text = |key: &str| told.body[key].as_str().unwrap_or_else(|| panic!("{}", told.body));
    (text("errorType"), text("errorMessage"))
}

fn raw(event: &str) -> Value {
    json!({ "do": event })
}

#[test]
fn an_exception_is_answered_as_a_function_error_and_the_process_goes_on() {
    let Some(hosted) = Hosted::python("", &[]) else { return };
    let before = ask(&hosted, tell()).pid();
    let told = ask(&hosted, json!({ "do": "fail", "why": "as asked" }));
    assert_eq!(failed(&told), ("ValueError", "as asked"));
    let trace = told.body["stackTrace"].as_array().expect("a stack trace");
    assert!(trace.iter().any(|line| line.as_str().unwrap().contains("lambda_function.py")));
    assert!(told.log.contains("[ERROR] ValueError: as asked"), "{}", told.log);
    assert_eq!(ask(&hosted, tell()).pid(), before, "its process goes on");
}

#[test]
fn a_crash_is_reported_and_another_process_replaces_it() {
    let Some(hosted) = Hosted::python("concurrency=1", &[]) else { return };
    for (event, how) in [
        (json!({ "do": "leave", "status": 3 }), "exited with error: exit status 3"),
        (json!({ "do": "leave", "status": 0 }), "exited without providing a reason"),
        (json!({ "do": "die", "signal": 11 }), "exited with error: signal: segmentation fault"),
        (json!({ "do": "die", "signal": 9 }), "exited with error: signal: killed"),
    ] {
        let before = ask(&hosted, tell()).pid();
        let told = ask(&hosted, event.clone());
        let (kind, message) = failed(&told);
        assert_eq!(kind, "Runtime.ExitError");
        let id = told.headers["x-amzn-requestid"].to_str().unwrap();
        assert_eq!(message, format!("RequestId: {id} Error: Runtime {how}"));
        assert!(told.log.contains(how), "{}", told.log);
        let by_url = in_async(async |client| post(&client, &hosted.url, &event).await);
        assert_eq!(by_url.status, 502);
        assert_ne!(ask(&hosted, tell()).pid(), before);
    }
}

#[test]
fn a_function_past_its_timeout_is_killed_with_its_children() {
    let Some(hosted) = Hosted::python("concurrency=1", &["--timeout", "4s"]) else { return };
    let place = crate::common::Place::new();
    let file = place.path("child");
    let before = ask(&hosted, tell()).pid();
    let event = json!({ "do": "fork", "then": "sleep", "file": file.to_str().unwrap() });
    let told = ask(&hosted, event);
    let (kind, message) = failed(&told);
    assert_eq!(kind, "Sandbox.Timedout");
    assert!(message.ends_with("Error: Task timed out after 4.00 seconds"), "{message}");
    assert_eq!(told.reported("Status"), Some("timeout"));
    assert!(told.log.contains("Task timed out after 4.00 seconds\n"), "{}", told.log);
    let child = std::fs::read_to_string(&file).unwrap().parse().unwrap();
    gone(child);
    gone(before);
    assert_eq!(ask(&hosted, tell()).status, 200);

    // A crash takes the children along as well.
    let event = json!({ "do": "fork", "then": "leave", "file": file.to_str().unwrap() });
    assert_eq!(failed(&ask(&hosted, event)).0, "Runtime.ExitError");
    gone(std::fs::read_to_string(&file).unwrap().parse().unwrap());
}

#[test]
fn a_child_that_keeps_the_output_open_does_not_delay_the_answer() {
    let Some(hosted) = Hosted::python("concurrency=1", &[]) else { return };
    let place = crate::common::Place::new();
    let file = place.path("child");
    let told = ask(&hosted, json!({ "do": "fork", "file": file.to_str().unwrap() }));
    assert_eq!(told.status, 200, "it is answered although the child has the output's pipe");
    assert_eq!(ask(&hosted, tell()).pid(), told.pid());
}

#[test]
fn a_second_answer_to_one_event_is_refused() {
    let Some(hosted) = Hosted::raw("concurrency=1", &[]) else { return };
    let told = ask(&hosted, raw("twice"));
    assert_eq!((told.status, &told.body), (200, &json!("first")));
    let told = ask(&hosted, raw("tell"));
    assert!(told.body["pid"].is_i64(), "the second answer is nobody's: {}", told.body);
    assert!(told.log.contains("statuses 202 400 400"), "{}", told.log);
}

#[test]
fn wrong_requests_to_the_runtime_api_are_refused() {
    let Some(hosted) = Hosted::raw("", &[]) else { return };
    let told = ask(&hosted, raw("wrong"));
    assert_eq!(told.body, json!([400, 403, 403, 404, "application/json"]));
    let told = ask(&hosted, raw("error"));
    assert_eq!(told.error.as_deref(), Some("Unhandled"));
    assert_eq!(told.body, json!({ "errorMessage": "m", "mine": 1 }), "as it was given");
    let headers = ask(&hosted, raw("headers")).body["event"].clone();
    let get = |name: &str| headers[name].as_str().unwrap_or_default().to_owned();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let deadline: u128 = get("lambda-runtime-deadline-ms").parse().unwrap();
    assert!(deadline.abs_diff(now.as_millis()) < 60_000, "{deadline}");
    assert!(get("lambda-runtime-trace-id").starts_with("Root=1-"), "{headers}");
    assert!(get("lambda-runtime-invoked-function-arn").starts_with("arn:aws:lambda:"));
}

#[test]
fn a_process_that_never_answers_is_killed() {
    let Some(hosted) = Hosted::raw("concurrency=1", &["--timeout", "5s"]) else { return };
    assert_eq!(failed(&ask(&hosted, raw("never"))).0, "Sandbox.Timedout");
}

#[test]
fn a_process_that_exited_gets_no_event() {
    // A busy machine may take long to start the next one.
    let Some(hosted) = Hosted::raw("concurrency=1", &["--timeout", "60s"]) else { return };
    for _ in 0..20 {
        let left = ask(&hosted, raw("answer and leave"));
        assert!(left.body.is_i64(), "it has answered: {}", left.body);
        let next = ask(&hosted, raw("tell"));
        assert_ne!(next.body["pid"], left.body, "the next event is another's: {}", next.body);
    }
}

/// Whether the error names this. If it does not, the machine was too busy for the ten seconds that a function has.
fn names(error: &str, what: &str) -> Result<(), String> {
    let is_late = error.contains("it asked for no event within");
    assert!(error.contains(what) || is_late, "without {what}: {error}");
    if error.contains(what) { Ok(()) } else { Err(error.to_owned()) }
}

#[test]
fn a_function_that_does_not_start_is_an_error_before_the_url_is_printed() {
    let place = crate::common::Place::new();
    for (name, args, what) in [
        ("python", &["--handler", "no_module.handler"][..], "there_is_no_such_module"),
        ("python", &["--handler", "lambda_function.nothing"], "nothing"),
    ] {
        let Some(mut command) = super::command(&folder(name), "", args) else { return };
        within_tries(what, || {
            let output = command.output().unwrap();
            let error = error_of(&output);
            assert_eq!((output.status.code(), &output.stdout[..]), (Some(1), &b""[..]), "{error}");
            assert!(error.contains("does not start"), "{error}");
            names(&error, what)
        });
    }
    let Some(raw) = super::raw() else { return };
    for (start, what) in [("error", "no configuration"), ("exit", "exit status 7")] {
        let toml = format!(
            "runtime = \"provided\"\ncode = {raw:?}\nenvironment = {{ START = \"{start}\" }}",
        );
        std::fs::write(place.path("function.toml"), toml).unwrap();
        within_tries(what, || {
            let output = place.run(&["lambda", "--function", "."]);
            let error = error_of(&output);
            assert_eq!(output.status.code(), Some(1), "{error}");
            names(&error, what)
        });
    }
}
