//! A feature in a scenario: its place, its commands, and what must hold of what they leave.

use std::fs::{self, File};
use std::io::Write as _;
use std::process::{Child, Output as Ended};
use std::sync::Mutex;

use rand::SeedableRng as _;
use rand::rngs::SmallRng;
use serde_json::Value;

use super::feature::{Feature, Output};
use super::sink::Sink;
use crate::common::kills::Way;
use crate::common::{Place, end_of, error_of, poll, start, start_processes};

/// What a run has made.
pub struct Made {
    /// The sorted lines of the output.
    pub lines: Vec<u8>,
    /// The sorted lines of the dead letters.
    dead: Vec<String>,
}

pub struct Pair<'a> {
    pub feature: &'a Feature,
    pub expected: &'a Made,
    pub place: Place,
    /// Where its runs put the output.
    pub sink: Box<dyn Sink>,
    pub random: SmallRng,
    /// The command that was started last.
    command: &'a Mutex<String>,
}

/// A function that fails and throttles.
pub const FAILING: &str = "network=2ms,cold_start=5ms,failure_rate=0.1,throttle_rate=0.02,seed=3";
/// How requests to it are made.
const REQUESTS: [&str; 6] = ["--attempts", "2", "--timeout", "300ms", "--linger", "2ms"];

/// The number of lines of text that the sources of lines read.
const LINES: u32 = 3_000;

/// What the plain local run makes.
pub fn local(output: &Output) -> Made {
    let place = place(output);
    let files = output.files("out");
    let sink = files.value();
    let args = [&["run"], &output.options[..], &["--policy", "local", "--sink", &sink]].concat();
    let ended = end_of(start_reading(&place, output, &args), "the local run");
    assert!(ended.status.success(), "{args:?}: {}", error_of(&ended));
    let made = Made { lines: files.lines(&place), dead: dead_letters(&place) };
    assert_eq!(made.dead.is_empty(), !output.has_dead_letters());
    made
}

/// A place with the input's files, in memory: a kill loses no written byte, and nothing waits for a disk.
pub fn place(output: &Output) -> Place {
    let place = Place::in_memory();
    if output.reads_lines() {
        fs::create_dir(place.path("logs")).unwrap();
        let lines = |from: u32, to| (from..to).map(line).collect::<Vec<_>>().concat();
        let write = |name: &str, bytes: &[u8]| {
            fs::write(place.path("logs").join(name), bytes).unwrap();
        };
        let third = LINES / 3;
        write("a.log", &lines(0, third));
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), Default::default());
        gzip.write_all(&lines(third, 2 * third)).unwrap();
        write("b.log.gz", &gzip.finish().unwrap());
        write("c.log.zst", &zstd::encode_all(&*lines(2 * third, LINES), 1).unwrap());
        write("stdin", &lines(0, LINES));
        fs::rename(place.path("logs/stdin"), place.path("stdin")).unwrap();
    }
    place
}

/// A line of text, and now and then one that is none.
fn line(number: u32) -> Vec<u8> {
    match number % 100 {
        99 => format!("{number} \u{e9}t\u{e9} \u{4e16}\u{754c}\r\n").into_bytes(),
        50 => [number.to_string().as_bytes(), b" \xc3\n"].concat(),
        _ => format!("{number} of some words, {:x} among them\n", number.wrapping_mul(0x9e37_79b1))
            .into_bytes(),
    }
}

/// The sorted lines of the dead letters.
fn dead_letters(place: &Place) -> Vec<String> {
    let text = fs::read_to_string(place.path("dead.jsonl")).unwrap_or_default();
    let mut dead: Vec<String> = text.lines().map(str::to_owned).collect();
    dead.sort_unstable();
    dead
}

/// Starts one process, which reads its input.
fn start_reading(place: &Place, output: &Output, args: &[&str]) -> Child {
    let mut command = place.floodway(args);
    if output.reads_stdin() {
        command.stdin(File::open(place.path("stdin")).unwrap());
    }
    start(command)
}

