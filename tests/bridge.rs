//! The bridge against a server that misbehaves: every record is answered exactly once, with its
//! result or by coming home.
#![allow(clippy::unwrap_used)]

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use floodway::bridge::{
    Bridge, Counters, Failure, Outcome, Part, ReplyInbox, Settings, breaker, reply_channel,
};
use floodway::task::{self, Task};
use proptest::prelude::*;
use serde_json::{Value, json};

/// What the server does with a request.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Weather {
    Fair,
    Status(u16),
    /// Throttled, and to come back after so many seconds.
    Throttled(u64),
    /// 200 with `X-Amz-Function-Error`.
    FunctionError,
    /// Closes the connection instead of an answer.
    Reset,
    /// Closes it in the middle of the answer.
    Half,
    /// Never answers.
    Hang,
    /// An answer that is no JSON.
    Garbage,
    /// One result too few.
    Missing,
    /// An id twice.
    Twice,
    /// The answer to another task.
    OtherTask,
    /// A record in `errors`.
    Refused,
    /// A redirect to itself.
    Redirect,
}

/// A server that answers its n-th request with the n-th weather, and all after them with the last.
struct Server {
    url: String,
    requests: Arc<AtomicUsize>,
    largest: Arc<AtomicUsize>,
}

impl Server {
    fn start(weathers: Vec<Weather>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let (requests, largest) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (count, most) = (Arc::clone(&requests), Arc::clone(&largest));
        let weathers = Arc::new(weathers);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                let (count, most) = (Arc::clone(&count), Arc::clone(&most));
                let weathers = Arc::clone(&weathers);
                thread::spawn(move || {
                    // A connection that breaks is what this server is for.
                    let _ = serve(stream, &weathers, &count, &most);
                });
            }
        });
        Server { url, requests, largest }
    }
}

fn serve(
    stream: TcpStream,
    weathers: &[Weather],
    count: &AtomicUsize,
    largest: &AtomicUsize,
) -> io::Result<()> {
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let line = line.trim().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        largest.fetch_max(length, SeqCst);
        let number = count.fetch_add(1, SeqCst);
        let weather = weathers.get(number).or(weathers.last()).copied().unwrap_or(Weather::Fair);
        let request: Value = serde_json::from_slice(&body).unwrap();
        answer(&mut writer, weather, &request)?;
    }
}

