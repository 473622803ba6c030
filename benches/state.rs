//! What state costs: windows with and without `--state`, and how soon a run with large state resumes; windows behind a
//! stage that bursts.
//!
//!     cargo bench --bench state -- write     throughput with --state, relative to that without
//!     cargo bench --bench state -- resume    time from the start of a process to its first new commit
//!     cargo bench --bench state -- combine   bytes that come back from functions, with partial aggregates and without
//!     cargo bench --bench state -- late      how late windows close in an overload, under the policy `deadline`
//!
//! `--rounds N` says how often (5).
//!
//! The benchmark's own executable is the program that is measured, as a process of its own.

use std::cell::Cell;
use std::fs::{self, File};
use std::hash::BuildHasher as _;
use std::io::{BufWriter, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use floodway::job::{BuildError, Job, Lines, Output};
use floodway::merge::Count;
use floodway::stateful::EventTimesExt as _;
use floodway::task::{Code, Rows};
use floodway::window::{Lateness, Windows};
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use timely::dataflow::operators::Inspect as _;
use timely::dataflow::operators::vec::Map as _;

/// Which program the process is. Without it, it is the benchmark.
const PROGRAM: &str = "FLOODWAY_BENCH_PROGRAM";

/// Keys of the program `keys`.
const KEYS: u64 = 4_000_000;

/// A bid's auction and event time, or those of another event, which is none.
fn bid(line: &str) -> Result<Option<(u64, i64)>, Code> {
    let mut commas = memchr::memchr_iter(b',', line.as_bytes());
    let first = commas.next().unwrap_or(line.len());
    let (Some(fifth), Some(sixth), None) = (commas.nth(3), commas.next(), commas.next()) else {
        return Ok(None);
    };
    let number = |text: &str| text.parse::<i64>().map_err(|_| Code("no_number".into()));
    Ok(Some((number(&line[..first])? as u64, number(&line[fifth + 1..sixth])?)))
}

/// Bids by auction in windows of a thousand seconds, which have ten million events: ten commit groups.
fn auctions<'scope>(
    job: &mut Job<'scope>,
    lines: Lines<'scope>,
) -> Result<Output<'scope>, BuildError> {
    let bids = job.parse(lines, bid).flat_map(|bid| bid);
    let (bids, times) = bids.event_times(Lateness::default(), |bid| bid.1);
    let rows = bids.map(|bid| (bid, Count(1)));
    let windows = Windows::tumbling(Duration::from_secs(1_000))?;
    let closed = job.windows("auctions", rows, &times, windows);
    Ok(job.json_lines(closed.results))
}

/// Events by one of four million keys, in a window that stays open.
fn keys<'scope>(job: &mut Job<'scope>, lines: Lines<'scope>) -> Result<Output<'scope>, BuildError> {
    let keys = job.parse(lines, |line| {
        // The hash's low bits are alike.
        Ok(rustc_hash::FxBuildHasher.hash_one(line).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20)
    });
    let (keys, times) = keys.event_times(Lateness::default(), |_| 0);
    let rows = keys.map(|key: u64| ((key % KEYS, 0), Count(1)));
    let closed = job.windows("keys", rows, &times, Windows::tumbling(Duration::from_secs(86_400))?);
    Ok(job.json_lines(closed.results.map(|window| window.value.0 / u64::MAX)))
}

/// Lines by their own text, padded to 96 bytes, in a window that stays open: rows of 100 bytes.
fn long_keys<'scope>(
    job: &mut Job<'scope>,
    lines: Lines<'scope>,
) -> Result<Output<'scope>, BuildError> {
    const ZEROS: &str = match std::str::from_utf8(&[b'0'; 96]) {
        Ok(zeros) => zeros,
        Err(_) => "",
    };
    let keys = job.parse(lines, |line| Ok([&ZEROS[line.len().min(96)..], line].concat()));
    let (keys, times) = keys.event_times(Lateness::default(), |_| 0);
    let rows = keys.map(|key| ((key, 0), Count(1)));
    let closed = job.windows("keys", rows, &times, Windows::tumbling(Duration::from_secs(86_400))?);
    Ok(job.json_lines(closed.results))
}

/// A bid as a function gets it.
#[derive(Clone, Serialize, Deserialize)]
struct Bid {
    channel: String,
    time: i64,
    text: String,
}

fn bid_text(line: &str) -> Result<Option<Bid>, Code> {
    let fields: Vec<&str> = line.split(',').collect();
    let [_, _, _, channel, _, time, _] = fields[..] else { return Ok(None) };
    let time = time.parse().map_err(|_| Code("no_number".into()))?;
    Ok(Some(Bid { channel: channel.to_owned(), time, text: line.to_owned() }))
}