impl<'a> Pair<'a> {
    pub fn new(
        feature: &'a Feature,
        expected: &'a Made,
        seed: u64,
        command: &'a Mutex<String>,
    ) -> Pair<'a> {
        let (place, sink) = (place(&feature.output), feature.make_sink());
        Pair { feature, expected, place, sink, random: SmallRng::seed_from_u64(seed), command }
    }

    /// The command, with this destination, and this function as the remote side.
    pub fn args_with(&self, sink: &dyn Sink, function: &[&str]) -> Vec<String> {
        let Feature { output, options, policy, .. } = self.feature;
        let sink = sink.value();
        let mut args = vec!["run", "--sink", &sink, "--commit-every", "20ms"];
        args.extend(["--summary", "summary.json"]);
        args.extend(&output.options);
        args.extend(options);
        if policy.needs_remote() {
            args.extend(REQUESTS);
            args.extend(function);
        }
        if self.feature.resumes() {
            args.extend(["--state", "state"]);
        }
        let args: Vec<_> = args.into_iter().map(str::to_owned).collect();
        *self.command.lock().unwrap() = format!("floodway {}", args.join(" "));
        args
    }

    /// The command, with a function that fails and throttles.
    pub fn args(&self) -> Vec<String> {
        self.args_with(&*self.sink, &["--local-lambda", FAILING])
    }

    /// Starts all processes of a run.
    pub fn start(&self, args: &[String], way: &Way) -> Vec<Child> {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let args = [&args[..], &["--", "-w", way.workers]].concat();
        match way.processes {
            1 => vec![start_reading(&self.place, &self.feature.output, &args)],
            several => start_processes(&self.place, several, &args),
        }
    }

    /// Runs the command to its end, which must be a good one, and compares the output.
    pub fn run(&self, args: &[String], way: &Way) {
        self.ends(self.start(args, way));
    }

    /// Waits for a good end, and compares the output.
    pub fn ends(&self, processes: Vec<Child>) {
        for child in processes {
            self.is_well(&end_of(child, "a process"));
        }
        self.is_complete();
    }

    /// Checks that it ended with 0.
    pub fn is_well(&self, ended: &Ended) {
        assert!(ended.status.success(), "it ended with {}: {}", ended.status, error_of(ended));
    }

    /// Checks that the output and the dead letters are those of the local run.
    pub fn is_complete(&self) {
        self.sink.is_complete(&self.place, &self.expected.lines);
        let dead = dead_letters(&self.place);
        assert!(dead == self.expected.dead, "other dead letters than those of the local run");
    }

    /// Checks that the same command has nothing left to do.
    pub fn has_nothing_to_do(&self, args: &[String], way: &Way) {
        self.run(args, way);
        assert_eq!(self.summary()["results_out"], 0, "it was complete");
    }

    /// Checks that what is committed is a part of the expected output, with no line twice. Returns whether it is not all
    /// of it.
    pub fn is_part(&self) -> bool {
        self.is_part_in(&*self.sink)
    }

    /// Checks the same of another destination.
    pub fn is_part_in(&self, sink: &dyn Sink) -> bool {
        let text = sink.lines(&self.place);
        let mut expected = self.expected.lines.split_inclusive(|byte| *byte == b'\n');
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            let shown = String::from_utf8_lossy(line);
            assert!(expected.any(|other| other == line), "not expected: {shown}");
        }
        text.len() < self.expected.lines.len()
    }

    /// Waits until a run has committed some of the input, or has ended.
    pub fn wait_for_commits(&self, processes: &mut [Child]) {
        poll("a commit", || {
            let is_over = processes.iter_mut().any(|child| child.try_wait().unwrap().is_some());
            (self.place.commits(self.sink.commits()) >= 2 || is_over).then_some(())
        });
    }

    /// The summary of the last run, if it wrote one.
    pub fn summary(&self) -> Value {
        let json = fs::read(self.place.path("summary.json")).unwrap_or_default();
        serde_json::from_slice(&json).unwrap_or_default()
    }
}
