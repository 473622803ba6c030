//! What reaches a terminal: lines that fit it, colours only where they are wanted, and nothing that a remote
//! side could steer it with.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::thread;

use crate::common::{Place, end_of, error_of};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

/// Runs the command with a terminal of so many columns as its standard error; answers what it wrote there.
fn on_terminal(args: &[&str], columns: u16, variables: &[(&str, &str)]) -> String {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let size = Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(&master, size).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    let slave = File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
    let place = Place::new();
    let mut command = place.floodway(args);
    command.env_remove("NO_COLOR").env("TERM", "xterm-256color");
    command.envs(variables.iter().copied()).stdout(Stdio::piped());
    let child = command.stderr(Stdio::from(OwnedFd::from(slave))).spawn().unwrap();
    // No other end of the terminal stays open here: the reader ends with the child.
    drop(command);
    let reader = thread::spawn(move || {
        let (mut master, mut all, mut some) = (File::from(master), Vec::new(), [0; 4_096]);
        while let Ok(read @ 1..) = master.read(&mut some) {
            all.extend(&some[..read]);
        }
        String::from_utf8_lossy(&all).into_owned()
    });
    assert!(end_of(child, "the run").status.success());
    reader.join().unwrap()
}

/// The lines that were drawn, without what moves the cursor or sets a colour.
fn lines(drawn: &str) -> Vec<String> {
    let mut plain = String::new();
    let mut letters = drawn.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\u{1b}' => drop(letters.by_ref().skip(1).find(|end| end.is_ascii_alphabetic())),
            letter => plain.push(letter),
        }
    }
    plain.split(['\r', '\n']).map(|line| line.trim_end().to_owned()).collect()
}

/// Whether a colour or a weight is set.
fn has_colors(drawn: &str) -> bool {
    drawn.split("\u{1b}[").skip(1).any(|rest| {
        rest.find(|end: char| end.is_ascii_alphabetic()).is_some_and(|at| &rest[at..=at] == "m")
    })
}

/// A run of some two seconds, of which one is drawn at least.
const RUN: [&str; 7] = ["run", "--rate", "2k", "--duration", "2s", "--sink", "null"];

#[test]
fn progress_fits_the_terminals_width() {
    for columns in [40, 80, 200] {
        let drawn = on_terminal(&RUN, columns, &[]);
        let lines = lines(&drawn);
        let progress: Vec<_> = lines.iter().filter(|line| line.contains(" %  ")).collect();
        assert!(!progress.is_empty(), "{columns}: {lines:?}");
        for line in progress {
            assert!(line.chars().count() < usize::from(columns), "{columns}: {line:?}");
            assert!(line.contains("/s"), "{columns}: {line:?}");
        }
        assert_eq!(lines.iter().any(|line| line.contains('[')), columns >= 80, "{lines:?}");
    }
}

#[test]
fn a_dumb_terminal_gets_plain_lines_and_colour_options_apply() {
    let logged = [&RUN[..], &["--log", "debug"]].concat();
    assert!(has_colors(&on_terminal(&logged, 80, &[])), "the log's levels have colours");
    assert!(!has_colors(&on_terminal(&logged, 80, &[("NO_COLOR", "1")])));
    let dumb = on_terminal(&logged, 80, &[("TERM", "dumb")]);
    assert!(!dumb.contains('\u{1b}'), "{dumb:?}");
}

#[test]
fn an_error_is_the_last_line() {
    let place = Place::new();
    let lambda = hostile(403, "", r#"{"__type":"AccessDeniedException","message":"no"}"#);
    // Both streams in one file, in the order in which they were written, as a terminal shows them.
    let file = File::create(place.path("all")).unwrap();
    let run = ["run", "--events", "100", "--policy", "remote", "--sink", "null", "--lambda"];
    let mut command = place.floodway(&[&run[..], &[&lambda]].concat());
    command.stdout(file.try_clone().unwrap()).stderr(file);
    let status = end_of(command.spawn().unwrap(), "the run").status;
    let all = std::fs::read_to_string(place.path("all")).unwrap();
    assert_eq!(status.code(), Some(1), "{all}");
    assert!(all.lines().last().unwrap().starts_with("floodway: "), "{all}");
}

/// A server that answers every request with this status, these headers and this body.
fn hostile(status: u16, headers: &'static str, body: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let answer = move |stream: TcpStream| -> std::io::Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        loop {
            let (mut length, mut line) = (0, String::new());
            while {
                line.clear();
                reader.read_line(&mut line)? > 2
            } {
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
            }
            if line.is_empty() {
                return Ok(());
            }
            reader.read_exact(&mut vec![0; length])?;
            let length = body.len();
            let head = format!("HTTP/1.1 {status} X\r\n{headers}Content-Length: {length}\r\n\r\n");
            (&stream).write_all(format!("{head}{body}").as_bytes())?;
        }
    };
    // The threads end with the test's process.
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || answer(stream));
        }
    });
    url
}

