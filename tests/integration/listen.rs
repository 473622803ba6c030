//! `--listen`: what a run shows of itself while it lasts, to Prometheus and to a browser, and that nobody
//! who asks is in its way.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use crate::common::shown::{Metrics, Shown, ask};
use crate::common::{
    Place, end_of, error_of, hosts, output_of, parts, poll, signal, start, within_tries,
};
use rustix::process::{Resource, Rlimit, Signal};
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

/// What a browser makes of the page, after it has run for a moment; and what its console says.
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

fn browsed(chromium: &std::path::Path, place: &Place, url: &str) -> (String, String) {
    let profile = format!("--user-data-dir={}", place.path("profile").display());
    let mut command = Command::new(chromium);
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", &profile]);
    command.arg("--window-size=1400,900");
    command.args(["--enable-logging=stderr", "--v=0", "--virtual-time-budget=3000", url]);
    let output = end_of(start(command), "the browser");
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_browser_draws_the_page_and_shows_the_end() {
    let Some(chromium) = parts::program("chromium") else { return };
    let place = Place::new();
    let options = ["--sink", "null", "--duration", "1h", "--listen-after", "1h"];
    let run = Shown::start(bursting(&place, &options));
    run.until("running");
    poll("a commit", || (run.metrics().get("floodway_epochs_committed_total") > 5.0).then_some(()));
    let url = format!("http://{}/", run.address);
    let (page, console) = browsed(&chromium, &place, &url);
    assert!(page.contains("running for"), "{page}\n{console}");
    assert!(page.contains("policy spill · task words"), "{page}");
    // Six plots, each with its curves, and what it shows in words.
    assert_eq!(page.matches("<svg role=\"img\"").count(), 6, "{page}");
    assert!(page.matches("<path ").count() >= 8, "{page}");
    assert!(page.contains("aria-label=\"Latency, from schedule to result, last: p50 "), "{page}");
    assert!(page.contains("<dt>committed</dt>"), "{page}");
    assert!(!console.contains("Uncaught") && !console.contains("Refused to"), "{console}");

    // After the end it has the run's last figures.
    signal(run.child.as_ref().unwrap(), Signal::INT);
    let (page, console) = browsed(&chromium, &place, &url);
    let gone = page.contains("not reached") || page.is_empty() || page.contains("ERR_");
    assert!(page.contains("stopped after") || gone, "{page}\n{console}");
}

/// Serves the page of a run with a script that measures it, at `/400` in a frame that is so wide (a browser
/// without a screen is never as narrow as a phone), what it draws after a `change`, and all else as the run does.
fn measured(run: SocketAddr, change: impl Fn(&mut Value) + Send + Sync + 'static) -> SocketAddr {
    // Texts that stand out of the page, of their tile or of their plot, and tiles' names of two lines.
    const SCRIPT: &str = "<script>setInterval(() => {
        const found = [], wide = innerWidth, cut = (box, inside, what) => {
            if (box.left < inside.left - 1 || box.right > inside.right + 1) found.push(what);
        };
        for (const text of document.querySelectorAll('h1, p, b, dt, dd, small, label, output, h2, span:not([hidden])')) {
            const box = text.getBoundingClientRect();
            if (box.width) cut(box, { left: 0, right: wide }, text.textContent);
            if (text.scrollWidth > text.clientWidth + 1 && text.clientWidth && !text.closest('.hidden')) {
                found.push('too wide: ' + text.textContent);
            }
        }
        for (const name of document.querySelectorAll('dt')) {
            if (name.clientHeight > 2 * parseFloat(getComputedStyle(name).fontSize)) found.push('wraps: ' + name.textContent);
        }
        for (const text of document.querySelectorAll('svg text')) {
            cut(text.getBoundingClientRect(), text.ownerSVGElement.getBoundingClientRect(), 'in a plot: ' + text.textContent);
        }
        top.document.body.dataset.measured = 'width ' + wide + ', cut: ' + found.length + ' ' + found.join(' | ');
    }, 500)</script>";
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let change = Arc::new(change);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let change = Arc::clone(&change);
            // A browser opens connections that it asks for nothing.
            std::thread::spawn(move || relayed(stream, run, SCRIPT, change.as_ref()));
        }
    });
    address
}

/// Answers one request of a browser.
fn relayed(mut stream: TcpStream, run: SocketAddr, script: &str, change: &dyn Fn(&mut Value)) {
    let mut line = String::new();
    let Ok(_) = BufReader::new(&stream).read_line(&mut line) else { return };
    let path = line.split(' ').nth(1).unwrap_or("/");
    let (kind, body) = if let Ok(width) = path[1..].parse::<u32>() {
        let frame = format!("<iframe src=\"/\" width={width} height=900 style=border:0>");
        ("text/html; charset=utf-8", frame)
    } else {
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n");
        let Some(answer) = ask(run, &request) else { return };
        if path.starts_with("/series.json") {
            let mut series: Value = serde_json::from_str(&answer.body).unwrap();
            change(&mut series);
            ("application/json", series.to_string())
        } else {
            let script = format!("{script}</body>");
            ("text/html; charset=utf-8", answer.body.replace("</body>", &script))
        }
    };
    let head = format!("Content-Type: {kind}\r\nContent-Length: {}", body.len());
    let _ = write!(stream, "HTTP/1.1 200 OK\r\n{head}\r\nConnection: close\r\n\r\n{body}");
}

