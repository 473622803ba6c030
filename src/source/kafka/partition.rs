//! A partition that is read: its messages become the records of batches.

use std::sync::Arc;

use crate::batch::{BATCH_BYTES, BATCH_RECORDS, Numbers, Strings, TextRecord};
use crate::source::{OVERLONG_PREFIX_BYTES, SourceBatch};
use crate::task::{Bad, Code};

use super::position::PartitionPosition;

/// A partition, and the records that were not sent to a worker yet.
#[derive(Debug)]
pub(super) struct Partition {
    pub number: i32,
    pub at: PartitionPosition,
    /// The position in the last note for a commit.
    pub noted: Option<PartitionPosition>,
    label: Arc<str>,
    pending: SourceBatch,
    /// The number of bytes of the pending bad records.
    bad_bytes: usize,
    /// The average length of a record in the last batch.
    record_bytes: usize,
}

impl Partition {
    pub(super) fn new(
        number: i32,
        at: PartitionPosition,
        noted: Option<PartitionPosition>,
    ) -> Self {
        Partition {
            number,
            at,
            noted,
            label: number.to_string().into(),
            pending: SourceBatch::default(),
            bad_bytes: 0,
            record_bytes: 0,
        }
    }

    /// Whether the partition was read to the end of the input.
    pub(super) fn is_done(&self) -> bool {
        self.at.end.is_some_and(|end| self.at.next >= end)
    }

    /// Adds a message. A message without a payload, which is a tombstone, is not a record.
    pub(super) fn take(&mut self, offset: i64, payload: Option<&[u8]>, max_record: usize) {
        if offset < self.at.next {
            return;
        }
        if let Some(end) = self.at.end.filter(|end| offset >= *end) {
            // There are no more records before the end.
            self.at.next = end;
            return;
        }
        self.at.next = offset + 1;
        let Some(payload) = payload else { return };
        let number = offset as u64;
        let code = match payload.len() > max_record {
            true => Code::TOO_LONG,
            false if simdutf8::basic::from_utf8(payload).is_ok() => {
                return self.push(number, payload);
            }
            false => Code::INVALID_UTF8,
        };
        let most = if code == Code::TOO_LONG { OVERLONG_PREFIX_BYTES } else { payload.len() };
        let bytes = payload[..most.min(payload.len())].to_vec();
        self.bad_bytes += bytes.len();
        let record =
            TextRecord { label: Some(Arc::clone(&self.label)), number: Some(number), bytes };
        self.pending.bad.push(Bad { record, code });
    }

    fn push(&mut self, number: u64, text: &[u8]) {
        let batch = &mut self.pending.batch;
        if batch.is_empty() {
            const SLACK: usize = 16 << 10;
            let bytes = (BATCH_RECORDS * self.record_bytes / 8 * 9).min(BATCH_BYTES) + SLACK;
            batch.strings = Strings::with_capacity(BATCH_RECORDS, bytes);
            batch.label = Some(Arc::clone(&self.label));
        }
        let len = batch.len();
        batch.numbers.extend_from(len, &Numbers::From(number), 0..1);
        // The caller has checked that it is text.
        batch.strings.buffer().extend_from_slice(text);
        batch.strings.end_string();
    }

    /// Whether the pending records should be sent before another message is added.
    pub(super) fn is_full(&self) -> bool {
        let SourceBatch { batch, bad, .. } = &self.pending;
        batch.len() + bad.len() >= BATCH_RECORDS
            || batch.strings.bytes().len() + self.bad_bytes >= BATCH_BYTES
    }

    /// Returns the pending records, if there are any.
    pub(super) fn flush(&mut self) -> Option<SourceBatch> {
        let taken = std::mem::take(&mut self.pending);
        self.bad_bytes = 0;
        if !taken.batch.is_empty() {
            self.record_bytes = taken.batch.strings.bytes().len() / taken.batch.len();
        }
        (!taken.is_empty()).then_some(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_without_text_are_no_records() {
        let at = PartitionPosition { next: 3, end: Some(20) };
        let mut partition = Partition::new(7, at, None);
        for (offset, payload) in [
            (3, Some(&b"one"[..])),
            (4, Some(b"two")),
            (5, None),
            (9, Some(b"\xff")),
            (10, Some(b"")),
            (11, Some(b"longer")),
        ] {
            partition.take(offset, payload, 5);
        }
        assert_eq!(partition.at.next, 12);
        let taken = partition.flush().unwrap();
        assert_eq!(taken.batch.numbers, Numbers::Each(vec![3, 4, 10]));
        assert_eq!(taken.batch.label.as_deref(), Some("7"));
        let bad: Vec<_> =
            taken.bad.iter().map(|bad| (bad.record.number, bad.code.clone())).collect();
        assert_eq!(bad, [(Some(9), Code::INVALID_UTF8), (Some(11), Code::TOO_LONG)]);
        assert!(partition.flush().is_none());
        // A message past the end ends the partition.
        partition.take(25, Some(b"late"), 5);
        assert!(partition.is_done() && partition.at.next == 20 && partition.flush().is_none());
    }
}
