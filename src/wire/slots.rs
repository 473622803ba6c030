//! The mapping from the records of a request to the values of its answer.

use std::ops::Range;

use super::Refused;

/// For each record of a request, the position of its value in the answer's `results`.
#[derive(Debug, PartialEq, Eq)]
pub struct Slots<'a> {
    table: Table<'a>,
    /// First record of the request that the view covers.
    base: usize,
}

#[derive(Debug, PartialEq, Eq)]
enum Table<'a> {
    /// The ids are in order without a gap: the value of record `n` is at `n`.
    InOrder,
    /// One entry per record; `NONE` if the function refused the record.
    Owned(Vec<u32>),
    Borrowed(&'a [u32]),
}

const NONE: u32 = u32::MAX;

impl<'a> Slots<'a> {
    /// Creates the mapping, after checking that `ids` and `refused` name each of `records` records exactly
    /// once.
    pub(super) fn of(
        ids: &[u32],
        refused: impl ExactSizeIterator<Item = u32>,
        records: usize,
    ) -> Result<Slots<'a>, Refused> {
        let in_order = ids.len() == records
            && refused.len() == 0
            && ids.iter().enumerate().all(|(position, &id)| id as usize == position);
        if in_order {
            return Ok(Slots { table: Table::InOrder, base: 0 });
        }
        const OPEN: u32 = u32::MAX - 1;
        let mut table = vec![OPEN; records];
        let values = ids.iter().enumerate().map(|(position, &id)| (id, position as u32));
        for (id, value) in values.chain(refused.map(|id| (id, NONE))) {
            match table.get_mut(id as usize) {
                None => return Err(Refused::Unknown(id)),
                Some(slot) if *slot != OPEN => return Err(Refused::Twice(id)),
                Some(slot) => *slot = value,
            }
        }
        match table.iter().position(|&slot| slot == OPEN) {
            Some(id) => Err(Refused::Missing(id as u32)),
            None => Ok(Slots { table: Table::Owned(table), base: 0 }),
        }
    }

    /// Returns the view from record `base` of the request on, for one work item of the request.
    pub fn from(&self, base: usize) -> Slots<'_> {
        let table = match &self.table {
            Table::InOrder => Table::InOrder,
            Table::Owned(table) => Table::Borrowed(table),
            Table::Borrowed(table) => Table::Borrowed(table),
        };
        Slots { table, base: self.base + base }
    }

    /// Returns the position of the value of record `index`, unless the function refused it.
    #[inline]
    pub fn get(&self, index: usize) -> Option<usize> {
        let index = self.base + index;
        let table = match &self.table {
            Table::InOrder => return Some(index),
            Table::Owned(table) => table.as_slice(),
            Table::Borrowed(table) => table,
        };
        (table[index] != NONE).then_some(table[index] as usize)
    }

    /// Returns the positions of the values of the next `records` records if they are in order, so that they
    /// can be copied at once.
    pub fn run(&self, records: usize) -> Option<Range<usize>> {
        match self.table {
            Table::InOrder => Some(self.base..self.base + records),
            _ => None,
        }
    }
}
