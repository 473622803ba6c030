//! The fault matrix: whatever the remote side does, under every policy, the output is the one of
//! `local`, the run ends well and by itself, its summary says what happened, and no worker waits.

use std::io::{Read as _, Write as _};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::common::{Lambda, Place, end_of, error_of, is_busy, within_tries};
use crate::fault_server::{On, Server, Weather};
use floodway::policy::{POLICIES, Sends, Spec};
use serde_json::Value;

/// 5,000 events per second in the first half of each 0.2 s, 25,000 in the second: above the threshold below for so long that a late start does not hide it from a policy.
const EVENTS: [&str; 11] = [
    "run",
    "--rate",
    "5k",
    "--shape",
    "square",
    "--peak-rate",
    "25k",
    "--period",
    "200ms",
    "--seed",
    "11",
];

/// Events of a run: 0.4 s, and 0.8 s for a remote side that gets well, which takes a while to be
/// noticed.
const SHORT: u64 = 6_000;
const LONG: u64 = 12_000;

const OUTPUT: [&str; 6] = ["--out", "out", "--epoch", "50ms", "--commit-every", "100ms"];

/// The options of each policy that sends some of [`EVENTS`], whatever the remote side is like.
fn policies() -> impl Iterator<Item = (&'static str, Vec<&'static str>)> {
    let options = |policy: &Spec| -> Option<&[&str]> {
        match policy.sends {
            Sends::Always => Some(&[]),
            Sends::AboveThreshold => Some(&["--threshold", "10k"]),
            // It measures the remote side first, and sends nothing to one that is not well.
            Sends::Nothing | Sends::Late => None,
        }
    };
    let with = move |policy: &&'static Spec| {
        Some((policy.name, [&["--policy", policy.name], options(policy)?].concat()))
    };
    POLICIES.iter().filter_map(with)
}

/// CPU time that a worker's step may take.
const LONGEST_STEP: Duration = Duration::from_millis(10);

/// How often a cell is run until it shows what it is there for.
const TRIES: usize = 3;
/// The same on a busy machine.
const TRIES_IF_BUSY: usize = 20;

/// What becomes of records that are sent in a weather.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    /// All are done remotely, except those that the answer itself sends home.
    Done,
    /// Some are.
    Mixed,
    /// None is.
    Home,
}

const WEATHERS: [(&str, Weather, Fate); 35] = [
    ("fair", Weather::Fair, Fate::Done),
    ("ids in another order", Weather::OtherOrder, Fate::Done),
    ("errors for some ids", Weather::Errors, Fate::Done),
    ("429", Weather::Status(429), Fate::Home),
    ("429, Retry-After: 0", Weather::RetryAfter(0), Fate::Home),
    ("429, Retry-After: 1", Weather::RetryAfter(1), Fate::Home),
    ("500", Weather::Status(500), Fate::Home),
    ("502", Weather::Status(502), Fate::Home),
    ("503", Weather::Status(503), Fate::Home),
    ("504", Weather::Status(504), Fate::Home),
    ("413", Weather::Status(413), Fate::Home),
    ("403", Weather::Status(403), Fate::Home),
    ("nothing listens", Weather::Absent, Fate::Home),
    ("reset before the answer", Weather::Reset, Fate::Home),
    ("reset in the answer", Weather::ResetInAnswer, Fate::Home),
    ("hangs", Weather::Hang, Fate::Home),
    ("trickles", Weather::Trickle, Fate::Home),
    ("truncated JSON", Weather::Truncated, Fate::Home),
    ("an empty body", Weather::Empty, Fate::Home),
    ("HTML", Weather::Html, Fate::Home),
    ("another version", Weather::OtherVersion, Fate::Home),
    ("another task", Weather::OtherTask, Fate::Home),
    ("an unknown id", Weather::UnknownId, Fate::Home),
    ("an id is missing", Weather::Missing, Fate::Home),
    ("an id twice", Weather::Doubled, Fate::Home),
    ("a result too many", Weather::TooMany, Fate::Home),
    ("a result of two lines", Weather::LineBreak("\n"), Fate::Home),
    ("a carriage return in one", Weather::LineBreak("\r"), Fate::Home),
    ("function error, handled", Weather::FunctionError("Handled"), Fate::Home),
    ("function error, unhandled", Weather::FunctionError("Unhandled"), Fate::Home),
    ("redirect", Weather::Redirect, Fate::Home),
    ("7 MB", Weather::Huge, Fate::Home),
    ("well, then gone", Weather::GoneAfter(3), Fate::Mixed),
    ("reset, then well", Weather::FairAfter(1), Fate::Mixed),
    ("resets, then well", Weather::FairAfter(6), Fate::Mixed),
];

