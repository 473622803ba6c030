//! The bridge against a server that misbehaves: every record is answered exactly once, with its
//! result or by being returned.

mod memory;
mod probes;

use std::net::TcpListener;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::common::{LIMIT, poll};
use crate::fault_server::{Fault, Server};
use floodway::bridge::{
    Bridge, Counters, Failure, Outcome, ReplyReceiver, Settings, WorkItem, breaker, reply_channel,
};
use floodway::emulator;
use floodway::task::{self, Task};
use proptest::prelude::*;

fn settings(server: &Server) -> Settings {
    Settings {
        endpoint: server.url.parse().unwrap(),
        linger: Duration::from_millis(1),
        timeout: Duration::from_millis(200),
        backoff: Duration::from_millis(1),
        throttle_backoff: Duration::from_millis(1),
        max_backoff: Duration::from_millis(5),
        // What these tests count are requests with records, and all of them are tried.
        probes_at_start: false,
        breaker: breaker::Settings { failures: u32::MAX, ..breaker::Settings::default() },
        ..Settings::default()
    }
}

fn square() -> impl Task<In = Vec<u64>, Out = Vec<u64>> {
    task::function("square", |n: &u64| Ok(n * n))
}

/// What became of a record.
#[derive(Clone, Debug, PartialEq)]
enum Fate {
    Done,
    /// At a second attempt.
    Hedged,
    Returned(Failure),
    /// The function refused it.
    Refused,
}

/// Sends `items` parts of `size` records and waits until all are answered: exactly once each, with
/// the right result if with one.
fn send(bridge: &Bridge, items: usize, size: usize) -> Vec<Fate> {
    send_from(bridge, items, size, None)
}

/// The same from a worker with so many records to do, at so many a second.
fn send_from(bridge: &Bridge, items: usize, size: usize, load: Option<(usize, f64)>) -> Vec<Fate> {
    let remote = bridge.remote_task(Arc::new(square()));
    let me = thread::current();
    let (sender, receiver) = reply_channel(Arc::new(move || me.unpark()));
    if let Some((waiting, rate)) = load {
        sender.local_load().set(waiting, Some(rate));
    }
    let batches: Vec<Arc<Vec<u64>>> = (0..items)
        .map(|item| Arc::new((0..size as u64).map(|n| item as u64 * 1_000 + n).collect()))
        .collect();
    for (id, batch) in batches.iter().enumerate() {
        remote.send(WorkItem::new(id as u64, Arc::clone(batch), 0..size, sender.clone())).unwrap();
    }
    collect(&receiver, &batches)
}

fn collect(receiver: &ReplyReceiver<Vec<u64>>, batches: &[Arc<Vec<u64>>]) -> Vec<Fate> {
    let mut fates: Vec<Vec<Option<Fate>>> =
        batches.iter().map(|batch| vec![None; batch.len()]).collect();
    let mut open: usize = batches.iter().map(|batch| batch.len()).sum();
    let began = Instant::now();
    while open > 0 {
        receiver.rearm();
        while let Some(reply) = receiver.try_recv() {
            let batch = &batches[reply.id as usize];
            let fates = &mut fates[reply.id as usize];
            open -= reply.range.len();
            let mut put = |at: usize, fate| {
                assert_eq!(fates[at].replace(fate), None, "record {at} is answered twice");
            };
            match reply.outcome {
                Outcome::Returned(failure) => {
                    reply.range.for_each(|at| put(at, Fate::Returned(failure.clone())));
                }
                Outcome::Done { out, refused, hedged } => {
                    let mut out = out.into_iter();
                    for at in reply.range {
                        if refused.iter().any(|(refused, _)| *refused == at) {
                            put(at, Fate::Refused);
                        } else {
                            assert_eq!(out.next(), Some(batch[at] * batch[at]));
                            put(at, if hedged { Fate::Hedged } else { Fate::Done });
                        }
                    }
                    assert_eq!(out.next(), None, "a result too many");
                }
            }
        }
        assert!(began.elapsed() < LIMIT, "{open} records were never answered");
        thread::park_timeout(Duration::from_millis(100));
    }
    fates.into_iter().flatten().map(|fate| fate.expect("all are answered")).collect()
}

