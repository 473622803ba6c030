//! Several processes that find each other: wrong hosts files, processes that are late or never come, strangers on
//! their ports, and clocks that do not agree.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};

use crate::common::{Place, end_of, parts, poll, signal};
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
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn start(place: &Place, process: usize, processes: usize) -> Child {
    command(place, process, processes).spawn().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn assert_done(place: &Place, processes: Vec<Child>) -> Vec<String> {
    let outputs: Vec<_> = processes.into_iter().map(|child| end_of(child, "a process")).collect();
    for output in &outputs {
        assert_eq!(output.status.code(), Some(0), "{}", said(output));
    }
    let lines = place.output("out").split(|byte| *byte == b'\n').count() - 1;
    assert_eq!(lines, 20_000);
    outputs.iter().map(said).collect()
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
        let said = said(&output);
        assert_eq!(output.status.code(), Some(2), "{text:?}: {said}");
        assert!(said.contains(why) && said.lines().count() == 1, "{text:?}: {said}");
        assert!(!place.path("out").exists(), "{text:?}");
    }
    fs::remove_file(place.path("hosts")).unwrap();
    let output = end_of(start(&place, 0, 2), "a process without its hosts file");
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
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
fn processes_with_different_process_counts_say_so_while_they_wait() {
    let place = Place::new();
    fs::write(place.path("hosts"), free::<3>().join("\n")).unwrap();
    let mut processes = [start(&place, 0, 2), start(&place, 1, 3)];
    let mut log = log_of(&mut processes[1]);
    let waiting = until(&mut log, "waiting for process 0");
    assert!(waiting.contains("process 0 was started with -n 2, this one with -n 3"), "{waiting}");
    for process in processes {
        signal(&process, Signal::TERM);
        assert_eq!(end_of(process, "a process").status.code(), Some(0));
    }
}

#[test]
fn processes_with_different_worker_counts_say_so_while_they_wait() {
    for (first, second) in [("1", "2"), ("2", "1")] {
        let place = Place::new();
        fs::write(place.path("hosts"), free::<2>().join("\n")).unwrap();
        let start = |process, workers| {
            let mut command = command(&place, process, 2);
            command.args(["-w", workers]).spawn().unwrap()
        };
        let mut processes = [start(0, first), start(1, second)];
        let mut log = log_of(&mut processes[1]);
        let waiting = until(&mut log, "waiting for process 0");
        let expected = format!("process 0 was started with -w {first}, this one with -w {second}");
        assert!(waiting.contains(&expected), "{waiting}");
        for process in processes {
            signal(&process, Signal::TERM);
            let output = end_of(process, "a process");
            assert_eq!(output.status.code(), Some(0));
            let figures = String::from_utf8_lossy(&output.stdout);
            assert!(!figures.contains("output    "), "there is none: {figures}");
        }
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
        let again = start(&place, 1, 3);
        let mut processes = vec![first, again];
        let reader = std::thread::spawn(move || log.collect::<Vec<_>>());
        if comes {
            processes.push(start(&place, 2, 3));
            assert_done(&place, processes);
            reader.join().unwrap();
            continue;
        }
        for process in processes {
            signal(&process, Signal::TERM);
            let output = end_of(process, "a process that waits");
            assert_eq!(output.status.code(), Some(0), "{}", said(&output));
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