/// One run of the matrix.
struct Cell {
    name: String,
    weather: Weather,
    on: On,
    fate: Fate,
    events: u64,
    policy: Vec<&'static str>,
    workers: usize,
}

fn cells() -> Vec<Cell> {
    let mut cells = Vec::new();
    for (weather_name, weather, fate) in WEATHERS {
        let events = if matches!(weather, Weather::FairAfter(_)) { LONG } else { SHORT };
        for (on_name, on) in [("all", On::All), ("records", On::Records)] {
            if !comes(weather, on) {
                continue;
            }
            for (policy_name, policy) in policies() {
                for workers in [1, 2] {
                    let name =
                        format!("{weather_name:<25} {on_name:<7} {policy_name:<9} {workers}");
                    let policy = policy.clone();
                    cells.push(Cell { name, weather, on, fate, events, policy, workers });
                }
            }
        }
    }
    cells
}

/// Whether a weather is worth a run on these requests. On all of them it meets the bridge's probes
/// first, and hardly a record may be sent; so it comes again on those with records alone.
fn comes(weather: Weather, on: On) -> bool {
    match weather {
        // An empty request, or none, is no different in these.
        Weather::Fair
        | Weather::OtherOrder
        | Weather::Errors
        | Weather::Absent
        | Weather::LineBreak(_)
        | Weather::GoneAfter(_) => on == On::All,
        // A probe comes so seldom that several of them would outlast the run.
        Weather::FairAfter(resets) => (on == On::Records) == (resets > 1),
        _ => true,
    }
}

/// The sorted output of `local`.
fn expected(events: u64) -> Vec<u8> {
    let place = Place::new();
    let count = events.to_string();
    let mut args = EVENTS.to_vec();
    args.extend(OUTPUT);
    args.extend(["--events", &count, "--policy", "local"]);
    let summary = place.run_well(&args);
    assert_eq!(summary["results_out"], events, "{summary}");
    place.output("out")
}

/// What a run of a cell left behind.
struct Run {
    /// What must hold of every run, and does not.
    wrong: Vec<String>,
    /// What a cell is there to show, and this run does not: on a busy machine records may be done locally, since a fair
    /// answer is late or a worker is at it first.
    unseen: Vec<String>,
    summary: Value,
    stderr: String,
    /// The longest step of each worker.
    steps: Vec<Duration>,
    took: Duration,
}

impl Run {
    fn longest_step(&self) -> Duration {
        self.steps.iter().max().copied().unwrap_or_default()
    }
}

impl Cell {
    /// Runs it; answers its row of the table, or what is wrong with it.
    fn run(&self, expected: &[u8]) -> Result<String, String> {
        let mut run = self.run_once(expected);
        for tries in 1..TRIES_IF_BUSY {
            let is_enough = tries >= TRIES && !is_busy();
            if !run.wrong.is_empty() || run.unseen.is_empty() || is_enough {
                break;
            }
            println!("again, as {}: {}", run.unseen.join(", "), self.name);
            run = self.run_once(expected);
        }
        run.wrong.append(&mut run.unseen);
        if run.wrong.is_empty() {
            Ok(self.row(&run))
        } else {
            let wrong = run.wrong.join("\n  ");
            Err(format!("{}\n  {wrong}\n  {}\n{}", self.name, run.summary, run.stderr))
        }
    }