fn with(faults: &[Fault], change: impl FnOnce(&mut Settings)) -> (Vec<Fate>, Counters, usize) {
    let server = Server::square(faults.to_vec());
    let mut settings = settings(&server);
    change(&mut settings);
    let bridge = Bridge::start(settings).unwrap();
    let fates = send(&bridge, 3, 10);
    (fates, bridge.counters(), server.requests())
}

#[test]
fn a_request_that_fails_once_is_retried_and_succeeds() {
    for fault in [
        Fault::Status(500),
        Fault::Status(503),
        Fault::RetryAfter(0),
        Fault::FunctionError("Unhandled"),
        Fault::Reset,
        Fault::ResetInAnswer,
        Fault::Hang,
        Fault::Truncated,
        Fault::Missing,
        Fault::Doubled,
        Fault::OtherTask,
    ] {
        let (fates, counters, requests) =
            with(&[fault, fault, Fault::None], |settings| settings.attempts = 3);
        assert!(fates.iter().all(|fate| *fate == Fate::Done), "{fault:?}: {fates:?}");
        assert_eq!(counters.attempts as usize, requests, "{fault:?}");
        assert_eq!(counters.attempts, counters.requests + 2, "{fault:?}");
        assert_eq!(counters.failed, 0, "{fault:?}");
        let throttled = if fault == Fault::RetryAfter(0) { 2 } else { 0 };
        assert_eq!(counters.throttled, throttled, "{fault:?}");
    }
}

/// The service closes a connection that was idle while a request is on its way to it.
#[test]
fn a_closed_pooled_connection_is_not_a_failure() {
    let server = Server::square(vec![Fault::Stale]);
    let bridge = Bridge::start(Settings { attempts: 1, ..settings(&server) }).unwrap();
    for round in 0..5 {
        let fates = send(&bridge, 3, 10);
        assert!(fates.iter().all(|fate| *fate == Fate::Done), "round {round}: {fates:?}");
    }
    let counters = bridge.counters();
    assert_eq!((counters.attempts, counters.failed), (counters.requests, 0));
    assert_eq!(counters.attempts as usize, server.requests());
    assert_eq!(counters.billed, counters.attempts, "what was sent again is one attempt");
}

#[test]
fn records_are_returned_when_every_attempt_fails() {
    let (fates, counters, requests) = with(&[Fault::Status(503)], |s| s.attempts = 2);
    assert!(fates.iter().all(|fate| *fate == Fate::Returned(Failure::Service(503))), "{fates:?}");
    assert_eq!((counters.attempts as usize, counters.failed), (requests, counters.requests));
    assert_eq!(counters.attempts, 2 * counters.requests);
}

#[test]
fn records_are_returned_at_once_when_a_retry_cannot_help() {
    for (fault, failure) in [
        (Fault::Status(403), Failure::Rejected(403)),
        (Fault::Status(404), Failure::Rejected(404)),
        (Fault::Redirect, Failure::Redirected),
    ] {
        let (fates, counters, _) = with(&[fault], |_| {});
        assert!(fates.contains(&Fate::Returned(failure.clone())), "{fates:?}");
        // Nor can another request: the breaker opens at once.
        let expected = [Fate::Returned(failure), Fate::Returned(Failure::BreakerOpen)];
        assert!(fates.iter().all(|fate| expected.contains(fate)), "{fates:?}");
        assert_eq!(counters.attempts, counters.requests, "{fault:?}");
    }
}

#[test]
fn a_record_that_the_function_refuses_is_returned_alone() {
    let (fates, counters, _) = with(&[Fault::FirstRefused], |_| {});
    let refused = fates.iter().filter(|fate| **fate == Fate::Refused).count();
    assert_eq!(refused as u64, counters.requests);
    assert_eq!(fates.iter().filter(|fate| **fate == Fate::Done).count(), 30 - refused);
}

