//! The flat batch of text records.

use std::ops::Range;
use std::sync::Arc;

use super::{Numbers, Span, Strings};

/// Text records, or the lines of tokens made of them, that are moved together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// The records' text.
    pub strings: Strings,
    /// The records' numbers.
    pub numbers: Numbers,
    /// Prefix of a number in the output, before a colon: the file if there are several, or the partition.
    pub label: Option<Arc<str>>,
    /// When the records were scheduled to leave the source.
    pub span: Span,
    /// The first line of the file whose lines the records are. None if they are not lines of a file, or if it is bad.
    pub header: Option<Arc<Header>>,
}

/// The first line of a file, which names the columns if the file is CSV.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The line.
    pub line: Box<str>,
    /// The line's number as a record. None if this run begins later in the file.
    pub number: Option<u64>,
}

impl Batch {
    /// Creates an empty batch with room for `records` records of `bytes` bytes in total.
    pub fn with_capacity(records: usize, bytes: usize) -> Self {
        Batch { strings: Strings::with_capacity(records, bytes), ..Batch::default() }
    }

    /// Returns the number of records.
    pub fn len(&self) -> usize {
        self.strings.len()
    }

    /// Returns whether the batch is empty.
    pub fn is_empty(&self) -> bool {
        self.strings.is_empty()
    }

    /// Returns an empty batch for the results of the records of `range`, with their label and span, and with
    /// room for as many records of `factor` times their bytes.
    pub fn for_results(&self, range: &Range<usize>, factor: usize) -> Batch {
        let bytes = self.strings.range_of(range).len() * factor;
        Batch {
            strings: Strings::with_capacity(range.len(), bytes),
            numbers: Numbers::From(0),
            label: self.label.clone(),
            span: self.span.slice(range, self.len()),
            header: None,
        }
    }

    /// Appends the records of `range` of `other`, with their numbers. The label and the span do not change.
    pub fn extend_from(&mut self, other: &Batch, range: Range<usize>) {
        self.numbers.extend_from(self.len(), &other.numbers, range.clone());
        self.strings.extend_from(&other.strings, range);
    }

    /// Removes all records and keeps the allocations.
    pub fn clear(&mut self) {
        self.strings.clear();
        self.numbers = Numbers::default();
        self.label = None;
        self.span = Span::default();
        self.header = None;
    }
}

impl<'a> FromIterator<&'a str> for Batch {
    /// Numbers the records from 0, and schedules them at the start.
    fn from_iter<I: IntoIterator<Item = &'a str>>(texts: I) -> Self {
        Batch { strings: texts.into_iter().collect(), ..Batch::default() }
    }
}