    fn run_once(&self, expected: &[u8]) -> Run {
        let server = Server::start(self.weather, self.on);
        let place = Place::new();
        let (events, workers) = (self.events.to_string(), self.workers.to_string());
        let began = Instant::now();
        let mut args = EVENTS.to_vec();
        args.extend(["--events", &events]);
        args.extend(OUTPUT);
        args.extend(&self.policy);
        args.extend(["--lambda", &server.url, "--attempts", "2", "--linger", "2ms"]);
        args.extend(["--timeout", if self.is_slow() { "300ms" } else { "5s" }]);
        args.extend(["--summary", "summary.json", "--log", "warn,floodway::steps=debug"]);
        args.extend(["--", "-w", &workers]);
        let mut command = place.floodway(&args);
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        let output = end_of(command.spawn().expect("the command starts"), &self.name);

        let took = began.elapsed();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        let (mut wrong, mut unseen) = (Vec::new(), Vec::new());
        let mut summary = Value::Null;
        // Whoever refuses everything is not set up right: all is done, and said.
        let refused = format!("{} refused all that was sent to it", server.url);
        let is_refusal = stderr.contains(&refused) && output.status.code() == Some(1);
        if self.refuses() != is_refusal {
            wrong.push(format!("it is a refusal: {is_refusal}"));
        }
        if output.status.success() || is_refusal {
            summary = place.summary();
            if place.output("out") != expected {
                wrong.push("the output is not that of local".to_owned());
            }
            self.check(&summary, &server, &mut wrong);
            self.check_seen(&summary, &mut unseen);
        } else {
            wrong.push(format!("it ended with {}", output.status));
        }
        let steps = steps(&stderr);
        if steps.len() != self.workers {
            wrong.push("not every worker logged its longest step".to_owned());
        }
        // What a hypervisor takes away counts as the thread's own time: on a busy machine a thread that did nothing but
        // read its clock saw it jump by 6 ms. What the worker itself does it does again.
        if steps.iter().any(|step| *step > LONGEST_STEP) {
            unseen.push(format!("a step of more than {LONGEST_STEP:?}: {steps:?}"));
        }
        Run { wrong, unseen, summary, stderr, steps, took }
    }

    /// Whether the counters say what happened. Never how many requests it took, nor how large
    /// they were: that is the bridge's to decide, and so is when to stop trying and keep the work
    /// at home.
    fn check(&self, summary: &Value, server: &Server, wrong: &mut Vec<String>) {
        let count = |field: &str| summary[field].as_u64().unwrap_or(u64::MAX);
        let (local, remote) = (count("records_local"), count("records_remote"));
        let (home, failed) = (count("records_home"), count("failed"));
        let mut expect = |holds: bool, what: &str| {
            if !holds {
                wrong.push(what.to_owned());
            }
        };
        expect(count("events_in") == self.events, "events_in is not what came in");
        expect(count("results_out") == self.events, "results_out is not what came in");
        let ways = local.saturating_add(remote).saturating_add(home);
        expect(ways == self.events && count("records_bad") == 0, "records are not done once each");
        expect(summary["stopped"] == "done", "it was stopped");
        let answered = server.answered() as u64;
        expect(remote <= answered, "records were taken from answers that are none");
        match self.fate {
            Fate::Done | Fate::Mixed => {}
            Fate::Home => {
                expect(remote == 0, "something was done remotely");
                // Records come home with their request, or because no more requests are made; or
                // a worker was done with them before their request had failed, where that takes
                // more than one answer.
                let at_once = matches!(
                    self.weather,
                    Weather::Status(403 | 413) | Weather::Redirect | Weather::Huge
                );
                let failed = failed > 0 || count("breaker_opened") > 0 || !at_once;
                expect(home == 0 || failed, "records came home, but no request did");
            }
        }
        expect(count("throttled") == 0 || self.throttles(), "throttled");
        expect(self.weather == Weather::Absent || server.requests() > 0, "no request arrived");
        expect(server.followed() == 0, "the redirect was followed");
        if let Some(request) = server.misunderstood() {
            expect(false, &request);
        }
    }

    /// Whether the run met what the cell is about.
    fn check_seen(&self, summary: &Value, unseen: &mut Vec<String>) {
        let count = |field: &str| summary[field].as_u64().unwrap_or(u64::MAX);
        let (remote, home) = (count("records_remote"), count("records_home"));
        let mut expect = |holds: bool, what: &str| {
            if !holds {
                unseen.push(what.to_owned());
            }
        };
        let asked = if self.on == On::All { count("probes") } else { 0 };
        expect(count("attempts") + asked > 0, "nothing was sent");
        expect(self.fate == Fate::Home || remote > 0, "nothing was done remotely");
        expect(self.fate != Fate::Done || count("failed") == 0, "answered requests came home");
        expect(count("throttled") > 0 || !self.throttles(), "nothing was throttled");
        if self.weather == Weather::Errors {
            expect(home > 0, "what the function refused did not come home");
            // One of five or so is refused, and no other comes home.
            expect(home < remote, "more came home than was refused");
        }
    }

