//! Reads bodies of requests whose senders are not known yet, within bounds of bytes and time.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::body_buffer::BodyBuffer;
use crate::wire::MAX_BODY;

/// The number of bytes of bodies that are read at a time: ten of the largest. More bodies wait for their turn
/// in the system's buffers, so that the number of connections does not matter.
const BYTES: usize = 10 * MAX_BODY;

/// The longest time for a body, with the wait for its turn. The largest one takes that long at 200 kB/s.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// The longest time for which a refused body is read, so that its sender reads the response.
const DISCARD: Duration = Duration::from_secs(5);

/// Reads bodies within a shared bound on their bytes.
pub(super) struct BodyReader(Semaphore);

/// The reason why a body was not read.
pub(super) enum NotRead {
    /// The body is longer than a request may be.
    TooLarge,
    /// The body did not arrive in time.
    TooSlow,
    /// The connection broke.
    Broken(String),
}

impl BodyReader {
    pub(super) fn new() -> BodyReader {
        BodyReader(Semaphore::new(BYTES))
    }

    /// Reads a body within the limits.
    pub(super) async fn read(&self, mut body: Incoming) -> Result<Bytes, NotRead> {
        // A body without a length may have any length.
        let length = body.size_hint().exact().unwrap_or(MAX_BODY as u64);
        let reading = async {
            if length > MAX_BODY as u64 {
                return Err(NotRead::TooLarge);
            }
            // The semaphore is never closed.
            let _turn = self.0.acquire_many(length as u32).await;
            read(&mut body).await
        };
        let read = timeout(READ_TIMEOUT, reading).await.unwrap_or(Err(NotRead::TooSlow));
        if matches!(read, Err(NotRead::TooLarge)) {
            discard(body);
        }
        read
    }
}

async fn read(body: &mut Incoming) -> Result<Bytes, NotRead> {
    let mut pieces = BodyBuffer::of(body, MAX_BODY);
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| NotRead::Broken(error.to_string()))?;
        let Ok(data) = frame.into_data() else { continue };
        length += data.len();
        if length > MAX_BODY {
            return Err(NotRead::TooLarge);
        }
        pieces.push(data);
    }
    Ok(pieces.finish())
}

/// Reads a refused body in the background and discards it. If it was left unread, the connection would close at
/// once, and a client that still sends would not read the response. After [`DISCARD`] the connection closes.
pub(super) fn discard(mut body: Incoming) {
    tokio::spawn(timeout(DISCARD, async move { while let Some(Ok(_)) = body.frame().await {} }));
}
