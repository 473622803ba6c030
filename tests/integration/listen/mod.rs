//! `--listen`: what a run shows of itself while it lasts, to Prometheus and to a browser, and that nobody
//! who asks is in its way.

mod page;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::time::Instant;

use crate::common::shown::{Metrics, Shown, ask};
use crate::common::{Place, end_of, error_of, hosts, output_of, parts, poll, within_tries};
use rustix::process::{Resource, Rlimit};
use serde_json::Value;

/// A run with a burst that a worker cannot do, a second long.
fn bursting(place: &Place, more: &[&str]) -> Command {
    let mut args = vec!["run", "--task", "words", "--work", "14us", "--rate", "20k"];
    args.extend(["--shape", "square", "--peak-rate", "90k", "--period", "1s"]);
    args.extend(["--policy", "spill", "--threshold", "30k", "--listen", "127.0.0.1:0"]);
    args.extend(["--summary", "summary.json"]);
    args.extend(more);
    place.floodway(&args)
}

/// What a counter's sum over all its labels is in the summary.
const SAME: [(&str, &str, f64); 16] = [
    ("floodway_records_total{where=\"local\"}", "records_local", 1.0),
    ("floodway_records_total{where=\"remote\"}", "records_remote", 1.0),
    ("floodway_records_total{where=\"home\"}", "records_home", 1.0),
    ("floodway_records_total{where=\"bad\"}", "records_bad", 1.0),
    ("floodway_records_total", "events_in", 1.0),
    ("floodway_late_records_total", "late_records", 1.0),
    ("floodway_latency_seconds_count", "results_out", 1.0),
    ("floodway_commit_latency_seconds_count", "results_out", 1.0),
    ("floodway_requests_total", "requests", 1.0),
    ("floodway_attempts_total", "attempts", 1.0),
    ("floodway_attempts_retried_total", "retries", 1.0),
    ("floodway_requests_hedged_total", "hedged", 1.0),
    ("floodway_requests_failed_total", "failed", 1.0),
    ("floodway_billed_seconds_total", "billed_ms", 1e-3),
    ("floodway_cost_usd_total", "cost_usd", 1.0),
    ("floodway_source_wait_seconds_total", "backpressured_ms", 1e-3),
];

fn are_the_summarys(all: &[Metrics], summary: &Value) {
    for (name, field, unit) in SAME {
        let shown: f64 = all.iter().map(|metrics| metrics.sum(name)).sum();
        let summed = summary[field].as_f64().unwrap() * unit;
        assert!((shown - summed).abs() <= 1e-9 * summed.abs(), "{name} {shown}, {field} {summed}");
    }
}

#[test]
fn scraped_counters_only_grow_and_end_at_the_summary() {
    let place = Place::new();
    let bad = ["--max-record", "200", "--verify", "1%", "--out", "out", "--listen-after", "1h"];
    // On a machine that is too busy the run may be done before it was scraped, or its function answers none in time.
    let run = within_tries("a run that is scraped while it lasts", || {
        let more = [&bad[..], &["--overwrite", "--duration", "2s"]].concat();
        let run = Shown::start(bursting(&place, &more));
        let mut before = run.until("running");
        let mut scrapes = 0;
        let mut so_far = 0.0;
        while before.get("floodway_run_state{state=\"done\"}") == 0.0 {
            let now = run.metrics();
            for (name, value) in before.counters() {
                assert!(now.get(name) >= *value, "{name} was {value} and is {}", now.get(name));
            }
            let summary: Value = serde_json::from_str(&run.get("/summary.json").body).unwrap();
            assert!(summary["events_in"].as_f64().unwrap() >= so_far, "{summary}");
            so_far = summary["events_in"].as_f64().unwrap();
            (before, scrapes) = (now, scrapes + 1);
        }
        let remote = before.get("floodway_records_total{where=\"remote\"}");
        let is_shown = scrapes > 5 && remote > 0.0;
        if is_shown { Ok(run) } else { Err(format!("{scrapes} scrapes, {remote} records")) }
    });
    let last = run.until("done");
    let summary = place.summary();
    assert_eq!(serde_json::from_str::<Value>(&run.get("/summary.json").body).unwrap(), summary);
    are_the_summarys(std::slice::from_ref(&last), &summary);
    let epochs = summary["epochs"].as_f64().unwrap();
    assert_eq!(last.get("floodway_epochs_committed_total"), epochs);
    assert!(
        summary["records_bad"].as_u64() > Some(0) && summary["records_remote"].as_u64() > Some(0)
    );
    assert_eq!(last.get("floodway_records_emitted_total"), summary["events_in"].as_f64().unwrap());
    assert_eq!(last.get("floodway_records_due_total"), summary["events_in"].as_f64().unwrap());
    assert_eq!(last.get("floodway_backlog_records"), 0.0);
    assert_eq!(
        last.get("floodway_backlog_peak_records"),
        summary["peak_backlog"].as_f64().unwrap()
    );
    assert_eq!(last.get("floodway_bottleneck{what=\"nothing\"}"), 1.0);

    // The series is the run's too.
    let shown: Value = serde_json::from_str(&run.get("/series.json").body).unwrap();
    let column = |name: &str| -> Vec<f64> {
        let values = shown["columns"][name].as_array().unwrap();
        values.iter().map(|value| value.as_f64().unwrap_or(f64::NAN)).collect()
    };
    let lengths = column("length_s");
    for (rates, field) in [("local_eps", "records_local"), ("remote_eps", "records_remote")] {
        let sum: f64 = column(rates).iter().zip(&lengths).map(|(rate, length)| rate * length).sum();
        let records = summary[field].as_f64().unwrap();
        assert!((sum - records).abs() < 0.02 * records, "{rates}: {sum}, {records}");
    }
    assert_eq!(shown["now"]["events_in"], summary["events_in"]);
    // Every counter of requests is in the page's data, as in the summary.
    let counters = "requests attempts retries hedged throttled failed abandoned superseded probes \
                    warm_ups breaker_opened";
    for name in counters.split_whitespace() {
        assert!(summary[name].is_u64(), "{name}: {summary}");
        assert_eq!(shown["now"][name], summary[name], "{name}");
    }
    assert_eq!(run.get("/healthz").body, "done\n");
    run.end();
}