#[test]
fn records_for_an_absent_endpoint_are_all_returned() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (fates, counters, _) = with(&[], |settings| {
        settings.endpoint = format!("http://{gone}/").parse().unwrap();
        settings.attempts = 2;
    });
    assert!(fates.iter().all(|fate| matches!(fate, Fate::Returned(Failure::Connection(_)))));
    assert_eq!(counters.billed, 0, "nothing can have run");
}

#[test]
fn a_request_that_is_too_large_is_halved_until_it_fits() {
    let (fates, counters, _) = with(&[Fault::Status(413); 2], |_| {});
    assert!(fates.iter().all(|fate| *fate == Fate::Returned(Failure::TooLarge)));
    assert!(counters.requests > 30, "each record was tried alone: {counters:?}");
    let (fates, _, _) = with(&[Fault::Status(413), Fault::Status(413), Fault::None], |_| {});
    assert!(fates.iter().all(|fate| *fate == Fate::Done), "{fates:?}");
}

/// The limit on requests may be another one than that on answers.
#[test]
fn a_request_that_is_too_large_says_nothing_about_the_length_of_answers() {
    let server = Server::square(vec![Fault::Status(413), Fault::None]);
    let bridge = Bridge::start(settings(&server)).unwrap();
    assert!(send(&bridge, 1, 10).iter().all(|fate| *fate == Fate::Done));
    let before = bridge.counters().requests;
    assert!(send(&bridge, 1, 100).iter().all(|fate| *fate == Fate::Done));
    let requests = bridge.counters().requests - before;
    assert!(requests <= 20, "{requests} requests of five records or more");
}

#[test]
fn a_request_whose_streamed_answer_is_too_long_is_halved_until_it_fits() {
    // How fast a busy machine reads 7 MB does not matter.
    let (fates, _, requests) =
        with(&[Fault::HugeAbove(5)], |settings| settings.timeout = Duration::from_secs(60));
    assert!(fates.iter().all(|fate| *fate == Fate::Done), "{fates:?}");
    assert!(requests > 6, "{requests}");
}

#[test]
fn requests_stay_below_the_byte_and_record_limits() {
    let server = Server::square(vec![Fault::None]);
    let limits = Settings { batch_bytes: 200, batch_records: 1_000, ..settings(&server) };
    let bridge = Bridge::start(limits).unwrap();
    let fates = send(&bridge, 4, 500);
    assert!(fates.iter().all(|fate| *fate == Fate::Done));
    let largest = server.largest();
    assert!((150..=200).contains(&largest), "{largest} bytes");
}

#[test]
fn records_in_flight_are_returned_when_the_bridge_closes() {
    let server = Server::square(vec![Fault::Hang]);
    let slow = Settings { timeout: Duration::from_secs(60), ..settings(&server) };
    let bridge = Bridge::start(slow).unwrap();
    let closing = bridge.clone();
    thread::spawn(move || closing.close_after(Duration::from_millis(50)));
    let fates = send(&bridge, 3, 10);
    assert!(fates.iter().all(|fate| *fate == Fate::Returned(Failure::Closed)), "{fates:?}");
    let remote = bridge.remote_task(Arc::new(square()));
    let (sender, receiver) = reply_channel(Arc::new(|| {}));
    assert!(remote.send(WorkItem::new(0, Arc::new(vec![1]), 0..1, sender)).is_err());
    assert!(receiver.try_recv().is_none(), "what was refused is not answered");
}

