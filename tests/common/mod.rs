//! What the tests of the command share: each run has a directory of its own.
#![allow(dead_code)]

pub mod parts;
pub mod shown;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// A directory of one test.
pub struct Place(TempDir);

impl Place {
    pub fn new() -> Place {
        Place(tempfile::tempdir().expect("a temporary directory"))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The command, in this directory.
    pub fn floodway(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_floodway"));
        command.args(args).current_dir(self.0.path()).stdin(Stdio::null());
        command
    }

    /// Runs it to its end, which must come.
    pub fn run(&self, args: &[&str]) -> Output {
        let mut command = self.floodway(args);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().expect("the command starts");
        end_of(child, &format!("{args:?}"))
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
            String::from_utf8_lossy(&output.stderr)
        );
        self.summary()
    }

    /// Runs it well again and again until its summary satisfies `enough`. For what a policy decides by how long things
    /// take: a run on a busy machine may decide otherwise, but not all of them do.
    pub fn run_until(&self, args: &[&str], enough: impl Fn(&Value) -> bool) -> Value {
        poll(&format!("a run of {args:?} that is as it should be"), || {
            Some(self.run_well(args)).filter(|summary| enough(summary))
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
}

/// How long a test waits for what must happen. It is for what never happens: a machine may be busy with other things.
pub const LIMIT: Duration = Duration::from_secs(300);

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

/// What a process wrote to standard error.
pub fn error_of(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Two free ports, for the hosts of two processes.
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
            command.arg(&hosts).stdout(Stdio::piped()).stderr(Stdio::piped());
            command.spawn().expect("the command starts")
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

/// A local Lambda in a process of its own.
pub struct Lambda {
    child: Child,
    pub url: String,
}

impl Lambda {
    pub fn start(model: &str) -> Lambda {
        let mut command = Command::new(env!("CARGO_BIN_EXE_floodway"));
        command.arg("lambda");
        if !model.is_empty() {
            command.args(["--local-lambda", model]);
        }
        Lambda::of(command)
    }

    /// One that takes only requests that are signed with these variables' key.
    pub fn signed(model: &str, key: &[(&str, &str)]) -> Lambda {
        let mut command = Command::new(env!("CARGO_BIN_EXE_floodway"));
        command.args(["lambda", "--auth", "iam", "--local-lambda", model]);
        command.envs(key.iter().copied());
        Lambda::of(command)
    }

    /// One with more options and variables.
    pub fn with(args: &[&str], variables: &[(&str, &str)]) -> Lambda {
        let mut command = Command::new(env!("CARGO_BIN_EXE_floodway"));
        command.arg("lambda").args(args).envs(variables.iter().copied());
        Lambda::of(command)
    }

    /// The number of its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// One with real processes of the function in `folder`.
    pub fn hosting(folder: &Path, python: &Path, model: &str) -> Lambda {
        let mut command = Command::new(env!("CARGO_BIN_EXE_floodway"));
        command.arg("lambda").arg("--function").arg(folder).args(["--local-lambda", model]);
        command.env("FLOODWAY_PYTHON", python);
        Lambda::of(command)
    }

    /// Starts it. A machine may be so busy that its function does not start in AWS's ten seconds: then again.
    fn of(mut command: Command) -> Lambda {
        command.stdout(Stdio::piped()).stdin(Stdio::null());
        poll("a Lambda that starts", || {
            let mut child = command.spawn().expect("the command starts");
            let mut url = String::new();
            let out = child.stdout.take().expect("its output is a pipe");
            BufReader::new(out).read_line(&mut url).expect("the first line is the URL");
            let lambda = Lambda { child, url: url.trim().to_owned() };
            Some(lambda).filter(|lambda| !lambda.url.is_empty())
        })
    }
}

impl Drop for Lambda {
    fn drop(&mut self) {
        // Asked to stop, it stops its functions' processes too.
        let pid = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.child.wait();
    }
}
