//! How a run ends before its input does: signals, a second signal, and memory while it lasts.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::common::shown::Shown;
use crate::common::{
    Place, end_of, error_of, parts, poll, signal, sorted_output, start, start_processes,
};
use floodway::sink::Manifest;
use rustix::process::Signal;

/// Waits until something is committed.
fn committed(dir: &Path) {
    poll("something is committed", || {
        let manifest = Manifest::read(dir).ok()?;
        (!manifest.commits.is_empty()).then_some(())
    });
}

/// The numbers of the output are 0, 1, 2, ... without a gap: whole epochs.
fn without_a_gap(dir: &Path) -> usize {
    let output = sorted_output(dir);
    let mut numbers: Vec<u64> = output
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| String::from_utf8_lossy(line).split('\t').next().unwrap().parse().unwrap())
        .collect();
    numbers.sort_unstable();
    assert!(numbers.iter().copied().eq(0..numbers.len() as u64), "there is a gap");
    numbers.len()
}

#[test]
fn the_first_signal_finishes_and_commits_the_last_epoch() {
    for (ends, policy) in [(Signal::INT, "local"), (Signal::TERM, "remote")] {
        let place = Place::new();
        let args = ["run", "--rate", "5k", "--policy", policy, "--out", "out"];
        let mut all = args.to_vec();
        all.extend(["--commit-every", "200ms", "--summary", "summary.json", "--", "-w", "2"]);
        let child = place.start(&all);
        committed(&place.path("out"));
        signal(&child, ends);
        let output = end_of(child, "the run");
        let error = error_of(&output);
        assert_eq!(output.status.code(), Some(0), "{error}");
        let summary = place.summary();
        assert_eq!(summary["stopped"], "signal");
        let lines = without_a_gap(&place.path("out"));
        assert_eq!(summary["results_out"], lines);
        assert_eq!(summary["events_in"], lines, "what was read was finished: {summary}");
        assert_eq!(lines % 500, 0, "whole epochs of 100 ms: {lines}");
    }
}

#[test]
fn a_signal_to_one_process_stops_both_at_the_same_epoch() {
    let place = Place::new();
    let args = ["run", "--rate", "5k", "--out", "out", "--summary", "summary.json"];
    let mut children = start_processes(&place, 2, &args);
    committed(&place.path("out"));
    signal(&children[1], Signal::INT);
    for child in children.drain(..) {
        let output = end_of(child, "a process");
        let error = error_of(&output);
        assert_eq!(output.status.code(), Some(0), "{error}");
    }
    let lines = without_a_gap(&place.path("out"));
    assert_eq!(place.summary()["results_out"], lines);
}

/// The other process never comes: there is nothing to finish, and nothing is left.
#[test]
fn a_run_that_waits_for_another_process_ends_at_the_first_signal() {
    let place = Place::new();
    let ports = [(); 2].map(|()| std::net::TcpListener::bind("127.0.0.1:0").unwrap());
    let hosts = ports.map(|port| port.local_addr().unwrap().to_string()).join("\n");
    fs::write(place.path("hosts"), hosts).unwrap();
    let args = ["run", "--rate", "5k", "--out", "out", "--summary", "s.json", "--"];
    let timely = ["-n", "2", "-p", "0", "-h", "hosts"];
    let child = place.start(&[&args[..], &timely].concat());
    poll("it has begun to wait", || place.path("out").exists().then_some(()));
    signal(&child, Signal::TERM);
    let output = end_of(child, "the run");
    let said = error_of(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("nothing was read"), "{said}");
    assert!(!place.path("out").exists());
}

#[test]
fn a_second_signal_ends_at_once_and_keeps_committed_output() {
    let place = Place::new();
    // A second of input is fifty seconds of work: the last epoch is far away.
    let args = ["run", "--rate", "1k", "--work", "50ms", "--out", "out", "--max-backlog", "100k"];
    let mut all = args.to_vec();
    all.extend(["--commit-every", "100ms"]);
    let mut child = place.start(&all);
    poll("it has begun", || place.path("out/manifest.jsonl").exists().then_some(()));
    // It says when it has a backlog, and when it has heard the first signal.
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(said.any(|line| line.contains("backlog")));
    signal(&child, Signal::INT);
    assert!(said.any(|line| line.contains("again to end at once")));
    signal(&child, Signal::INT);
    let output = end_of(child, "the run");
    assert_eq!(output.status.code(), Some(1));
    let manifest = floodway::sink::recover(&place.path("out")).unwrap();
    let lines = without_a_gap(&place.path("out"));
    let total = manifest.records();
    assert_eq!(lines as u64, total);
}

/// The bound that these tests set, and what they grant a busy machine beyond it.
const WITHIN: [&str; 2] = ["--stop-within", "2s"];
const BOUND: Duration = Duration::from_secs(2 + 10);

