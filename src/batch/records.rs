//! The interface of a batch of input, for the operator and the bridge.

use std::ops::Range;
use std::sync::Arc;

use serde::Serialize;

use super::Batch;
use super::{is_finite, push_json_string};
use crate::terminal::shorten;

/// A record that cannot be written as JSON. The worker computes it.
#[derive(Debug, thiserror::Error)]
#[error("record {index} of the batch cannot be written as JSON")]
pub struct EncodeError {
    /// Position of the record in the batch.
    pub index: usize,
    /// Why.
    #[source]
    pub source: serde_json::Error,
}

/// A batch of records that can be addressed by ranges.
///
/// Implemented for [`Batch`], for `Vec<T>` of any `T` that serde can write, and for [`Chunks`](super::Chunks) of such
/// records.
pub trait Records: Send + Sync + 'static {
    /// A single record: the stream of bad records consists of these.
    type Record: Clone + Send + 'static;

    /// The largest [weight](Records::weight) of one record.
    const MAX_WEIGHT: usize = 1;

    /// Returns the number of records.
    fn len(&self) -> usize;

    /// Returns whether the batch is empty.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns about how many bytes the records have, for the bounds on memory.
    fn size(&self) -> usize;

    /// Returns how many records of the stream the records of `range` stand for. It is more than their number if they are
    /// [chunks](super::Chunks). Queues, requests and policies count chunks; what a user is told of, such as counts and
    /// rates, are records of the stream.
    fn weight(&self, range: &Range<usize>) -> usize {
        range.len()
    }

    /// Returns record `index` of the stream. If the records are chunks, the records of all chunks are counted.
    fn record(&self, index: usize) -> Self::Record;

    /// Describes record `index`, so that a person can find it.
    fn describe(&self, index: usize) -> String;

    /// Appends the records of `range` to `json` as JSON values with commas between them, until `json` would
    /// become longer than `limit` bytes. Returns how many it appended.
    ///
    /// # Errors
    /// If a record cannot be written as JSON. The error has its position, and `json` then holds the records
    /// before it.
    fn encode(
        &self,
        range: Range<usize>,
        json: &mut Vec<u8>,
        limit: usize,
    ) -> Result<usize, EncodeError>;
}

/// Records that can be borrowed one by one.
pub trait Items: Records {
    /// A record: text, or a typed one.
    type Item: ?Sized;

    /// Returns record `index`.
    fn item(&self, index: usize) -> &Self::Item;
}

impl Items for Batch {
    type Item = str;

    fn item(&self, index: usize) -> &str {
        self.strings.text(index)
    }
}

impl<T: Serialize + Clone + Send + Sync + 'static> Items for Vec<T> {
    type Item = T;

    fn item(&self, index: usize) -> &T {
        &self[index]
    }
}

/// A single text record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextRecord {
    /// The file if there are several, or the partition, to which the number refers. For a record without a
    /// number, the stage that found it to be bad.
    pub label: Option<Arc<str>>,
    /// Its number, if it is a line, a message or an event.
    pub number: Option<u64>,
    /// Its bytes. They may be invalid UTF-8 if the record is bad.
    pub bytes: Vec<u8>,
}

impl Records for Batch {
    type Record = TextRecord;

    fn len(&self) -> usize {
        Batch::len(self)
    }

    fn size(&self) -> usize {
        self.strings.bytes().len() + 4 * self.len()
    }

    fn record(&self, index: usize) -> TextRecord {
        TextRecord {
            label: self.label.clone(),
            number: Some(self.numbers.get(index)),
            bytes: self.strings.get(index).to_vec(),
        }
    }

    fn describe(&self, index: usize) -> String {
        let number = self.numbers.get(index);
        match &self.label {
            Some(label) => format!("record {label}:{number}"),
            None => format!("record {number}"),
        }
    }

