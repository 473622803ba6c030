//! The local Lambda in a process of its own.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::Signal;
use tempfile::NamedTempFile;

use super::{signal, within_tries};

/// `floodway lambda` in a process of its own, until it is dropped.
pub struct Lambda {
    child: Child,
    pub url: String,
    /// What it writes to standard error.
    errors: NamedTempFile,
}

impl Lambda {
    /// One with this model of the local Lambda.
    pub fn start(model: &str) -> Lambda {
        let model = ["--local-lambda", model];
        Lambda::with(if model[1].is_empty() { &[] } else { &model }, &[])
    }

    /// One that takes only requests that are signed with these variables' key.
    pub fn signed(model: &str, key: &[(&str, &str)]) -> Lambda {
        Lambda::with(&["--auth", "iam", "--local-lambda", model], key)
    }

    /// One with these options and variables.
    pub fn with(args: &[&str], variables: &[(&str, &str)]) -> Lambda {
        let mut command = Command::new(env!("CARGO_BIN_EXE_floodway"));
        command.arg("lambda").args(args).envs(variables.iter().copied());
        Lambda::of(command)
    }

    /// One with real processes of the function in `folder`.
    pub fn hosting(folder: &Path, python: &Path, model: &str) -> Lambda {
        let mut command = Command::new(env!("CARGO_BIN_EXE_floodway"));
        command.arg("lambda").arg("--function").arg(folder).args(["--local-lambda", model]);
        command.env("FLOODWAY_PYTHON", python);
        Lambda::of(command)
    }

    /// Starts a command that prints the URL. A busy machine may not start its function in the ten seconds that AWS
    /// gives: then it is started again. That it ends for any other reason fails the test.
    pub fn of(mut command: Command) -> Lambda {
        within_tries("a function that starts", || {
            let errors = NamedTempFile::new().expect("a temporary file");
            let to_file = errors.reopen().expect("the same file");
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(to_file);
            let mut child = command.spawn().expect("the command starts");
            let out = BufReader::new(child.stdout.take().expect("its output is a pipe"));
            // A test that is run as a program says so first.
            let mut lines = out.lines().map(|line| line.expect("it writes text"));
            let url = lines.find(|line| line.starts_with("http")).unwrap_or_default();
            let lambda = Lambda { child, url, errors };
            if !lambda.url.is_empty() {
                return Ok(lambda);
            }
            let errors = lambda.errors();
            assert!(errors.contains("it asked for no event within"), "it printed no URL: {errors}");
            Err(errors)
        })
    }

    /// The number of its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it wrote to standard error until now.
    pub fn errors(&self) -> String {
        fs::read_to_string(self.errors.path()).expect("it writes text")
    }

    /// Ends it with a signal, and waits for its end.
    pub fn end(mut self, how: Signal) {
        signal(&self.child, how);
        self.child.wait().expect("it can be waited for");
    }
}

impl Drop for Lambda {
    fn drop(&mut self) {
        // Asked to stop, it stops its functions' processes too.
        if let Ok(None) = self.child.try_wait() {
            signal(&self.child, Signal::TERM);
            let _ = self.child.wait();
        }
    }
}
