//! What `floodway init function` writes, in each language: its own tests, and its answers in real processes. The handler
//! is also replaced by one for any JSON value, from `tests/external/functions/init`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::{Hosted, Told, ask, folder, in_async, parts, post};
use crate::common::{Place, end_of, error_of, output_of, start};

/// A folder that `floodway init` wrote.
struct Function {
    place: Place,
}

impl Function {
    fn new(language: &str) -> Function {
        let place = Place::new();
        let output = place.run(&["init", "function", "prices", "--lang", language]);
        assert!(output.status.success(), "{}", error_of(&output));
        Function { place }
    }

    fn folder(&self) -> PathBuf {
        self.place.path("prices")
    }

    /// Runs a program in the folder, which must succeed.
    fn run(&self, program: impl AsRef<Path>, args: &[&str]) {
        let mut command = Command::new(program.as_ref());
        command.args(args).current_dir(self.folder());
        let output = end_of(start(command), &format!("{args:?}"));
        let text = output_of(&output) + &error_of(&output);
        assert!(output.status.success(), "{}: {text}", program.as_ref().display());
    }

    /// Replaces the handler by one for any JSON value.
    fn replace(&self, handler: &str) {
        let name = Path::new(handler).file_name().unwrap();
        fs::copy(folder("init").join(name), self.folder().join(handler)).unwrap();
    }

    fn host(&self) -> Option<Hosted> {
        super::command(&self.folder(), "", &[]).map(Hosted::of)
    }
}

fn request(records: &Value) -> Value {
    json!({ "v": 1, "task": "prices", "records": records })
}

/// The answer that a request must get.
fn answer(results: Value, ids: &[usize], errors: Value) -> Value {
    json!({ "v": 1, "task": "prices", "results": results, "ids": ids, "errors": errors })
}

/// Posts text to the function's URL. The local Lambda passes bodies of the type `text/plain` on as they are, and others
/// in base64.
fn post_to_url(hosted: &Hosted, text: &str, content_type: &str) -> (u16, Value) {
    in_async(async |client| {
        let request = client.post(&hosted.url).header("content-type", content_type);
        let response = request.body(text.to_owned()).send().await.unwrap();
        let status = response.status().as_u16();
        let body = response.text().await.unwrap();
        (status, serde_json::from_str(&body).unwrap_or(Value::String(body)))
    })
}

/// Checks the answers of the handler that `init` writes.
fn prices_are_right(hosted: &Hosted) {
    let records = json!(["tea,3,150", "日本茶,2,900", "tea,3,", "tea", "𝔘\t\"\\,1,1"]);
    let errors = json!([{ "id": 2, "code": "no_price" }, { "id": 3, "code": "not_three_fields" }]);
    let right = answer(json!(["tea 450", "日本茶 1800", "𝔘\t\"\\ 1"]), &[0, 1, 4], errors);
    let mut first = ask(hosted, request(&records));
    assert_eq!((first.status, &first.error), (200, &None), "{}", first.body);
    let cold = first.body.as_object_mut().unwrap().remove("cold");
    assert_eq!((first.body, cold), (right.clone(), Some(json!(true))));
    assert_eq!(ask(hosted, request(&records)).body, right);
    for content_type in ["text/plain", "application/x-www-form-urlencoded"] {
        let (status, body) = post_to_url(hosted, &request(&records).to_string(), content_type);
        assert_eq!((status, body), (200, right.clone()), "{content_type}");
    }
    assert_eq!(ask(hosted, request(&json!([]))).body, answer(json!([]), &[], json!([])));
    // What fails is no bad record: the whole request fails.
    let told = ask(hosted, request(&json!(["tea,3,150", "tea,three,150"])));
    assert_eq!((told.status, told.error.as_deref()), (200, Some("Unhandled")));
    assert!(told.body["errorMessage"].is_string(), "{}", told.body);
    let (status, _) = post_to_url(hosted, &request(&json!(["tea,three,1"])).to_string(), "");
    assert_eq!(status, 502);
    wrong_events_say_what_is_wrong(hosted);
    // A failure ends nothing.
    assert_eq!(ask(hosted, request(&records)).body, right);
}

fn wrong_events_say_what_is_wrong(hosted: &Hosted) {
    for (event, what) in [
        (
            json!({ "key": "value" }),
            "expected {\"v\":1,\"task\":\"NAME\",\"records\":[RECORD, ...]}",
        ),
        (json!([1]), "the event is not a request"),
        (json!({ "v": 1, "records": [] }), "the event is not a request"),
        (
            json!({ "v": 2, "task": "prices", "records": [] }),
            "version 2 of the wire is not version 1",
        ),
        (
            json!({ "v": "1", "task": "prices", "records": [] }),
            "`floodway init` of the calling floodway",
        ),
        (json!({ "v": true, "task": "prices", "records": [] }), "version true of the wire"),
        (
            json!({ "v": 1, "task": "orders", "records": [] }),
            "the request is for the task \"orders\", and this function computes prices",
        ),
        (json!({ "v": 1, "task": "prices" }), "has no array \"records\""),
        (json!({ "v": 1, "task": "prices", "records": "tea" }), "has no array \"records\""),
    ] {
        let Told { error, body, .. } = ask(hosted, event.clone());
        assert_eq!(error.as_deref(), Some("Unhandled"), "{event}: {body}");
        assert!(body["errorMessage"].as_str().unwrap().contains(what), "{event}: {body}");
        assert!(body["errorType"].as_str().unwrap().ends_with("InvalidEvent"), "{body}");
        let (status, body) = post_to_url(hosted, &event.to_string(), "text/plain");
        assert_eq!((status, &body["errorType"]), (400, &json!("InvalidEvent")), "{event}: {body}");
        assert!(body["errorMessage"].as_str().unwrap().contains(what), "{event}: {body}");
    }
    for (text, what) in [("", "the HTTP request has no body"), ("{", "the body is not JSON")] {
        let (status, body) = post_to_url(hosted, text, "text/plain");
        assert_eq!(status, 400, "{body}");
        assert!(body["errorMessage"].as_str().unwrap().contains(what), "{text}: {body}");
    }
}