#[test]
fn no_text_of_the_page_is_cut_at_phone_or_screen_width() {
    let Some(chromium) = parts::program("chromium") else { return };
    let place = Place::new();
    let options = ["--sink", "null", "--duration", "1h", "--budget-total", "0.001"];
    let run = Shown::start(bursting(&place, &options));
    run.until("running");
    poll("a commit", || (run.metrics().get("floodway_epochs_committed_total") > 5.0).then_some(()));
    let address = measured(run.address, |_| ());
    for width in [400, 1280] {
        let (page, console) = browsed(&chromium, &place, &format!("http://{address}/{width}"));
        let measured =
            page.split("data-measured=\"").nth(1).and_then(|rest| rest.split('"').next());
        let measured = measured.unwrap_or_else(|| panic!("{page}\n{console}"));
        assert!(measured.starts_with(&format!("width {width}, cut: 0 ")), "{measured}");
    }
    run.end();
}

#[test]
fn one_spike_flattens_no_plot_and_an_open_breaker_is_shaded_in_all_of_them() {
    let Some(chromium) = parts::program("chromium") else { return };
    let place = Place::new();
    let run = Shown::start(bursting(&place, &["--sink", "null", "--duration", "1h"]));
    run.until("running");
    poll("a commit", || {
        (run.metrics().get("floodway_epochs_committed_total") > 30.0).then_some(())
    });
    let address = measured(run.address, |series| {
        let columns = &mut series["columns"];
        let points = columns["t_s"].as_array().unwrap().len();
        columns["breaker"] = vec![2; points].into();
        columns["local_eps"] = vec![1_000; points].into();
        columns["local_eps"][points / 2] = 50_000_000.into();
    });
    let (page, console) = browsed(&chromium, &place, &format!("http://{address}/"));
    // The spike is cut, and says how high it is; the scale is that of all others.
    let rates = page
        .split("<h2>Records a second</h2>")
        .nth(1)
        .unwrap_or_else(|| panic!("{page} {console}"));
    let rates = rates.split("</section>").next().unwrap();
    let ticks: Vec<&str> = rates.split("text-anchor=\"end\">").skip(1).collect();
    assert!(rates.contains(">up to 50") && rates.contains("M</text>"), "{rates}");
    assert!(
        !ticks.iter().any(|tick| tick.starts_with(char::is_numeric) && tick.contains("0M<")),
        "{rates}"
    );
    for plot in page.split("<section>").skip(1).take(6) {
        assert!(plot.split("</section>").next().unwrap().contains("var(--open)"), "{plot}");
    }
    run.end();
}

/// The first tile says what is on time, and the page says so at a glance while it is not.
#[test]
fn the_page_is_not_green_while_the_deadline_is_missed() {
    let Some(chromium) = parts::program("chromium") else { return };
    let place = Place::new();
    let late = ["run", "--work", "2ms", "--rate", "1k", "--events", "5k", "--deadline", "20ms"];
    let more = ["--sink", "null", "--listen", "127.0.0.1:0", "--listen-after", "1h"];
    let run = Shown::start(place.floodway(&[&late[..], &more].concat()));
    poll("late results", || {
        (run.metrics().sum("floodway_late_records_total") > 100.0).then_some(())
    });
    assert_eq!(run.metrics().get("floodway_deadline_seconds"), 0.02);
    let url = format!("http://{}/", run.address);
    let (page, console) = browsed(&chromium, &place, &url);
    let state = page.split("id=\"state\" class=\"").nth(1).unwrap().split('<').next().unwrap();
    assert!(state.starts_with("state late\"") && state.contains(", late"), "{state}\n{console}");
    let tiles = page.split("id=\"tiles\"").nth(1).unwrap();
    assert!(tiles.contains("><div class=\"late\"><dt>on time</dt>"), "{tiles}");
    assert!(tiles.contains("<div class=\"late\"><dt>p99 latency</dt>"), "{tiles}");
    assert!(tiles.contains("of the last 2 s; half within"), "{tiles}");
    assert!(page.contains("class=\"choice trouble\""), "{page}");
    let version = format!("floodway {} on ", env!("CARGO_PKG_VERSION"));
    assert!(page.contains(&version) && page.contains(" · began "), "{page}");

    // At its end it says what the run says last.
    run.until("done");
    let summary: Value = serde_json::from_str(&run.get("/summary.json").body).unwrap();
    let shown: Value = serde_json::from_str(&run.get("/series.json").body).unwrap();
    let missed = summary["missed"].as_str().unwrap();
    assert_eq!(shown["last_words"], serde_json::json!([missed]));
    let (page, _) = browsed(&chromium, &place, &url);
    assert!(page.contains(missed), "{page}");
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
