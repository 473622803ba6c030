//! What there is a limit to.

use serde_json::{Value, json};

use super::life::at_once;
use super::{Hosted, Told, ask, gone, in_async, tell};

#[test]
fn requests_past_the_concurrency_get_429_with_the_reason() {
    let Some(hosted) = Hosted::python("concurrency=2", &[]) else { return };
    in_async(async |client| {
        let event = json!({ "do": "sleep", "seconds": 0.5 });
        let all = at_once(&client, &hosted.invoke_path(), 4, &event).await;
        let throttled: Vec<&Told> = all.iter().filter(|told| told.status == 429).collect();
        assert_eq!(throttled.len(), 2);
        for told in throttled {
            assert_eq!(told.headers["x-amzn-errortype"], "TooManyRequestsException");
            assert_eq!(told.headers["retry-after"], "1");
            assert_eq!(told.body["Reason"], "ConcurrentInvocationLimitExceeded");
        }
    });
}

#[test]
fn processes_are_started_no_faster_than_the_ramp() {
    let Some(hosted) = Hosted::python("ramp=2,concurrency=10", &[]) else { return };
    in_async(async |client| {
        let event = json!({ "do": "sleep", "seconds": 1 });
        let all = at_once(&client, &hosted.invoke_path(), 8, &event).await;
        let done = all.iter().filter(|told| told.status == 200).count();
        assert_eq!(done, 3, "one was there, and two may be started");
    });
}

#[test]
fn a_body_past_6_mb_gets_413_as_request_and_as_answer() {
    let Some(hosted) = Hosted::python("", &[]) else { return };
    let before = ask(&hosted, tell()).pid();
    let large = json!({ "do": "tell", "x": "x".repeat(6 << 20) });
    let told = ask(&hosted, large);
    assert_eq!(told.status, 413);
    assert_eq!(told.headers["x-amzn-errortype"], "RequestTooLargeException");

    let event = json!({ "do": "much", "bytes": (6 << 20) + 1 });
    let told = ask(&hosted, event.clone());
    assert_eq!((told.status, told.error.as_deref()), (200, Some("Unhandled")));
    assert_eq!(told.body["errorType"], "Function.ResponseSizeTooLarge");
    let by_url = in_async(async |client| super::post(&client, &hosted.url, &event).await);
    assert_eq!(by_url.status, 413);
    // The largest that fits, in quotes.
    let told = ask(&hosted, json!({ "do": "much", "bytes": (6 << 20) - 2 }));
    assert_eq!((told.status, told.error), (200, None));
    assert!(before > 0);
}

fn is_killed(told: &Told) {
    assert_eq!((told.status, told.error.as_deref()), (200, Some("Unhandled")), "{}", told.body);
    assert_eq!(told.body["errorType"], "Runtime.ExitError");
    let message = told.body["errorMessage"].as_str().unwrap();
    let id = told.headers["x-amzn-requestid"].to_str().unwrap();
    let aws = format!("RequestId: {id} Error: Runtime exited with error: signal: killed");
    assert_eq!(message, aws);
    assert_eq!(told.reported("Status"), Some("error"));
    assert_eq!(told.reported("Error Type"), Some("Runtime.ExitError"));
}

/// In MB.
fn used(told: &Told) -> u32 {
    told.reported("Max Memory Used").unwrap().strip_suffix(" MB").unwrap().parse().unwrap()
}

#[test]
#[cfg(target_os = "linux")]
fn a_process_past_its_memory_limit_is_killed() {
    let Some(hosted) = Hosted::python("memory=128", &[]) else { return };
    let event = |mb: u32, seconds: u32| json!({ "do": "allocate", "mb": mb, "seconds": seconds });
    let well = ask(&hosted, event(40, 0));
    assert_eq!((well.status, well.body["mb"].as_u64()), (200, Some(40)));
    let before = ask(&hosted, tell()).pid();
    for seconds in [0, 60] {
        let told = ask(&hosted, event(300, seconds));
        is_killed(&told);
        assert!(used(&told) > 128, "{}", told.log);
    }
    gone(before);
    let child: Value = json!({ "do": "grow_in_a_child", "mb": 200 });
    is_killed(&ask(&hosted, child));
    assert_eq!(ask(&hosted, tell()).status, 200, "another one takes its place");
}