#[test]
fn control_characters_of_a_remote_answer_are_escaped() {
    let place = Place::new();
    let failed = "X-Amz-Function-Error: Unhandled\r\n";
    for (status, headers, body) in [
        (
            403,
            "",
            r#"{"__type":"AccessDeniedException","message":"\u001b[31mred\r\nforged line\u009b2J"}"#,
        ),
        (403, "", "{\"__type\":\"Evil\\u001b[31m\\nforged line\",\"message\":\"x\"}"),
        (500, "", "\u{1b}]0;title\u{7}\r\nforged line"),
        (200, failed, r#"{"errorMessage":"\u001b[31mred\nforged line","errorType":"E\u001b[1m"}"#),
        (200, "", "\u{1b}[2Jno JSON\nforged line"),
        (
            200,
            "",
            r#"{"v":1,"task":"words","version":"9\u001b[31m\nforged line","results":[],"ids":[],"errors":[]}"#,
        ),
        (200, "", r#"{"v":1,"task":"\u001b[31m\nforged line","results":[],"ids":[],"errors":[]}"#),
        (
            200,
            "",
            r#"{"v":1,"task":"words","version":"0.1.0","results":[],"ids":[],"errors":[{"id":0,"code":"\u001b[31m\nforged line"}]}"#,
        ),
        (
            200,
            "",
            r#"{"v":1,"task":"words","version":"0.1.0","results":["\u001b[31m"],"ids":[0],"errors":[]}"#,
        ),
    ] {
        let url = hostile(status, headers, body);
        let run = ["run", "--events", "1", "--rate", "max", "--policy", "remote", "--sink", "null"];
        let run = [&run[..], &["--attempts", "1", "--log", "debug", "--lambda", &url]].concat();
        for args in [&["check", "--log", "debug", "--lambda", &url][..], &run] {
            let output = place.run(args);
            let said = [output.stdout, output.stderr].concat();
            let said = String::from_utf8(said).unwrap();
            let active = |letter: char| letter.is_control() && letter != '\n';
            assert!(!said.contains(active), "{body}: {args:?}: {said:?}");
            assert!(!said.lines().any(|line| line.starts_with("forged")), "{body}: {said:?}");
        }
    }
}

#[test]
fn a_summary_that_cannot_be_printed_goes_to_standard_error() {
    let place = Place::new();
    let floodway = env!("CARGO_BIN_EXE_floodway");
    for to in [">&-", "> /dev/full"] {
        let line = format!("exec {floodway} run --events 100 --sink null {to}");
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", &line]).current_dir(place.path("."));
        let output = shell.output().unwrap();
        let error = error_of(&output);
        assert_eq!(output.status.code(), Some(0), "{to}: {error}");
        assert!(error.contains("100 events in") && error.contains("on time"), "{to}: {error}");
    }
    // Other text does not move: a program that starts this one may open /dev/null for both.
    for (args, to) in
        [("completion bash", "<> /dev/null >&0"), ("run --events 100 --sink null", "| true")]
    {
        let line = format!("{floodway} {args} {to}");
        let mut shell = std::process::Command::new("sh");
        let output = shell.args(["-c", &line]).current_dir(place.path(".")).output().unwrap();
        assert!(output.status.success(), "{line}");
        let error = error_of(&output);
        assert!(!error.contains("100 events in") && !error.contains("complete"), "{line}: {error}");
        assert!(!error.contains("standard output"), "{line}: {error}");
    }
    // Nobody wants to see it here.
    let line = format!("exec {floodway} run --events 100 --sink null > /dev/null");
    let mut shell = std::process::Command::new("sh");
    let output = shell.args(["-c", &line]).current_dir(place.path(".")).output().unwrap();
    assert!(!error_of(&output).contains("100 events in"), "{}", error_of(&output));
}
