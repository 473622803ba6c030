//! AWS's own Runtime Interface Emulator as a foreign endpoint: the functions of `functions/`, each
//! behind AWS's client for its language, answer a run.
//!
//! The emulator has one environment and takes one request at a time: at a second one it dies of a
//! nil pointer, whatever the function is, and does not come back. So these runs have one request in
//! flight, but for the one that shows that then the work comes home.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::common::{Place, output_of, parts, poll, signal};
use rustix::process::Signal;
use serde_json::Value;

/// A function behind the emulator.
struct Rie {
    child: Child,
    url: String,
    log: PathBuf,
}

impl Rie {
    /// Starts it in `folder`, with the command line of the function's runtime.
    fn start(place: &Place, folder: &Path, function: &[&str]) -> Option<Rie> {
        let emulator = parts::part("bin/aws-lambda-rie")?;
        // Both are free; between here and there nothing else is told of them.
        let addresses: Vec<SocketAddr> = [(); 2]
            .map(|()| TcpListener::bind("127.0.0.1:0").unwrap())
            .iter()
            .map(|listener| listener.local_addr().unwrap())
            .collect();
        let log = place.path("rie.log");
        let output = fs::File::create(&log).unwrap();
        let child = Command::new(emulator)
            .args(["--runtime-interface-emulator-address", &addresses[0].to_string()])
            .args(["--runtime-api-address", &addresses[1].to_string()])
            .args(function)
            .env("AWS_LAMBDA_FUNCTION_TIMEOUT", "60")
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap();
        poll("the emulator", || TcpStream::connect(addresses[0]).ok());
        let url = format!("http://{}/2015-03-31/functions/function/invocations", addresses[0]);
        Some(Rie { child, url, log })
    }

    /// What it and the function have printed.
    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }
}

/// Asked to stop, it stops its function too.
impl Drop for Rie {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            signal(&self.child, Signal::TERM);
            let _ = self.child.wait();
        }
    }
}

fn functions() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("functions")
}

/// A run of `events`, and its summary.
fn run(place: &Place, out: &str, options: &[&str]) -> Value {
    let mut all = vec!["run", "--events", "4000", "--rate", "20k", "--task", "words", "--out", out];
    all.extend(options);
    place.run_well(&all)
}

/// The output of a run with the function is that of one without it, and the function made it.
fn same_as_at_home(place: &Place, rie: &Rie) {
    let checked = place.run(&["check", "--lambda", &rie.url, "--timeout", "60s"]);
    let printed = output_of(&checked);
    assert!(checked.status.success(), "{printed}{}", rie.log());
    assert!(printed.contains(&format!("version {}", env!("CARGO_PKG_VERSION"))), "{printed}");
    run(place, "local", &["--policy", "local"]);
    let one = ["--max-in-flight", "1", "--hedge", "0", "--warm-up", "off", "--batch", "500"];
    let remote = ["--policy", "remote", "--lambda", &rie.url];
    let summary = run(place, "remote", &[&remote[..], &one].concat());
    assert_eq!(place.output("remote"), place.output("local"));
    assert!(summary["records_remote"].as_u64().unwrap() > 0, "{summary}\n{}", rie.log());
    assert_eq!(summary["events_in"], 4000);
}

/// AWS's client for Python, and the function.
fn python(place: &Place) -> Option<Rie> {
    let python = parts::python()?;
    let command =
        [python.to_str().unwrap(), "-m", "awslambdaric", "lambda_function.lambda_handler"];
    Rie::start(place, &functions().join("python"), &command)
}

#[test]
fn the_python_function_gives_the_local_output_behind_awss_emulator() {
    let place = Place::new();
    let Some(rie) = python(&place) else { return };
    same_as_at_home(&place, &rie);
}

#[test]
fn the_java_function_gives_the_local_output_behind_awss_emulator() {
    let place = Place::new();
    let folder = functions().join("java/dist");
    if !folder.join("function.jar").exists() || !folder.join("runtime").exists() {
        return parts::not_run("functions/java/dist, which functions/java/build makes");
    }
    let client = "com.amazonaws.services.lambda.runtime.api.client.AWSLambda";
    let command = ["-cp", "function.jar:runtime/*", client, "floodway.Handler::handle"];
    // The emulator looks for no program on the path.
    let java = std::env::split_paths(&std::env::var_os("PATH").unwrap())
        .map(|folder| folder.join("java"))
        .find(|java| java.exists());
    let Some(java) = java.or_else(|| parts::absent("java")) else { return };
    let command = [&[java.to_str().unwrap()], &command[..]].concat();
    let Some(rie) = Rie::start(&place, &folder, &command) else { return };
    same_as_at_home(&place, &rie);
}

#[test]
fn the_rust_function_gives_the_local_output_behind_awss_emulator() {
    let place = Place::new();
    let bootstrap = functions().join("rust/dist/bootstrap");
    if !bootstrap.exists() {
        return parts::not_run("functions/rust/dist, which functions/rust/build makes");
    }
    let folder = bootstrap.parent().unwrap();
    let Some(rie) = Rie::start(&place, folder, &[bootstrap.to_str().unwrap()]) else { return };
    same_as_at_home(&place, &rie);
}

/// Two requests at once end the emulator: all work comes home, and nothing is lost.
#[test]
fn an_emulator_that_dies_of_concurrent_requests_loses_no_record() {
    let place = Place::new();
    let Some(rie) = python(&place) else { return };
    run(&place, "local", &["--policy", "local"]);
    let many = ["--policy", "remote", "--batch", "50", "--lambda", &rie.url];
    // Whether two requests meet in the emulator is a matter of microseconds: either way nothing is lost.
    run(&place, "remote", &many);
    assert_eq!(place.output("remote"), place.output("local"));
}
