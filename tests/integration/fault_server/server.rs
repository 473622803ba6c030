//! The server: a thread a connection, and the same faults for all of them.

use std::collections::HashMap;
use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, LazyLock, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::answer::Answer;
use super::{Fault, On, Task, http};

/// A server, until it is dropped.
pub struct Server {
    pub url: String,
    state: Arc<State>,
    /// Where it redirects to.
    elsewhere: Option<Box<Server>>,
    /// Keeps the port of a server that is not there from everybody else: both ends of a
    /// connection, as a reset one would give its port back.
    _held: Option<(TcpStream, TcpStream)>,
}

struct State {
    task: Task,
    /// The n-th request has the n-th fault, and all after them have the last.
    faults: Vec<Fault>,
    on: On,
    address: SocketAddr,
    elsewhere: String,
    /// Requests that came, the empty ones too.
    requests: AtomicUsize,
    /// Those that had a fault.
    hit: AtomicUsize,
    /// Those with records in them.
    full: AtomicUsize,
    /// Records that were answered so that the answer may be believed, at most.
    answered: AtomicUsize,
    /// Bytes of the largest body.
    largest: AtomicUsize,
    /// A request that is not as the wire describes it.
    misunderstood: Mutex<Option<String>>,
    gone: AtomicBool,
    connections: Mutex<HashMap<usize, Arc<TcpStream>>>,
}

impl Server {
    /// A function for `words` with the same fault for all requests.
    pub fn start(fault: Fault, on: On) -> Server {
        Server::with(Task::Words, vec![fault], on)
    }

    /// A function for `words`: its n-th request has the n-th fault, and all after them have the last.
    pub fn words(faults: Vec<Fault>, on: On) -> Server {
        Server::with(Task::Words, faults, on)
    }

    /// The same for any text task, on requests with records.
    pub fn text(task: &'static str, faults: Vec<Fault>) -> Server {
        Server::with(Task::Text(task), faults, On::Records)
    }

    /// The same for `square`.
    pub fn square(faults: Vec<Fault>) -> Server {
        Server::with(Task::Square, faults, On::All)
    }

    /// The same for `square`, with the same fault for all of these requests.
    pub fn square_with(fault: Fault, on: On) -> Server {
        Server::with(Task::Square, vec![fault], on)
    }

    fn with(task: Task, faults: Vec<Fault>, on: On) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let mut address = listener.local_addr().expect("its address");
        let mut held = None;
        let redirects = faults.contains(&Fault::Redirect);
        let elsewhere = redirects.then(|| Box::new(Server::with(task, vec![Fault::None], On::All)));
        let is_absent = faults == [Fault::Absent];
        if is_absent {
            // A client's port: taken, so that no other server gets it, and nobody listens there.
            let client = TcpStream::connect(address).expect("the listener is there");
            address = client.local_addr().expect("its address");
            let (peer, _) = listener.accept().expect("the client is there");
            held = Some((client, peer));
        }
        let state = Arc::new(State {
            task,
            faults,
            on,
            address,
            elsewhere: elsewhere.as_ref().map_or_else(String::new, |server| server.url.clone()),
            requests: AtomicUsize::new(0),
            hit: AtomicUsize::new(0),
            full: AtomicUsize::new(0),
            answered: AtomicUsize::new(0),
            largest: AtomicUsize::new(0),
            misunderstood: Mutex::default(),
            gone: AtomicBool::new(is_absent),
            connections: Mutex::default(),
        });
        if !is_absent {
            let state = Arc::clone(&state);
            thread::spawn(move || listen(&listener, &state));
        }
        Server { url: format!("http://{address}/"), state, elsewhere, _held: held }
    }

    /// Requests that came until now.
    pub fn requests(&self) -> usize {
        self.state.requests.load(SeqCst)
    }

    /// Requests with a fault until now. Those that are to be answered well count too.
    pub fn hit(&self) -> usize {
        self.state.hit.load(SeqCst)
    }

    /// Records that were answered well until now: no more than these can have been taken.
    pub fn answered(&self) -> usize {
        self.state.answered.load(SeqCst)
    }

    /// Bytes of the largest body until now.
    pub fn largest(&self) -> usize {
        self.state.largest.load(SeqCst)
    }

    /// A request that is not as the wire describes it, if one came.
    pub fn misunderstood(&self) -> Option<String> {
        self.state.misunderstood.lock().unwrap().clone()
    }

    /// Requests that followed a redirect.
    pub fn followed(&self) -> usize {
        self.elsewhere.as_ref().map_or(0, |server| server.requests())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.state.leave();
    }
}