    /// Whether requests are answered with 429.
    fn throttles(&self) -> bool {
        matches!(self.weather, Weather::Status(429) | Weather::RetryAfter(_))
    }

    /// Whether every request is refused for a reason that another would not change.
    fn refuses(&self) -> bool {
        self.on == On::All && matches!(self.weather, Weather::Status(403) | Weather::Redirect)
    }

    /// Whether only the time-out ends an attempt.
    fn is_slow(&self) -> bool {
        matches!(self.weather, Weather::Hang | Weather::Trickle)
    }

    fn row(&self, run: &Run) -> String {
        let mut row = self.name.clone();
        for (field, width) in COLUMNS {
            row += &format!(" {:>width$}", run.summary[field].to_string());
        }
        let step_ms = run.longest_step().as_secs_f64() * 1e3;
        row + &format!(" {step_ms:>7.1} {:>6.2}", run.took.as_secs_f64())
    }
}

const COLUMNS: [(&str, usize); 8] = [
    ("records_remote", 6),
    ("records_home", 6),
    ("records_local", 6),
    ("attempts", 8),
    ("probes", 6),
    ("throttled", 9),
    ("failed", 6),
    ("breaker_opened", 6),
];

/// The longest step of each worker, as the log says.
fn steps(log: &str) -> Vec<Duration> {
    let after = log.split("longest_step_us=").skip(1);
    let number = |text: &str| text.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok();
    after.filter_map(number).map(Duration::from_micros).collect()
}

#[test]
fn under_any_remote_fault_the_output_is_that_of_local() {
    let began = Instant::now();
    let (short, long) = (expected(SHORT), expected(LONG));
    let mut cells = cells();
    // Some cells alone, by a part of their names.
    if let Ok(only) = std::env::var("FLOODWAY_FAULTS") {
        cells.retain(|cell| cell.name.contains(&only));
    }
    let next = Mutex::new(cells.iter().enumerate());
    let rows = Mutex::new(Vec::new());
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let Some((number, cell)) = next.lock().unwrap().next() else { return };
                    let expected = if cell.events == SHORT { &short } else { &long };
                    match cell.run(expected) {
                        Ok(row) => rows.lock().unwrap().push((number, row)),
                        Err(failure) => failures.lock().unwrap().push(failure),
                    }
                }
            });
        }
    });
    let mut rows = rows.into_inner().unwrap();
    rows.sort_unstable();
    println!(
        "{:<25} on      policy    w remote   home  local attempts probes throttled failed opened \
         step_ms   wall",
        "weather"
    );
    for (_, row) in rows {
        println!("{row}");
    }
    println!("{} runs in {:.0?}", cells.len(), began.elapsed());
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{} failed:\n\n{}", failures.len(), failures.join("\n\n"));
}

#[test]
fn the_breaker_opens_for_a_function_that_answers_only_probes() {
    let server = Server::start(Weather::Hang, On::Records);
    let place = Place::new();
    let mut args = vec!["run", "--rate", "20k", "--duration", "3s", "--out", "out", "--overwrite"];
    args.extend(["--policy", "remote", "--lambda", &server.url]);
    place.run_until(&args, |summary| summary["breaker_opened"].as_u64() > Some(0));
}

