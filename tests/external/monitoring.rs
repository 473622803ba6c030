//! `docs/alerts.yml` and `docs/dashboard.json`: tested by Prometheus' own tools, and loaded on a run's metrics.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use crate::common::shown::Shown;
use crate::common::{Place, example, parts, poll};
use serde_json::Value;

const ALERTS: &str = include_str!("../../docs/alerts.yml");
const DASHBOARD: &str = include_str!("../../docs/dashboard.json");
const LIVE: &str = include_str!("../../docs/live.md");

fn dashboard() -> Value {
    serde_json::from_str(DASHBOARD).unwrap()
}

/// Every PromQL expression of the dashboard, with its variables filled in.
fn expressions() -> Vec<String> {
    let dashboard = dashboard();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().unwrap().clone());
    let fill = |target: Value| {
        let expression = target["expr"].as_str().unwrap().replace("$job", "floodway");
        expression.replace("$instance", ".*").replace("$__rate_interval", "5s")
    };
    targets.map(fill).collect()
}

fn promtool(args: &[&str]) -> Option<Output> {
    let mut command = Command::new(parts::program("promtool")?);
    Some(command.args(args).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap())
}

#[test]
fn each_alert_fires_in_its_case_and_only_then() {
    for args in
        [["check", "rules", "docs/alerts.yml"], ["test", "rules", "tests/external/alerts.yml"]]
    {
        let Some(output) = promtool(&args) else { return };
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(output.status.success() && said.contains("SUCCESS"), "{args:?}: {said}");
    }
    // Each has a test in which it fires, a severity and annotations.
    let tests = include_str!("alerts.yml");
    for alert in ALERTS.split("- alert: ").skip(1) {
        let name = alert.lines().next().unwrap();
        let fires = format!("alertname: {name}\n        exp_alerts:\n          - exp_labels");
        assert!(tests.contains(&fires), "{name} is tested");
        for part in ["labels: {severity: ", "summary: ", "description: "] {
            assert!(alert.contains(part), "{name} has {part}");
        }
    }
}

#[test]
fn every_panel_of_the_dashboard_is_complete() {
    let dashboard = dashboard();
    for field in ["uid", "title"] {
        assert!(dashboard[field].as_str().is_some_and(|text| !text.is_empty()), "{field}");
    }
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let variables: Vec<&str> = variables.iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(variables, ["datasource", "job", "instance"]);
    let (mut ids, mut taken) = (BTreeSet::new(), BTreeSet::new());
    for panel in dashboard["panels"].as_array().unwrap() {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel}");
        for field in ["type", "title", "description"] {
            assert!(panel[field].as_str().is_some_and(|text| !text.is_empty()), "{panel}");
        }
        assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{panel}");
        // What Grafana's schema asks for of the options of a panel of this type.
        let options: &[&str] = match panel["type"].as_str().unwrap() {
            "stat" => {
                &["colorMode", "graphMode", "justifyMode", "orientation", "textMode", "wideLayout"]
            }
            "timeseries" => &["legend", "tooltip"],
            other => panic!("{other}: {panel}"),
        };
        assert!(options.iter().all(|name| !panel["options"][*name].is_null()), "{panel}");
        let place = |field: &str| panel["gridPos"][field].as_u64().unwrap();
        for (x, y) in (0..place("w")).flat_map(|x| (0..place("h")).map(move |y| (x, y))) {
            let at = (place("x") + x, place("y") + y);
            assert!(at.0 < 24 && taken.insert(at), "two panels are at {at:?}: {panel}");
        }
        let targets = panel["targets"].as_array().unwrap();
        let named: BTreeSet<&str> =
            targets.iter().map(|target| target["refId"].as_str().unwrap()).collect();
        assert!(!targets.is_empty() && named.len() == targets.len(), "{panel}");
        for target in targets {
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{target}");
        }
    }
}

/// The names of Floodway's metrics in a text.
fn names(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("floodway_") && !word.ends_with('_')).collect()
}

/// A run that sends nothing although it could, and whose results are late.
fn late(place: &Place) -> Shown {
    let late = ["run", "--work", "2ms", "--rate", "1k", "--duration", "1h", "--deadline", "20ms"];
    let policy = ["--policy", "spill", "--threshold", "100k", "--budget-total", "1"];
    let more = ["--sink", "null", "--listen", "127.0.0.1:0"];
    let run = Shown::start(place.floodway(&[&late[..], &policy, &more].concat()));
    run.until("running");
    poll("a commit", || (run.metrics().get("floodway_epochs_committed_total") > 2.0).then_some(()));
    run
}

/// A program whose call waits, because its service is not there.
fn calling(place: &Place) -> Shown {
    fs::write(place.path("visits"), "{\"user\":\"ada\",\"city\":\"Paris\"}\n").unwrap();
    let input = [
        "run",
        "--source",
        "lines:visits",
        "--sink",
        "null",
        "--call",
        "lookup=http://127.0.0.1:1/",
    ];
    Shown::start(place.floodway(&[&input[..], &["--listen", "127.0.0.1:0"]].concat()))
}

/// A program whose stages send records in two ways.
fn sending_in_two_ways(place: &Place) -> Shown {
    let input = ["run", "--source", "nexmark", "--rate", "100", "--sink", "null"];
    let ways = ["--policy", "deadline", "--stage", "item.batch=50", "--listen", "127.0.0.1:0"];
    Shown::start(place.floodway(&[&input[..], &ways].concat()))
}

/// A run whose task is a function in processes.
fn computing_in_processes(place: &Place) -> Shown {
    let input = ["run", "--source", "nexmark", "--rate", "100", "--sink", "null"];
    let task = ["--task", "function:f", "--policy", "local", "--listen", "127.0.0.1:0"];
    Shown::start(place.floodway(&[&input[..], &task].concat()))
}

