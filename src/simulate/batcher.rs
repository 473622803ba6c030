//! Waiting records, and how they are split into requests.

use std::collections::VecDeque;
use std::ops::Range;
use std::rc::Rc;

use crate::batch::Nanos;
use crate::bridge::PendingRanges;

/// Records that a worker hands over.
pub(super) struct WorkItem {
    pub worker: usize,
    /// The worker's id of the work item.
    pub id: u64,
    pub range: Range<usize>,
    pub open: Rc<PendingRanges>,
    pub warm_only: bool,
    /// Whether it and all earlier ones are sent although their request is not full.
    pub urgent: bool,
    pub submitted_at: Nanos,
}

impl WorkItem {
    pub(super) fn is_open(&self) -> bool {
        self.open.any(&self.range)
    }
}

/// The waiting work items, the oldest first. None of them is empty.
#[derive(Default)]
pub(super) struct Batcher {
    items: VecDeque<WorkItem>,
    /// Records of all work items, and those that arrived since the last call of `take_more`.
    records: usize,
    more: usize,
    urgent: bool,
}

impl Batcher {
    pub(super) fn push(&mut self, item: WorkItem) {
        self.records += item.range.len();
        self.more += item.range.len();
        self.urgent |= item.urgent;
        self.items.push_back(item);
    }

    /// Puts a throttled work item back in front of all others.
    pub(super) fn put_back(&mut self, item: WorkItem) {
        self.records += item.range.len();
        self.items.push_front(item);
    }

    /// Returns the number of waiting records.
    pub(super) fn records(&self) -> usize {
        self.records
    }

    /// Returns how many records have arrived since the last call.
    pub(super) fn take_more(&mut self) -> usize {
        std::mem::take(&mut self.more)
    }

    /// Returns since when the oldest work item has waited.
    pub(super) fn oldest(&self) -> Option<Nanos> {
        self.items.front().map(|item| item.submitted_at)
    }

    /// Returns whether the records are sent although they fill no request.
    pub(super) fn is_urgent(&self) -> bool {
        self.urgent && self.records > 0
    }

    /// Returns whether all work items wait for warm environments.
    pub(super) fn is_warm_only(&self) -> bool {
        self.items.back().is_some_and(|item| item.warm_only)
    }

    /// Takes the work items of a request of up to `most` records, and returns them with the number of
    /// records. Work items without pending records are left out. One that does not fit is split.
    pub(super) fn cut(&mut self, most: usize) -> (Vec<WorkItem>, usize) {
        let (mut items, mut records) = (Vec::new(), 0);
        while let Some(item) = self.items.front_mut().filter(|_| records < most) {
            if !item.is_open() {
                self.records -= item.range.len();
                self.items.pop_front();
                continue;
            }
            let fit = (most - records).min(item.range.len());
            let range = item.range.start..item.range.start + fit;
            item.range.start = range.end;
            let WorkItem { worker, id, warm_only, urgent, submitted_at, .. } = *item;
            let open = Rc::clone(&item.open);
            if item.range.is_empty() {
                self.items.pop_front();
            }
            records += fit;
            items.push(WorkItem { worker, id, range, open, warm_only, urgent, submitted_at });
        }
        self.records -= records;
        self.urgent &= self.records > 0;
        (items, records)
    }

    /// Takes all work items.
    pub(super) fn take_all(&mut self) -> VecDeque<WorkItem> {
        (self.records, self.urgent) = (0, false);
        std::mem::take(&mut self.items)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(id: u64, records: usize) -> WorkItem {
        let range = 0..records;
        let open = Rc::new(PendingRanges::new(range.clone()));
        WorkItem { worker: 0, id, range, open, warm_only: false, urgent: false, submitted_at: id }
    }

    #[test]
    fn requests_are_full_and_work_items_are_split() {
        let mut batcher = Batcher::default();
        (1..=3).for_each(|id| batcher.push(item(id, 600)));
        let cut = |batcher: &mut Batcher| {
            let (items, records) = batcher.cut(1_000);
            let items: Vec<_> = items.into_iter().map(|item| (item.id, item.range)).collect();
            (items, records)
        };
        assert_eq!(
            (batcher.oldest(), batcher.take_more(), batcher.take_more()),
            (Some(1), 1_800, 0)
        );
        assert_eq!(cut(&mut batcher), (vec![(1, 0..600), (2, 0..400)], 1_000));
        assert_eq!((batcher.oldest(), batcher.records()), (Some(2), 800));
        assert_eq!(cut(&mut batcher), (vec![(2, 400..600), (3, 0..600)], 800));
        assert_eq!((batcher.oldest(), batcher.records()), (None, 0));
    }

    #[test]
    fn records_that_the_worker_has_computed_are_not_sent() {
        let mut batcher = Batcher::default();
        let done = item(1, 600);
        done.open.take(&done.range);
        batcher.push(done);
        batcher.push(item(2, 100));
        let (items, records) = batcher.cut(1_000);
        assert_eq!((items.len(), items[0].id, records, batcher.records()), (1, 2, 100, 0));
    }
}