/// The baseline: against a healthy endpoint everything is done remotely, however fast it comes, through however
/// narrow a way. What there is no room for waits, and counts as backlog.
#[test]
fn the_policy_remote_does_everything_remotely() {
    const KEY: [(&str, &str); 3] = [
        ("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "a-secret-of-the-test"),
        ("AWS_REGION", "eu-north-1"),
    ];
    let place = Place::new();
    let input: String = (0..20_000).map(|line| format!("line number {line} of some\n")).collect();
    std::fs::write(place.path("in.txt"), input).unwrap();
    let lines: &[&str] = &["--source", "lines:in.txt"];
    let nexmark: &[&str] = &["--events", "20k", "--rate", "max"];
    let paced: &[&str] = &["--events", "20k", "--rate", "40k"];
    // A quota that is below what is in flight to begin with, and cold starts as long as Java's.
    for (source, model, more, workers) in [
        (lines, "network=5ms", &[][..], "1"),
        (nexmark, "network=5ms", &[], "2"),
        (lines, "network=5ms", &["--max-in-flight", "1"], "2"),
        (lines, "network=5ms,concurrency=4,cold_start=2s", &[], "1"),
        (paced, "network=5ms", &["--batch", "100"], "2"),
        (lines, "network=5ms", &["--auth", "iam"], "1"),
        (paced, "network=5ms", &["--auth", "iam"], "2"),
    ] {
        let is_signed = more.contains(&"iam");
        let lambda = if is_signed { Lambda::signed(model, &KEY) } else { Lambda::start(model) };
        let mut args = vec!["run", "--policy", "remote", "--lambda", &lambda.url];
        args.extend([source, more, &["--sink", "null", "--summary", "summary.json"]].concat());
        // A machine that is busy is no remote side that hangs.
        args.extend(["--timeout", "60s", "--", "-w", workers]);
        within_tries("a run that does everything remotely", || {
            let mut command = place.floodway(&args);
            command.envs(KEY.iter().copied().filter(|_| is_signed));
            command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
            let output = end_of(command.spawn().unwrap(), "the run");
            assert!(output.status.success(), "{}", error_of(&output));
            let summary = place.summary();
            let count = |field: &str| summary[field].as_u64().unwrap();
            assert!(count("peak_backlog") <= 500_000, "{args:?}: {summary}");
            // What waits for room says why.
            let said = error_of(&output).contains("went wrong: throttled");
            assert_eq!(said, count("throttled") > 0, "{args:?}: {summary}");
            // On a busy machine the breaker may open, or the idle worker does what is late.
            let has_opened = count("breaker_opened") > 0;
            assert!(has_opened || count("records_local") == 0, "{args:?}: {summary}");
            let is_shown = !has_opened && count("records_remote") >= 19_000;
            if is_shown { Ok(()) } else { Err(summary.to_string()) }
        });
    }
}

fn run_in(mut command: std::process::Command) -> (std::process::Output, String) {
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let output = end_of(command.spawn().expect("it starts"), "the run");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    (output, stderr)
}

/// A soft limit is raised; a hard one bounds what is in flight, and leaves the sink what it needs.
#[test]
fn too_few_file_descriptors_limit_the_requests_in_flight() {
    let lambda = Lambda::start("network=300ms,cold_start=0ms,concurrency=1000");
    let run = |limits: &str, lambda: &[&str]| {
        let place = Place::new();
        let mut args = vec!["run", "--events", "4k", "--rate", "4k", "--out", "out"];
        args.extend(["--policy", "remote", "--batch", "50", "--summary", "summary.json"]);
        args.extend(lambda);
        args.extend(["--commit-every", "100ms", "--", "-w", "2"]);
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", &format!("{limits}; exec \"$0\" \"$@\"")]);
        shell.arg(env!("CARGO_BIN_EXE_floodway")).args(args).current_dir(place.path("."));
        let (_, stderr) = run_in(shell);
        let summary = place.summary();
        assert_eq!(summary["results_out"], 4_000, "{summary}");
        assert!(summary["records_remote"].as_u64() > Some(2_000), "{summary}\n{stderr}");
        stderr
    };
    let model = ["--local-lambda", "network=300ms,cold_start=0ms,concurrency=1000"];
    for lambda in [&["--lambda", lambda.url.as_str()], &model] {
        assert!(run("ulimit -n 64", lambda).contains("of 64 files that may be open"));
        assert!(!run("ulimit -Sn 64", lambda).contains("files that may be open"));
    }
}

