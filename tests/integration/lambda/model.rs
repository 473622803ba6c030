//! The modelled time of cold starts, of work and of the network, and modelled failures.

use std::time::{Duration, Instant};

use super::{Host, header, in_async, json_of, post, reported, words, work};

#[test]
fn the_first_call_and_one_after_a_long_pause_are_cold_starts() {
    for host in Host::both("cold_start=40ms,idle=30ms") {
        in_async(async |client| {
            let mut cold = Vec::new();
            for pause in [0, 0, 100] {
                tokio::time::sleep(Duration::from_millis(pause)).await;
                let began = Instant::now();
                let response = post(&client, &host.url(), words(&["a"])).await;
                let took = began.elapsed();
                let init = reported(&response, "Init Duration");
                let billed = reported(&response, "Billed Duration").expect("a REPORT line");
                let answer = json_of(response).await;
                assert_eq!(answer["cold"].as_bool().unwrap_or(false), init.is_some());
                if let Some(init) = init {
                    assert!(init >= 40.0 && billed >= 40.0, "{init} ms, billed {billed} ms");
                    assert!(took >= Duration::from_millis(40), "{took:?}");
                }
                cold.push(init.is_some());
            }
            assert_eq!((cold[0], cold[2]), (true, true));
        });
    }
}

#[test]
fn modelled_work_takes_its_time_and_runs_side_by_side() {
    for host in Host::both("concurrency=10,cold_start=0ms") {
        in_async(async |client| {
            let url = host.url();
            let began = Instant::now();
            let response = post(&client, &url, work(1_000, 1_000)).await;
            assert!(began.elapsed() >= Duration::from_secs(1), "{:?}", began.elapsed());
            let billed = reported(&response, "Billed Duration").expect("a REPORT line");
            assert!((1_000.0..1_500.0).contains(&billed), "{billed} ms");

            let began = Instant::now();
            let calls = (0..10).map(|_| {
                let (client, url) = (client.clone(), url.clone());
                tokio::spawn(async move { post(&client, &url, work(100, 1_000)).await.status() })
            });
            for call in calls.collect::<Vec<_>>() {
                assert_eq!(call.await.expect("it does not panic"), 200);
            }
            let took = began.elapsed();
            assert!(took >= Duration::from_millis(100), "{took:?}");
            // One after the other it would be a second.
            assert!(took < Duration::from_millis(900), "{took:?}");
        });
    }
}

#[test]
fn half_the_memory_is_half_as_fast() {
    let [small, _] = Host::both("memory=885,cold_start=0ms");
    in_async(async |client| {
        let response = post(&client, &small.url(), work(100, 1_000)).await;
        let billed = reported(&response, "Billed Duration").expect("a REPORT line");
        assert!(billed >= 199.0, "{billed} ms");
        assert_eq!(reported(&response, "Memory Size"), Some(885.0));
    });
}

#[test]
fn failures_come_before_the_work_after_it_in_mid_answer_and_from_the_function() {
    for host in Host::both("failure_rate=0.5,seed=5,cold_start=0ms") {
        in_async(async |client| {
            let text = "word ".repeat(100_000);
            let (mut service, mut broken, mut function, mut good) = (0, 0, 0, 0);
            for _ in 0..60 {
                let response = post(&client, &host.invoke("floodway"), words(&[&text])).await;
                let failed = header(&response, "x-amz-function-error").is_some();
                match (response.status().as_u16(), failed) {
                    (500, _) => service += 1,
                    (200, true) => function += 1,
                    (200, false) => match response.bytes().await {
                        Ok(_) => good += 1,
                        Err(_) => broken += 1,
                    },
                    other => panic!("{other:?}"),
                }
            }
            // Two of the four kinds are the service's.
            assert!(
                service >= 4 && broken >= 2 && function >= 2 && good >= 15,
                "{service} {broken} {function} {good}"
            );
        });
    }
}