#[test]
fn lines_with_a_rate_are_due_by_it() {
    const LINES: usize = 2_000;
    let place = Place::new();
    fs::write(place.path("lines"), "a line\n".repeat(LINES)).unwrap();
    let mut args = vec!["run", "--source", "lines:lines", "--rate", "2k", "--policy", "local"];
    args.extend(["--sink", "null", "--listen", "127.0.0.1:0", "--listen-after", "1h"]);
    let run = Shown::start(place.floodway(&args));
    let last = run.until("done");
    // How many there are is known at the end only, so a source that is late may have counted more.
    assert!(last.get("floodway_records_due_total") >= LINES as f64);
    let shown: Value = serde_json::from_str(&run.get("/series.json").body).unwrap();
    let column = |name: &str| -> Vec<f64> {
        let values = shown["columns"][name].as_array().unwrap();
        values.iter().map(|value| value.as_f64().unwrap()).collect()
    };
    let due: f64 = column("due_eps").iter().zip(column("length_s")).map(|(rate, s)| rate * s).sum();
    assert!(due >= 0.95 * LINES as f64, "{shown}");
    run.end();
}

#[test]
fn prometheus_own_parsers_read_the_metrics() {
    let Some(python) = parts::python() else { return };
    let place = Place::new();
    let budget = ["--budget-total", "1", "--sink", "null", "--listen-after", "1h"];
    let run = Shown::start(bursting(&place, &[&budget[..], &["--duration", "600ms"]].concat()));
    run.until("done");
    let script = "
import sys
name, path = sys.argv[1:]
parser = __import__('prometheus_client.' + name, fromlist=['parser'])
families = list(parser.text_string_to_metric_families(open(path).read()))
for family in families:
    assert family.documentation, family.name + ' has no help'
    assert family.samples, family.name + ' has no samples'
    print(family.name, family.type, len(family.samples))
";
    let open = "Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5\r\n";
    let both = [("openmetrics.parser", open, "openmetrics-text"), ("parser", "", "text/plain")];
    for (parser, accept, kind) in both {
        let answer = run.ask("/metrics", accept).unwrap();
        assert!(
            answer.head.contains(&format!("content-type: {}", &kind_of(kind))),
            "{}",
            answer.head
        );
        fs::write(place.path("metrics"), &answer.body).unwrap();
        let output = Command::new(&python)
            .args(["-c", script, parser])
            .arg(place.path("metrics"))
            .output()
            .unwrap();
        let read = output_of(&output);
        assert!(output.status.success(), "{}", error_of(&output));
        for line in ["floodway_latency_seconds histogram", "floodway_records counter 4"] {
            assert!(read.contains(line), "{parser}: {line} is not in\n{read}");
        }
    }
    run.end();
}

fn kind_of(kind: &str) -> String {
    if kind.contains('/') { kind.to_owned() } else { format!("application/{kind}") }
}