    fn encode(
        &self,
        range: Range<usize>,
        json: &mut Vec<u8>,
        limit: usize,
    ) -> Result<usize, EncodeError> {
        encode_each(range, json, limit, |index, json| {
            push_json_string(json, self.strings.get(index));
            Ok(())
        })
    }
}

impl<T: Serialize + Clone + Send + Sync + 'static> Records for Vec<T> {
    type Record = T;

    fn len(&self) -> usize {
        Vec::len(self)
    }

    /// What a record holds outside of its type, such as text, is estimated by the JSON of a few records.
    fn size(&self) -> usize {
        const SAMPLES: usize = 4;
        let sampled = self.iter().step_by(self.len().div_ceil(SAMPLES).max(1));
        let (mut samples, mut json) = (0, Vec::new());
        for record in sampled {
            samples += 1;
            // A record that cannot be written is computed by the worker.
            let _ = serde_json::to_writer(&mut json, record);
        }
        self.len() * (size_of::<T>() + json.len() / samples.max(1))
    }

    fn record(&self, index: usize) -> T {
        self[index].clone()
    }

    fn describe(&self, index: usize) -> String {
        describe_record(&self[index])
    }

    fn encode(
        &self,
        range: Range<usize>,
        json: &mut Vec<u8>,
        limit: usize,
    ) -> Result<usize, EncodeError> {
        encode_each(range, json, limit, |index, json| match is_finite(&self[index]) {
            true => serde_json::to_writer(json, &self[index]),
            false => Err(serde::ser::Error::custom("NaN and infinite numbers are no JSON")),
        })
    }
}

/// Describes a typed record by its JSON, which is shortened.
pub(crate) fn describe_record<T: Serialize>(record: &T) -> String {
    const SHOWN: usize = 200;
    let json = serde_json::to_string(record).unwrap_or_default();
    format!("record {}", shorten(&json, SHOWN))
}

pub(super) fn encode_each(
    range: Range<usize>,
    json: &mut Vec<u8>,
    limit: usize,
    mut encode: impl FnMut(usize, &mut Vec<u8>) -> Result<(), serde_json::Error>,
) -> Result<usize, EncodeError> {
    let first = range.start;
    for index in range.clone() {
        let before = json.len();
        if index > first {
            json.push(b',');
        }
        if let Err(source) = encode(index, json) {
            json.truncate(before);
            return Err(EncodeError { index, source });
        }
        if json.len() > limit {
            json.truncate(before);
            return Ok(index - first);
        }
    }
    Ok(range.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_of_typed_records_counts_what_they_hold() {
        let texts: Vec<String> = (0..100).map(|at| "x".repeat(at * 20)).collect();
        let bytes: usize = texts.iter().map(String::len).sum();
        let size = texts.size() - 100 * size_of::<String>();
        assert!((bytes / 2..bytes * 2).contains(&size), "{size} bytes of {bytes}");
        assert_eq!(Vec::<u64>::new().size(), 0);
    }

    #[test]
    fn a_record_with_a_number_that_json_does_not_have_is_not_encoded() {
        let mut json = Vec::new();
        let error = vec![1.5, f64::NAN, 2.0].encode(0..3, &mut json, 1_000).unwrap_err();
        assert_eq!((error.index, &json[..]), (1, &b"1.5"[..]));
    }

    #[test]
    fn encoding_stops_before_the_limit_is_exceeded() {
        let batch: Batch = ["one", "two\n", "three"].into_iter().collect();
        let mut json = Vec::new();
        assert_eq!(batch.encode(0..3, &mut json, 1_000).unwrap(), 3);
        assert_eq!(json, br#""one","two\n","three""#);
        json.clear();
        assert_eq!(batch.encode(0..3, &mut json, 12).unwrap(), 1);
        assert_eq!(json, br#""one""#);
        json.clear();
        assert_eq!(vec![1, 22].encode(1..2, &mut json, 9).unwrap(), 1);
        assert_eq!(json, b"22");
    }
}
