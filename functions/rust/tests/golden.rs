//! The golden vectors, which every language's function must answer alike.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use floodway_function::Function;
use serde_json::{Value, json};

fn functions() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn golden(name: &str) -> Vec<Value> {
    let text = fs::read_to_string(functions().join(format!("golden/{name}.jsonl"))).unwrap();
    text.split_terminator('\n').map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn version() -> String {
    fs::read_to_string(functions().join("VERSION")).unwrap().trim().to_owned()
}

fn ask(function: &Function, task: &str, records: &Value) -> Value {
    let request = json!({ "v": 1, "task": task, "records": records }).to_string();
    serde_json::from_str(&function.answer(&request).unwrap()).unwrap()
}

#[test]
fn golden_vectors_one_by_one_and_all_at_once() {
    let function = Function::new();
    for task in ["words", "bpe"] {
        let vectors = golden(task);
        assert!(vectors.len() > 80);
        for vector in &vectors {
            let answer = ask(&function, task, &json!([vector["text"]]));
            assert_eq!(answer["results"], json!([vector["tokens"]]), "{}", vector["text"]);
        }
        let all = |field: &str| vectors.iter().map(|vector| vector[field].clone()).collect();
        let answer = ask(&function, task, &all("text"));
        assert_eq!(answer["results"], all("tokens"));
        assert_eq!(answer["ids"], (0..vectors.len()).collect::<Value>());
    }
}

#[test]
fn golden_requests() {
    let function = Function::new();
    let vectors = golden("requests");
    assert!(vectors.len() > 20);
    for vector in vectors {
        check(&function, &vector);
    }
}

fn check(function: &Function, vector: &Value) {
    let name = &vector["name"];
    let answered = function.answer(vector["event"].as_str().unwrap());
    if let Some(expected) = vector.get("answer") {
        let mut answer: Value = serde_json::from_str(&answered.unwrap()).unwrap();
        answer.as_object_mut().unwrap().remove("cold");
        let mut expected = expected.clone();
        expected["version"] = version().into();
        assert_eq!(answer, expected, "{name}");
        return;
    }
    let (kind, message) = if let Some(status) = vector.get("status") {
        let response: Value = serde_json::from_str(&answered.unwrap()).unwrap();
        assert_eq!(response["statusCode"], *status, "{name}");
        let error: Value = serde_json::from_str(response["body"].as_str().unwrap()).unwrap();
        let text = |field: &str| error[field].as_str().unwrap().to_owned();
        (text("errorType"), text("errorMessage"))
    } else {
        let refused = answered.expect_err("an event that is refused");
        (refused.kind().to_owned(), refused.to_string())
    };
    assert_eq!(vector["error"]["type"], kind, "{name}: {message}");
    for said in vector["error"]["says"].as_array().unwrap() {
        assert!(message.contains(said.as_str().unwrap()), "{name}: {message}");
    }
}

#[test]
fn a_huge_record() {
    let function = Function::new();
    for (text, words) in [("one-two, ", "one two "), ("naïve—日本 𝔘 ", "naïve 日本 𝔘 ")]
    {
        let times = (1 << 20) / text.len() + 1;
        let answer = ask(&function, "words", &json!([text.repeat(times), "x"]));
        assert_eq!(answer["results"], json!([words.repeat(times).trim_end(), "x"]));
    }
    let one = "a".repeat(1 << 20);
    assert_eq!(ask(&function, "words", &json!([one]))["results"], json!([one]));
}

#[test]
fn bad_records_of_bpe_have_their_ids() {
    let event = r#"{"v":1,"task":"bpe","records":[null,"hello world","\ud800"]}"#;
    let answer = Function::new().answer(event).unwrap();
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["results"], json!(["24912 2375"]));
    assert_eq!(answer["ids"], json!([1]));
    let errors = json!([{"id":0,"code":"not_a_string"},{"id":2,"code":"invalid_utf8"}]);
    assert_eq!(answer["errors"], errors);
}

#[test]
fn cold_once_and_of_the_version_that_the_others_are() {
    assert_eq!(version(), env!("CARGO_PKG_VERSION"));
    let function = Function::new();
    assert_eq!(ask(&function, "words", &json!([]))["cold"], true);
    assert_eq!(ask(&function, "words", &json!([])).get("cold"), None);
}
