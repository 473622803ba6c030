//! What the bodies of requests and answers may take in memory.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::{Fate, collect, send, settings, square};
use crate::common::{parts, poll};
use crate::fault_server::{Fault, Server};
use floodway::bridge::{Bridge, Failure, Settings, WorkItem, reply_channel};

/// Runs `f` and returns by how many MiB this process's resident memory grew at its peak. `None` where /proc
/// does not tell.
fn peak_growth<R>(f: impl FnOnce() -> R) -> (R, Option<usize>) {
    let mebibytes = |field: &str| {
        let status = std::fs::read_to_string("/proc/self/status").ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix(field))?;
        Some(line.split_whitespace().next()?.parse::<usize>().ok()? >> 10)
    };
    // This sets the peak to the present size.
    let is_reset = std::fs::write("/proc/self/clear_refs", "5").is_ok();
    let before = mebibytes("VmRSS:").filter(|_| is_reset);
    let result = f();
    let peak = before.and_then(|before| Some(mebibytes("VmHWM:")?.saturating_sub(before)));
    (result, peak)
}

/// A bridge for requests of one record, with memory for the answers of six.
fn with_memory_for_six(server: &Server, requests: usize, attempts: u32) -> Bridge {
    let settings = Settings {
        batch_records: 1,
        batch_bytes: 1_000,
        body_bytes: 32 << 20,
        initial_in_flight: requests,
        max_in_flight: requests,
        attempts,
        timeout: Duration::from_secs(60),
        overdue_after: Duration::from_secs(60),
        ..settings(server)
    };
    Bridge::start(settings).unwrap()
}

/// Receives the answers while it waits for so many requests to fail. Then it closes the bridge, since the others' answers
/// never end.
fn close_once_failed<R>(bridge: &Bridge, failed: u64, receive: impl FnOnce() -> R) -> R {
    thread::scope(|scope| {
        scope.spawn(|| {
            poll("requests that fail", || (bridge.counters().failed >= failed).then_some(()));
            bridge.close_after(Duration::ZERO);
        });
        receive()
    })
}

/// 200 requests at once, of which each would have 6 MB for ever.
#[test]
fn answers_that_never_end_take_no_more_memory_than_bodies_may_have() {
    let server = Server::square(vec![Fault::NeverEnds]);
    let bridge = with_memory_for_six(&server, 200, 1);
    let (fates, growth) = peak_growth(|| close_once_failed(&bridge, 190, || send(&bridge, 200, 1)));
    let refused = Fate::Returned(Failure::NoMemory(32));
    let refused = fates.iter().filter(|fate| **fate == refused).count();
    assert!(refused >= 190, "{fates:?}");
    let Some(growth) = growth else {
        return parts::not_run("/proc, which says how much memory a process has at most");
    };
    println!("the memory grew by {growth:?} MiB");
    // Without a bound it grows by 1,200 MiB. Connections and other tests take some too.
    assert!(growth < 400, "{growth} MiB");
}

/// It was billed, so it counts as an attempt even where the worker leaves its records to the remote side.
#[test]
fn a_request_without_memory_for_its_answer_is_returned_after_the_attempts() {
    let server = Server::square(vec![Fault::NeverEnds]);
    let bridge = with_memory_for_six(&server, 20, 2);
    let remote = bridge.remote_task(Arc::new(square()));
    let me = thread::current();
    let (sender, receiver) = reply_channel(Arc::new(move || me.unpark()));
    sender.local_load().set_remote_only();
    let batches: Vec<Arc<Vec<u64>>> = (0..20).map(|n| Arc::new(vec![n])).collect();
    for (id, batch) in batches.iter().enumerate() {
        remote.send(WorkItem::new(id as u64, Arc::clone(batch), 0..1, sender.clone())).unwrap();
    }
    let fates = close_once_failed(&bridge, 14, || collect(&receiver, &batches));
    let refused = fates.iter().filter(|fate| **fate == Fate::Returned(Failure::NoMemory(32)));
    assert!(refused.count() >= 14, "{fates:?}");
    let counters = bridge.counters();
    assert_eq!((counters.requests, counters.hedged), (20, 0));
    let attempts = counters.requests + 14..=2 * counters.requests;
    assert!(attempts.contains(&counters.attempts), "{counters:?}");
}

/// While bodies have no room, requests wait for it, and all are done in the end.
#[test]
fn requests_wait_for_the_memory_of_others() {
    let server = Server::square(vec![Fault::None]);
    let least = 2 * 1_000 + floodway::wire::MAX_BODY;
    let tight = |body_bytes| Settings {
        batch_records: 10,
        batch_bytes: 1_000,
        body_bytes,
        initial_in_flight: 100,
        ..settings(&server)
    };
    let bridge = Bridge::start(tight(least)).unwrap();
    let fates = send(&bridge, 50, 10);
    assert!(fates.iter().all(|fate| *fate == Fate::Done), "{fates:?}");
    let Err(error) = Bridge::start(tight(least - 1)) else { panic!("not even one fits") };
    assert!(error.to_string().contains("not enough for one request"), "{error}");
}