/// Counts the byte-pair tokens of bids by channel in windows of ten seconds. What comes back from a function is, by `kind`,
/// the rows of a chunk (`combined`), a count for each bid (`counted`), or the tokens of each bid (`listed`), as the task
/// `bpe` returns them.
fn tokens<'scope>(
    kind: &str,
    job: &mut Job<'scope>,
    lines: Lines<'scope>,
) -> Result<Output<'scope>, BuildError> {
    let bids = job.parse(lines, bid_text).flat_map(|bid| bid);
    let (bids, times) = bids.event_times(Lateness::default(), |bid| bid.time);
    let windows = Windows::tumbling(Duration::from_secs(10))?;
    let tokens = |bid: &Bid| bpe_openai::o200k_base().encode(&bid.text);
    let row = move |channel: String, time, count: usize| {
        ((channel, windows.pane(time)), Count(count as u64))
    };
    let rows = match kind {
        "combined" => job.aggregate("tokens", bids, move |bid, rows: &mut Rows<_, _>| {
            let (key, count) = row(bid.channel.clone(), bid.time, tokens(bid).len());
            rows.add(key, count);
            Ok(())
        }),
        "counted" => job
            .burst("tokens", bids, move |bid: &Bid| {
                Ok((bid.channel.clone(), bid.time, tokens(bid).len()))
            })
            .map(move |(channel, time, count)| row(channel, time, count)),
        _ => job
            .burst("tokens", bids, move |bid: &Bid| {
                let ids: Vec<String> = tokens(bid).iter().map(u32::to_string).collect();
                Ok((bid.channel.clone(), bid.time, ids.join(" ")))
            })
            .map(move |(channel, time, ids)| row(channel, time, ids.split(' ').count())),
    };
    // On the worker's thread.
    let rows = rows.inspect_core(|_| {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        WORKER_NS.store(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64, Relaxed);
    });
    let closed = job.windows("channels", rows, &times, windows);
    Ok(job.json_lines(closed.results))
}

/// The CPU time of the worker.
static WORKER_NS: AtomicU64 = AtomicU64::new(0);

/// Work of 60 us on a worker. In the local Lambda it is a wait instead: elsewhere there would be more cores.
fn work() {
    thread_local! {
        static WAITS: Cell<u32> = const { Cell::new(0) };
    }
    const WORK: Duration = Duration::from_micros(60);
    // A sleep is longer than it says.
    const AT_ONCE: u32 = 40;
    let is_worker = thread::current().name().is_some_and(|name| name.starts_with("timely"));
    if is_worker {
        let began = Instant::now();
        while began.elapsed() < WORK {}
        return;
    }
    WAITS.set(WAITS.get() + 1);
    if WAITS.get() == AT_ONCE {
        WAITS.set(0);
        thread::sleep(WORK * AT_ONCE);
    }
}

/// The ends of windows, and when they closed.
static CLOSED: Mutex<Vec<(i64, f64)>> = Mutex::new(Vec::new());

/// Bids by auction in windows of a tenth of a second, behind a stage that costs 60 us.
fn overload<'scope>(
    job: &mut Job<'scope>,
    lines: Lines<'scope>,
) -> Result<Output<'scope>, BuildError> {
    let bids = job.parse(lines, bid).flat_map(|bid| bid);
    let (bids, times) = bids.event_times(Lateness::default(), |bid| bid.1);
    let windows = Windows::tumbling(Duration::from_millis(100))?;
    let rows = job.aggregate("work", bids, move |bid: &(u64, i64), rows: &mut Rows<_, _>| {
        work();
        rows.add((bid.0 % 100, windows.pane(bid.1)), Count(1));
        Ok(())
    });
    let closed = job.windows("auctions", rows, &times, windows);
    let results = closed.results.inspect(|window| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut closed = CLOSED.lock().unwrap_or_else(PoisonError::into_inner);
        closed.push((window.end, now.as_secs_f64() * 1e3));
    });
    Ok(job.json_lines(results))
}

fn program(kind: String) -> ExitCode {
    let app = floodway::app("state");
    let code = match &*kind {
        "auctions" => app.dataflow(auctions).main(),
        "keys" => app.dataflow(keys).main(),
        "long_keys" => app.dataflow(long_keys).main(),
        "overload" => app.dataflow(overload).main(),
        _ => app.dataflow(move |job, lines| tokens(&kind, job, lines)).main(),
    };
    let closed = CLOSED.lock().unwrap_or_else(PoisonError::into_inner);
    let figures = serde_json::json!({ "worker_ns": WORKER_NS.load(Relaxed), "closed": *closed });
    fs::write("figures.json", figures.to_string()).expect("a file");
    code
}

/// Starts the program in a folder.
fn start(kind: &str, dir: &Path, args: &[&str]) -> Child {
    Command::new(std::env::current_exe().expect("its own file"))
        .env(PROGRAM, kind)
        .current_dir(dir)
        .arg("run")
        .args(args)
        .stdout(Stdio::null())
        .stderr(File::create(dir.join("stderr")).expect("a file"))
        .spawn()
        .expect("the program starts")
}

