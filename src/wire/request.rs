//! Requests: written piece by piece by the bridge, read whole by a function.

use std::borrow::Cow;
use std::time::Duration;

use serde::Deserialize;

use super::VERSION;
use crate::batch::{EncodeError, Records, Strings, push_json_string};

/// A request as it is being written: records of several batches, one after the other.
#[derive(Debug)]
pub struct RequestBody {
    json: Vec<u8>,
    records: usize,
    limit: usize,
}

impl RequestBody {
    /// Begins a request in `buffer`, which is emptied first. `limit` bounds the whole body.
    pub fn begin(mut buffer: Vec<u8>, task: &str, work: Duration, limit: usize) -> Self {
        buffer.clear();
        buffer.extend_from_slice(format!("{{\"v\":{VERSION},\"task\":").as_bytes());
        push_json_string(&mut buffer, task.as_bytes());
        if !work.is_zero() {
            let micros = work.as_nanos() as f64 / 1e3;
            buffer.extend_from_slice(format!(",\"work_us\":{micros}").as_bytes());
        }
        buffer.extend_from_slice(b",\"records\":[");
        RequestBody { json: buffer, records: 0, limit }
    }

    /// Appends records of `input` from `range` until the limit; answers how many fitted.
    ///
    /// # Errors
    /// A record that cannot be written: those before it are in the request.
    pub fn push<R: Records>(
        &mut self,
        input: &R,
        range: std::ops::Range<usize>,
    ) -> Result<usize, EncodeError> {
        if range.is_empty() {
            return Ok(0);
        }
        let before = self.json.len();
        if self.records > 0 {
            self.json.push(b',');
        }
        let start = range.start;
        let pushed = input.encode(range, &mut self.json, self.limit.saturating_sub(2));
        let fitted = match &pushed {
            Ok(fitted) => *fitted,
            Err(error) => error.index - start,
        };
        self.records += fitted;
        if fitted == 0 {
            self.json.truncate(before);
        }
        pushed
    }

    /// Bounds the body from now on. What is in it stays.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Records in it.
    pub fn records(&self) -> usize {
        self.records
    }

    /// Bytes so far.
    pub fn bytes(&self) -> usize {
        self.json.len() + 2
    }

    /// Ends the request: its JSON.
    pub fn finish(mut self) -> Vec<u8> {
        self.json.extend_from_slice(b"]}");
        self.json
    }
}

/// A request as a function reads it: of text, or of a `Vec` of typed records.
#[derive(Debug, Deserialize)]
pub struct Request<'a, R = Strings> {
    /// The wire's version.
    pub v: u32,
    /// The task's name.
    #[serde(borrow)]
    pub task: Cow<'a, str>,
    /// The records.
    pub records: R,
    /// Modelled work, in microseconds a record.
    #[serde(default)]
    pub work_us: f64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Batch;

    #[test]
    fn parts_of_several_batches_make_one_request() {
        let batch: Batch = ["a", "b\"", "c"].into_iter().collect();
        let mut body =
            RequestBody::begin(b"old".to_vec(), "words", Duration::from_nanos(1_500), 1_000);
        assert_eq!(body.push(&batch, 1..3).unwrap(), 2);
        assert_eq!(body.push(&batch, 0..0).unwrap(), 0);
        assert_eq!(body.push(&batch, 0..1).unwrap(), 1);
        assert_eq!(body.records(), 3);
        let bytes = body.bytes();
        let json = body.finish();
        assert_eq!(json.len(), bytes);
        assert_eq!(
            std::str::from_utf8(&json).unwrap(),
            r#"{"v":1,"task":"words","work_us":1.5,"records":["b\"","c","a"]}"#
        );
        let request: Request = serde_json::from_slice(&json).unwrap();
        assert_eq!((request.records.len(), request.work_us), (3, 1.5));
    }

    #[test]
    fn nothing_passes_the_limit() {
        let batch: Batch = ["aaaaaaaaaa"; 20].into_iter().collect();
        let mut body = RequestBody::begin(Vec::new(), "words", Duration::ZERO, 100);
        let fitted = body.push(&batch, 0..20).unwrap();
        assert_eq!(body.push(&batch, fitted..20).unwrap(), 0);
        let json = body.finish();
        assert!(json.len() <= 100 && fitted > 2, "{} bytes, {fitted} records", json.len());
        assert_eq!(serde_json::from_slice::<Request>(&json).unwrap().records.len(), fitted);
    }
}
