//! Records that wait to be sent, and how they are cut into requests.

use std::collections::VecDeque;
use std::ops::Range;
use std::rc::Rc;

use crate::batch::Nanos;
use crate::bridge::PendingRanges;

/// Records that a worker hands over.
pub(super) struct WorkItem {
    pub worker: usize,
    /// The worker's own number of it.
    pub id: u64,
    pub range: Range<usize>,
    pub open: Rc<PendingRanges>,
    pub warm_only: bool,
    /// It, and what came before it, goes although its request is not full.
    pub at_once: bool,
    pub handed_over: Nanos,
}

impl WorkItem {
    pub(super) fn is_open(&self) -> bool {
        self.open.any(&self.range)
    }
}

/// The parts that wait, the oldest first. None of them is empty.
#[derive(Default)]
pub(super) struct Lane {
    parts: VecDeque<WorkItem>,
    /// Records of all of them, and those that came since somebody last asked.
    records: usize,
    more: usize,
    at_once: bool,
}

impl Lane {
    pub(super) fn push(&mut self, part: WorkItem) {
        self.records += part.range.len();
        self.more += part.range.len();
        self.at_once |= part.at_once;
        self.parts.push_back(part);
    }

    /// What was throttled waits for room again, before everything else.
    pub(super) fn put_back(&mut self, part: WorkItem) {
        self.records += part.range.len();
        self.parts.push_front(part);
    }

    /// Records that wait.
    pub(super) fn records(&self) -> usize {
        self.records
    }

    /// Records that have come since this was last asked.
    pub(super) fn take_more(&mut self) -> usize {
        std::mem::take(&mut self.more)
    }

    /// Since when the oldest one waits.
    pub(super) fn oldest(&self) -> Option<Nanos> {
        self.parts.front().map(|part| part.handed_over)
    }

    /// Whether what waits goes although it fills no request.
    pub(super) fn is_at_once(&self) -> bool {
        self.at_once && self.records > 0
    }

    /// Whether what waits is for warm environments alone.
    pub(super) fn is_warm_only(&self) -> bool {
        self.parts.back().is_some_and(|part| part.warm_only)
    }

    /// Takes what goes into a request of `most` records, and how many those are. A part of which
    /// everything was done meanwhile is left out; one that does not fit is cut.
    pub(super) fn cut(&mut self, most: usize) -> (Vec<WorkItem>, usize) {
        let (mut parts, mut records) = (Vec::new(), 0);
        while let Some(part) = self.parts.front_mut().filter(|_| records < most) {
            if !part.is_open() {
                self.records -= part.range.len();
                self.parts.pop_front();
                continue;
            }
            let fit = (most - records).min(part.range.len());
            let range = part.range.start..part.range.start + fit;
            part.range.start = range.end;
            let WorkItem { worker, id, warm_only, at_once, handed_over, .. } = *part;
            let open = Rc::clone(&part.open);
            if part.range.is_empty() {
                self.parts.pop_front();
            }
            records += fit;
            parts.push(WorkItem { worker, id, range, open, warm_only, at_once, handed_over });
        }
        self.records -= records;
        self.at_once &= self.records > 0;
        (parts, records)
    }

    /// Takes everything.
    pub(super) fn take_all(&mut self) -> VecDeque<WorkItem> {
        (self.records, self.at_once) = (0, false);
        std::mem::take(&mut self.parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(id: u64, records: usize) -> WorkItem {
        let range = 0..records;
        let open = Rc::new(PendingRanges::new(range.clone()));
        WorkItem { worker: 0, id, range, open, warm_only: false, at_once: false, handed_over: id }
    }

    #[test]
    fn requests_are_full_and_parts_are_cut() {
        let mut lane = Lane::default();
        (1..=3).for_each(|id| lane.push(part(id, 600)));
        let cut = |lane: &mut Lane| {
            let (parts, records) = lane.cut(1_000);
            let parts: Vec<_> = parts.into_iter().map(|part| (part.id, part.range)).collect();
            (parts, records)
        };
        assert_eq!((lane.oldest(), lane.take_more(), lane.take_more()), (Some(1), 1_800, 0));
        assert_eq!(cut(&mut lane), (vec![(1, 0..600), (2, 0..400)], 1_000));
        assert_eq!((lane.oldest(), lane.records()), (Some(2), 800));
        assert_eq!(cut(&mut lane), (vec![(2, 400..600), (3, 0..600)], 800));
        assert_eq!((lane.oldest(), lane.records()), (None, 0));
    }

    #[test]
    fn what_was_done_meanwhile_is_not_sent() {
        let mut lane = Lane::default();
        let done = part(1, 600);
        done.open.take(&done.range);
        lane.push(done);
        lane.push(part(2, 100));
        let (parts, records) = lane.cut(1_000);
        assert_eq!((parts.len(), parts[0].id, records, lane.records()), (1, 2, 100, 0));
    }
}
