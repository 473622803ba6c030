//! The numbers of a batch's records.

use std::ops::Range;

/// The records' numbers, with which output lines begin.
///
/// Most batches are consecutive records of a source, so one number is enough. A list is used for batches with
/// gaps, where records were bad or were computed elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Numbers {
    /// Consecutive numbers from this one.
    From(u64),
    /// One number per record.
    Each(Vec<u64>),
}

impl Default for Numbers {
    fn default() -> Self {
        Numbers::From(0)
    }
}

impl Numbers {
    /// Returns the number of record `index`.
    #[inline]
    pub fn get(&self, index: usize) -> u64 {
        match self {
            Numbers::From(first) => first + index as u64,
            Numbers::Each(numbers) => numbers[index],
        }
    }

    /// Appends the numbers of `range` of `other` to `len` numbers.
    pub fn extend_from(&mut self, len: usize, other: &Numbers, range: Range<usize>) {
        if range.is_empty() {
            return;
        }
        match (&mut *self, other) {
            (_, Numbers::From(first)) if len == 0 => {
                *self = Numbers::From(first + range.start as u64);
            }
            (Numbers::From(mine), Numbers::From(first))
                if *mine + len as u64 == first + range.start as u64 => {}
            (Numbers::Each(numbers), other) => numbers.extend(range.map(|index| other.get(index))),
            (Numbers::From(mine), other) => {
                let mine = *mine;
                let ours = (0..len as u64).map(|index| mine + index);
                *self = Numbers::Each(ours.chain(range.map(|index| other.get(index))).collect());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consecutive_numbers_stay_a_run_until_there_is_a_gap() {
        let mut numbers = Numbers::default();
        numbers.extend_from(0, &Numbers::From(10), 2..4);
        assert_eq!(numbers, Numbers::From(12));
        numbers.extend_from(2, &Numbers::From(0), 14..15);
        assert_eq!(numbers, Numbers::From(12));
        numbers.extend_from(3, &Numbers::From(100), 0..2);
        assert_eq!(numbers, Numbers::Each(vec![12, 13, 14, 100, 101]));
        numbers.extend_from(5, &Numbers::Each(vec![7, 8]), 1..2);
        assert_eq!(numbers.get(5), 8);
    }
}