#[test]
fn unknown_paths_get_404_and_other_methods_405() {
    let place = Place::new();
    let run = Shown::start(bursting(&place, &["--sink", "null", "--duration", "1h"]));
    run.until("running");
    assert_eq!((run.get("/healthz").status, run.get("/healthz").body), (200, "running\n".into()));
    let answer = run.get("/nothing");
    assert_eq!(answer.status, 404);
    assert!(answer.body.contains("/metrics"), "{}", answer.body);
    let post =
        ask(run.address, "POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n");
    let post = post.unwrap();
    assert_eq!(post.status, 405);
    assert!(post.head.contains("allow: get, head"), "{}", post.head);
    let head = ask(run.address, "HEAD / HTTP/1.1\r\nHost: localhost\r\n").unwrap();
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    let long = format!("GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: {}\r\n", "x".repeat(20_000));
    assert_eq!(ask(run.address, &long).map(|answer| answer.status), Some(431));
    let page = run.get("/").body;
    for outside in ["http:", "https:", "<script src", "<link rel=\"stylesheet", "@import"] {
        let own = page.replace("http://www.w3.org/2000/svg", "");
        assert!(!own.contains(outside), "the page needs {outside}");
    }
    run.end();
    assert_eq!(place.summary()["stopped"], "signal");
}

#[test]
fn requests_for_another_host_are_refused() {
    let place = Place::new();
    let refused = |run: &Shown, host: &str| {
        let answer = ask(run.address, &format!("GET /summary.json HTTP/1.1\r\nHost: {host}\r\n"));
        let answer = answer.unwrap_or_else(|| panic!("{host:?} is answered"));
        assert!(answer.status != 403 || answer.body.contains("--allow-host"), "{}", answer.body);
        answer.status == 403
    };
    // A page lets its own name resolve to this address: DNS rebinding.
    let others =
        ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "x@evil.example", ""];
    let more = ["--listen", "127.0.0.1:0"];
    let run = Shown::start(bursting(&place, &more));
    let own = run.address.to_string();
    for host in [&*own, "127.0.0.1", "localhost:1", "[::1]:80", "10.0.0.1"] {
        assert!(!refused(&run, host), "{host}");
    }
    for host in others.iter().chain(&["box.example"]) {
        assert!(refused(&run, host), "{host:?}");
    }
    let twice = format!("GET / HTTP/1.1\r\nHost: {own}\r\nHost: evil.example\r\n");
    assert_eq!(ask(run.address, &twice).unwrap().status, 400);
    let whole = format!("GET http://evil.example/ HTTP/1.1\r\nHost: {own}\r\n");
    assert_eq!(ask(run.address, &whole).unwrap().status, 403);
    run.end();

    let place = Place::new();
    let more = ["--listen", "0.0.0.0:0", "--allow-host", "box.example,Prometheus"];
    let run = Shown::start(bursting(&place, &more));
    for host in ["box.example:9090", "prometheus", "192.168.0.1"] {
        assert!(!refused(&run, host), "{host}");
    }
    assert!(others.iter().all(|host| refused(&run, host)));
    run.end();

    for args in [
        &["run", "--allow-host", "box", "--sink", "null"][..],
        &["run", "--listen", "127.0.0.1:0", "--allow-host", "http://box", "--sink", "null"],
        &["lambda", "--allow-host", "box:80"],
    ] {
        let output = place.run(args);
        assert_eq!(output.status.code(), Some(2));
        assert!(error_of(&output).contains("--allow-host"));
    }
}

#[test]
fn an_open_page_sees_the_end_without_listen_after() {
    let place = Place::new();
    let run = Shown::start(bursting(&place, &["--sink", "null", "--duration", "700ms"]));
    // As a page does.
    let mut last = Value::Null;
    while let Some(answer) = run.ask("/series.json?span=recent", "") {
        last = serde_json::from_str(&answer.body).unwrap();
    }
    assert_eq!(last["state"], "done", "{last}");
    assert_eq!(last["now"]["events_in"], place.summary()["events_in"]);
    let mut run = run;
    assert!(end_of(run.child.take().unwrap(), "the run").status.success());
}

