//! A server that misbehaves as it is told, request by request: it squares numbers.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, LazyLock};
use std::thread;

use serde_json::{Value, json};

/// What the server does with a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Weather {
    Fair,
    Status(u16),
    /// Throttled, and to come back after so many seconds.
    Throttled(u64),
    /// 200 with `X-Amz-Function-Error`.
    FunctionError,
    /// Closes the connection instead of an answer.
    Reset,
    /// The same, after one answer on the connection: it was kept for the next request, and is closed.
    Stale,
    /// Closes it in the middle of the answer.
    Half,
    /// Never answers.
    Hang,
    /// An answer that is no JSON.
    Garbage,
    /// One result too few.
    Missing,
    /// An id twice.
    Twice,
    /// The answer to another task.
    OtherTask,
    /// A record in `errors`.
    Refused,
    /// Streams its answer, which is longer than 6 MB if the request has more than five records.
    LongStream,
    /// Nearly 6 MB of an answer, and nothing more: it holds the memory of whoever reads it.
    NeverEnds,
    /// A redirect to itself.
    Redirect,
}

/// A server that answers its n-th request with the n-th weather, and all after them with the last.
pub struct Server {
    pub url: String,
    pub requests: Arc<AtomicUsize>,
    pub largest: Arc<AtomicUsize>,
}

impl Server {
    pub fn start(weathers: Vec<Weather>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let (requests, largest) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (count, most) = (Arc::clone(&requests), Arc::clone(&largest));
        let weathers = Arc::new(weathers);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                let (count, most) = (Arc::clone(&count), Arc::clone(&most));
                let weathers = Arc::clone(&weathers);
                thread::spawn(move || {
                    // A connection that breaks is what this server is for.
                    let _ = serve(stream, &weathers, &count, &most);
                });
            }
        });
        Server { url, requests, largest }
    }
}

fn serve(
    stream: TcpStream,
    weathers: &[Weather],
    count: &AtomicUsize,
    largest: &AtomicUsize,
) -> io::Result<()> {
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    for of_connection in 0.. {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let line = line.trim().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        largest.fetch_max(length, SeqCst);
        if of_connection > 0 && weathers == [Weather::Stale] {
            return Ok(());
        }
        let number = count.fetch_add(1, SeqCst);
        let weather = weathers.get(number).or(weathers.last()).copied().unwrap_or(Weather::Fair);
        let request: Value = serde_json::from_slice(&body).unwrap();
        answer(&mut writer, weather, &request)?;
    }
    Ok(())
}

fn answer(writer: &mut TcpStream, weather: Weather, request: &Value) -> io::Result<()> {
    let records: Vec<u64> =
        request["records"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect();
    let mut results: Vec<u64> = records.iter().map(|n| n * n).collect();
    let mut ids: Vec<usize> = (0..records.len()).collect();
    if weather == Weather::NeverEnds {
        return never_ends(writer, records.len());
    }
    let (mut task, mut errors) = ("square", Vec::new());
    let (mut status, mut extra) = (200, String::new());
    match weather {
        Weather::Hang => loop {
            thread::park();
        },
        Weather::Reset => return Err(io::ErrorKind::ConnectionReset.into()),
        Weather::Status(other) => status = other,
        Weather::Throttled(seconds) => {
            (status, extra) = (429, format!("Retry-After: {seconds}\r\n"));
        }
        Weather::FunctionError => extra = "X-Amz-Function-Error: Unhandled\r\n".to_owned(),
        Weather::Redirect => (status, extra) = (302, "Location: /elsewhere\r\n".to_owned()),
        Weather::Missing => {
            results.pop();
            ids.pop();
        }
        Weather::Twice => {
            results.push(0);
            ids.push(0);
        }
        Weather::OtherTask => task = "cube",
        Weather::Refused => {
            let id = ids.remove(0);
            results.remove(0);
            errors.push(json!({ "id": id, "code": "no" }));
        }
        Weather::Fair
        | Weather::LongStream
        | Weather::NeverEnds
        | Weather::Stale
        | Weather::Half
        | Weather::Garbage => {}
    }
    let answer = json!({
        "v": 1, "task": task, "results": results, "ids": ids, "errors": errors
    });
    let mut body = answer.to_string();
    if weather == Weather::Garbage {
        body.truncate(body.len() / 2);
    }
    if weather == Weather::LongStream {
        body.push_str(&" ".repeat(if records.len() > 5 { 7_000_000 } else { 0 }));
        let head = "HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n";
        write!(writer, "{head}{:x}\r\n{body}\r\n0\r\n\r\n", body.len())?;
        return writer.flush();
    }
    let length = body.len();
    if weather == Weather::Half {
        body.truncate(length / 2);
    }
    write!(writer, "HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n{extra}\r\n{body}")?;
    writer.flush()?;
    if weather == Weather::Half { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(()) }
}

/// Begins an answer of 6 MB and leaves out its last byte. Only one to an even number of records says how long it is.
fn never_ends(writer: &mut TcpStream, records: usize) -> io::Result<()> {
    static SPACE: LazyLock<Vec<u8>> = LazyLock::new(|| vec![b' '; 5_999_999]);
    let length = SPACE.len() + 1;
    match records.is_multiple_of(2) {
        true => write!(writer, "HTTP/1.1 200 X\r\nContent-Length: {length}\r\n\r\n")?,
        false => {
            let head = "HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n";
            write!(writer, "{head}{length:x}\r\n")?;
        }
    }
    writer.write_all(&SPACE)?;
    writer.flush()?;
    loop {
        thread::park();
    }
}
