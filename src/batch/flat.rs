//! The flat batch of text records.

use std::ops::Range;
use std::sync::Arc;

use super::{Numbers, Span, Strings};

/// Text records, or the lines of tokens made of them, that move as one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// The records' text.
    pub strings: Strings,
    /// The records' numbers.
    pub numbers: Numbers,
    /// What stands before the number and a colon in the output: a file of several, a partition.
    pub label: Option<Arc<str>>,
    /// When the records were scheduled to leave the source.
    pub span: Span,
}

impl Batch {
    /// Room for `records` records of `bytes` bytes together.
    pub fn with_capacity(records: usize, bytes: usize) -> Self {
        Batch { strings: Strings::with_capacity(records, bytes), ..Batch::default() }
    }

    /// How many records there are.
    pub fn len(&self) -> usize {
        self.strings.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.strings.is_empty()
    }

    /// An empty batch that takes results of the records of `range`: their label, their span, and
    /// room for as many records, of `factor` times the bytes.
    pub fn for_results(&self, range: &Range<usize>, factor: usize) -> Batch {
        let bytes = self.strings.range_of(range).len() * factor;
        Batch {
            strings: Strings::with_capacity(range.len(), bytes),
            numbers: Numbers::From(0),
            label: self.label.clone(),
            span: self.span.slice(range, self.len()),
        }
    }

    /// Appends the records of `range` of `other`, with their numbers. Label and span stay.
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
    }
}

impl<'a> FromIterator<&'a str> for Batch {
    /// Records numbered from 0, scheduled at the start.
    fn from_iter<I: IntoIterator<Item = &'a str>>(texts: I) -> Self {
        Batch { strings: texts.into_iter().collect(), ..Batch::default() }
    }
}
