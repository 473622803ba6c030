//! Several processes that find each other: wrong hosts files, processes that are late or never come, strangers on
//! their ports, and clocks that do not agree.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use crate::common::{
    Place, end_of, error_of, hosts, output_of, parts, poll, signal, start_processes, within_tries,
};
use rustix::process::Signal;

const RUN: [&str; 9] =
    ["run", "--events", "20k", "--rate", "max", "--policy", "local", "--out", "out"];

/// `N` addresses that are free.
fn free<const N: usize>() -> [String; N] {
    // All are bound before the first is let go.
    let listeners = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().to_string())
}

fn command(place: &Place, process: usize, processes: usize) -> Command {
    let (process, processes) = (process.to_string(), processes.to_string());
    let mut command = place.floodway(&RUN);
    command.args(["--", "-n", &processes, "-p", &process, "-h", "hosts"]);
    command
}

fn start(place: &Place, process: usize, processes: usize) -> Child {
    crate::common::start(command(place, process, processes))
}

fn assert_done(place: &Place, processes: Vec<Child>) -> Vec<String> {
    let outputs: Vec<_> = processes.into_iter().map(|child| end_of(child, "a process")).collect();
    for output in &outputs {
        assert_eq!(output.status.code(), Some(0), "{}", error_of(output));
    }
    let lines = place.output("out").split(|byte| *byte == b'\n').count() - 1;
    assert_eq!(lines, 20_000);
    outputs.iter().map(error_of).collect()
}

/// Reads what a process says until it says `what`; answers that line.
fn until(log: &mut impl Iterator<Item = String>, what: &str) -> String {
    log.find(|line| line.contains(what)).unwrap_or_else(|| panic!("it never said {what:?}"))
}

fn log_of(child: &mut Child) -> Box<dyn Iterator<Item = String> + Send> {
    Box::new(BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap))
}

#[test]
fn blank_and_commented_lines_of_a_hosts_file_are_skipped() {
    let place = Place::new();
    let [a, b] = free();
    let hosts = format!("\n# the first\r\n  {a}  # here\r\n\n\t\n{b}\n# not used:\nnode-3:2101\n");
    fs::write(place.path("hosts"), hosts).unwrap();
    assert_done(&place, (0..2).map(|process| start(&place, process, 2)).collect());
}

#[test]
fn a_wrong_hosts_file_is_refused_with_file_and_line_by_every_process() {
    let place = Place::new();
    let [a] = free();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for (text, process, why) in [
        (format!("# two\n{a}\n127.0.0.1\n"), 0, "hosts, line 3"),
        (format!("# two\n{a}\n127.0.0.1\n"), 1, "hosts, line 3"),
        (format!("{a}\nlocalhost:http\n"), 0, "hosts, line 2"),
        (format!("{a}\n\n{a}\n"), 0, "hosts, line 3"),
        ("127.0.0.1:2101\nlocalhost:2101\n".to_owned(), 0, "hosts, line 2"),
        (format!("{a}\nb c:2101\n"), 0, "hosts, line 2"),
        (format!("{a}\n#b:2101\n"), 0, "1 of the 2 addresses"),
        // No address of this machine, and one that another program listens at.
        (format!("{a}\n192.0.2.1:2101\n"), 1, "hosts, line 2"),
        (format!("\n{taken}\n{a}\n"), 0, "hosts, line 2"),
    ] {
        fs::write(place.path("hosts"), &text).unwrap();
        let output = end_of(start(&place, process, 2), "a process with a wrong hosts file");
        let said = error_of(&output);
        assert_eq!(output.status.code(), Some(2), "{text:?}: {said}");
        assert!(said.contains(why) && said.lines().count() == 1, "{text:?}: {said}");
        assert!(!place.path("out").exists(), "{text:?}");
    }
    fs::remove_file(place.path("hosts")).unwrap();
    let output = end_of(start(&place, 0, 2), "a process without its hosts file");
    assert_eq!(output.status.code(), Some(2), "{}", error_of(&output));
}

