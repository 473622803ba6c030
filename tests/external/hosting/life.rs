//! When processes are started, used again, and ended.

use std::collections::BTreeSet;

use reqwest::Client;
use rustix::process::Signal;
use serde_json::{Value, json};

use super::{Hosted, Told, ask, gone, in_async, poll, post, tell};

/// So many requests at once.
pub(crate) async fn at_once(
    client: &Client,
    url: &str,
    requests: usize,
    event: &Value,
) -> Vec<Told> {
    let calls = (0..requests).map(|_| {
        let (client, url, event) = (client.clone(), url.to_owned(), event.clone());
        tokio::spawn(async move { post(&client, &url, &event).await })
    });
    let mut all = Vec::new();
    for call in calls.collect::<Vec<_>>() {
        all.push(call.await.expect("it does not panic"));
    }
    all
}

fn asleep(seconds: f64) -> Value {
    json!({ "do": "sleep", "seconds": seconds })
}

#[test]
fn concurrent_requests_get_a_process_each_and_processes_are_reused() {
    let Some(hosted) = Hosted::python("concurrency=4", &[]) else { return };
    in_async(async |client| {
        let all = at_once(&client, &hosted.invoke_path(), 4, &asleep(0.5)).await;
        let pids: BTreeSet<_> = all.iter().map(Told::pid).collect();
        assert_eq!(pids.len(), 4, "each its own");
        // One was there, to see that the function can be loaded.
        let cold: Vec<_> = all.iter().filter_map(|told| told.reported("Init Duration")).collect();
        assert_eq!(cold.len(), 3, "{cold:?}");
        for told in all.iter().filter(|told| told.reported("Init Duration").is_some()) {
            let ms = |field| -> f64 {
                told.reported(field).unwrap().strip_suffix(" ms").unwrap().parse().unwrap()
            };
            let (billed, sum) = (ms("Billed Duration"), ms("Init Duration") + ms("Duration"));
            // The parts are rounded to hundredths.
            assert!((sum - 0.02..sum + 1.02).contains(&billed), "{billed}: {sum}");
        }
        let mut last = BTreeSet::new();
        for _ in 0..5 {
            let told = post(&client, &hosted.invoke_path(), &tell()).await;
            assert_eq!(told.reported("Init Duration"), None);
            last.insert(told.pid());
        }
        assert_eq!(last.len(), 1, "the one that was used last");
        assert!(last.is_subset(&pids));
    });
}

#[test]
fn processes_that_are_idle_for_long_exit() {
    let Some(hosted) = Hosted::python("idle=200ms", &[]) else { return };
    let first = ask(&hosted, tell()).pid();
    gone(first);
    let told = ask(&hosted, tell());
    assert!(told.pid() != first && told.reported("Init Duration").is_some(), "{}", told.log);
}

#[test]
fn many_fast_calls_are_all_answered_in_series_and_on_eight_connections() {
    let Some(hosted) = Hosted::python("concurrency=2", &[]) else { return };
    in_async(async |client| {
        let url = hosted.invoke_path();
        for call in 1..=200 {
            let told = post(&client, &url, &json!({ "do": "tell" })).await;
            assert_eq!((told.status, told.body["calls"].as_i64()), (200, Some(call)));
        }
        let workers = (0..8).map(|_| {
            let (client, url) = (client.clone(), url.clone());
            tokio::spawn(async move {
                let mut answered = 0;
                while answered < 25 {
                    match post(&client, &url, &tell()).await.status {
                        200 => answered += 1,
                        429 => tokio::task::yield_now().await,
                        other => panic!("{other}"),
                    }
                }
            })
        });
        for worker in workers.collect::<Vec<_>>() {
            worker.await.expect("all are answered");
        }
    });
}

#[test]
fn a_server_that_ends_leaves_no_process_and_no_folder() {
    for signal in [Signal::TERM, Signal::INT, Signal::KILL] {
        let Some(hosted) = Hosted::python("", &[]) else { return };
        let place = crate::common::Place::new();
        let file = place.path("child");
        // One has a child and is idle, another one is in the middle of an invocation.
        let forked = ask(&hosted, json!({ "do": "fork", "file": file.to_str().unwrap() }));
        let busy = place.path("busy");
        let event = json!({ "do": "fork", "then": "sleep", "file": busy.to_str().unwrap() });
        let url = hosted.invoke_path();
        in_async(async |client| {
            let call = tokio::spawn(async move {
                client.post(&url).body(event.to_string()).send().await.map(drop)
            });
            let of_busy = tokio::task::spawn_blocking(move || {
                poll("the invocation", || std::fs::read_to_string(&busy).ok()?.parse::<i64>().ok())
            });
            let of_busy = of_busy.await.unwrap();
            hosted.end(signal);
            for pid in [forked.pid(), forked.body["child"].as_i64().unwrap(), of_busy] {
                gone(pid);
            }
            assert!(call.await.unwrap().is_err(), "what runs is not answered");
        });
    }
}
