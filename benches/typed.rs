//! Programs of one's own: JSON lines, a closure, JSON lines, beside a bare loop with serde_json over the same lines; and
//! what a second stage costs that passes records on.
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
            let lengths = job.parse(lines, |line| Ok(line.len() as u64));
            let mut numbers = job.burst("first", lengths, |n: &u64| Ok(n + 1));
            if kind == "two" {
                numbers = job.burst("second", numbers, |n: &u64| Ok(*n));
            }
            Ok(job.json_lines(numbers))
        })
        .main()
}

/// Runs the program with one worker, and returns its wall time.
fn run(kind: &str, dir: &Path) -> Duration {
    let (summary, out) = (dir.join("summary.json"), dir.join("out"));
    let status = Command::new(std::env::current_exe().expect("its own file"))
        .env(PROGRAM, kind)
        .args(["run", "--overwrite", "--source"])
        .arg(format!("lines:{}", dir.join("lines").display()))
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
    Duration::from_secs_f64(summary["wall_ms"].as_f64().expect("a number") / 1e3)
}

/// The same work by hand, in one loop.
fn bare(dir: &Path) -> Duration {
    let began = Instant::now();
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
    began.elapsed()
}

fn main() -> ExitCode {
    if let Ok(kind) = std::env::var(PROGRAM) {
        return program(kind);
    }
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    let lines: String = (0..LINES).map(|id| line(id) + "\n").collect();
    fs::write(dir.join("lines"), lines).expect("a file");
    let mut criterion = Criterion::default().sample_size(10).configure_from_args();
    let mut group = criterion.benchmark_group("typed");
    group.throughput(Throughput::Elements(LINES));
    group.bench_function("bare serde_json loop", |bencher| {
        bencher.iter_custom(|times| (0..times).map(|_| bare(dir)).sum());
    });
    for (name, kind) in [("program", "typed"), ("one stage", "one"), ("two stages", "two")] {
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|times| (0..times).map(|_| run(kind, dir)).sum());
        });
    }
    group.finish();
    criterion.final_summary();
    ExitCode::SUCCESS
}