#[test]
fn connections_from_strangers_are_closed_and_the_run_continues() {
    let place = Place::new();
    let [a, b] = free();
    fs::write(place.path("hosts"), format!("{a}\n{b}\n")).unwrap();
    let mut first = start(&place, 0, 2);
    let connect = || TcpStream::connect(&a).ok();
    let silent = poll("process 0 listens", connect);
    let mut halved = connect().unwrap();
    halved.write_all(b"floodway\0").unwrap();
    // What timely itself would take for process 1 and process 7, and what else may come.
    let endless = [b'x'; 100_000];
    let texts: [&[u8]; 6] =
        [b"", &1u64.to_be_bytes(), &7u64.to_be_bytes(), b"GET / HTTP/1.1\r\n\r\n", &endless, b"\0"];
    for text in texts {
        let mut stranger = connect().unwrap();
        // It may be closed before all is written.
        let _ = stranger.write_all(text);
    }
    let mut log = log_of(&mut first);
    until(&mut log, "which is no process of this run");
    let waiting = until(&mut log, "waiting for process 1");
    assert!(waiting.contains(&format!("{b} (hosts, line 2)")), "{waiting}");
    let reader = std::thread::spawn(move || log.collect::<Vec<_>>().join("\n"));
    let second = start(&place, 1, 2);
    assert_done(&place, vec![first, second]);
    let rest = reader.join().unwrap();
    assert!(!rest.contains("panic") && !rest.contains("is gone"), "{rest}");
    drop((silent, halved));
}

#[test]
fn an_address_where_something_else_listens_is_named() {
    let place = Place::new();
    let [b] = free();
    let service = TcpListener::bind("127.0.0.1:0").unwrap();
    let a = service.local_addr().unwrap();
    fs::write(place.path("hosts"), format!("{a}\n{b}\n")).unwrap();
    std::thread::spawn(move || {
        for stream in service.incoming() {
            let _ = stream.unwrap().write_all(b"220 mail.example.com ESMTP and so on\r\n");
        }
    });
    let mut process = start(&place, 1, 2);
    let mut log = log_of(&mut process);
    let waiting = until(&mut log, "waiting for process 0");
    assert!(waiting.contains(&format!("{a} (hosts, line 1)")), "{waiting}");
    assert!(waiting.contains("no process of a run"), "{waiting}");
    signal(&process, Signal::TERM);
    assert_eq!(end_of(process, "it").status.code(), Some(0));
}

#[test]
fn processes_with_different_process_counts_say_so_and_end() {
    let place = Place::new();
    fs::write(place.path("hosts"), free::<3>().join("\n")).unwrap();
    let [waiting, different] = [start(&place, 0, 2), start(&place, 1, 3)];
    let output = end_of(different, "the process that finds another number");
    assert_eq!(output.status.code(), Some(1), "{}", error_of(&output));
    let said = "process 0 was started with -n 2, this one with -n 3";
    assert!(error_of(&output).matches(said).count() == 2, "{}", error_of(&output));
    signal(&waiting, Signal::TERM);
    let output = end_of(waiting, "a process");
    assert_eq!(output.status.code(), Some(0));
    let said = "process 1 was started with -n 3, this one with -n 2";
    assert!(error_of(&output).contains(said), "{}", error_of(&output));
}

#[test]
fn processes_with_different_worker_counts_say_so_and_end() {
    for (first, second) in [("1", "2"), ("2", "1")] {
        let place = Place::new();
        fs::write(place.path("hosts"), free::<2>().join("\n")).unwrap();
        let start = |process, workers| {
            let mut command = command(&place, process, 2);
            command.args(["-w", workers]);
            crate::common::start(command)
        };
        let [waiting, different] = [start(0, first), start(1, second)];
        let output = end_of(different, "the process that finds another number");
        assert_eq!(output.status.code(), Some(1), "{}", error_of(&output));
        let said = format!("process 0 was started with -w {first}, this one with -w {second}");
        assert!(error_of(&output).contains(&said), "{}", error_of(&output));
        signal(&waiting, Signal::TERM);
        let output = end_of(waiting, "a process");
        assert_eq!(output.status.code(), Some(0));
        let said = format!("process 1 was started with -w {second}, this one with -w {first}");
        assert!(error_of(&output).contains(&said), "{}", error_of(&output));
        let figures = output_of(&output);
        assert!(!figures.contains("output    "), "there is none: {figures}");
    }
}

