//! The source of generated events. An event is a function of its number, so any worker can generate any event.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use timely::container::NoopBuilder;
use timely::dataflow::Scope;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;

use super::{OVERLONG_PREFIX_BYTES, Pace, Streams, WorkerContext};
use crate::batch::{BATCH_RECORDS, Batch, Span, TextRecord};
use crate::task::{Bad, Code};

/// What a worker's source of events needs.
pub struct EventSource<F> {
    /// The worker, and when which events are due.
    pub worker: WorkerContext,
    /// The first event.
    pub from: u64,
    /// The share of the events that the first worker generates, if the shares are not equal.
    pub skew: Option<f64>,
    /// The longest event, in bytes. Longer ones are bad.
    pub max_record: usize,
    /// Appends the events of a range to a batch.
    pub fill: F,
}

/// The interval at which a source that is on time wakes. A shorter interval costs CPU time, and a longer one adds latency.
const TICK: Duration = Duration::from_millis(1);

/// The longest time for which a source with few events waits until several of them are due. Waking up costs a worker some
/// 60 µs, so a thousand times per second would cost 6 % of a core.
const LONGEST_TICK: Duration = Duration::from_millis(4);
const WORTH_WAKING: u64 = 64;

/// The number of records that leave before the next operators run. It is small, so that the records are still in the cache
/// when they are processed. If records have a schedule, it is at least the number that becomes due while another operator
/// works for one slice, because otherwise the source would be late.
const RECORDS_PER_TURN: usize = 2 * BATCH_RECORDS;
const SCHEDULED_RECORDS_PER_TURN: usize = 8 * BATCH_RECORDS;

/// Creates the stream of events and the stream of bad events. Each worker generates its own events: workers take turns of
/// `stride` consecutive events.
pub fn events<'scope, F>(scope: &Scope<'scope, u64>, mut source: EventSource<F>) -> Streams<'scope>
where
    F: FnMut(Range<u64>, &mut Batch) + 'static,
{
    let mut builder = OperatorBuilder::new("Events".to_owned(), *scope);
    let activator = scope.activator_for(builder.operator_info().address);
    source.worker.flow_control.attach(scope.activator_for(builder.operator_info().address));
    let (output, stream) = builder.new_output::<Batch>();
    let (bad, bad_stream) = builder.new_output::<Vec<Bad<TextRecord>>>();
    let mut output = OutputBuilder::<_, NoopBuilder<Batch>>::from(output);
    let mut bad = OutputBuilder::<_, NoopBuilder<_>>::from(bad);
    let turns = Turns::new(&source.worker.pace, scope.index(), scope.peers(), source.skew);
    builder.build(move |mut capabilities| {
        let mut held = capabilities.pop().zip(capabilities.pop());
        let mut cursor = Cursor { next: turns.own(source.from), record_bytes: 0 };
        move |_| {
            let Some((bad_capability, capability)) = &mut held else { return };
            let (mut output, max_record) = (output.activate(), source.max_record);
            let (stats, clock) = (Arc::clone(&source.worker.stats), source.worker.clock);
            let turn = source.turn(&turns, &mut cursor, capability, |capability, mut batch| {
                // A batch that is shorter than the longest record contains none that is too long.
                if batch.strings.bytes().len() > max_record {
                    let mut too_long = split_off_too_long(&mut batch, max_record);
                    if !too_long.is_empty() {
                        stats.bad_at_source(too_long.len(), clock.now());
                        let capability = bad_capability.delayed(capability.time());
                        let mut bad = bad.activate();
                        bad.session_with_builder(&capability).give_container(&mut too_long);
                    }
                }
                if !batch.is_empty() {
                    stats.emitted(batch.len() as u64);
                    output.session_with_builder(capability).give_container(&mut batch);
                }
            });
            bad_capability.downgrade(capability.time());
            let (stats, pace) = (&source.worker.stats, &source.worker.pace);
            let next = pace.due(cursor.next).filter(|_| !matches!(turn, Turn::Done));
            stats.emits_next(next);
            let emitted = cursor.next.min(pace.end().unwrap_or(u64::MAX));
            if let Some(due) = next.or_else(|| pace.due(emitted.checked_sub(1)?)) {
                stats.reached_due(due);
            }
            match turn {
                Turn::Again => activator.activate(),
                Turn::After(delay) => activator.activate_after(delay),
                Turn::Blocked => {}
                Turn::Done => {
                    source.worker.stats.waits.end();
                    held = None;
                }
            }
        }
    });
    Streams { records: stream, bad: bad_stream, notes: None }
}

