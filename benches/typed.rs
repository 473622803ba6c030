//! Programs of one's own: JSON lines or CSV, a closure, JSON lines or CSV, beside a bare loop with serde_json or csv over
//! the same lines; and what a second stage costs that passes records on. With the argument `cpu` it compares CPU times.
//!
//! The benchmark's own executable is the program that is measured. It runs as a process with one worker, and returns
//! its own wall time.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use floodway::task::Code;
use serde::{Deserialize, Serialize};

const LINES: u64 = 500_000;
/// Which program the process is. Without it, it is the benchmark.
const PROGRAM: &str = "FLOODWAY_BENCH_PROGRAM";

/// Five fields, in a line of 200 bytes.
#[derive(Clone, Deserialize, Serialize)]
struct Event {
    id: u64,
    user: String,
    page: String,
    at: u64,
    note: String,
}

#[derive(Clone, Deserialize, PartialEq, Serialize)]
struct Scored {
    id: u64,
    user: String,
    score: u64,
}

fn score(event: &Event) -> Result<Scored, Code> {
    let score = event.at % 1_000 + event.page.len() as u64 + event.note.len() as u64;
    Ok(Scored { id: event.id, user: event.user.clone(), score })
}

fn line(id: u64) -> String {
    let event = Event {
        id,
        user: format!("user-{}", id % 1_000),
        page: format!("/items/{}/reviews", id % 10_000),
        at: 1_700_000_000_000 + id,
        note: String::new(),
    };
    let rest = 199 - serde_json::to_string(&event).expect("JSON").len();
    serde_json::to_string(&Event { note: "n".repeat(rest), ..event }).expect("JSON")
}

fn program(kind: String) -> ExitCode {
    floodway::app("typed")
        .dataflow(move |job, lines| {
            if kind == "typed" {
                let events = job.json::<Event>(lines);
                let scored = job.burst("score", events, score);
                return Ok(job.json_lines(scored));
            }
            if kind == "csv" {
                let events = job.csv::<Event>(lines);
                let scored = job.burst("score", events, score);
                return Ok(job.csv_lines(scored));
            }
            let lengths = job.parse(lines, |line| Ok(line.len() as u64));
            let mut numbers = job.burst("first", lengths, |n: &u64| Ok(n + 1));
            if kind == "two" {
                numbers = job.burst("second", numbers, |n: &u64| Ok(*n));
            }
            Ok(job.json_lines(numbers))
        })
        .main()
}

/// Runs the program with one worker, and returns its wall time and its CPU time.
fn run(kind: &str, dir: &Path) -> [Duration; 2] {
    let (summary, out) = (dir.join("summary.json"), dir.join("out"));
    let status = Command::new(std::env::current_exe().expect("its own file"))
        .env(PROGRAM, kind)
        .args(["run", "--overwrite", "--source"])
        .arg(format!("lines:{}", dir.join(input(kind)).display()))
        .arg("--sink")
        .arg(format!("files:{}?sync=none", out.display()))
        .arg("--summary")
        .arg(&summary)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("the program runs");
    assert!(status.success());
    let summary: serde_json::Value =
        serde_json::from_slice(&fs::read(summary).expect("a summary")).expect("JSON");
    assert_eq!(summary["results_out"], LINES);
    let number = |field: &str| summary[field].as_f64().expect("a number");
    let cpu = number("cpu_ns_per_event") * number("events_in") / 1e9;
    [number("wall_ms") / 1e3, cpu].map(Duration::from_secs_f64)
}

/// The file that a program reads.
fn input(kind: &str) -> &'static str {
    if kind == "csv" { "csv" } else { "lines" }
}

/// Does the work of a program by hand, in one loop, and returns its wall time and its CPU time.
fn bare(kind: &str, dir: &Path) -> [Duration; 2] {
    let now = || rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let time =
        |time: rustix::time::Timespec| Duration::new(time.tv_sec as u64, time.tv_nsec as u32);
    let (began, cpu) = (Instant::now(), now());
    if kind == "csv" {
        csv_loop(dir)
    } else {
        json_loop(dir)
    };
    [began.elapsed(), time(now()) - time(cpu)]
}

fn csv_loop(dir: &Path) {
    let mut reader = csv::Reader::from_path(dir.join("csv")).expect("the lines");
    let mut writer = csv::Writer::from_path(dir.join("bare")).expect("a file");
    for event in reader.deserialize::<Event>() {
        if let Ok(scored) = score(&event.expect("CSV")) {
            writer.serialize(scored).expect("CSV");
        }
    }
    writer.flush().expect("a file");
}

fn json_loop(dir: &Path) {
    let lines = fs::read_to_string(dir.join("lines")).expect("the lines");
    let mut out = BufWriter::new(File::create(dir.join("bare")).expect("a file"));
    for line in lines.lines() {
        let event: Event = serde_json::from_str(line).expect("JSON");
        if let Ok(scored) = score(&event) {
            serde_json::to_writer(&mut out, &scored).expect("JSON");
            out.write_all(b"\n").expect("a file");
        }
    }
    out.flush().expect("a file");
}

/// Prints the CPU time of programs relative to that of the bare loops, in turn: other programs do not count.
fn compare_cpu(dir: &Path) {
    const ROUNDS: usize = 7;
    for kind in ["typed", "csv"] {
        let mut rounds: Vec<_> = (0..ROUNDS)
            .map(|_| {
                let [bare, program] = [bare(kind, dir)[1], run(kind, dir)[1]];
                let ns = |cpu: Duration| cpu.as_nanos() as f64 / LINES as f64;
                (bare.as_secs_f64() / program.as_secs_f64(), ns(bare), ns(program))
            })
            .collect();
        rounds.sort_by(|one, other| one.0.total_cmp(&other.0));
        let (least, most) = (rounds[0].0, rounds[ROUNDS - 1].0);
        let (ratio, bare, program) = rounds[ROUNDS / 2];
        println!(
            "{kind}: CPU per record {bare:.0} ns bare, {program:.0} ns program; ratio {ratio:.2} ({least:.2} to {most:.2})"
        );
    }
}

fn main() -> ExitCode {
    if let Ok(kind) = std::env::var(PROGRAM) {
        return program(kind);
    }
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    let lines: String = (0..LINES).map(|id| line(id) + "\n").collect();
    let mut csv = csv::Writer::from_path(dir.join("csv")).expect("a file");
    for line in lines.lines() {
        csv.serialize(serde_json::from_str::<Event>(line).expect("JSON")).expect("CSV");
    }
    csv.flush().expect("a file");
    fs::write(dir.join("lines"), lines).expect("a file");
    if std::env::args().any(|arg| arg == "cpu") {
        compare_cpu(dir);
        return ExitCode::SUCCESS;
    }
    let mut criterion = Criterion::default().sample_size(10).configure_from_args();
    let mut group = criterion.benchmark_group("typed");
    group.throughput(Throughput::Elements(LINES));
    for (name, kind) in [("bare serde_json loop", "typed"), ("bare csv loop", "csv")] {
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|times| (0..times).map(|_| bare(kind, dir)[0]).sum());
        });
    }
    let programs = [
        ("program", "typed"),
        ("program of CSV", "csv"),
        ("one stage", "one"),
        ("two stages", "two"),
    ];
    for (name, kind) in programs {
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|times| (0..times).map(|_| run(kind, dir)[0]).sum());
        });
    }
    group.finish();
    criterion.final_summary();
    ExitCode::SUCCESS
}