/// Two of three are there, and one of them is started again; then the third comes, or the run is stopped.
#[test]
fn a_missing_process_is_named_while_waiting_and_a_signal_ends_the_wait() {
    for comes in [true, false] {
        let place = Place::new();
        fs::write(place.path("hosts"), free::<3>().join("\n")).unwrap();
        let mut first = start(&place, 0, 3);
        let mut killed = start(&place, 1, 3);
        let mut log = log_of(&mut first);
        // Process 1 is there by then.
        while until(&mut log, "waiting for process ").contains("process 1") {}
        killed.kill().unwrap();
        killed.wait().unwrap();
        let mut again = start(&place, 1, 3);
        let reader = std::thread::spawn(move || log.collect::<Vec<_>>());
        if !comes {
            // It heeds signals by then.
            let mut log = log_of(&mut again);
            until(&mut log, "waiting for process ");
            std::thread::spawn(move || log.for_each(drop));
        }
        let mut processes = vec![first, again];
        if comes {
            processes.push(start(&place, 2, 3));
            assert_done(&place, processes);
            reader.join().unwrap();
            continue;
        }
        for process in processes {
            signal(&process, Signal::TERM);
            let output = end_of(process, "a process that waits");
            assert_eq!(output.status.code(), Some(0), "{}", error_of(&output));
        }
        assert!(reader.join().unwrap().iter().any(|line| line.contains("nothing was read")));
        assert!(!place.path("out").exists());
    }
}

/// The start is agreed on, whatever the clocks say: an hour apart would be an hour's wait.
#[test]
fn processes_whose_clocks_are_apart_start_at_once_and_say_so() {
    let Some(faketime) = parts::program("faketime") else { return };
    let place = Place::new();
    for (apart, ahead) in [("+3600s", true), ("-3600s", false), ("+1s", true)] {
        let _ = fs::remove_dir_all(place.path("out"));
        fs::write(place.path("hosts"), free::<2>().join("\n")).unwrap();
        let real = command(&place, 1, 2);
        let mut other = Command::new(&faketime);
        other.args(["-f", apart]).arg(real.get_program()).args(real.get_args());
        other.current_dir(real.get_current_dir().unwrap()).env("DONT_FAKE_MONOTONIC", "1");
        other.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let processes = vec![start(&place, 0, 2), other.spawn().unwrap()];
        let said = assert_done(&place, processes);
        let way = |ahead: bool| if ahead { "ahead of" } else { "behind" };
        for (process, text) in said.iter().enumerate() {
            let is_ahead = ahead == (process == 0);
            let expected = format!("the clock of process {} at ", 1 - process);
            assert!(text.contains(&expected) && text.contains(way(is_ahead)), "{apart}: {text}");
        }
    }
}

/// Two processes at 40k/s each are above a threshold of 60k together: no counter but the epochs'
/// crosses them.
#[test]
fn a_threshold_applies_to_the_sum_of_two_processes() {
    let place = Place::new();
    let args = ["run", "--rate", "80k", "--events", "80k", "--policy", "threshold"];
    let mut all = args.to_vec();
    all.extend(["--threshold", "60k", "--epoch", "50ms", "--out", "out", "--overwrite"]);
    all.extend(["--local-lambda", "network=2ms,cold_start=0ms", "--summary", "summary.json"]);
    within_tries("a run that does a part remotely", || {
        for child in start_processes(&place, 2, &all) {
            let output = end_of(child, "it");
            assert!(output.status.success(), "{}", error_of(&output));
        }
        let summary = place.summary();
        assert_eq!((&summary["events_in"], &summary["processes"]), (&80_000.into(), &2.into()));
        // None would be sent, if each saw only its own 40k/s.
        assert!(summary["requests"].as_u64() > Some(0), "{summary}");
        let is_shown = summary["offloaded_fraction"].as_f64() > Some(0.1);
        if is_shown { Ok(()) } else { Err(summary.to_string()) }
    });
}

