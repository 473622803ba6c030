//! Limits on environments and on requests per second, and the reasons that a throttled request is given.

use std::time::{Duration, Instant};

use super::{Host, header, in_async, json_of, post, words, work};

#[test]
fn requests_past_the_concurrency_are_throttled() {
    for (host, reason) in [
        ("concurrency=1", "ConcurrentInvocationLimitExceeded"),
        ("concurrency=50,reserved=1", "ReservedFunctionConcurrentInvocationLimitExceeded"),
    ]
    .into_iter()
    .flat_map(|(model, reason)| {
        let hosts = Host::both(&format!("{model},cold_start=0ms"));
        hosts.into_iter().map(move |host| (host, reason))
    }) {
        in_async(async |client| {
            let url = host.invoke("floodway");
            let (one, other) = tokio::join!(
                post(&client, &url, work(100, 3_000)),
                post(&client, &url, work(100, 3_000)),
            );
            let (done, refused) = if one.status() == 200 { (one, other) } else { (other, one) };
            assert_eq!((done.status().as_u16(), refused.status().as_u16()), (200, 429));
            assert!(header(&refused, "retry-after").is_some());
            assert_eq!(header(&refused, "x-amzn-errortype"), Some("TooManyRequestsException"));
            let error = json_of(refused).await;
            assert_eq!(error["Reason"], reason);
            assert_eq!(post(&client, &url, words(&["a"])).await.status(), 200, "it is free again");
        });
    }
}

#[test]
fn environments_are_started_no_faster_than_the_ramp() {
    for host in Host::both("concurrency=10,ramp=2,cold_start=0ms") {
        in_async(async |client| {
            let url = host.invoke("floodway");
            let calls = (0..6).map(|_| {
                let (client, url) = (client.clone(), url.clone());
                tokio::spawn(async move { post(&client, &url, work(100, 5_000)).await.status() })
            });
            let mut done = 0;
            for call in calls.collect::<Vec<_>>() {
                done += usize::from(call.await.expect("it does not panic") == 200);
            }
            assert_eq!(done, 2);
        });
    }
}

#[test]
fn more_than_ten_requests_a_second_for_each_environment_are_throttled_for_that_reason() {
    for host in Host::both("concurrency=2,cold_start=0ms") {
        in_async(async |client| {
            let began = Instant::now();
            let (mut done, mut throttled) = (0, 0);
            // One after another: an environment is always free.
            while throttled == 0 {
                let response = post(&client, &host.invoke("floodway"), words(&["a"])).await;
                if response.status() == 200 {
                    done += 1;
                    continue;
                }
                throttled += 1;
                assert_eq!(response.status(), 429);
                assert_eq!(header(&response, "x-amzn-errortype"), Some("TooManyRequestsException"));
                assert_eq!(header(&response, "retry-after"), Some("1"));
                let error = json_of(response).await;
                assert_eq!(error["Reason"], "FunctionInvocationRateLimitExceeded");
            }
            // Twenty at once, and twenty more in each second.
            let most = 20.0 * (1.0 + began.elapsed().as_secs_f64()) + 1.0;
            assert!(done >= 20 && f64::from(done) <= most, "{done} of {most}");
            // A second later there is one again.
            tokio::time::sleep(Duration::from_secs(1)).await;
            let response = post(&client, &host.invoke("floodway"), words(&["a"])).await;
            assert_eq!(response.status(), 200);
        });
    }
}

#[test]
fn a_reserved_environment_has_a_rate_of_its_own() {
    for host in Host::both("concurrency=50,reserved=1,requests=1,cold_start=0ms") {
        in_async(async |client| {
            let error = loop {
                let response = post(&client, &host.invoke("floodway"), words(&["a"])).await;
                if response.status() == 429 {
                    break json_of(response).await;
                }
                assert_eq!(response.status(), 200);
            };
            assert_eq!(error["Reason"], "ReservedFunctionInvocationRateLimitExceeded");
        });
    }
}