/// Requests that start environments are among the requests in flight as soon as they are decided on.
#[test]
fn requests_in_flight_stay_within_the_limit_with_and_without_warm_ups() {
    for expected in [0.0, 1e6] {
        let server = Server::square(vec![Fault::None, Fault::None, Fault::Hang]);
        let bridge = Bridge::start(Settings {
            max_in_flight: 2,
            initial_in_flight: 2,
            batch_records: 1,
            attempts: 1,
            probes_at_start: true,
            ..settings(&server)
        })
        .unwrap();
        let remote = bridge.remote_task(Arc::new(square()));
        bridge.wait_for_probes(Duration::from_secs(30));
        let (sender, receiver) = reply_channel(Arc::new(|| {}));
        let batches: Vec<Arc<Vec<u64>>> = (0..6).map(|n| Arc::new(vec![n])).collect();
        remote.expect(expected);
        for (id, batch) in batches.iter().enumerate() {
            let item = WorkItem::new(id as u64, Arc::clone(batch), 0..1, sender.clone());
            remote.send(item).unwrap();
        }
        let most = thread::scope(|scope| {
            let done = scope.spawn(|| collect(&receiver, &batches));
            let mut most = 0;
            while !done.is_finished() {
                most = most.max(bridge.counters().in_flight);
                thread::sleep(Duration::from_millis(1));
            }
            most
        });
        assert_eq!(most, 2, "{expected}: {:?}", bridge.counters());
    }
}

/// A worker that is busy for a minute, and one with nothing to do.
const BUSY: Option<(usize, f64)> = Some((60_000, 1_000.0));
const IDLE: Option<(usize, f64)> = Some((0, 1e6));

#[test]
fn a_retry_is_made_only_if_the_worker_would_not_be_sooner() {
    for (load, retries) in [(IDLE, 0), (BUSY, 1)] {
        let server = Server::square(vec![Fault::Status(503)]);
        let bridge = Bridge::start(Settings { attempts: 2, ..settings(&server) }).unwrap();
        let fates = send_from(&bridge, 1, 10, load);
        assert!(
            fates.iter().all(|fate| *fate == Fate::Returned(Failure::Service(503))),
            "{fates:?}"
        );
        let counters = bridge.counters();
        assert_eq!((counters.requests, counters.attempts), (1, 1 + retries), "{load:?}");
    }
}

#[test]
fn a_late_request_is_hedged_only_if_the_worker_is_busy() {
    for (load, hedged) in [(BUSY, 1), (IDLE, 0)] {
        let mut faults = vec![Fault::None; 10];
        faults.push(Fault::Hang);
        faults.push(Fault::None);
        let server = Server::square(faults);
        let bridge = Bridge::start(Settings { attempts: 1, ..settings(&server) }).unwrap();
        // How long it takes is learned first.
        (0..10).for_each(|_| drop(send(&bridge, 1, 10)));
        let fates = send_from(&bridge, 1, 10, load);
        let expected = if hedged > 0 { Fate::Hedged } else { Fate::Returned(Failure::TimedOut) };
        assert!(fates.iter().all(|fate| *fate == expected), "{fates:?}");
        let counters = bridge.counters();
        assert_eq!((counters.hedged, counters.attempts), (hedged, 11 + hedged), "{load:?}");
        assert_eq!(counters.abandoned, 1, "the one that hangs was given up");
        assert!(counters.billed_us >= 10_000, "and is costed: {counters:?}");
    }
}

#[test]
fn a_worker_that_overtakes_a_late_request_does_its_records_alone() {
    let server = Server::square(vec![Fault::Hang]);
    let slow = Settings { timeout: Duration::from_secs(60), ..settings(&server) };
    let bridge =
        Bridge::start(Settings { first_latency: Duration::from_millis(5), ..slow }).unwrap();
    let remote = bridge.remote_task(Arc::new(square()));
    let (sender, receiver) = reply_channel(Arc::new(|| {}));
    let item = WorkItem::new(0, Arc::new((0..10).collect()), 0..10, sender);
    let open = Arc::clone(item.pending());
    remote.send(item).unwrap();
    poll("a request in flight", || (bridge.counters().in_flight > 0).then_some(()));
    assert_eq!((open.take_front(4), open.take_front(100)), (Some(0..4), Some(4..10)));
    // Nothing of it is open any more: it is given up, long before its time-out, without a reply.
    poll("that it is given up", || (bridge.counters().abandoned > 0).then_some(()));
    assert!(receiver.try_recv().is_none());
    assert_eq!(bridge.counters().failed, 0);
}

