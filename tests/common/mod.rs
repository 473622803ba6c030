//! What the tests of the command share: each run has a directory of its own.
#![allow(dead_code, unused_imports)]

pub mod kills;
pub mod lambda;
pub mod parts;
pub mod shown;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use floodway::sink::Manifest;
use serde_json::Value;
use tempfile::TempDir;

pub use lambda::Lambda;

/// A directory of one test, and the program that it runs.
pub struct Place {
    folder: TempDir,
    /// Returns the program's command without arguments.
    program: Box<dyn Fn() -> Command + Send + Sync>,
}

impl Place {
    pub fn new() -> Place {
        Place::of_floodway(tempfile::tempdir().expect("a temporary directory"))
    }

    /// One in memory, where there is such a file system: nothing in it waits for a disk.
    pub fn in_memory() -> Place {
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        Place::of_floodway(folder.expect("a temporary directory"))
    }

    fn of_floodway(folder: TempDir) -> Place {
        let program = || Command::new(env!("CARGO_BIN_EXE_floodway"));
        Place { folder, program: Box::new(program) }
    }

    /// The same directory for another program with the command line of `floodway`.
    pub fn running(self, program: impl Fn() -> Command + Send + Sync + 'static) -> Place {
        Place { program: Box::new(program), ..self }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The program, in this directory.
    pub fn floodway(&self, args: &[&str]) -> Command {
        let mut command = (self.program)();
        command.args(args).current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }

    /// Starts it, with pipes for what it writes.
    pub fn start(&self, args: &[&str]) -> Child {
        start(self.floodway(args))
    }

    /// Runs it to its end, which must come.
    pub fn run(&self, args: &[&str]) -> Output {
        end_of(self.start(args), &format!("{args:?}"))
    }

    /// Checks that each case's arguments end `command` with 2, and that its error contains the case's parts.
    pub fn refuses(&self, command: &str, cases: &[(&[&str], &[&str])]) {
        let mut wrong = Vec::new();
        for (args, parts) in cases {
            let output = self.run(&[&[command], *args].concat());
            let error = error_of(&output);
            let missing: Vec<_> = parts.iter().filter(|part| !error.contains(**part)).collect();
            if output.status.code() != Some(2) || !missing.is_empty() {
                wrong.push(format!("{args:?}: {} without {missing:?}: {error}", output.status));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    /// Runs it, and it must go well; answers its summary.
    pub fn run_well(&self, args: &[&str]) -> Value {
        let mut all = vec![args[0], "--summary", "summary.json"];
        all.extend(&args[1..]);
        let output = self.run(&all);
        assert!(
            output.status.success(),
            "{all:?} ended with {}: {}",
            output.status,
            error_of(&output)
        );
        self.summary()
    }

    /// Runs it well until its summary is `enough`, a few times at most: a policy and the bridge decide by how long things
    /// take, so a run on a busy machine may decide otherwise.
    pub fn run_until(&self, args: &[&str], enough: impl Fn(&Value) -> bool) -> Value {
        within_tries(&format!("a run of {args:?}"), || {
            let summary = self.run_well(args);
            if enough(&summary) { Ok(summary) } else { Err(summary.to_string()) }
        })
    }

    pub fn summary(&self) -> Value {
        let json = fs::read(self.path("summary.json")).expect("a summary was written");
        serde_json::from_slice(&json).expect("the summary is JSON")
    }

    /// The sorted lines of a run's output.
    pub fn output(&self, dir: &str) -> Vec<u8> {
        sorted_output(&self.path(dir))
    }

    /// How many commits a run's output has, 0 if it has no manifest yet.
    pub fn commits(&self, dir: &str) -> usize {
        Manifest::read(&self.path(dir)).map_or(0, |manifest| manifest.commits.len())
    }

    /// How many lines a run's output has.
    pub fn lines(&self, dir: &str) -> usize {
        self.output(dir).iter().filter(|byte| **byte == b'\n').count()
    }
}

/// How long a test waits for what must happen. It is for what never happens: a machine may be busy with other things.
pub const LIMIT: Duration = Duration::from_secs(300);

/// Starts a command, with pipes for what it writes.
pub fn start(mut command: Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the command starts")
}

/// Waits for a process's end; one that does not end is killed, and fails the test.
pub fn end_of(child: Child, what: &str) -> Output {
    let pid = rustix::process::Pid::from_child(&child);
    let (sender, ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || sender.send(child.wait_with_output()));
    match ended.recv_timeout(LIMIT) {
        Ok(output) => output.expect("it can be waited for"),
        Err(_) => {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            panic!("{what} did not end within {LIMIT:?}");
        }
    }
}

/// Sends a signal.
pub fn signal(child: &Child, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(pid, signal).expect("the process is there");
}

/// An example's program. Cargo builds the examples with the tests, in a folder beside theirs.
pub fn example(name: &str) -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let program = tests.ancestors().nth(2).unwrap().join("examples").join(name);
    assert!(program.exists(), "{} is not built: `cargo build --examples`", program.display());
    program
}

/// What `LC_ALL=C sort DIR/part-*` prints, or `zstdcat DIR/part-* | LC_ALL=C sort`.
pub fn sorted_output(dir: &Path) -> Vec<u8> {
    let mut all = Vec::new();
    for entry in fs::read_dir(dir).expect("the output is there") {
        let entry = entry.expect("an entry");
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("part-") {
            let bytes = fs::read(entry.path()).expect("a part can be read");
            match name.ends_with(".zst") {
                true => all.extend(zstd::decode_all(&bytes[..]).expect("whole frames")),
                false => all.extend(bytes),
            }
        }
    }
    let mut lines: Vec<&[u8]> = all.split_inclusive(|byte| *byte == b'\n').collect();
    lines.sort_unstable();
    lines.concat()
}

/// The files whose names end in `.end`, in `folder` and in the folders in it.
pub fn files_in(folder: &Path, end: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.unwrap().path());
    let of = |path: PathBuf| if path.is_dir() { files_in(&path, end) } else { vec![path] };
    let has_end = |path: &PathBuf| path.extension().is_some_and(|extension| extension == end);
    entries.flat_map(of).filter(has_end).collect()
}

/// What a process wrote to standard error.
pub fn error_of(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What a process wrote to standard output.
pub fn output_of(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What a process wrote to standard output and then to standard error.
pub fn said_by(output: &Output) -> String {
    output_of(output) + &error_of(output)
}

/// A hosts file with a free port for each process.
pub fn hosts(place: &Place, processes: usize) -> PathBuf {
    let listeners: Vec<_> = (0..processes)
        .map(|_| std::net::TcpListener::bind("127.0.0.1:0").expect("a free port"))
        .collect();
    let lines: Vec<String> =
        listeners.iter().map(|listener| listener.local_addr().unwrap().to_string()).collect();
    let path = place.path("hosts");
    fs::write(&path, lines.join("\n") + "\n").expect("the hosts file");
    path
}

/// Starts all processes of a run; `args` are the same for all.
pub fn start_processes(place: &Place, processes: usize, args: &[&str]) -> Vec<Child> {
    let hosts = hosts(place, processes);
    (0..processes)
        .map(|process| {
            let mut command = place.floodway(args);
            if !args.contains(&"--") {
                command.arg("--");
            }
            command.args(["-n", &processes.to_string(), "-p", &process.to_string(), "-h"]);
            command.arg(&hosts);
            start(command)
        })
        .collect()
}

/// Polls until `done` answers something.
pub fn poll<T>(what: &str, mut done: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(value) = done() {
            return value;
        }
        assert!(began.elapsed() < LIMIT, "{what}: not within {LIMIT:?}");
        std::thread::yield_now();
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// The most runs in which a test looks for an effect that a busy machine can prevent.
const TRIES: usize = 10;

/// Calls `attempt` until it returns `Ok`, at most [`TRIES`] times, and returns its last result. What must hold of every
/// attempt is asserted inside it, or is returned as `Ok`.
pub fn tried<T>(what: &str, mut attempt: impl FnMut() -> Result<T, String>) -> Result<T, String> {
    for _ in 1..TRIES {
        match attempt() {
            Ok(value) => return Ok(value),
            Err(instead) => eprintln!("{what}: again, as it was: {instead}"),
        }
    }
    attempt()
}

/// Calls `each` for all items, several at a time: a run that is paced sleeps most of the time.
pub fn for_all<T: Sync>(items: &[T], each: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    let threads = 3 * thread::available_parallelism().map_or(2, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, SeqCst)) {
                    each(item);
                }
            });
        }
    });
}

/// The value of the first attempt that returns `Ok`. If there is none among [`TRIES`], the test fails.
pub fn within_tries<T>(what: &str, attempt: impl FnMut() -> Result<T, String>) -> T {
    tried(what, attempt).unwrap_or_else(|instead| {
        panic!("{what}: not in {TRIES} tries, and the last was: {instead}")
    })
}
