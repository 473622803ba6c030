//! What a function is told, and what a client is.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::{Hosted, ask, folder, in_async, post, tell};

#[test]
fn a_function_gets_the_context_and_environment_that_aws_gives() {
    let Some(hosted) = Hosted::python("memory=512", &["--timeout", "20s"]) else { return };
    let told = ask(&hosted, tell());
    assert_eq!((told.status, &told.error), (200, &None), "{}", told.body);
    let body = &told.body;
    assert_eq!(body["event"], tell());
    assert_eq!(body["id"], told.headers["x-amzn-requestid"].to_str().unwrap());
    assert_eq!(body["arn"], "arn:aws:lambda:us-east-1:123456789012:function:floodway");
    assert_eq!(body["memory"], "512");
    let left = body["left_ms"].as_i64().unwrap();
    assert!((1..=20_000).contains(&left), "{left}");
    let task_root = folder("python").canonicalize().unwrap();
    assert_eq!(body["cwd"], task_root.to_str().unwrap());
    let environment = &body["environment"];
    for (name, value) in [
        ("AWS_LAMBDA_FUNCTION_NAME", "floodway"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512"),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
        ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/floodway"),
        ("AWS_REGION", "us-east-1"),
        ("_HANDLER", "lambda_function.lambda_handler"),
        ("LAMBDA_TASK_ROOT", task_root.to_str().unwrap()),
        ("TZ", "UTC"),
    ] {
        assert_eq!(environment[name], value, "{name}");
    }
    let stream = environment["AWS_LAMBDA_LOG_STREAM_NAME"].as_str().unwrap();
    assert!(stream.starts_with("20") && stream.contains("/[$LATEST]"), "{stream}");
    let runtime = environment["AWS_EXECUTION_ENV"].as_str().unwrap();
    assert!(runtime.starts_with("AWS_Lambda_python3."), "{runtime}");
}

#[test]
fn the_function_does_not_see_the_servers_keys() {
    let Some(mut command) = super::command(&folder("python"), "", &[]) else { return };
    command.env("AWS_ACCESS_KEY_ID", "AKID").env("AWS_SECRET_ACCESS_KEY", "hidden");
    command.env("AWS_SESSION_TOKEN", "hidden").env("OWN", "hidden");
    let told = ask(&Hosted::of(command), tell());
    assert_eq!(told.status, 200, "{}", told.body);
    assert!(!told.body.to_string().contains("hidden"), "{}", told.body);
}

#[test]
fn a_function_url_uses_payload_version_2_for_request_and_answer() {
    let Some(hosted) = Hosted::python("", &[]) else { return };
    in_async(async |client| {
        let url = format!("{}some/path?a=1&b=2", hosted.url);
        let told = post(&client, &url, &json!({ "x": 1 })).await;
        assert_eq!(told.status, 200);
        assert_eq!(told.headers["content-type"], "application/json");
        let event = &told.body["event"];
        assert_eq!(event["version"], "2.0");
        assert_eq!(
            (&event["rawPath"], &event["rawQueryString"]),
            (&json!("/some/path"), &json!("a=1&b=2"))
        );
        assert_eq!(
            (&event["body"], &event["isBase64Encoded"]),
            (&json!("{\"x\":1}"), &json!(false))
        );
        let http = &event["requestContext"]["http"];
        assert_eq!((&http["method"], &http["path"]), (&json!("POST"), &json!("/some/path")));
        assert_eq!(http["sourceIp"], "127.0.0.1");

        let respond = json!({ "respond": {
            "statusCode": 418,
            "headers": { "content-type": "text/plain", "x-own": "yes" },
            "body": STANDARD.encode("short and stout"),
            "isBase64Encoded": true,
        }});
        let told = post(&client, &hosted.url, &respond).await;
        assert_eq!((told.status, &told.body), (418, &json!("short and stout")));
        assert_eq!(
            (&told.headers["content-type"], &told.headers["x-own"]),
            (&"text/plain".parse().unwrap(), &"yes".parse().unwrap())
        );

        let nonsense = json!({ "respond": { "statusCode": "none" } });
        assert_eq!(post(&client, &hosted.url, &nonsense).await.status, 502);
        let failing = json!({ "do": "fail", "why": "as asked" });
        assert_eq!(post(&client, &hosted.url, &failing).await.status, 502);
        let get = client.get(&hosted.url).send().await.unwrap();
        assert_eq!(get.status(), 200, "a URL takes any method");
    });
}

#[test]
fn the_log_tail_has_what_the_function_printed_and_the_report() {
    let Some(hosted) = Hosted::python("memory=256", &[]) else { return };
    // The pipe holds 64 kB: a function must not wait for somebody to read.
    let told = ask(&hosted, json!({ "do": "show", "bytes": 1_000_000 }));
    assert_eq!(told.status, 200);
    assert_eq!(told.log.len(), 4_096, "the last of it");
    let last = format!("the last line of {}\nto standard error\nEND RequestId: ", told.pid());
    assert!(told.log.contains(&last), "{}", told.log);
    let told = ask(&hosted, json!({ "do": "show", "bytes": 200 }));
    assert!(told.log.starts_with("START RequestId: "), "{}", told.log);
    assert_eq!(told.log.matches("the last line").count(), 1, "{}", told.log);
    let milliseconds = |field: &str| -> f64 {
        let value = told.reported(field).unwrap_or_else(|| panic!("{field} in {}", told.log));
        value.strip_suffix(" ms").unwrap().parse().unwrap()
    };
    assert_eq!(milliseconds("Billed Duration"), milliseconds("Duration").ceil());
    assert_eq!(told.reported("Memory Size"), Some("256 MB"));
    let used: u32 =
        told.reported("Max Memory Used").unwrap().strip_suffix(" MB").unwrap().parse().unwrap();
    assert!((5..256).contains(&used), "{used} MB");
}

#[test]
fn function_output_is_shown_on_request_and_never_on_standard_output() {
    let Some(hosted) = Hosted::python("", &["--log-functions"]) else { return };
    let told = ask(&hosted, json!({ "do": "show", "bytes": 100 }));
    let line = format!("the last line of {}\n", told.pid());
    super::poll("the line", || hosted.errors().contains(&line).then_some(()));
}
