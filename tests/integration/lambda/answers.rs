//! Answers and errors by the Invoke path and by the function URL.

use serde_json::json;

use super::{Host, header, in_async, json_of, post, words};

#[test]
fn invoke_path_and_function_url_answer_the_same() {
    for host in Host::both("") {
        in_async(async |client| {
            let arn = "arn%3Aaws%3Alambda%3Aus-east-1%3A123456789012%3Afunction%3Afloodway";
            let doors = [
                host.url(),
                host.invoke("floodway"),
                host.invoke("floodway:$LATEST"),
                host.invoke(arn),
            ];
            for door in doors {
                let response = post(&client, &door, words(&["a, b", "", "c_1!"])).await;
                assert_eq!(response.status(), 200, "{door}");
                assert_eq!(header(&response, "x-amz-function-error"), None);
                assert_eq!(header(&response, "content-type"), Some("application/json"));
                let answer = json_of(response).await;
                assert_eq!(answer["results"], json!(["a b", "", "c_1"]), "{door}");
                assert_eq!(answer["ids"], json!([0, 1, 2]));
                assert_eq!((&answer["v"], &answer["task"]), (&json!(1), &json!("words")));
            }
        });
    }
}

#[test]
fn errors_have_the_shapes_of_aws() {
    for host in Host::both("") {
        in_async(async |client| {
            let invoke = host.invoke("floodway");
            let cases = [
                (host.invoke("other"), words(&["a"]), 404, "ResourceNotFoundException"),
                (invoke.clone(), "{".to_owned(), 400, "InvalidRequestContentException"),
                (
                    invoke.clone(),
                    format!("\"{}\"", "x".repeat(6 << 20)),
                    413,
                    "RequestTooLargeException",
                ),
                (host.url(), "x".repeat((6 << 20) + 1), 413, "RequestTooLargeException"),
            ];
            for (url, body, status, kind) in cases {
                let response = post(&client, &url, body).await;
                assert_eq!(
                    (response.status().as_u16(), header(&response, "x-amzn-errortype")),
                    (status, Some(kind))
                );
                let error = json_of(response).await;
                assert_eq!(error["Type"], "User");
                assert!(error["message"].is_string(), "{error}");
            }
            let event = client.post(&invoke).header("x-amz-invocation-type", "Event");
            assert_eq!(event.body(words(&["a"])).send().await.expect("an answer").status(), 400);
            assert_eq!(client.get(&invoke).send().await.expect("an answer").status(), 405);
        });
    }
}

#[test]
fn a_failed_function_is_a_200_that_says_so_and_a_502_by_url() {
    for host in Host::both("") {
        in_async(async |client| {
            let unknown = json!({ "v": 1, "task": "other", "records": ["a"] }).to_string();
            let future = json!({ "v": 2, "task": "words", "records": ["a"] }).to_string();
            for event in [unknown, future, "[]".to_owned()] {
                let response = post(&client, &host.invoke("floodway"), event.clone()).await;
                assert_eq!(response.status(), 200, "{event}");
                assert_eq!(header(&response, "x-amz-function-error"), Some("Unhandled"));
                let error = json_of(response).await;
                assert!(error["errorMessage"].is_string() && error["errorType"].is_string());
                assert_eq!(post(&client, &host.url(), event).await.status(), 502);
            }
        });
    }
}

#[test]
fn an_answer_past_the_limit_is_a_function_error() {
    let [embedded, _] = Host::both("");
    in_async(async |client| {
        // A token of two digits a character: three times as long as the text.
        let text = "q7".repeat(1_000);
        let event = json!({ "v": 1, "task": "bpe", "records": vec![text; 1_500] }).to_string();
        let response = post(&client, &embedded.invoke("floodway"), event.clone()).await;
        assert_eq!(response.status(), 200);
        assert_eq!(header(&response, "x-amz-function-error"), Some("Unhandled"));
        let error = json_of(response).await;
        assert_eq!(error["errorType"], "Function.ResponseSizeTooLarge");
        assert_eq!(post(&client, &embedded.url(), event).await.status(), 413);
    });
}

#[test]
fn modelled_work_that_no_function_may_do_is_refused() {
    for host in Host::both("cold_start=0ms") {
        in_async(async |client| {
            for work_us in ["99999999999", "1e300", "-5"] {
                let body =
                    format!(r#"{{"v":1,"task":"words","records":["a"],"work_us":{work_us}}}"#);
                let response = post(&client, &host.invoke("floodway"), body).await;
                assert!(header(&response, "x-amz-function-error").is_some(), "{work_us}");
                let error = json_of(response).await.to_string();
                assert!(error.contains("work_us") && error.contains("900 s"), "{error}");
            }
        });
    }
}