/// Runs the program to its end. Returns its summary and its own figures.
fn run(kind: &str, args: &[&str]) -> [serde_json::Value; 2] {
    let dir = tempfile::tempdir().expect("a folder");
    let args = [&["--summary", "summary.json", "--source", "nexmark"], args].concat();
    let status = start(kind, dir.path(), &args).wait().expect("the program ends");
    let stderr = fs::read_to_string(dir.path().join("stderr")).unwrap_or_default();
    assert!(status.success(), "{stderr}");
    ["summary.json", "figures.json"].map(|file| {
        let json = fs::read(dir.path().join(file)).expect("a file");
        serde_json::from_slice(&json).expect("JSON")
    })
}

/// Runs Nexmark events through the program. Returns its wall time and its CPU time for an event in nanoseconds, and what
/// the summary says of the state.
fn cost(kind: &str, events: &str, with_state: bool) -> ([f64; 2], serde_json::Value) {
    let state: &[&str] = if with_state { &["--state", "state"] } else { &[] };
    let args = ["--rate", "max", "--events", events, "--out", "out"];
    let [summary, _] = run(kind, &[&args[..], state].concat());
    let number = |field: &str| summary[field].as_f64().expect("a number");
    let wall = number("wall_ms") * 1e6 / number("events_in");
    ([wall, number("cpu_ns_per_event")], summary["state"][0].clone())
}

/// Prints the throughput with state relative to that without, in turn. On one core, CPU times say it without what other
/// processes take.
fn write(rounds: usize) {
    for (kind, events) in [("auctions", "20M"), ("keys", "20M")] {
        let mut ratios = [Vec::new(), Vec::new()];
        for _ in 0..rounds {
            let (without, _) = cost(kind, events, false);
            let (with, state) = cost(kind, events, true);
            for at in 0..2 {
                ratios[at].push(without[at] / with[at]);
            }
            println!("{kind}: without {without:.0?} ns, with state {with:.0?} ns, {state}");
        }
        for (what, mut ratios) in ["wall", "CPU"].into_iter().zip(ratios) {
            ratios.sort_by(f64::total_cmp);
            let [least, median, most] = [ratios[0], ratios[rounds / 2], ratios[rounds - 1]];
            println!("{kind}: {median:.3} by {what} time ({least:.3} to {most:.3})");
        }
    }
}

/// Reads the metrics of a run until it ends. Returns the bytes of answers.
fn bytes_back(address: &str) -> f64 {
    let read = || -> std::io::Result<String> {
        let mut connection = TcpStream::connect(address)?;
        write!(
            connection,
            "GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
        )?;
        let mut text = String::new();
        connection.read_to_string(&mut text)?;
        Ok(text)
    };
    let (mut bytes, mut has_begun) = (0.0, false);
    loop {
        thread::sleep(Duration::from_millis(100));
        match read() {
            Ok(text) => {
                has_begun = true;
                let line = text
                    .lines()
                    .find(|line| line.starts_with("floodway_bridge_bytes_total{direction=\"in\"}"));
                let value = line.and_then(|line| line.rsplit(' ').next()?.parse().ok());
                bytes = value.unwrap_or(bytes);
            }
            Err(_) if has_begun => return bytes,
            Err(_) => {}
        }
    }
}

/// Prints what comes back of a stage that counts tokens, and what that costs the worker.
fn combine(rounds: usize) {
    for _ in 0..rounds {
        for kind in ["combined", "counted", "listed"] {
            let args = ["--rate", "20k", "--duration", "10s", "--policy", "remote", "--out", "out"];
            let model = ["--local-lambda", "network=1ms,cold_start=1ms"];
            let address = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
            let address = address.expect("a free port").to_string();
            let listen = ["--listen", &address, "--listen-after", "2s"];
            let watch = {
                let address = address.clone();
                thread::spawn(move || bytes_back(&address))
            };
            let [summary, figures] = run(kind, &[&args[..], &model, &listen].concat());
            let bytes = watch.join().expect("it does not panic");
            let per = |value: &serde_json::Value| {
                value.as_f64().unwrap_or(0.0) / summary["events_in"].as_f64().unwrap_or(1.0)
            };
            println!(
                "{kind}: {:.0} ns of the worker, {:.1} bytes back for an event; {} of {} remote",
                per(&figures["worker_ns"]),
                per(&bytes.into()),
                summary["records_remote"],
                summary["events_in"],
            );
        }
    }
}

