//! As much of HTTP/1.1 as a server needs that knows its only client.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::thread;

/// The length of the body of the next request, whose head is read; nothing if the client is done.
pub(super) fn read_head(mut stream: &TcpStream) -> io::Result<Option<usize>> {
    let mut head = [0; 8 << 10];
    // Looks before it reads, so that the body stays where it is: a fault may want to leave it.
    let end = loop {
        let seen = stream.peek(&mut head)?;
        let end = head[..seen].windows(4).position(|four| four == b"\r\n\r\n");
        match end {
            Some(end) => break end + 4,
            None if seen == 0 => return Ok(None),
            None if seen == head.len() => return Err(io::ErrorKind::InvalidData.into()),
            None => thread::yield_now(),
        }
    };
    stream.read_exact(&mut head[..end])?;
    let head = String::from_utf8_lossy(&head[..end]).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    Ok(Some(length.map_or(0, |length| length.trim().parse().expect("a length"))))
}

pub(super) fn read_body(mut stream: &TcpStream, length: usize) -> io::Result<Vec<u8>> {
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok(body)
}

/// The head of an answer with a body of `length` bytes; `extra` are more lines, each ended.
pub(super) fn head(status: u16, extra: &str, length: usize) -> String {
    format!(
        "HTTP/1.1 {status} Whatever\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n{extra}\r\n"
    )
}

/// Writes an answer.
pub(super) fn write(
    mut stream: &TcpStream,
    status: u16,
    extra: &str,
    body: &str,
) -> io::Result<()> {
    stream.write_all((head(status, extra, body.len()) + body).as_bytes())
}

/// The head of an answer in chunks: its length is not known until its end.
pub(super) const CHUNKED: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";

/// Writes an answer in chunks.
pub(super) fn write_chunked<'a>(
    mut stream: &TcpStream,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> io::Result<()> {
    stream.write_all(CHUNKED.as_bytes())?;
    for piece in pieces {
        stream.write_all(format!("{:x}\r\n", piece.len()).as_bytes())?;
        stream.write_all(piece)?;
        stream.write_all(b"\r\n")?;
    }
    stream.write_all(b"0\r\n\r\n")
}