/// Sends one signal to a run that could not end by itself; answers what it said.
fn ends_within_the_bound(child: Child, what: &str) -> String {
    let began = Instant::now();
    signal(&child, Signal::TERM);
    let output = end_of(child, what);
    let said = [output.stderr, output.stdout].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert_eq!(output.status.code(), Some(0), "{what}: {said}");
    assert!(began.elapsed() < BOUND, "{what}: {:?}: {said}", began.elapsed());
    said
}

/// In life it is a dead file server; here a file of the kernel's whose reader waits for messages.
#[test]
fn one_signal_ends_a_run_whose_read_hangs() {
    if fs::File::open("/proc/kmsg").is_err() {
        return parts::not_run("to read /proc/kmsg, which hangs and only root may");
    }
    let place = Place::new();
    let args = ["run", "--source", "lines:/proc/kmsg", "--events", "100k", "--out", "out"];
    let child = place.start(&[&args[..], &WITHIN].concat());
    // Its first bytes are looked at before there is any output: it may hang there.
    std::thread::sleep(Duration::from_secs(3));
    ends_within_the_bound(child, "a read that hangs");
    assert!(!place.path("out").exists() || without_a_gap(&place.path("out")) == 0);
}

#[test]
fn one_signal_ends_a_run_in_an_epoch_of_an_hour() {
    let place = Place::new();
    let args =
        ["run", "--rate", "1k", "--epoch", "1h", "--out", "out", "--summary", "summary.json"];
    let child = place.start(&[&args[..], &WITHIN].concat());
    poll("the output", || place.path("out/manifest.jsonl").exists().then_some(()));
    std::thread::sleep(Duration::from_millis(500));
    let said = ends_within_the_bound(child, "an epoch of an hour");
    assert!(said.contains("--stop-within 2 s") && said.contains("without --state"), "{said}");
    assert!(said.contains("\ncommitted nothing of ") && !said.contains("\noutput "), "{said}");
    assert_eq!(without_a_gap(&place.path("out")), 0);
    let summary = place.summary();
    assert_eq!((&summary["stopped"], &summary["results_out"]), (&"signal".into(), &0.into()));
}

/// What is whole is committed, in both processes alike, and the rest is the resumed run's.
#[test]
fn one_signal_ends_a_run_with_a_backlog_of_a_hundred_times_what_can_be_done() {
    let place = Place::new();
    let input = ["run", "--rate", "20k", "--events", "20k", "--epoch", "10ms"];
    place.run_well(&[&input[..], &["--out", "expected"]].concat());
    let output = ["--out", "out", "--state", "state", "--commit-every", "50ms"];
    let output = [&input[..], &output, &["--summary", "summary.json"], &WITHIN].concat();
    let slow = [&output[..], &["--work", "5ms", "--max-backlog", "100k"]].concat();
    let mut children = start_processes(&place, 2, &slow);
    committed(&place.path("out"));
    let other = children.pop().unwrap();
    let one = std::thread::spawn(move || end_of(other, "the other process"));
    let said = ends_within_the_bound(children.pop().unwrap(), "a backlog");
    assert!(said.contains("the same command does the rest"), "{said}");
    let other = one.join().unwrap();
    assert_eq!(other.status.code(), Some(0), "{}", error_of(&other));
    let summary = place.summary();
    let lines = without_a_gap(&place.path("out"));
    assert_eq!((&summary["stopped"], &summary["results_out"]), (&"signal".into(), &lines.into()));
    assert!(lines > 0 && lines < 20_000 && lines.is_multiple_of(200), "whole epochs: {lines}");
    place.run_well(&output);
    assert!(place.output("out") == place.output("expected"));
}

/// A terminal that is closed says so more than once, and then there is nothing to write to.
#[test]
fn a_closed_terminal_stops_a_run_cleanly() {
    let place = Place::new();
    // Whoever runs the tests may ignore it (`nohup`), and then the run would.
    let mut command = std::process::Command::new("env");
    command.args(["--default-signal=HUP", env!("CARGO_BIN_EXE_floodway"), "run", "--rate", "5k"]);
    command.args(["--out", "out", "--commit-every", "200ms", "--summary", "summary.json"]);
    command.current_dir(place.path("")).stdin(Stdio::null());
    let mut child = start(command);
    committed(&place.path("out"));
    drop((child.stdout.take(), child.stderr.take()));
    let code = poll("its end", || {
        let ended = child.try_wait().unwrap();
        if ended.is_none() {
            signal(&child, Signal::HUP);
        }
        ended
    });
    assert_eq!(code.code(), Some(0));
    assert_eq!(place.summary()["stopped"], "signal");
    let lines = without_a_gap(&place.path("out"));
    assert!(lines > 0 && lines.is_multiple_of(500), "whole epochs of 100 ms: {lines}");
}

