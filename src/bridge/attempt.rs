//! One HTTP exchange: sent, looked at, and metered.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Client, Url};

use super::Failure;
use super::counters::Live;
use crate::batch::spare::{self, Kept};
use crate::wire::MAX_BODY;

/// An attempt that failed, and when the service says to come back.
#[derive(Debug)]
pub(super) struct Failed {
    pub failure: Failure,
    pub retry_after: Option<Duration>,
}

impl From<Failure> for Failed {
    fn from(failure: Failure) -> Self {
        Failed { failure, retry_after: None }
    }
}

/// Sends `body` once, and answers the body of an answer that may be believed.
pub(super) async fn attempt(
    client: &Client,
    url: &Url,
    body: Bytes,
    timeout: Duration,
    live: &Live,
) -> Result<Kept, Failed> {
    let began = Instant::now();
    live.add(|live| &live.attempts, 1);
    live.add(|live| &live.bytes_out, body.len() as u64);
    let meter = Meter { began, billed: None, live };
    match tokio::time::timeout(timeout, exchange(client, url, body, meter)).await {
        Ok(result) => result,
        Err(_) => Err(Failure::TimedOut.into()),
    }
}

/// Counts what an attempt costs when it is over, however it ends: also when it is given up.
struct Meter<'a> {
    began: Instant,
    /// What the service says; `Some(0)` if it did not run.
    billed: Option<Duration>,
    live: &'a Live,
}

impl Drop for Meter<'_> {
    fn drop(&mut self) {
        // Without the service's word the time it took is the most it can have been.
        let billed = self.billed.unwrap_or_else(|| self.began.elapsed());
        if !billed.is_zero() {
            self.live.add(|live| &live.billed_us, billed.as_micros() as u64);
            self.live.add(|live| &live.billed, 1);
        }
    }
}

async fn exchange(
    client: &Client,
    url: &Url,
    body: Bytes,
    mut meter: Meter<'_>,
) -> Result<Kept, Failed> {
    let connection = |error: reqwest::Error| Failure::Connection(reason(&error));
    let request = client
        .post(url.clone())
        .header(CONTENT_TYPE, "application/json")
        .header("x-amz-log-type", "Tail")
        .body(body);
    let answer = request.send().await.map_err(|error| {
        if error.is_connect() {
            meter.billed = Some(Duration::ZERO);
        }
        connection(error)
    })?;
    let status = answer.status().as_u16();
    let headers = answer.headers().clone();
    let failed = |failure| Failed { failure, retry_after: retry_after(&headers) };
    match status {
        200 => {}
        300..=399 => return Err(failed(Failure::Redirected)),
        413 => {
            meter.billed = Some(Duration::ZERO);
            return Err(failed(Failure::TooLarge));
        }
        429 => {
            meter.billed = Some(Duration::ZERO);
            meter.live.add(|live| &live.throttled, 1);
            return Err(failed(Failure::Throttled));
        }
        500..=599 => return Err(failed(Failure::Service(status))),
        _ => {
            meter.billed = Some(Duration::ZERO);
            return Err(failed(Failure::Rejected(status)));
        }
    }
    let body = read(answer).await;
    meter.billed = billed(&headers);
    let body = body?;
    meter.live.add(|live| &live.bytes_in, body.0.len() as u64);
    if let Some(error) = headers.get("x-amz-function-error") {
        let shown: String = String::from_utf8_lossy(&body.0).chars().take(200).collect();
        // An answer past the limit is no failure of the function's code: fewer records may do.
        if shown.contains("ResponseSizeTooLarge") {
            return Err(Failure::TooLarge.into());
        }
        let error = error.to_str().unwrap_or("unknown");
        return Err(Failure::Function(format!("{error}: {shown}")).into());
    }
    Ok(body)
}

/// Reads an answer, up to the limit.
async fn read(mut answer: reqwest::Response) -> Result<Kept, Failure> {
    let expected = answer.content_length().unwrap_or(0) as usize;
    if expected > MAX_BODY {
        return Err(Failure::TooLarge);
    }
    let mut body = Kept(spare::take(expected));
    loop {
        let chunk = answer.chunk().await;
        let chunk = chunk.map_err(|error| Failure::Connection(reason(&error)))?;
        let Some(chunk) = chunk else { return Ok(body) };
        if body.0.len() + chunk.len() > MAX_BODY {
            return Err(Failure::TooLarge);
        }
        body.0.extend_from_slice(&chunk);
    }
}

/// The innermost cause, which says more than "error sending request"; never the URL.
fn reason(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    if std::ptr::addr_eq(cause, error) {
        "the request broke off".to_owned()
    } else {
        cause.to_string()
    }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// `Billed Duration: 12 ms` from the REPORT line of the log's tail, if the service sent it.
fn billed(headers: &HeaderMap) -> Option<Duration> {
    let tail = STANDARD.decode(headers.get("x-amz-log-result")?.as_bytes()).ok()?;
    let tail = String::from_utf8_lossy(&tail);
    let after = tail.rsplit_once("Billed Duration: ")?.1;
    let milliseconds: f64 = after.split_whitespace().next()?.parse().ok()?;
    Duration::try_from_secs_f64(milliseconds / 1e3).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_line_says_what_is_billed() {
        let log = "START RequestId: 1\nREPORT RequestId: 1\tDuration: 11.20 ms\t\
                   Billed Duration: 12 ms\tMemory Size: 1769 MB\n";
        let mut headers = HeaderMap::new();
        assert_eq!(billed(&headers), None);
        headers.insert("x-amz-log-result", STANDARD.encode(log).parse().unwrap());
        assert_eq!(billed(&headers), Some(Duration::from_millis(12)));
        headers.insert("x-amz-log-result", "no base64".parse().unwrap());
        assert_eq!(billed(&headers), None);
    }
}
