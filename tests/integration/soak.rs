//! A run that lasts: its memory, its files and its threads stay what they were, and its output is
//! complete.
//!
//! The command is a paced run with a burst every ten seconds, a local Lambda that fails and throttles,
//! bad records, files, dead letters and a state. It is looked at every second from outside.
//!
//!     FLOODWAY_SOAK=30m cargo test --release --test integration -- --ignored --nocapture soak
//!
//! A few seconds of it are a test like all others; in those only what needs no time is asserted.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::common::{Place, end_of};
use floodway::batch::Batch;
use floodway::task::{self, Task as _};
use floodway::units::parse_duration;
use serde_json::Value;

/// What the events are.
const EVENTS: [&str; 10] =
    ["--rate", "4k", "--shape", "spike", "--peak-rate", "40k", "--period", "10s", "--seed", "11"];

/// What is done with them.
const RUN: [&str; 16] = [
    "--max-record",
    "200",
    "--work",
    "20us",
    "--policy",
    "spill",
    "--threshold",
    "10k",
    "--local-lambda",
    "network=5ms,cold_start=50ms,failure_rate=0.05,throttle_rate=0.05",
    "--out",
    "out",
    "--state",
    "state",
    "--dead-letter",
    "dead.jsonl",
];

const MOST_BYTES: usize = 200;

#[test]
fn a_short_soak_keeps_its_output_and_its_bounds() {
    let soak = Soak::run(Duration::from_secs(8));
    soak.is_complete();
    let most = soak.samples.iter().map(|sample| sample.resident).max();
    assert!(most.unwrap() < 512 << 20, "{most:?} bytes in memory");
}

#[test]
#[ignore = "lasts for minutes: FLOODWAY_SOAK says how long, 5m if it does not"]
fn soak() {
    let duration = std::env::var("FLOODWAY_SOAK").unwrap_or_else(|_| "5m".to_owned());
    let duration = parse_duration(&duration).expect("FLOODWAY_SOAK is a duration, such as 30m");
    let soak = Soak::run(duration);
    soak.print();
    soak.is_complete();
    // All faults happened. In a short run, whose one burst may be lucky, they may not.
    let faults = ["failed", "throttled", "records_home"].map(|field| soak.count(field));
    assert!(faults.iter().all(|count| *count > 0), "{}", soak.summary);
    soak.is_flat();
}

/// What the system says of a process.
#[derive(Clone, Copy, Debug, Default)]
struct Sample {
    at: Duration,
    /// Bytes of its memory that are there.
    resident: u64,
    files: u64,
    threads: u64,
}

impl Sample {
    /// None if the process has ended.
    fn of(child: &Child, at: Duration) -> Option<Sample> {
        let proc = format!("/proc/{}", child.id());
        let status = fs::read_to_string(format!("{proc}/status")).ok()?;
        let number = |field: &str| -> Option<u64> {
            let line = status.lines().find_map(|line| line.strip_prefix(field))?;
            line.split_whitespace().next()?.parse().ok()
        };
        let files = fs::read_dir(format!("{proc}/fd")).ok()?.count() as u64;
        let (resident, threads) = (number("VmRSS:")? * 1024, number("Threads:")?);
        Some(Sample { at, resident, files, threads })
    }

    fn largest<'s>(samples: impl IntoIterator<Item = &'s Sample>) -> Sample {
        samples.into_iter().fold(Sample::default(), |most, one| Sample {
            at: one.at,
            resident: most.resident.max(one.resident),
            files: most.files.max(one.files),
            threads: most.threads.max(one.threads),
        })
    }
}

/// A run that has ended well.
struct Soak {
    place: Place,
    duration: Duration,
    samples: Vec<Sample>,
    summary: Value,
}

impl Soak {
    fn run(duration: Duration) -> Soak {
        let place = Place::new();
        let length = format!("{}ms", duration.as_millis());
        let first = ["run", "--summary", "summary.json", "--duration", &length];
        let args = [&first[..], &EVENTS, &RUN, &["--", "-w", "2"]].concat();
        println!("floodway {}", args.join(" "));
        let mut command = place.floodway(&args);
        let log = File::create(place.path("log")).unwrap();
        let mut child = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let (began, mut samples) = (Instant::now(), Vec::new());
        while child.try_wait().unwrap().is_none() && began.elapsed() < duration {
            samples.extend(Sample::of(&child, began.elapsed()));
            std::thread::park_timeout(Duration::from_secs(1));
        }
        let output = end_of(child, "the run");
        let log = fs::read_to_string(place.path("log")).unwrap();
        assert!(output.status.success(), "the run ended with {}: {log}", output.status);
        let summary = place.summary();
        Soak { place, duration, samples, summary }
    }