/// Removes the records from a batch that are longer than `max_record` bytes, and returns them.
fn split_off_too_long(batch: &mut Batch, max_record: usize) -> Vec<Bad<TextRecord>> {
    let is_too_long = |at: &usize| batch.strings.range(*at).len() > max_record;
    let positions: Vec<usize> = (0..batch.len()).filter(is_too_long).collect();
    if positions.is_empty() {
        return Vec::new();
    }
    let mut good = Batch { span: batch.span, label: batch.label.clone(), ..Batch::default() };
    let mut too_long = Vec::with_capacity(positions.len());
    let mut from = 0;
    for at in positions {
        good.extend_from(batch, from..at);
        from = at + 1;
        let text = batch.strings.get(at);
        let bytes = text[..text.len().min(OVERLONG_PREFIX_BYTES)].to_vec();
        let record = TextRecord { label: None, number: Some(batch.numbers.get(at)), bytes };
        too_long.push(Bad { record, code: Code::TOO_LONG });
    }
    good.extend_from(batch, from..batch.len());
    *batch = good;
    too_long
}

/// The progress of a source.
struct Cursor {
    /// The next event.
    next: u64,
    /// The average bytes of a record in the last batch.
    record_bytes: usize,
}

impl Cursor {
    /// Creates a batch with room for `records` records that are a little longer than the last ones.
    fn batch(&self, records: usize) -> Batch {
        const SLACK: usize = 16 << 10;
        Batch::with_capacity(records, records * self.record_bytes / 8 * 9 + SLACK)
    }
}

/// What a source does after a turn.
enum Turn {
    /// It runs again at once.
    Again,
    /// It runs again after this time, when an event is due.
    After(Duration),
    /// It waits until flow control wakes it.
    Blocked,
    /// It has ended.
    Done,
}

impl<F: FnMut(Range<u64>, &mut Batch)> EventSource<F> {
    fn turn(
        &mut self,
        turns: &Turns,
        cursor: &mut Cursor,
        capability: &mut Capability<u64>,
        mut emit: impl FnMut(&Capability<u64>, Batch),
    ) -> Turn {
        let WorkerContext { pace, clock, flow_control, .. } = &self.worker;
        let now = clock.now();
        let until_start = clock.until(0);
        if !until_start.is_zero() {
            return Turn::After(until_start);
        }
        let due = pace.due_by(now);
        let scheduled = pace.is_scheduled();
        let most = if scheduled { SCHEDULED_RECORDS_PER_TURN } else { RECORDS_PER_TURN };
        // The records of a turn are counted at its end, so the bound is exceeded by at most one batch.
        let mut left = most.min(flow_control.room().max(1));
        while left > 0 {
            let (epoch, epoch_end) = pace.epoch(cursor.next);
            let ended = pace.end().is_some_and(|end| cursor.next >= end);
            if ended || !flow_control.wants(epoch) || pace.is_over(now) {
                return Turn::Done;
            }
            capability.downgrade(&epoch);
            if cursor.next >= due {
                let until = |event| pace.due(event).map(|due| clock.until(due));
                let next = until(cursor.next).unwrap_or(TICK);
                let some = until(cursor.next.saturating_add(WORTH_WAKING)).unwrap_or(TICK);
                return Turn::After(next.max(some.clamp(TICK, LONGEST_TICK)));
            }
            if !flow_control.may_emit(epoch) {
                return Turn::Blocked;
            }
            let next = cursor.next;
            let most = (next + BATCH_RECORDS as u64).min(epoch_end).min(due);
            let range = next..most.min(turns.end(next));
            let range = range.start..pace.even(&range);
            let records = range.end - range.start;
            let mut batch = cursor.batch(records as usize);
            (self.fill)(range.clone(), &mut batch);
            cursor.record_bytes = batch.strings.bytes().len() / batch.len().max(1);
            batch.span = match (pace.due(range.start), pace.due(range.end - 1)) {
                (Some(first), Some(last)) => Span { first, last },
                _ => Span::at(clock.now()),
            };
            left = left.saturating_sub(batch.len());
            emit(capability, batch);
            cursor.next = turns.own(range.end);
        }
        Turn::Again
    }
}