fn answer(writer: &mut TcpStream, weather: Weather, request: &Value) -> io::Result<()> {
    let records: Vec<u64> =
        request["records"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect();
    let mut results: Vec<u64> = records.iter().map(|n| n * n).collect();
    let mut ids: Vec<usize> = (0..records.len()).collect();
    let (mut task, mut errors) = ("square", Vec::new());
    let (mut status, mut extra) = (200, String::new());
    match weather {
        Weather::Hang => loop {
            thread::park();
        },
        Weather::Reset => return Err(io::ErrorKind::ConnectionReset.into()),
        Weather::Status(other) => status = other,
        Weather::Throttled(seconds) => {
            (status, extra) = (429, format!("Retry-After: {seconds}\r\n"));
        }
        Weather::FunctionError => extra = "X-Amz-Function-Error: Unhandled\r\n".to_owned(),
        Weather::Redirect => (status, extra) = (302, "Location: /elsewhere\r\n".to_owned()),
        Weather::Missing => {
            results.pop();
            ids.pop();
        }
        Weather::Twice => {
            results.push(0);
            ids.push(0);
        }
        Weather::OtherTask => task = "cube",
        Weather::Refused => {
            let id = ids.remove(0);
            results.remove(0);
            errors.push(json!({ "id": id, "code": "no" }));
        }
        Weather::Fair | Weather::Half | Weather::Garbage => {}
    }
    let answer = json!({
        "v": 1, "task": task, "results": results, "ids": ids, "errors": errors
    });
    let mut body = answer.to_string();
    if weather == Weather::Garbage {
        body.truncate(body.len() / 2);
    }
    let length = body.len();
    if weather == Weather::Half {
        body.truncate(length / 2);
    }
    write!(writer, "HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n{extra}\r\n{body}")?;
    writer.flush()?;
    if weather == Weather::Half { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(()) }
}

fn settings(server: &Server) -> Settings {
    Settings {
        url: server.url.clone(),
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
    Home(Failure),
    /// The function refused it.
    Refused,
}

/// Sends `parts` parts of `size` records and waits until all are answered: exactly once each, with
/// the right result if with one.
fn send(bridge: &Bridge, parts: usize, size: usize) -> Vec<Fate> {
    let lane = bridge.lane(Arc::new(square()));
    let me = thread::current();
    let (port, inbox) = reply_channel(Arc::new(move || me.unpark()));
    let batches: Vec<Arc<Vec<u64>>> = (0..parts)
        .map(|part| Arc::new((0..size as u64).map(|n| part as u64 * 1_000 + n).collect()))
        .collect();
    for (id, batch) in batches.iter().enumerate() {
        lane.send(Part::new(id as u64, Arc::clone(batch), 0..size, port.clone())).unwrap();
    }
    collect(&inbox, &batches)
}

fn collect(inbox: &ReplyInbox<Vec<u64>>, batches: &[Arc<Vec<u64>>]) -> Vec<Fate> {
    let mut fates: Vec<Vec<Option<Fate>>> =
        batches.iter().map(|batch| vec![None; batch.len()]).collect();
    let mut open: usize = batches.iter().map(|batch| batch.len()).sum();
    let began = Instant::now();
    while open > 0 {
        inbox.rearm();
        while let Some(reply) = inbox.try_recv() {
            let batch = &batches[reply.id as usize];
            let fates = &mut fates[reply.id as usize];
            open -= reply.range.len();
            let mut put = |at: usize, fate| {
                assert_eq!(fates[at].replace(fate), None, "record {at} is answered twice");
            };
            match reply.outcome {
                Outcome::Home(failure) => {
                    reply.range.for_each(|at| put(at, Fate::Home(failure.clone())));
                }
                Outcome::Done { out, home } => {
                    let mut out = out.into_iter();
                    for at in reply.range {
                        if home.contains(&at) {
                            put(at, Fate::Refused);
                        } else {
                            assert_eq!(out.next(), Some(batch[at] * batch[at]));
                            put(at, Fate::Done);
                        }
                    }
                    assert_eq!(out.next(), None, "a result too many");
                }
            }
        }
        assert!(began.elapsed() < Duration::from_secs(30), "{open} records were never answered");
        thread::park_timeout(Duration::from_millis(100));
    }
    fates.into_iter().flatten().map(|fate| fate.expect("all are answered")).collect()
}

fn with(weathers: &[Weather], change: impl FnOnce(&mut Settings)) -> (Vec<Fate>, Counters, usize) {
    let server = Server::start(weathers.to_vec());
    let mut settings = settings(&server);
    change(&mut settings);
    let bridge = Bridge::start(settings).unwrap();
    let fates = send(&bridge, 3, 10);
    (fates, bridge.counters(), server.requests.load(SeqCst))
}

#[test]
fn what_goes_better_the_next_time_is_tried_again() {
    for weather in [
        Weather::Status(500),
        Weather::Status(503),
        Weather::Throttled(0),
        Weather::FunctionError,
        Weather::Reset,
        Weather::Half,
        Weather::Hang,
        Weather::Garbage,
        Weather::Missing,
        Weather::Twice,
        Weather::OtherTask,
    ] {
        let (fates, counters, requests) =
            with(&[weather, weather, Weather::Fair], |settings| settings.attempts = 3);
        assert!(fates.iter().all(|fate| *fate == Fate::Done), "{weather:?}: {fates:?}");
        assert_eq!(counters.attempts as usize, requests, "{weather:?}");
        assert_eq!(counters.attempts, counters.requests + 2, "{weather:?}");
        assert_eq!(counters.failed, 0, "{weather:?}");
        let throttled = if weather == Weather::Throttled(0) { 2 } else { 0 };
        assert_eq!(counters.throttled, throttled, "{weather:?}");
    }
}

#[test]
fn what_does_not_get_better_comes_home() {
    let (fates, counters, requests) = with(&[Weather::Status(503)], |s| s.attempts = 2);
    assert!(fates.iter().all(|fate| *fate == Fate::Home(Failure::Service(503))), "{fates:?}");
    assert_eq!((counters.attempts as usize, counters.failed), (requests, counters.requests));
    assert_eq!(counters.attempts, 2 * counters.requests);
}

#[test]
fn what_another_attempt_cannot_mend_comes_home_at_once() {
    for (weather, failure) in [
        (Weather::Status(403), Failure::Rejected(403)),
        (Weather::Status(404), Failure::Rejected(404)),
        (Weather::Redirect, Failure::Redirected),
    ] {
        let (fates, counters, _) = with(&[weather], |_| {});
        assert!(fates.contains(&Fate::Home(failure.clone())), "{fates:?}");
        // Nor can another request: the breaker opens at once.
        let homes = [Fate::Home(failure), Fate::Home(Failure::BreakerOpen)];
        assert!(fates.iter().all(|fate| homes.contains(fate)), "{fates:?}");
        assert_eq!(counters.attempts, counters.requests, "{weather:?}");
    }
}

#[test]
fn a_record_that_the_function_refuses_comes_home_alone() {
    let (fates, counters, _) = with(&[Weather::Refused], |_| {});
    let refused = fates.iter().filter(|fate| **fate == Fate::Refused).count();
    assert_eq!(refused as u64, counters.requests);
    assert_eq!(fates.iter().filter(|fate| **fate == Fate::Done).count(), 30 - refused);
}

#[test]
fn an_endpoint_that_is_not_there_is_no_worse_than_none() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (fates, counters, _) = with(&[], |settings| {
        settings.url = format!("http://{gone}/");
        settings.attempts = 2;
    });
    assert!(fates.iter().all(|fate| matches!(fate, Fate::Home(Failure::Connection(_)))));
    assert_eq!(counters.billed, 0, "nothing can have run");
}

#[test]
fn a_request_that_is_too_large_is_halved_until_it_fits() {
    let (fates, counters, _) = with(&[Weather::Status(413); 2], |_| {});
    assert!(fates.iter().all(|fate| *fate == Fate::Home(Failure::TooLarge)));
    assert!(counters.requests > 30, "each record was tried alone: {counters:?}");
    let (fates, _, _) = with(&[Weather::Status(413), Weather::Status(413), Weather::Fair], |_| {});
    assert!(fates.iter().all(|fate| *fate == Fate::Done), "{fates:?}");
}

#[test]
fn requests_stay_below_their_bytes_and_their_records() {
    let server = Server::start(vec![Weather::Fair]);
    let limits = Settings { batch_bytes: 200, batch_records: 1_000, ..settings(&server) };
    let bridge = Bridge::start(limits).unwrap();
    let fates = send(&bridge, 4, 500);
    assert!(fates.iter().all(|fate| *fate == Fate::Done));
    let largest = server.largest.load(SeqCst);
    assert!((150..=200).contains(&largest), "{largest} bytes");
}

#[test]
fn brought_home_while_the_remote_side_hangs() {
    let server = Server::start(vec![Weather::Hang]);
    let slow = Settings { timeout: Duration::from_secs(60), ..settings(&server) };
    let bridge = Bridge::start(slow).unwrap();
    let closing = bridge.clone();
    thread::spawn(move || closing.come_home(Duration::from_millis(50)));
    let fates = send(&bridge, 3, 10);
    assert!(fates.iter().all(|fate| *fate == Fate::Home(Failure::Closed)), "{fates:?}");
    let lane = bridge.lane(Arc::new(square()));
    let (port, inbox) = reply_channel(Arc::new(|| {}));
    assert!(lane.send(Part::new(0, Arc::new(vec![1]), 0..1, port)).is_err());
    assert!(inbox.try_recv().is_none(), "what was refused is not answered");
}

#[test]
fn no_more_are_in_flight_than_allowed() {
    let server = Server::start(vec![Weather::Hang]);
    let few = Settings { max_in_flight: 2, batch_records: 5, attempts: 1, ..settings(&server) };
    let bridge = Bridge::start(few).unwrap();
    let looking = bridge.clone();
    let most = Arc::new(Mutex::new(0));
    let seen = Arc::clone(&most);
    thread::spawn(move || {
        loop {
            let now = looking.counters().in_flight;
            let mut most = seen.lock().unwrap();
            *most = now.max(*most);
            drop(most);
            thread::park_timeout(Duration::from_millis(1));
        }
    });
    send(&bridge, 3, 10);
    assert_eq!(*most.lock().unwrap(), 2);
}

fn weather() -> impl Strategy<Value = Weather> {
    prop_oneof![
        4 => Just(Weather::Fair),
        1 => prop::sample::select(vec![400, 403, 413, 500, 502, 503]).prop_map(Weather::Status),
        1 => prop::sample::select(vec![
            Weather::Throttled(1), Weather::FunctionError, Weather::Reset, Weather::Half,
            Weather::Hang, Weather::Garbage, Weather::Missing, Weather::Twice, Weather::OtherTask,
            Weather::Refused, Weather::Redirect,
        ]),
    ]
}

proptest! {
    // A server that always hangs takes its time: so few records that the worst case is seconds.
    #![proptest_config(ProptestConfig { max_shrink_iters: 20, ..ProptestConfig::with_cases(20) })]

    #[test]
    fn every_record_is_answered_once_in_any_weather(
        weathers in prop::collection::vec(weather(), 1..12),
        parts in 1..8_usize,
        size in 1..16_usize,
        batch_records in 4..100_usize,
        max_in_flight in 2..6_usize,
    ) {
        let server = Server::start(weathers);
        let timeout = Duration::from_millis(50);
        let all =
            Settings { batch_records, max_in_flight, timeout, attempts: 2, ..settings(&server) };
        let bridge = Bridge::start(all).unwrap();
        // `send` asserts it.
        let fates = send(&bridge, parts, size);
        let counters = bridge.counters();
        let done = fates.iter().filter(|fate| **fate == Fate::Done).count();
        prop_assert_eq!(counters.records_done as usize, done);
    }
}