/// Checks the answers of the handler for any JSON value.
fn any_json_is_answered(hosted: &Hosted) {
    let values = json!([
        "text", "", "é 日本 𝔘 \" \\ \n \u{1}", 1, -2.5, 9007199254740991_i64, true, [], [1, [null]], {},
        { "é": { "x": [false] }, "a": null },
    ]);
    let count = values.as_array().unwrap().len();
    let mut records = values.as_array().unwrap().clone();
    records.insert(1, Value::Null);
    let ids: Vec<usize> = (0..=count).filter(|id| *id != 1).collect();
    let right = answer(values, &ids, json!([{ "id": 1, "code": "null" }]));
    let mut told = ask(hosted, request(&json!(records)));
    told.body.as_object_mut().unwrap().remove("cold");
    assert_eq!((&told.error, &told.body), (&None, &right));
    let (status, body) = post_to_url(hosted, &request(&json!(records)).to_string(), "text/plain");
    assert_eq!((status, body), (200, right));
    let told = ask(hosted, request(&json!([1, "fail"])));
    assert_eq!(told.error.as_deref(), Some("Unhandled"));
    assert_eq!(told.body["errorMessage"], "as asked");
    // A long record. AWS's client for Python 3.11 writes six bytes for each of these characters.
    let long = json!(["é".repeat(1 << 19)]);
    let told = in_async(async |client| post(&client, &hosted.invoke_path(), &request(&long)).await);
    assert_eq!(told.body["results"], long);
}

#[test]
fn a_function_in_python_passes_its_own_test_and_answers() {
    let Some(python) = parts::python() else { return };
    let function = Function::new("python");
    function.run(python, &["-W", "error", "-m", "unittest"]);
    prices_are_right(&function.host().unwrap());
    function.replace("src/handler.py");
    any_json_is_answered(&function.host().unwrap());
}

#[test]
fn a_function_in_node_passes_its_own_test_and_answers() {
    let (Some(node), Some(_)) = (parts::program("node"), parts::python()) else { return };
    let function = Function::new("node");
    function.run(node, &["--test"]);
    prices_are_right(&function.host().unwrap());
    function.replace("src/handler.mjs");
    let hosted = function.host().unwrap();
    any_json_is_answered(&hosted);
    // JSON.stringify makes null of it, which nobody meant who forgot to return a result.
    let told = ask(&hosted, request(&json!(["nothing"])));
    let error = told.body["errorMessage"].as_str().unwrap();
    assert!(error.contains("answer returned undefined"), "{error}");
}

#[test]
fn a_function_in_java_passes_its_own_test_and_answers() {
    // The parts have what Maven needs, so that it works without a network.
    let (Some(maven), Some(_)) = (parts::program("mvn"), parts::part("init-java.made")) else {
        return;
    };
    let function = Function::new("java");
    function.run(&maven, &["-o", "-q", "-B", "package"]);
    prices_are_right(&function.host().unwrap());
    function.replace("src/main/java/function/Answer.java");
    function.run(&maven, &["-o", "-q", "-B", "package", "-DskipTests"]);
    any_json_is_answered(&function.host().unwrap());
}

/// A function in Rust would compile a hundred crates for itself. So its files are compiled as examples of
/// `floodway-function`, which has the same dependencies, and its own test runs with these.
#[test]
fn a_function_in_rust_answers() {
    let examples = Path::new(env!("CARGO_BIN_EXE_floodway")).with_file_name("examples");
    for (example, check) in [
        ("init_template", prices_are_right as fn(&Hosted)),
        ("init_any_json", any_json_is_answered as fn(&Hosted)),
    ] {
        let built = examples.join(example);
        if !built.exists() {
            return parts::not_run("what `cargo test --workspace` builds");
        }
        let function = Function::new("rust");
        let program = function.folder().join("target/release/bootstrap");
        fs::create_dir_all(program.parent().unwrap()).unwrap();
        fs::copy(built, program).unwrap();
        let Some(hosted) = function.host() else { return };
        check(&hosted);
    }
}

#[test]
fn the_templates_of_sam_and_terraform_are_valid_and_deploy_the_function() {
    let Some(python) = parts::python() else { return };
    let functions = ["python", "java", "node", "rust"].map(Function::new);
    let script =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("functions/deploy/validate_function.py");
    let mut command = Command::new(python);
    command.arg(script).args(functions.iter().map(Function::folder));
    let output = end_of(start(command), "validate_function.py");
    assert!(output.status.success(), "{}{}", output_of(&output), error_of(&output));
}