#[test]
fn a_run_under_nohup_ignores_hangup() {
    let place = Place::new();
    let mut command = std::process::Command::new("sh");
    let floodway = env!("CARGO_BIN_EXE_floodway");
    command.args(["-c", "trap '' HUP; exec \"$@\"", "sh", floodway, "run", "--rate", "5k"]);
    command.args(["--out", "out", "--commit-every", "100ms"]).current_dir(place.path(""));
    let child = start(command);
    committed(&place.path("out"));
    signal(&child, Signal::HUP);
    let before = place.commits("out");
    poll("it goes on", || (place.commits("out") > before + 10).then_some(()));
    signal(&child, Signal::TERM);
    assert_eq!(end_of(child, "the run").status.code(), Some(0));
    without_a_gap(&place.path("out"));
}

/// Panics on the worker's own thread when an epoch is complete there: that is told to the log.
struct PanicsAt(u64);

impl tracing::Subscriber for PanicsAt {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target() == "floodway::pipeline::metrics_observer"
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        struct Epoch(Option<u64>);
        impl tracing::field::Visit for Epoch {
            fn record_u64(&mut self, field: &tracing::field::Field, value: u64) {
                if field.name() == "epoch" {
                    self.0 = Some(value);
                }
            }
            fn record_debug(&mut self, _: &tracing::field::Field, _: &dyn std::fmt::Debug) {}
        }
        let mut epoch = Epoch(None);
        event.record(&mut epoch);
        assert!(epoch.0.is_none_or(|epoch| epoch < self.0), "a worker that panics");
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

/// The child that [`a_panic_of_a_worker_exits_with_1`] starts: the command's own code.
#[test]
#[ignore = "a part of another test, which runs it in a process of its own"]
fn panicking_child() {
    tracing::subscriber::set_global_default(PanicsAt(5)).unwrap();
    let args = "floodway run --rate 5k --duration 1m --out out --commit-every 100ms".split(' ');
    let exit = floodway::internal::main(args.map(Into::into).collect());
    std::process::exit(if exit == floodway::internal::Exit::Failed { 1 } else { 101 });
}

#[test]
fn a_panic_of_a_worker_exits_with_1() {
    let place = Place::new();
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "stop::panicking_child", "--ignored", "--nocapture"])
        .current_dir(place.path(""))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let output = end_of(command.spawn().unwrap(), "the run");
    let error = error_of(&output);
    assert_eq!(output.status.code(), Some(1), "{error}");
    let lines: Vec<_> = error.lines().filter(|line| line.starts_with("floodway: ")).collect();
    assert_eq!(lines.len(), 1, "{error}");
    assert!(lines[0].contains("a worker that panics"), "{error}");
    floodway::sink::recover(&place.path("out")).unwrap();
    let lines = without_a_gap(&place.path("out"));
    assert!(
        lines.is_multiple_of(500) && lines < 3_000,
        "whole epochs, and none after the panic: {lines}"
    );
}

#[test]
fn open_standard_input_does_not_delay_a_stop() {
    let place = Place::new();
    let mut command = place.floodway(&["run", "--source", "lines:-", "--out", "out"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    std::io::Write::write_all(&mut pipe, b"one\n").unwrap();
    committed(&place.path("out"));
    signal(&child, Signal::TERM);
    assert_eq!(end_of(child, "the run").status.code(), Some(0));
    assert_eq!(without_a_gap(&place.path("out")), 1);
    drop(pipe);
}

/// Resident memory in KiB.
fn resident(child: &Child) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Ten times what the worker can do, for a while: what is held is bounded, and so is memory. The
/// long form of this is in `docs/benchmarks.md`.
#[test]
fn memory_is_bounded_at_ten_times_the_capacity() {
    if !Path::new("/proc/self/status").exists() {
        return parts::not_run("/proc, which says how much memory a process has");
    }
    let place = Place::new();
    // 10,000 events per second of 1 ms each.
    let args = ["run", "--rate", "10k", "--work", "1ms", "--max-backlog", "20k", "--sink", "null"];
    let run = Shown::start(place.floodway(&[&args[..], &["--listen", "127.0.0.1:0"]].concat()));
    poll("a full backlog", || {
        (run.metrics().sum("floodway_source_wait_seconds_total") > 0.0).then_some(())
    });
    let resident = || resident(run.child.as_ref().unwrap());
    let early = resident();
    std::thread::sleep(Duration::from_secs(10));
    let late = resident();
    println!("{early} KiB with a full backlog, {late} KiB 10 s later");
    assert!(late as f64 <= 1.1 * early as f64, "{early} KiB and then {late} KiB");
}

#[test]
fn the_time_that_a_source_waits_is_counted_as_backpressure() {
    let place = Place::new();
    let args = ["run", "--rate", "10k", "--events", "4k", "--work", "500us", "--sink", "null"];
    let mut all = args.to_vec();
    all.extend(["--max-backlog", "500"]);
    let summary = place.run_well(&all);
    assert!(summary["backpressured_ms"].as_f64().unwrap() > 500.0, "{summary}");
    let peak = summary["peak_backlog"].as_f64().unwrap();
    // The last batch may overrun it.
    assert!((500.0..1_000.0).contains(&peak), "{summary}");
    assert!(summary["latency_ms"]["max"].as_f64().unwrap() > 1_000.0, "lateness counts");
}
