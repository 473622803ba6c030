//! What a browser makes of the page.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;

use super::bursting;
use crate::common::shown::{Shown, ask};
use crate::common::{Place, end_of, example, parts, poll, signal, start};
use rustix::process::Signal;
use serde_json::Value;

/// What a browser makes of the page, after it has run for a moment; and what its console says.
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

/// The attributes of what the page draws of a stage.
fn stage_of<'a>(page: &'a str, name: &str) -> &'a str {
    let marked = format!("data-stage=\"{name}\"");
    let tags = page.split("<g ").filter_map(|rest| rest.split('>').next());
    tags.into_iter().find(|tag| tag.contains(&marked)).unwrap_or_else(|| panic!("{name}: {page}"))
}

#[test]
fn the_graph_shows_each_stage_and_marks_the_one_that_needs_the_most_workers() {
    let Some(chromium) = parts::program("chromium") else { return };
    let place = Place::new().running(|| Command::new(example("orders")));
    // An item takes more time than a worker has, however busy the machine is.
    let run = ["run", "--rate", "10k", "--order", "5us", "--item", "60us", "--items", "3"];
    let more = ["--policy", "local", "--max-backlog", "2000", "--sink", "null", "--duration", "1h"];
    let run = place.floodway(&[&run[..], &more, &["--listen", "127.0.0.1:0"]].concat());
    let run = Shown::start(run);
    poll("a bottleneck", || {
        let metrics = run.metrics();
        let is_marked = |stage: &str| {
            metrics.0.get(&format!("floodway_stage_is_bottleneck{{stage=\"{stage}\"}}"))
                == Some(&1.0)
        };
        let needed = metrics.sum("floodway_stage_needed_workers");
        (is_marked("item") && !is_marked("order") && needed > 1.0).then_some(())
    });
    // Records wait for longer and longer, and an epoch is complete when the last of them is done.
    for stage in ["order", "item"] {
        let lag = format!("floodway_stage_lag_seconds{{stage=\"{stage}\"}}");
        poll(&lag, || (run.metrics().get(&lag) > 0.5).then_some(()));
    }

    let url = format!("http://{}/", run.address);
    let (page, console) = browsed(&chromium, &place, &url);
    assert!(!console.contains("Uncaught"), "{console}");
    assert!(stage_of(&page, "item").contains("data-bottleneck=\"true\""), "{page}");
    assert!(!stage_of(&page, "order").contains("data-bottleneck"), "{page}");
    for (from, to) in [("source", "order"), ("order", "item"), ("item", "sink")] {
        let link = format!("data-from=\"{from}\" data-to=\"{to}\"");
        assert!(page.contains(&link), "{link}: {page}");
    }
    assert_eq!(page.matches("data-from=").count(), 3, "{page}");
    // The table has the same, and what can be read aloud too.
    assert!(page.contains("<th scope=\"row\">item – bottleneck</th>"), "{page}");
    assert!(page.contains("item to the sink. item is the bottleneck."), "{page}");
    run.end();
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
