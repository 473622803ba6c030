//! Requests: the bridge writes them in parts, and a function reads them whole.

use std::borrow::Cow;
use std::time::Duration;

use serde::Deserialize;

use super::VERSION;
use crate::batch::{EncodeError, Records, Strings, push_json_string};

/// A request that is being written: records of several batches, one after the other.
#[derive(Debug)]
pub struct RequestBody {
    json: Vec<u8>,
    records: usize,
    limit: usize,
}

impl RequestBody {
    /// Begins a request in `buffer`, which is emptied first. `limit` bounds the size of the body.
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

    /// Appends records of `range` of `input` up to the limit. Returns how many it appended.
    ///
    /// # Errors
    /// If a record cannot be written. The request then holds the records before it.
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

    /// Sets the limit on the size of the body. Records that are already in it stay.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Returns the number of records.
    pub fn records(&self) -> usize {
        self.records
    }

    /// Returns the number of bytes.
    pub fn bytes(&self) -> usize {
        self.json.len() + 2
    }

    /// Ends the request and returns its JSON.
    pub fn finish(mut self) -> Vec<u8> {
        self.json.extend_from_slice(b"]}");
        self.json
    }
}

/// A request as a function reads it. `R` is text, or a `Vec` of typed records.
#[derive(Debug, Deserialize)]
pub struct Request<'a, R = Strings> {
    /// The wire's version.
    pub v: u32,
    /// The task's name.
    #[serde(borrow)]
    pub task: Cow<'a, str>,
    /// The records.
    pub records: R,
    /// Modelled extra time per record, in microseconds.
    #[serde(default)]
    pub work_us: f64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Batch;

    #[test]
    fn records_of_several_batches_make_one_request() {
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
    fn a_request_does_not_exceed_its_limit() {
        let batch: Batch = ["aaaaaaaaaa"; 20].into_iter().collect();
        let mut body = RequestBody::begin(Vec::new(), "words", Duration::ZERO, 100);
        let fitted = body.push(&batch, 0..20).unwrap();
        assert_eq!(body.push(&batch, fitted..20).unwrap(), 0);
        let json = body.finish();
        assert!(json.len() <= 100 && fitted > 2, "{} bytes, {fitted} records", json.len());
        assert_eq!(serde_json::from_slice::<Request>(&json).unwrap().records.len(), fitted);
    }
}
