//! A batch of lines that are JSON values.

use std::ops::Range;

use super::records::{EncodeError, encode_each};
use super::{Batch, Records, TextRecord};

/// Lines each of which is a JSON value. A request has the values themselves, and not the lines as text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JsonBatch(pub Batch);

impl Records for JsonBatch {
    type Record = TextRecord;

    fn len(&self) -> usize {
        self.0.len()
    }

    fn size(&self) -> usize {
        self.0.size()
    }

    fn record(&self, index: usize) -> TextRecord {
        self.0.record(index)
    }

    fn describe(&self, index: usize) -> String {
        self.0.describe(index)
    }

    fn encode(
        &self,
        range: Range<usize>,
        json: &mut Vec<u8>,
        limit: usize,
    ) -> Result<usize, EncodeError> {
        encode_each(range, json, limit, |index, json| {
            json.extend_from_slice(self.0.strings.get(index));
            Ok(())
        })
    }
}