#[test]
fn slow_clients_and_a_thousand_connections_do_not_slow_the_run() {
    let most = rustix::process::getrlimit(Resource::Nofile);
    let raised = Rlimit { current: most.maximum, maximum: most.maximum };
    rustix::process::setrlimit(Resource::Nofile, raised).unwrap();
    let place = Place::new();
    let run = Shown::start(bursting(&place, &["--sink", "null", "--duration", "1h"]));
    run.until("running");
    // Connections that the run has accepted: those in the kernel's queue are nobody's file yet.
    let accepted = || {
        let here = format!("0100007F:{:04X}", run.address.port());
        let is_open = |line: &&str| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            fields[1] == here && fields[3] != "0A" && fields[9] != "0"
        };
        fs::read_to_string("/proc/net/tcp").unwrap().lines().skip(1).filter(is_open).count()
    };
    let began = Instant::now();
    let mut slow = Vec::new();
    for number in 0..1_000 {
        let mut stream = TcpStream::connect(run.address).unwrap();
        // Half of a request, none, or one whose answer is not read.
        let part: &[u8] = match number % 3 {
            0 => b"GET /metrics HTT",
            1 => b"",
            _ => b"GET /series.json HTTP/1.1\r\nHost: localhost\r\n\r\n",
        };
        let _ = stream.write_all(part);
        slow.push(stream);
        if number % 100 == 0 {
            assert_eq!(run.get("/healthz").status, 200);
        }
    }
    let records = |metrics: &Metrics| metrics.sum("floodway_records_total");
    let now = run.metrics();
    // One that has been let go may be open for a moment.
    assert!(accepted() < 64 + 64, "{}", accepted());
    poll("the run goes on", || (records(&run.metrics()) > records(&now) + 20_000.0).then_some(()));
    // Who was slow was let go: by those that came after, or for being slow.
    let gone = poll("slow clients are let go", || {
        let is_gone = |stream: &mut TcpStream| {
            stream.set_nonblocking(true).unwrap();
            let mut byte = [0; 4_096];
            loop {
                match stream.read(&mut byte) {
                    Ok(0) => break true,
                    Ok(_) => {}
                    Err(error) => break error.kind() != std::io::ErrorKind::WouldBlock,
                }
            }
        };
        slow.retain_mut(|stream| !is_gone(stream));
        slow.is_empty().then(|| began.elapsed())
    });
    eprintln!("the last of 1,000 slow clients was let go after {gone:?}");
    run.end();
    assert_eq!(place.summary()["stopped"], "signal");
}

#[test]
fn a_port_that_is_taken_is_refused_before_anything_is_made() {
    let place = Place::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = place.run(&["run", "--events", "100", "--out", "out", "--listen", &address]);
    let error = error_of(&output);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains(&format!("--listen {address}")) && error.contains("in use"), "{error}");
    assert!(!place.path("out").exists());

    // In a file of settings it is the same option.
    fs::write(place.path("run.toml"), format!("events = 100\nlisten = \"{address}\"\n")).unwrap();
    let output = place.run(&["run", "--config", "run.toml", "--sink", "null"]);
    assert_eq!(output.status.code(), Some(2));
    drop(taken);
    let output = place.run(&["run", "--config", "run.toml", "--sink", "null"]);
    let error = error_of(&output);
    assert!(output.status.success() && error.contains(&format!("http://{address}/")), "{error}");
}

#[test]
fn a_failed_run_shows_its_error_until_listen_after_ends() {
    let place = Place::new();
    let mut args = vec!["run", "--rate", "500", "--duration", "4s", "--sink", "null"];
    args.extend(["--listen", "127.0.0.1:0", "--listen-after", "1h"]);
    args.extend(["--summary", "here/summary.json"]);
    fs::create_dir(place.path("here")).unwrap();
    let run = Shown::start(place.floodway(&args));
    run.until("running");
    // Its folder goes while it runs.
    fs::remove_dir_all(place.path("here")).unwrap();
    run.until("failed");
    let health = run.get("/healthz");
    assert_eq!(health.status, 503);
    assert!(health.body.starts_with("failed: cannot write the summary"), "{}", health.body);
    assert_eq!(run.metrics().get("floodway_healthy"), 0.0);
    assert_eq!(run.end_with(), Some(1));
}

/// A port that is free, and so is the next one.
fn two_ports() -> u16 {
    poll("two free ports", || {
        let first = TcpListener::bind("127.0.0.1:0").ok()?;
        let port = first.local_addr().ok()?.port();
        TcpListener::bind(("127.0.0.1", port.checked_add(1)?)).ok().map(|_| port)
    })
}

#[test]
fn metrics_of_all_processes_add_up_to_the_summary() {
    let place = Place::new();
    let (port, hosts) = (two_ports(), hosts(&place, 2));
    let listen = format!("127.0.0.1:{port}");
    let start = |process: &str| {
        let mut args = vec!["--listen", &listen, "--listen-after", "1h", "--duration", "1200ms"];
        args.extend(["--out", "out", "--", "-n", "2", "-p", process, "-h"]);
        let mut command = bursting(&place, &args);
        command.arg(&hosts);
        Shown::start(command)
    };
    let first = start("0");
    // Alone it waits for the other.
    assert_eq!(first.until("waiting").sum("floodway_records_total"), 0.0);
    assert_eq!((first.get("/healthz").status, first.get("/summary.json").status), (200, 503));
    let second = start("1");
    assert_eq!((first.address.port(), second.address.port()), (port, port + 1));
    let all = [first.until("done"), second.until("done")];
    are_the_summarys(&all, &place.summary());
    let of_both = |metrics: &Metrics| metrics.sum("floodway_records_total") > 0.0;
    assert!(all.iter().all(of_both), "both had some");
    first.end();
    second.end();
}