impl State {
    /// Ends the listener and all connections.
    fn leave(&self) {
        if !self.gone.swap(true, SeqCst) {
            // Wakes the listener, so that it sees it.
            let _ = TcpStream::connect(self.address);
            for connection in self.connections.lock().unwrap().values() {
                // It may be closed already.
                let _ = connection.shutdown(Shutdown::Both);
            }
        }
    }
}

fn listen(listener: &TcpListener, state: &Arc<State>) {
    for (number, stream) in listener.incoming().enumerate() {
        let stream = Arc::new(stream.expect("a connection"));
        // In this order: whoever leaves later finds it among the connections.
        state.connections.lock().unwrap().insert(number, Arc::clone(&stream));
        if state.gone.load(SeqCst) {
            state.connections.lock().unwrap().remove(&number);
            return;
        }
        let state = Arc::clone(state);
        thread::spawn(move || {
            // A connection that breaks is what this server is for.
            let _ = serve(&stream, &state);
            state.connections.lock().unwrap().remove(&number);
        });
    }
}

fn serve(stream: &TcpStream, state: &State) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut is_first = true;
    while let Some(length) = http::read_head(stream)? {
        if state.faults == [Fault::Stale] && !is_first {
            // Closed, not reset: the client finds that the connection it kept is at its end.
            http::read_body(stream, length)?;
            return Ok(());
        }
        is_first = false;
        state.requests.fetch_add(1, SeqCst);
        state.largest.fetch_max(length, SeqCst);
        // All but the last byte: what is closed with a byte unread in it is reset.
        let mut body = http::read_body(stream, length.saturating_sub(1))?;
        let is_spared = state.on == On::Records && body.ends_with(br#""records":[]"#);
        let number = if is_spared { 0 } else { state.hit.fetch_add(1, SeqCst) };
        let fault = match is_spared {
            true => Fault::None,
            false => *state.faults.get(number).or(state.faults.last()).unwrap_or(&Fault::None),
        };
        if let Fault::Reset | Fault::ResetInAnswer = fault {
            if fault == Fault::ResetInAnswer {
                let beginning = r#"{"v":1,"task":"words","results":["#;
                let head = http::head(200, "", 4_096);
                let mut stream = stream;
                stream.write_all((head + beginning).as_bytes())?;
            }
            return Ok(());
        }
        body.extend(http::read_body(stream, length.min(1))?);
        let records = match records(state.task, &body) {
            Ok(records) => records,
            Err(error) => {
                *state.misunderstood.lock().unwrap() = Some(error);
                return Ok(());
            }
        };
        let full = !records.is_empty();
        answer(stream, state, fault, number, &records)?;
        if let Fault::GoneAfter(last) = fault
            && full
            && state.full.fetch_add(1, SeqCst) + 1 == last
        {
            state.leave();
        }
    }
    Ok(())
}

/// A request's records.
fn records(task: Task, body: &[u8]) -> Result<Vec<Value>, String> {
    let request: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let records = request["records"].as_array().cloned().unwrap_or_default();
    let is_right = request["v"] == 1 && request["task"] == task.name();
    if is_right && records.iter().all(|record| task.takes(record)) {
        Ok(records)
    } else {
        Err(format!("not a request for {}: {request}", task.name()))
    }
}