/// Prints how late windows are while four times as much comes as a worker can do, for ten seconds.
fn late(rounds: usize) {
    for _ in 0..rounds {
        let shape = std::env::temp_dir().join("floodway-four.csv");
        fs::write(&shape, "0,8000\n3,64000\n13,8000\n18,0\n").expect("a file");
        let shape = format!("trace:{}", shape.display());
        let args = ["--shape", &shape, "--epoch", "20ms", "--policy", "deadline", "--out", "out"];
        let model = ["--local-lambda", "network=30ms,cold_start=150ms"];
        let [summary, figures] = run("overload", &[&args[..], &model].concat());
        let closed = figures["closed"].as_array().expect("windows");
        let late: Vec<(f64, f64)> = closed
            .iter()
            .filter_map(|window| {
                let (end, now) = (window[0].as_f64()?, window[1].as_f64()?);
                Some((end, now - end))
            })
            .collect();
        let first = late.iter().map(|window| window.0).fold(f64::MAX, f64::min);
        let soonest = late.iter().map(|window| window.1).fold(f64::MAX, f64::min);
        let burst = first + 3_000.0..first + 13_000.0;
        let burst = late.into_iter().filter(|(end, _)| burst.contains(end));
        let mut late: Vec<f64> = burst.map(|(_, late)| late - soonest).collect();
        late.sort_by(f64::total_cmp);
        let at = |share: f64| late[((late.len() - 1) as f64 * share) as usize];
        println!(
            "in the burst, windows close later than the soonest of all by {:.0} ms at the median, {:.0} at p99, {:.0} at \
             most; p99 of records {} ms, {} of {} remote",
            at(0.5),
            at(0.99),
            at(1.0),
            summary["latency_ms"]["p99"],
            summary["records_remote"],
            summary["events_in"],
        );
    }
}

/// Prints how soon a run with ten million keys of 96 bytes resumes.
fn resume(rounds: usize, keys: u64) {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    let mut lines = BufWriter::new(File::create(dir.join("lines")).expect("a file"));
    for number in 0..keys + 5_000_000 {
        writeln!(lines, "{}", number % keys).expect("a file");
    }
    lines.flush().expect("a file");
    // A file that has just changed would be read again.
    std::thread::sleep(Duration::from_secs(4));
    let args = ["--source", "lines:lines", "--out", "out", "--state", "state", "--commit-every"];
    let committed = || {
        let manifest = fs::read_to_string(dir.join("out/manifest.jsonl")).unwrap_or_default();
        let last = manifest
            .trim_end()
            .rsplit('\n')
            .next()
            .and_then(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        last.and_then(|line| line["up_to_epoch"].as_u64()).unwrap_or(0)
    };
    let mut child = start("long_keys", dir, &[&args[..], &["1s", "--", "-w", "2"]].concat());
    // An epoch has 100,000 lines.
    while committed() + 1 < keys / 100_000 {
        assert!(child.try_wait().expect("a process").is_none(), "it has ended");
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill().and_then(|()| child.wait()).expect("a process");
    let state = || {
        let files = fs::read_dir(dir.join("out")).expect("a folder").filter_map(Result::ok);
        let files = files.filter(|file| file.file_name().to_string_lossy().starts_with(".state-"));
        let lengths: Vec<u64> =
            files.map(|file| file.metadata().map_or(0, |data| data.len())).collect();
        format!(
            "{} files of state with {:.2} GB",
            lengths.len(),
            lengths.iter().sum::<u64>() as f64 / 1e9
        )
    };
    println!("{} epochs, {}", committed(), state());
    for _ in 0..rounds {
        for workers in ["1", "2"] {
            let (before, began) = (committed(), Instant::now());
            let mut child =
                start("long_keys", dir, &[&args[..], &["100ms", "--", "-w", workers]].concat());
            while committed() == before {
                let ended = child.try_wait().expect("a process");
                assert!(
                    ended.is_none(),
                    "{}",
                    fs::read_to_string(dir.join("stderr")).unwrap_or_default()
                );
                std::thread::sleep(Duration::from_millis(1));
            }
            println!("{workers} workers: {:.2?}, {}", began.elapsed(), state());
            child.kill().and_then(|()| child.wait()).expect("a process");
        }
    }
}

fn main() -> ExitCode {
    if let Ok(kind) = std::env::var(PROGRAM) {
        return program(kind);
    }
    let args: Vec<String> = std::env::args().collect();
    let number = |name: &str, default: u64| {
        let value =
            args.iter().position(|arg| arg == name).and_then(|at| args.get(at + 1)?.parse().ok());
        value.unwrap_or(default)
    };
    let rounds = number("--rounds", 5) as usize;
    let is = |name: &str| args.iter().any(|arg| arg == name);
    if is("write") {
        write(rounds);
    }
    if is("combine") {
        combine(rounds);
    }
    if is("late") {
        late(rounds);
    }
    if is("resume") {
        resume(rounds, number("--keys", 10_000_000));
    }
    ExitCode::SUCCESS
}
