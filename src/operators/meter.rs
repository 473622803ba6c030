//! Metering: how many records each epoch has, counted by timestamp and summed over the dataflow.
//!
//! The frontier says *when* an epoch is final, and nothing else: with a count "since the frontier last
//! moved", one slow source would make the whole stream look slow. Each worker counts the records of its
//! epochs and sends (epoch, count) to all workers once its frontier has passed the epoch. An operator there
//! adds the counts up. Only these counts are exchanged between workers.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::Operator;
use timely::order::TotalOrder;
use timely::progress::Timestamp;
use timely::scheduling::Activator;

use super::Clock;
use crate::batch::Nanos;
use crate::policy::Offered;

/// A worker's count of an epoch: the receiving worker, the sending worker, and the number of records.
pub(super) type Count = (u64, u64, u64);

/// Final epochs that a worker has been told of and has not processed yet.
pub(super) type SharedFinalEpochs<T> = Rc<RefCell<FinalEpochs<T>>>;

#[derive(Debug)]
pub(super) struct FinalEpochs<T> {
    /// The epochs with their counts, the oldest first.
    pub epochs: VecDeque<(T, Offered)>,
    /// Whether no more epochs will follow.
    pub ended: bool,
}

impl<T> Default for FinalEpochs<T> {
    fn default() -> Self {
        FinalEpochs { epochs: VecDeque::new(), ended: false }
    }
}

/// Adds up all workers' counts, puts each final epoch into `finals`, and wakes `reader`. The length of an
/// epoch is `nominal`, or the wall time since the previous epoch if it has no nominal length.
pub(super) fn sum_counts<'scope, T: Timestamp + TotalOrder>(
    counts: Stream<'scope, T, Vec<Count>>,
    nominal: Option<Nanos>,
    clock: Clock,
    finals: SharedFinalEpochs<T>,
    reader: Activator,
) {
    let me = counts.scope().index() as u64;
    let mut open: BTreeMap<T, (u64, u64)> = BTreeMap::new();
    let mut last_final = clock.now();
    counts.sink(Exchange::new(|count: &Count| count.0), "BurstMeter", move |(input, frontier)| {
        input.for_each(|cap, counts| {
            let Some(epoch) = cap.least() else { return };
            let (mine, total) = open.entry(epoch.clone()).or_default();
            for (_, from, records) in counts.drain(..) {
                *total += records;
                if from == me {
                    *mine += records;
                }
            }
        });
        while let Some(entry) = open.first_entry() {
            if frontier.less_equal(entry.key()) {
                break;
            }
            let (epoch, (mine, total)) = entry.remove_entry();
            let now = clock.now();
            let length = nominal.unwrap_or(now - last_final).max(1);
            last_final = now;
            finals.borrow_mut().epochs.push_back((epoch, Offered { mine, total, length }));
            reader.activate();
        }
        if frontier.is_empty() && !finals.borrow().ended {
            finals.borrow_mut().ended = true;
            reader.activate();
        }
    });
}
