//! Chunks: consecutive records that are computed together.

use std::ops::Range;

use super::records::{EncodeError, encode_each};
use super::{Items, Records};

/// Largest number of records in a chunk. With fewer, less is combined before results travel; with more, a chunk takes a
/// worker long, and a failure returns many records.
pub const CHUNK_RECORDS: usize = 64;

/// A container's records in chunks of up to [`CHUNK_RECORDS`], as input of a task that computes one result for a whole chunk. What is
/// queued, sent, hedged and returned is a chunk, so that whoever makes its result makes all of it.
///
/// The records of a container are divided evenly, so that the chunks need no memory of their own. On the wire, a chunk is
/// the array of its records.
///
/// # Examples
/// ```
/// use floodway::batch::{Chunks, Records};
///
/// let chunks = Chunks((0..100).collect::<Vec<u32>>());
/// assert_eq!((chunks.len(), chunks.weight(&(0..2))), (2, 100));
/// assert_eq!(chunks.positions(&(1..2)), 50..100);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chunks<C>(pub C);

impl<C: Items> Chunks<C> {
    /// Returns the number of chunks.
    fn number(&self) -> usize {
        self.0.len().div_ceil(CHUNK_RECORDS)
    }

    /// Returns the positions in the container of the records of these chunks.
    pub fn positions(&self, chunks: &Range<usize>) -> Range<usize> {
        let begin = |chunk: usize| chunk * self.0.len() / self.number().max(1);
        begin(chunks.start)..begin(chunks.end)
    }

    /// Iterates over the records of these chunks.
    pub fn records(&self, chunks: Range<usize>) -> impl Iterator<Item = &C::Item> {
        self.positions(&chunks).map(|position| self.0.item(position))
    }
}

impl<C: Items> Records for Chunks<C> {
    type Record = C::Record;

    const MAX_WEIGHT: usize = CHUNK_RECORDS;

    fn len(&self) -> usize {
        self.number()
    }

    fn size(&self) -> usize {
        self.0.size()
    }

    fn weight(&self, range: &Range<usize>) -> usize {
        self.positions(range).len()
    }

    fn record(&self, index: usize) -> C::Record {
        self.0.record(index)
    }

    fn describe(&self, index: usize) -> String {
        let positions = self.positions(&(index..index + 1));
        let first = self.0.describe(positions.start);
        format!("the chunk of {} records that begins with {first}", positions.len())
    }

    fn encode(
        &self,
        range: Range<usize>,
        json: &mut Vec<u8>,
        limit: usize,
    ) -> Result<usize, EncodeError> {
        encode_each(range, json, limit, |index, json| {
            json.push(b'[');
            // Whether the chunk fits is seen when it is complete.
            let positions = self.positions(&(index..index + 1));
            self.0.encode(positions, json, usize::MAX).map_err(|error| error.source)?;
            json.push(b']');
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_about_equal_and_cover_all_records_once() {
        for records in 0..1_000 {
            let chunks = Chunks(vec![0_u8; records]);
            let sizes = (0..chunks.len()).map(|at| chunks.weight(&(at..at + 1)));
            let (least, most) = sizes
                .fold((usize::MAX, 0), |(least, most), size| (least.min(size), most.max(size)));
            assert!(most <= CHUNK_RECORDS && (records == 0 || most - least <= 1), "{records}");
            assert_eq!(chunks.positions(&(0..chunks.len())), 0..records);
        }
    }

    #[test]
    fn a_chunk_is_an_array_on_the_wire() {
        let chunks = Chunks((0..130).collect::<Vec<u32>>());
        let mut json = Vec::new();
        assert_eq!(chunks.encode(1..3, &mut json, 10_000).unwrap(), 2);
        let read: Vec<Vec<u32>> =
            serde_json::from_slice(&[b"[", &json[..], b"]"].concat()).unwrap();
        assert_eq!(read, [(43..86).collect::<Vec<_>>(), (86..130).collect()]);
        json.clear();
        assert_eq!(chunks.encode(0..3, &mut json, 200).unwrap(), 1, "the second one does not fit");
        assert_eq!(chunks.describe(1), "the chunk of 43 records that begins with record 43");
    }
}
