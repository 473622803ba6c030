//! Bodies of requests, while it is not known who sends them: bounded in bytes and in time.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::body_buffer::BodyBuffer;
use crate::wire::MAX_BODY;

/// Bytes of bodies that are read at a time: ten of the largest. Further ones wait for their turn in the system's
/// buffers, so that it does not matter how many connections there are.
const BYTES: usize = 10 * MAX_BODY;

/// How long a body may take, the wait for its turn included. The largest passes at 200 kB/s.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long what is not kept is read, so that its sender reads the answer.
const DISCARD: Duration = Duration::from_secs(5);

/// The bodies that are being read.
pub(super) struct BodyReader(Semaphore);

/// Why a body was not read.
pub(super) enum NotRead {
    /// It is longer than a request may be.
    TooLarge,
    /// It did not come in time.
    TooSlow,
    /// It broke off.
    Broken(String),
}

impl BodyReader {
    pub(super) fn new() -> BodyReader {
        BodyReader(Semaphore::new(BYTES))
    }

    /// A body within the limits.
    pub(super) async fn gather(&self, mut body: Incoming) -> Result<Bytes, NotRead> {
        // One that does not say how long it is may be of any length.
        let length = body.size_hint().exact().unwrap_or(MAX_BODY as u64);
        let reading = async {
            if length > MAX_BODY as u64 {
                return Err(NotRead::TooLarge);
            }
            // It is never closed.
            let _turn = self.0.acquire_many(length as u32).await;
            read(&mut body).await
        };
        let read = timeout(PATIENCE, reading).await.unwrap_or(Err(NotRead::TooSlow));
        if matches!(read, Err(NotRead::TooLarge)) {
            discard(body).await;
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

/// Reads a body for a while and keeps nothing of it: who is refused while it still sends would not read why.
pub(super) async fn discard(mut body: Incoming) {
    let reading = async { while let Some(Ok(_)) = body.frame().await {} };
    // Whoever is not done by then is cut off.
    let _ = timeout(DISCARD, reading).await;
}