#[test]
fn an_environment_proxy_is_skipped_for_localhost_and_logged_for_others() {
    let lambda = Lambda::start("network=1ms,cold_start=0ms");
    let place = Place::new();
    let run = |proxy: &str, args: &[&str]| {
        let mut command = place.floodway(args);
        for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"] {
            command.env(name, proxy);
        }
        run_in(command)
    };
    let one = ["run", "--events", "2k", "--rate", "4k", "--policy", "remote", "--sink", "null"];
    let all = [&one[..], &["--summary", "summary.json"]].concat();
    let dead = "http://user:secret@127.0.0.1:9";
    for lambda in ["local", &lambda.url, &lambda.url.replace("127.0.0.1", "localhost")] {
        let (_, stderr) = run(dead, &[&all[..], &["--lambda", lambda]].concat());
        assert_eq!(place.summary()["records_remote"], 2_000, "{lambda}: {stderr}");
        assert!(!stderr.contains("proxy"), "{stderr}");
    }
    // The local Lambda answers whatever it is asked for, as a proxy does.
    let elsewhere = ["--lambda", "http://function.example/"];
    let (_, stderr) = run(&lambda.url, &[&all[..], &elsewhere].concat());
    assert_eq!(place.summary()["records_remote"], 2_000, "{stderr}");
    let proxy = lambda.url.trim_end_matches('/');
    assert!(stderr.lines().next().is_some_and(|line| line.contains(proxy)), "{stderr}");
    let (output, _) = run(&lambda.url, &[&["check"][..], &elsewhere].concat());
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains(&format!("proxy     {proxy} (HTTP_PROXY)")), "{said}");
}

/// Returns the address of a proxy that answers whatever it is asked with 407.
fn proxy_that_wants_a_password() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                match stream.read(&mut byte) {
                    Ok(1) => head.push(byte[0]),
                    _ => break,
                }
            }
            // A client that is gone needs no answer.
            let _ = stream.write_all(b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n");
        }
    });
    address.to_string()
}

#[test]
fn an_unusable_proxy_is_named_with_its_variable_and_what_is_wrong() {
    let place = Place::new();
    let run = |proxy: &str, command: &[&str], scheme: &str| {
        let url = format!("{scheme}://function.example/");
        let mut command = place.floodway(&[command, &["--lambda", &url]].concat());
        for name in ["http_proxy", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"]
        {
            command.env_remove(name);
        }
        command.env("HTTPS_PROXY", proxy).env("HTTP_PROXY", proxy);
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        let output = end_of(command.spawn().expect("it starts"), "the command");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let one = ["run", "--events", "2k", "--rate", "4k", "--policy", "remote", "--sink", "null"];
    let asking = format!("http://{}", proxy_that_wants_a_password());
    for command in [&one[..], &["check"]] {
        for (scheme, variable) in [("https", "HTTPS_PROXY"), ("http", "HTTP_PROXY")] {
            for (value, why) in [
                ("garbage://x", "its scheme, garbage, is not http or https"),
                ("socks5://user:secret@x", "a SOCKS proxy cannot be used"),
            ] {
                let (code, stderr) = run(value, command, scheme);
                let (first, all) = (stderr.lines().next().unwrap_or_default(), &stderr);
                assert_eq!(code, Some(2), "{all}");
                assert!(first.contains(variable) && first.contains(why), "{all}");
                assert!(!all.contains("secret"), "{all}");
            }
            let (code, stderr) = run(&asking, command, scheme);
            let why = format!("the proxy {asking} ({variable}) wants a user and a password");
            assert!(code == Some(1) && stderr.contains(&why), "{stderr}");
        }
        let (_, stderr) = run("http://127.0.0.1:9", command, "https");
        assert!(stderr.contains("by the proxy http://127.0.0.1:9 (HTTPS_PROXY): "), "{stderr}");
    }
}

#[test]
fn a_wrong_result_under_its_right_id_is_found_by_verify() {
    let server = Server::start(Weather::WrongResults, On::All);
    let place = Place::new();
    let mut args = EVENTS.to_vec();
    args.extend(OUTPUT);
    args.extend(["--policy", "remote", "--lambda", &server.url, "--linger", "2ms"]);
    args.extend(["--events", "6k", "--verify", "1.0"]);
    let output = place.run(&args);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    let named = stderr.split("record ").skip(1);
    assert!(named.clone().any(|after| after.starts_with(|c: char| c.is_ascii_digit())), "{stderr}");
}
