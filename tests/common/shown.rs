//! A run that shows itself (`--listen`), and what it answers.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};

use rustix::process::Signal;

use super::{LIMIT, end_of, poll, signal};

/// A run that shows itself. It is ended with the test.
pub struct Shown {
    pub child: Option<Child>,
    pub address: SocketAddr,
}

impl Shown {
    /// Starts it; it says where it is to be seen.
    pub fn start(mut command: Command) -> Shown {
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the command starts");
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let said = lines.find(|line| line.contains("live at http://")).expect("it says where");
        let address = said.split(['/', ',']).nth(2).unwrap().parse().unwrap();
        // What else it says must not fill the pipe.
        std::thread::spawn(move || lines.for_each(|line| eprintln!("{line}")));
        Shown { child: Some(child), address }
    }

    pub fn get(&self, path: &str) -> Answer {
        self.ask(path, "").unwrap_or_else(|| panic!("{path} is answered"))
    }

    pub fn ask(&self, path: &str, header: &str) -> Option<Answer> {
        ask(self.address, &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{header}"))
    }

    pub fn metrics(&self) -> Metrics {
        Metrics::of(&self.get("/metrics").body)
    }

    /// Waits until its state is this one.
    pub fn until(&self, state: &str) -> Metrics {
        let name = format!("floodway_run_state{{state=\"{state}\"}}");
        poll(state, || Some(self.metrics()).filter(|all| all.get(&name) == 1.0))
    }

    /// Ends it, and it must end well.
    pub fn end(self) {
        assert_eq!(self.end_with(), Some(0));
    }

    /// Ends it, and answers with what.
    pub fn end_with(mut self) -> Option<i32> {
        let child = self.child.take().unwrap();
        signal(&child, Signal::INT);
        end_of(child, "a run that is shown").status.code()
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

/// Asks, and closes the connection after the answer.
pub fn ask(address: SocketAddr, request: &str) -> Option<Answer> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(LIMIT)).ok()?;
    stream.write_all(format!("{request}Connection: close\r\n\r\n").as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(Answer { status, head: head.to_lowercase(), body: body.to_owned() })
}

/// Values by names with their labels.
#[derive(Debug)]
pub struct Metrics(pub BTreeMap<String, f64>);

impl Metrics {
    pub fn of(text: &str) -> Metrics {
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        let pair = |line: &str| {
            let (name, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
            (name.to_owned(), value.parse().unwrap_or_else(|_| panic!("{line}")))
        };
        Metrics(samples.map(pair).collect())
    }

    pub fn get(&self, name: &str) -> f64 {
        *self.0.get(name).unwrap_or_else(|| panic!("there is {name}"))
    }

    pub fn sum(&self, begin: &str) -> f64 {
        self.0.iter().filter(|(name, _)| name.starts_with(begin)).map(|(_, value)| value).sum()
    }

    /// What counts up.
    pub fn counters(&self) -> impl Iterator<Item = (&String, &f64)> {
        self.0.iter().filter(|(name, _)| {
            let name = name.split('{').next().unwrap();
            ["_total", "_count", "_bucket", "_sum"].iter().any(|end| name.ends_with(end))
        })
    }
}