    fn count(&self, field: &str) -> u64 {
        self.summary[field].as_u64().unwrap()
    }

    /// The largest figures of each minute.
    fn print(&self) {
        println!("minute  resident MiB  files  threads");
        for (minute, samples) in self.samples.chunk_by(|a, b| minute(a) == minute(b)).enumerate() {
            let Sample { resident, files, threads, .. } = Sample::largest(samples);
            let resident = resident as f64 / f64::from(1 << 20);
            println!("{minute:6}  {resident:12.1}  {files:5}  {threads:7}");
        }
        for field in
            ["events_in", "records_remote", "records_home", "records_bad", "failed", "throttled"]
        {
            println!("{field:14}  {}", self.count(field));
        }
        println!("latency_ms      {}", self.summary["latency_ms"]);
    }

    /// The last half has no more of anything than the first minutes had, once all was warm.
    fn is_flat(&self) {
        let first_minutes = (self.duration * 2 / 5).min(Duration::from_secs(300));
        let first = Sample::largest(self.samples.iter().filter(|one| one.at < first_minutes));
        let last = Sample::largest(self.samples.iter().filter(|one| one.at > self.duration / 2));
        let allowed = first.resident + (first.resident / 20).max(8 << 20);
        assert!(last.resident <= allowed, "memory grows: {first:?}, then {last:?}");
        // Connections and environments are as many as a burst has use for, and none is like another.
        assert!(last.files <= first.files + first.files / 4 + 8, "{first:?}, then {last:?}");
        assert!(last.threads <= first.threads + first.threads / 4 + 4, "{first:?}, then {last:?}");
    }

    /// Every event has its line, or its dead letter, once; and the summary says so.
    fn is_complete(&self) {
        let expected = self.expected();
        let mut written = Lines::default();
        for entry in fs::read_dir(self.place.path("out")).unwrap() {
            let path = entry.unwrap().path();
            if path.file_name().unwrap().to_string_lossy().starts_with("part-") {
                let lines = BufReader::new(File::open(path).unwrap());
                lines.lines().for_each(|line| written.add(line.unwrap().as_bytes()));
            }
        }
        assert!(written.count > 0 && written == expected.lines, "{written:?}, not {expected:?}");
        let letters = fs::read_to_string(self.place.path("dead.jsonl")).unwrap();
        assert_eq!(letters.lines().count() as u64, expected.bad);
        let found = ["results_out", "records_bad", "events_in"].map(|field| self.count(field));
        assert_eq!(found, [written.count, expected.bad, written.count + expected.bad]);
        // It was a run worth the name.
        assert!(self.count("records_remote") > 0 && expected.bad > 0, "{}", self.summary);
    }

    /// The same by another way: `generate`, and the task on each of its lines.
    fn expected(&self) -> Expected {
        let length = format!("{}ms", self.duration.as_millis());
        let args = [&["generate", "--duration", &length][..], &EVENTS].concat();
        let mut child = self.place.floodway(&args).stdout(Stdio::piped()).spawn().unwrap();
        let task = task::text("words", Duration::ZERO).unwrap();
        let mut expected = Expected::default();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        for (number, line) in lines.enumerate() {
            let line = line.unwrap();
            if line.len() > MOST_BYTES {
                expected.bad += 1;
                continue;
            }
            let input: Batch = [line.as_str()].into_iter().collect();
            let (mut out, mut bad) = (Batch::default(), Vec::new());
            task.compute(&input, 0..1, &mut out, &mut bad);
            let line = [number.to_string().as_bytes(), b"\t", out.strings.get(0)].concat();
            expected.lines.add(&line);
        }
        assert!(child.wait().unwrap().success());
        expected
    }
}

fn minute(sample: &Sample) -> u64 {
    sample.at.as_secs() / 60
}

#[derive(Debug, Default)]
struct Expected {
    lines: Lines,
    bad: u64,
}

/// Lines in any order, each once: how many, and sums over them.
#[derive(Debug, Default, PartialEq, Eq)]
struct Lines {
    count: u64,
    sum: u64,
    squares: u64,
}

impl Lines {
    fn add(&mut self, line: &[u8]) {
        // FNV-1a, and its avalanche: a line that is there twice in another's place is seen in both.
        let hash = line.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        let hash = (hash ^ hash >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.count += 1;
        self.sum = self.sum.wrapping_add(hash);
        self.squares = self.squares.wrapping_add(hash.wrapping_mul(hash));
    }
}