/// Parts for a warm environment wait for the one that there is; the others start environments.
#[test]
fn work_for_warm_environments_only_starts_no_cold_one() {
    for warm_only in [true, false] {
        let mut model = emulator::Model::default();
        (model.network, model.cold_start) = (Duration::from_millis(5), Duration::from_millis(300));
        let function = Arc::new(emulator::function("square", |n: &u64| Ok(n * n)));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let lambda = emulator::Server::hosting(listener, model, function).unwrap();
        let settings = Settings {
            endpoint: lambda.url().parse().unwrap(),
            batch_records: 10,
            hedge: 0.0,
            ..Settings::default()
        };
        let bridge = Bridge::start(settings).unwrap();
        let remote = bridge.remote_task(Arc::new(square()));
        bridge.wait_for_probes(Duration::from_secs(30));
        let (sender, receiver) = reply_channel(Arc::new(|| {}));
        let batches: Vec<Arc<Vec<u64>>> = (0..8).map(|_| Arc::new((0..10).collect())).collect();
        for (id, batch) in batches.iter().enumerate() {
            let item = WorkItem::new(id as u64, Arc::clone(batch), 0..10, sender.clone());
            remote.send(item.warm_only(warm_only)).unwrap();
        }
        let fates = collect(&receiver, &batches);
        assert!(fates.iter().all(|fate| *fate == Fate::Done), "{fates:?}");
        let (requests, cold) = (bridge.counters().requests, lambda.stats().cold_starts);
        assert_eq!((requests, cold == 1), (8, warm_only), "{cold} cold starts");
    }
}

#[test]
fn requests_in_flight_at_the_end_are_counted() {
    let server = Server::square(vec![Fault::Hang]);
    let slow = Settings { timeout: Duration::from_secs(60), ..settings(&server) };
    let bridge = Bridge::start(slow).unwrap();
    let remote = bridge.remote_task(Arc::new(square()));
    let (sender, _inbox) = reply_channel(Arc::new(|| {}));
    remote.send(WorkItem::new(0, Arc::new((0..10).collect()), 0..10, sender)).unwrap();
    // Before it is on the wire it costs nothing.
    poll("a request on the wire", || (server.requests() > 0).then_some(()));
    bridge.close();
    poll("an idle bridge", || bridge.is_idle().then_some(()));
    let counters = bridge.counters();
    assert_eq!((counters.abandoned, counters.billed), (1, 1));
    assert!(counters.billed_us > 0, "{counters:?}");
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        4 => Just(Fault::None),
        1 => prop::sample::select(vec![400, 403, 413, 500, 502, 503]).prop_map(Fault::Status),
        1 => prop::sample::select(vec![
            Fault::RetryAfter(1), Fault::FunctionError("Unhandled"), Fault::Reset, Fault::ResetInAnswer,
            Fault::Hang, Fault::Truncated, Fault::Missing, Fault::Doubled, Fault::OtherTask,
            Fault::FirstRefused, Fault::Redirect,
        ]),
    ]
}

proptest! {
    // A server that always hangs takes its time: so few records that the worst case is seconds.
    #![proptest_config(ProptestConfig { max_shrink_iters: 20, ..ProptestConfig::with_cases(20) })]

    #[test]
    fn every_record_is_answered_once_under_any_faults(
        faults in prop::collection::vec(fault(), 1..12),
        items in 1..8_usize,
        size in 1..16_usize,
        batch_records in 4..100_usize,
        max_in_flight in 2..6_usize,
    ) {
        let server = Server::square(faults);
        let timeout = Duration::from_millis(50);
        let all =
            Settings { batch_records, max_in_flight, timeout, attempts: 2, ..settings(&server) };
        let bridge = Bridge::start(all).unwrap();
        // `send` asserts it.
        let fates = send(&bridge, items, size);
        let counters = bridge.counters();
        let done = fates.iter().filter(|fate| **fate == Fate::Done).count();
        prop_assert_eq!(counters.records_done as usize, done);
    }
}