fn answer(
    mut stream: &TcpStream,
    state: &State,
    fault: Fault,
    number: usize,
    records: &[Value],
) -> io::Result<()> {
    let mut answer = Answer::to(state.task, records);
    answer.spoil(fault);
    let json = answer.json().to_string();
    match fault {
        Fault::None
        | Fault::OtherOrder
        | Fault::Errors
        | Fault::FirstRefused
        | Fault::Stale
        | Fault::GoneAfter(_) => {
            state.answered.fetch_add(answer.answered(), SeqCst);
            http::write(stream, 200, "", &json)
        }
        Fault::OtherVersion
        | Fault::OtherTask
        | Fault::UnknownId
        | Fault::Missing
        | Fault::Doubled
        | Fault::TooMany
        | Fault::LineBreak(_)
        | Fault::WrongResults => http::write(stream, 200, "", &json),
        Fault::Status(status) => http::write(stream, status, "", &json),
        Fault::Chokes(on) if records.contains(&on.into()) => http::write(stream, 500, "", &json),
        Fault::Chokes(_) => http::write(stream, 200, "", &json),
        Fault::RetryAfter(seconds) => {
            http::write(stream, 429, &format!("Retry-After: {seconds}\r\n"), &json)
        }
        Fault::FunctionError(kind) => {
            http::write(stream, 200, &format!("X-Amz-Function-Error: {kind}\r\n"), &json)
        }
        Fault::Truncated => http::write(stream, 200, "", &json[..json.len() / 2]),
        Fault::Empty => http::write(stream, 200, "", ""),
        Fault::Html => http::write(stream, 200, "", "<!doctype html><p>Welcome to the hotel"),
        Fault::Redirect => {
            // The last two ask for the same request again, with its body.
            let status = [301, 302, 303, 307, 308][number % 5];
            http::write(stream, status, &format!("Location: {}\r\n", state.elsewhere), &json)
        }
        // The first ones don't say beforehand how long they are; not all, as these must be read.
        Fault::Huge => huge(stream, number < 4, &json),
        Fault::HugeAbove(most) if records.len() > most => huge(stream, true, &json),
        Fault::HugeAbove(_) => http::write(stream, 200, "", &json),
        Fault::NeverEnds => never_ends(stream, records.len().is_multiple_of(2)),
        Fault::Trickle => {
            stream.write_all(http::head(200, "", json.len()).as_bytes())?;
            for bytes in json.as_bytes().chunks(3) {
                stream.write_all(bytes)?;
                thread::sleep(Duration::from_millis(40));
            }
            Ok(())
        }
        Fault::Late => {
            thread::sleep(Duration::from_millis(100));
            state.answered.fetch_add(answer.answered(), SeqCst);
            http::write(stream, 200, "", &json)
        }
        Fault::Hang => until_closed(stream),
        Fault::Absent | Fault::Reset | Fault::ResetInAnswer => {
            unreachable!("{fault:?} reads no request")
        }
    }
}

/// Answers with 7 MB of space before the end of `json`, in chunks or with its length.
fn huge(mut stream: &TcpStream, is_chunked: bool, json: &str) -> io::Result<()> {
    static SPACE: LazyLock<Vec<u8>> = LazyLock::new(|| vec![b' '; 7_000_000]);
    let (json, end) = json.split_at(json.len() - 1);
    if is_chunked {
        return http::write_chunked(stream, [json.as_bytes(), &SPACE[..], end.as_bytes()]);
    }
    let length = json.len() + SPACE.len() + end.len();
    let (first, rest) = SPACE.split_at(64 << 10);
    stream.write_all((http::head(200, "", length) + json).as_bytes())?;
    stream.write_all(first)?;
    // Whoever has read the head and does not want the rest is gone by now: megabytes into the void,
    // thousands of times, would only slow down the runs beside this one.
    stream.set_read_timeout(Some(Duration::from_millis(100)))?;
    if let Ok(0) = stream.peek(&mut [0]) {
        return Err(io::ErrorKind::BrokenPipe.into());
    }
    stream.set_read_timeout(None)?;
    stream.write_all(rest)?;
    stream.write_all(end.as_bytes())
}

/// Begins an answer of 6 MB, in chunks or with its length, and leaves out its last byte.
fn never_ends(mut stream: &TcpStream, has_length: bool) -> io::Result<()> {
    static SPACE: LazyLock<Vec<u8>> = LazyLock::new(|| vec![b' '; 5_999_999]);
    let length = SPACE.len() + 1;
    let head = match has_length {
        true => http::head(200, "", length),
        false => format!("{}{length:x}\r\n", http::CHUNKED),
    };
    stream.write_all(head.as_bytes())?;
    stream.write_all(&SPACE)?;
    until_closed(stream)
}

/// Waits until the client has had enough.
fn until_closed(mut stream: &TcpStream) -> io::Result<()> {
    stream.read(&mut [0]).map(drop)
}