/// The events of a worker. Workers take turns of consecutive events, called stretches.
#[derive(Clone, Debug)]
struct Turns {
    stride: u64,
    me: usize,
    /// The owner of each stretch of a round.
    owners: Vec<usize>,
}

impl Turns {
    /// With a schedule, a stretch has about a millisecond of the events of a worker, so that all workers share a burst.
    /// Without a schedule, a stretch is a batch.
    fn new(pace: &Pace, me: usize, peers: usize, skew: Option<f64>) -> Self {
        let stride = if pace.is_scheduled() { 64 } else { BATCH_RECORDS as u64 };
        Turns { stride, me, owners: owners(peers, skew) }
    }

    fn is_mine(&self, stretch: u64) -> bool {
        self.owners[(stretch % self.owners.len() as u64) as usize] == self.me
    }

    /// Returns the worker's first event from `n` on, or `u64::MAX` if the worker has no events.
    fn own(&self, n: u64) -> u64 {
        let stretch = n / self.stride;
        let ahead = (0..self.owners.len() as u64).find(|ahead| self.is_mine(stretch + ahead));
        match ahead {
            Some(0) => n,
            Some(ahead) => (stretch + ahead) * self.stride,
            None => u64::MAX,
        }
    }

    /// Returns the end of the stretch that contains event `n`.
    fn end(&self, n: u64) -> u64 {
        if self.owners.len() == 1 { u64::MAX } else { (n / self.stride + 1) * self.stride }
    }
}

/// Returns the owner of each stretch of a round. The stretches of a worker are spread evenly.
fn owners(peers: usize, skew: Option<f64>) -> Vec<usize> {
    let Some(skew) = skew.filter(|_| peers > 1) else { return (0..peers).collect() };
    const ROUND: usize = 100;
    let mut others = (1..peers).cycle();
    let of_first = |stretch: usize| (stretch as f64 * skew).round() as usize;
    let owner = |stretch| match of_first(stretch + 1) > of_first(stretch) {
        true => 0,
        false => others.next().unwrap_or(0),
    };
    (0..ROUND).map(owner).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_is_one_workers() {
        const EVENTS: usize = 64 * 200;
        for (peers, skew) in [1, 2, 3, 4].into_iter().flat_map(|n| [(n, None), (n, Some(0.9))]) {
            let mut of = vec![Vec::new(); EVENTS];
            for me in 0..peers {
                let turns = Turns { stride: 64, me, owners: owners(peers, skew) };
                let mut next = turns.own(0);
                while next < EVENTS as u64 {
                    let end = turns.end(next).min(next + 50).min(EVENTS as u64);
                    of[next as usize..end as usize].iter_mut().for_each(|of| of.push(me));
                    next = turns.own(end);
                }
            }
            assert!(of.iter().all(|of| of.len() == 1), "{peers} peers");
            let of_first = of.iter().filter(|of| of[0] == 0).count();
            let share = skew.filter(|_| peers > 1).unwrap_or(1.0 / peers as f64);
            assert!((of_first as f64 / EVENTS as f64 - share).abs() < 0.01, "{of_first}");
        }
    }
}
