//! The server: a thread a connection, and the same weather for all of them.

use std::collections::HashMap;
use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, LazyLock, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::answer::Answer;
use super::{On, Weather, http};

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
    weather: Weather,
    on: On,
    address: SocketAddr,
    elsewhere: String,
    /// Requests that came, the empty ones too.
    requests: AtomicUsize,
    /// Those that were in the weather.
    hit: AtomicUsize,
    /// Those with records in them.
    full: AtomicUsize,
    /// Records that were answered so that the answer may be believed, at most.
    answered: AtomicUsize,
    /// A request that is not as the wire describes it.
    misunderstood: Mutex<Option<String>>,
    gone: AtomicBool,
    connections: Mutex<HashMap<usize, Arc<TcpStream>>>,
}

impl Server {
    pub fn start(weather: Weather, on: On) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let mut address = listener.local_addr().expect("its address");
        let mut held = None;
        let elsewhere =
            (weather == Weather::Redirect).then(|| Box::new(Server::start(Weather::Fair, On::All)));
        if weather == Weather::Absent {
            // A client's port: taken, so that no other server gets it, and nobody listens there.
            let client = TcpStream::connect(address).expect("the listener is there");
            address = client.local_addr().expect("its address");
            let (peer, _) = listener.accept().expect("the client is there");
            held = Some((client, peer));
        }
        let state = Arc::new(State {
            weather,
            on,
            address,
            elsewhere: elsewhere.as_ref().map_or_else(String::new, |server| server.url.clone()),
            requests: AtomicUsize::new(0),
            hit: AtomicUsize::new(0),
            full: AtomicUsize::new(0),
            answered: AtomicUsize::new(0),
            misunderstood: Mutex::default(),
            gone: AtomicBool::new(weather == Weather::Absent),
            connections: Mutex::default(),
        });
        if weather != Weather::Absent {
            let state = Arc::clone(&state);
            thread::spawn(move || listen(&listener, &state));
        }
        Server { url: format!("http://{address}/"), state, elsewhere, _held: held }
    }

    /// Requests that came until now.
    pub fn requests(&self) -> usize {
        self.state.requests.load(SeqCst)
    }

    /// Records that were answered well until now: no more than these can have been taken.
    pub fn answered(&self) -> usize {
        self.state.answered.load(SeqCst)
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
    while let Some(length) = http::read_head(stream)? {
        state.requests.fetch_add(1, SeqCst);
        // All but the last byte: what is closed with a byte unread in it is reset.
        let mut body = http::read_body(stream, length.saturating_sub(1))?;
        let is_spared = state.on == On::Records && body.ends_with(br#""records":[]"#);
        let number = if is_spared { 0 } else { state.hit.fetch_add(1, SeqCst) };
        let weather = match state.weather {
            _ if is_spared => Weather::Fair,
            Weather::FairAfter(resets) if number < resets => Weather::Reset,
            weather => weather,
        };
        if let Weather::Reset | Weather::ResetInAnswer = weather {
            if weather == Weather::ResetInAnswer {
                let beginning = r#"{"v":1,"task":"words","results":["#;
                let head = http::head(200, "", 4_096);
                let mut stream = stream;
                stream.write_all((head + beginning).as_bytes())?;
            }
            return Ok(());
        }
        body.extend(http::read_body(stream, length.min(1))?);
        let records = match records(&body) {
            Ok(records) => records,
            Err(error) => {
                *state.misunderstood.lock().unwrap() = Some(error);
                return Ok(());
            }
        };
        let full = !records.is_empty();
        answer(stream, state, weather, number, &records)?;
        if let Weather::GoneAfter(last) = weather
            && full
            && state.full.fetch_add(1, SeqCst) + 1 == last
        {
            state.leave();
        }
    }
    Ok(())
}

/// A request's records.
fn records(body: &[u8]) -> Result<Vec<String>, String> {
    let request: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let records = request["records"].as_array().into_iter().flatten();
    let records: Option<Vec<String>> = records
        .map(|record| record.as_str().filter(|text| text.is_ascii())?.to_owned().into())
        .collect();
    match records {
        Some(records) if request["v"] == 1 && request["task"] == "words" => Ok(records),
        _ => Err(format!("not a request for words in ASCII: {request}")),
    }
}

fn answer(
    mut stream: &TcpStream,
    state: &State,
    weather: Weather,
    number: usize,
    records: &[String],
) -> io::Result<()> {
    let mut answer = Answer::to(records);
    answer.spoil(weather);
    let json = answer.json().to_string();
    match weather {
        Weather::Fair
        | Weather::OtherOrder
        | Weather::Errors
        | Weather::GoneAfter(_)
        | Weather::FairAfter(_) => {
            state.answered.fetch_add(answer.answered(), SeqCst);
            http::write(stream, 200, "", &json)
        }
        Weather::OtherVersion
        | Weather::OtherTask
        | Weather::UnknownId
        | Weather::Missing
        | Weather::Doubled
        | Weather::TooMany
        | Weather::LineBreak(_)
        | Weather::WrongResults => http::write(stream, 200, "", &json),
        Weather::Status(status) => http::write(stream, status, "", &json),
        Weather::RetryAfter(seconds) => {
            http::write(stream, 429, &format!("Retry-After: {seconds}\r\n"), &json)
        }
        Weather::FunctionError(kind) => {
            http::write(stream, 200, &format!("X-Amz-Function-Error: {kind}\r\n"), &json)
        }
        Weather::Truncated => http::write(stream, 200, "", &json[..json.len() / 2]),
        Weather::Empty => http::write(stream, 200, "", ""),
        Weather::Html => http::write(stream, 200, "", "<!doctype html><p>Welcome to the hotel"),
        Weather::Redirect => {
            // The last two ask for the same request again, with its body.
            let status = [301, 302, 303, 307, 308][number % 5];
            http::write(stream, status, &format!("Location: {}\r\n", state.elsewhere), &json)
        }
        Weather::Huge => huge(stream, number, &json),
        Weather::Trickle => {
            stream.write_all(http::head(200, "", json.len()).as_bytes())?;
            for bytes in json.as_bytes().chunks(3) {
                stream.write_all(bytes)?;
                thread::sleep(Duration::from_millis(40));
            }
            Ok(())
        }
        // Until the client has had enough.
        Weather::Hang => stream.read(&mut [0]).map(drop),
        Weather::Absent | Weather::Reset | Weather::ResetInAnswer => {
            unreachable!("{weather:?} reads no request")
        }
    }
}

/// Answers with 7 MB of space before the end of `json`.
fn huge(mut stream: &TcpStream, number: usize, json: &str) -> io::Result<()> {
    static SPACE: LazyLock<Vec<u8>> = LazyLock::new(|| vec![b' '; 7_000_000]);
    let (json, end) = json.split_at(json.len() - 1);
    // The first ones don't say beforehand how long they are; not all, as these must be read.
    if number < 4 {
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