#[test]
fn a_lost_process_ends_the_others_with_1() {
    let place = Place::new();
    let args = ["run", "--rate", "2k", "--out", "out"];
    let mut children = start_processes(&place, 2, &args);
    poll("something is committed", || {
        let manifest = fs::read_to_string(place.path("out/manifest.jsonl")).ok()?;
        (manifest.lines().count() > 1).then_some(())
    });
    children[1].kill().unwrap();
    children[1].wait().unwrap();
    let survivor = end_of(children.remove(0), "the survivor");
    assert_eq!(survivor.status.code(), Some(1), "{}", error_of(&survivor));
    let error = error_of(&survivor);
    assert!(error.contains("process"), "{error}");
    let recovered = floodway::sink::recover(&place.path("out")).unwrap();
    assert!(recovered.last.unwrap().total_records > 0);
}

#[test]
fn processes_with_different_settings_are_refused() {
    let place = Place::new();
    let hosts = hosts(&place, 2);
    let start = |process: &str, task: &str| {
        let args = ["run", "--events", "100", "--rate", "max", "--out", "out", "--task", task];
        let mut command = place.floodway(&args);
        command.args(["--state", "state/of/it", "--dead-letter", "bad.jsonl"]);
        command.args(["--", "-n", "2", "-p", process, "-h"]).arg(&hosts);
        crate::common::start(command)
    };
    for child in [start("0", "words"), start("1", "bpe")] {
        let output = end_of(child, "a process");
        let error = error_of(&output);
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert_eq!(output_of(&output), "", "no figures of a run that did not begin");
        assert!(
            error.contains(
                "different settings: --task is words in process 0, and bpe in process 1. "
            ),
            "{error}"
        );
    }
    for name in ["out", "state", "bad.jsonl"] {
        assert!(!place.path(name).exists(), "{name}: the same command can be given again");
    }
}

#[test]
fn processes_with_different_policies_of_a_stage_are_refused() {
    let place = Place::new();
    let hosts = hosts(&place, 2);
    let start = |process: &str, stage: &str| {
        let args = ["run", "--events", "100", "--rate", "max", "--out", "out", "--stage", stage];
        let mut command = place.floodway(&args);
        command.args(["--", "-n", "2", "-p", process, "-h"]).arg(&hosts);
        crate::common::start(command)
    };
    // Each may have its own size of requests.
    let stages = ["words.policy=remote,batch=50", "words.policy=local"];
    for child in [start("0", stages[0]), start("1", stages[1])] {
        let output = end_of(child, "a process");
        let error = error_of(&output);
        assert_eq!(output.status.code(), Some(1), "{error}");
        let differs = "--stage words.policy is remote in process 0, and local in process 1. ";
        assert!(error.contains(&format!("different settings: {differs}")), "{error}");
    }
}

#[test]
fn processes_may_write_the_same_setting_differently_and_have_series_of_their_own() {
    let place = Place::new();
    let hosts = hosts(&place, 2);
    let start = |process: &str, [skew, work, series]: [&str; 3]| {
        let args = ["run", "--events", "100", "--rate", "max", "--out", "out", "--skew", skew];
        let mut command = place.floodway(&args);
        command.args(["--work", work, "--series", series]);
        command.args(["--", "-n", "2", "-p", process, "-h"]).arg(&hosts);
        crate::common::start(command)
    };
    for child in [
        start("0", ["57%", "1us,0.002ms@5s", "zero.jsonl"]),
        start("1", ["0.57", "1000ns,2us@5000ms", "one.jsonl"]),
    ] {
        let output = end_of(child, "a process");
        assert!(output.status.success(), "{}", error_of(&output));
    }
    assert!(place.path("zero.jsonl").exists());
}

#[test]
fn a_hosts_file_of_the_wrong_length_is_refused() {
    let place = Place::new();
    let hosts = hosts(&place, 1);
    let hosts = hosts.to_str().unwrap();
    let args = ["run", "--events", "1", "--out", "out", "--", "-n", "2", "-p", "0", "-h", hosts];
    let output = place.run(&args);
    assert_eq!(output.status.code(), Some(2), "{}", error_of(&output));
}