/// A program with state.
fn counting(place: &Place) -> Shown {
    let visit = "{\"user\":\"ada\",\"page\":\"/a\",\"time\":0}\n";
    fs::write(place.path("visits"), visit.repeat(1_000)).unwrap();
    let input = ["run", "--source", "lines:visits", "--rate", "10", "--sink", "null"];
    let shown = ["--policy", "local", "--listen", "127.0.0.1:0"];
    Shown::start(place.floodway(&[&input[..], &shown].concat()))
}

#[test]
fn metrics_named_in_alerts_dashboard_and_docs_exist_and_follow_conventions() {
    let place = Place::new();
    let run = late(&place);
    let cities = Place::new().running(|| Command::new(example("cities")));
    let calling = calling(&cities);
    let orders = Place::new().running(|| Command::new(example("orders")));
    let sending = sending_in_two_ways(&orders);
    let Some(lines) = crate::pool::place(&["a line".to_owned()]) else { return };
    let computing = computing_in_processes(&lines);
    let visits = Place::new().running(|| Command::new(example("visits")));
    let counting = counting(&visits);
    let metrics = run.get("/metrics").body;
    let with = |run: &Shown, name: &str| {
        poll(name, || Some(run.get("/metrics").body).filter(|metrics| metrics.contains(name)))
    };
    let of_calls = with(&calling, "floodway_call_attempts_total");
    let of_functions = with(&sending, "floodway_function_attempts_total");
    let of_processes = with(&computing, "floodway_function_restarts_total");
    let of_states = with(&counting, "floodway_state_keys");
    let all = [&metrics, &of_calls, &of_functions, &of_processes, &of_states];
    let there: BTreeSet<_> = all.into_iter().flat_map(|text| names(text)).collect();
    for (text, of) in [(ALERTS, "alerts"), (DASHBOARD, "dashboard"), (LIVE, "docs/live.md")] {
        for name in names(text) {
            let is_there = there.iter().any(|one| {
                let rest = one.strip_prefix(name);
                rest.is_some_and(|rest| ["", "_bucket"].contains(&rest))
            });
            assert!(is_there, "{of}: there is no {name}");
        }
    }
    let Some(promtool) = parts::program("promtool") else { return };
    let mut check = Command::new(promtool);
    let mut child = check
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(metrics.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{said}");
    run.end();
}

/// A Prometheus that scrapes a run. It is ended with the test.
struct Prometheus {
    child: Child,
    address: String,
}

impl Prometheus {
    fn start(program: &Path, place: &Place, target: &str) -> Prometheus {
        let alerts = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/alerts.yml");
        let config = format!(
            "global: {{scrape_interval: 500ms, scrape_timeout: 500ms, evaluation_interval: 500ms}}\n\
             rule_files: ['{}']\n\
             scrape_configs:\n  - job_name: floodway\n    static_configs: [{{targets: ['{target}']}}]\n",
            alerts.display()
        );
        fs::write(place.path("prometheus.yml"), config).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = format!("127.0.0.1:{port}");
        let child = Command::new(program)
            .arg(format!("--config.file={}", place.path("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", place.path("tsdb").display()))
            .arg(format!("--web.listen-address={address}"))
            .stderr(fs::File::create(place.path("prometheus.log")).unwrap())
            .spawn()
            .unwrap();
        let prometheus = Prometheus { child, address };
        poll("Prometheus", || prometheus.get("/-/ready").filter(|it| it.contains("Ready")));
        prometheus
    }

    fn get(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect(&self.address).ok()?;
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer.split_once("\r\n\r\n")?.1.to_owned())
    }

    fn json(&self, path: &str) -> Value {
        let answer = self.get(path).unwrap_or_default();
        serde_json::from_str(&answer).unwrap_or_else(|_| panic!("{path}: {answer}"))
    }

    /// What an expression comes to: it must be well-formed.
    fn query(&self, expression: &str) -> Vec<Value> {
        let query: String = expression.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let answer = self.json(&format!("/api/v1/query?query={query}"));
        assert_eq!(answer["status"], "success", "{expression}: {answer}");
        answer["data"]["result"].as_array().unwrap().clone()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn prometheus_loads_the_alerts_and_every_panel_of_the_dashboard_has_figures() {
    let Some(program) = parts::program("prometheus") else { return };
    let place = Place::new();
    let run = late(&place);
    let prometheus = Prometheus::start(&program, &place, &run.address.to_string());
    for expression in expressions() {
        poll(&expression, || (!prometheus.query(&expression).is_empty()).then_some(()));
    }
    // What is late is noticed, and will fire when it has lasted for a minute.
    let late = || {
        let rules = prometheus.json("/api/v1/rules");
        let rules = rules["data"]["groups"][0]["rules"].as_array().unwrap().clone();
        rules.into_iter().find(|rule| rule["name"] == "FloodwayLate" && rule["state"] != "inactive")
    };
    poll("late results are noticed", late);
    let rules = prometheus.json("/api/v1/rules");
    let rules = rules["data"]["groups"][0]["rules"].as_array().unwrap();
    assert_eq!(rules.len(), ALERTS.matches("- alert: ").count());
    assert!(rules.iter().all(|rule| rule["health"] == "ok"), "{rules:?}");
    // A process that is gone is noticed too.
    drop(run);
    poll("that it is gone is noticed", || {
        let alerts = prometheus.json("/api/v1/alerts");
        let alerts = alerts["data"]["alerts"].as_array().unwrap();
        let gone = alerts.iter().find(|alert| alert["labels"]["alertname"] == "FloodwayGone");
        gone.map(|gone| assert_eq!(gone["labels"]["severity"], "critical"))
    });
}
