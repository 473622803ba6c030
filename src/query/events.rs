//! The events that a query reads, and its stage.

use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use timely::dataflow::Stream;

use super::graph::EventInput;
use super::rows;
use crate::batch::{Batch, Chunks, Numbers};
use crate::emulator::Builtin;
use crate::job::{Job, Lines, Output, Refuse, Remote, invalid_json};
use crate::merge::Merge;
use crate::nexmark::{BidFields, Config, Event};
use crate::operators::{in_chunks, rows_of};
use crate::stateful::{EventTimes, event_times};
use crate::task::{self, LineRows, Modelled, PartialAnswers, Partials, Rows, Task, TextTask, Work};
use crate::window::Lateness;

/// A task that makes rows `(K, V)` of records `T`.
type AggregateTask<T, K, V> =
    dyn Task<In = Chunks<Vec<T>>, Out = Partials<K, V>, Answers = PartialAnswers<K, V>>;

/// The events of a query, while its dataflow is built.
pub(super) struct Events<'a, 'scope> {
    name: &'static str,
    pub job: &'a mut Job<'scope>,
    lines: Lines<'scope>,
    input: EventInput,
    work: &'a Work,
    /// Whether a reader makes dead letters of lines that are no events. The others leave them out.
    is_refusing: bool,
}

impl<'a, 'scope> Events<'a, 'scope> {
    pub(super) fn new(
        name: &'static str,
        job: &'a mut Job<'scope>,
        lines: Lines<'scope>,
        input: &EventInput,
        work: &'a Work,
    ) -> Self {
        Events { name, job, lines, input: input.clone(), work, is_refusing: false }
    }

    /// Reads bids. `read` returns what the query needs of a bid, which it gets with its number.
    pub(super) fn bids<T: 'static>(
        &mut self,
        mut read: impl FnMut(u64, BidFields<'_>) -> Option<T> + 'static,
    ) -> Stream<'scope, u64, Vec<T>> {
        let (generator, refuses) = (Arc::clone(&self.input.generator), self.refuses());
        if self.input.is_generated {
            return self.job.read_records(self.lines.clone(), move |lines, records, _| {
                records.reserve(lines.len());
                for range in ranges(lines) {
                    generator.bids(range, |number, bid| records.extend(read(number, bid)));
                }
            });
        }
        self.job.read_records(self.lines.clone(), move |lines, records, refuse| {
            each_event(lines, refuses, refuse, |number, event| {
                if let Event::Bid(bid) = event {
                    records.extend(read(number, BidFields::from(bid)));
                }
            });
        })
    }

    /// Reads people and auctions. `read` returns what the query needs of an event, which it gets with its number.
    pub(super) fn people_and_auctions<T: 'static>(
        &mut self,
        read: impl Fn(u64, Event) -> Option<T> + 'static,
    ) -> Stream<'scope, u64, Vec<T>> {
        let (generator, refuses) = (Arc::clone(&self.input.generator), self.refuses());
        if self.input.is_generated {
            return self.job.read_records(self.lines.clone(), move |lines, records, _| {
                for range in ranges(lines) {
                    generator.people_and_auctions(range, |number, event| {
                        records.extend(read(number, event));
                    });
                }
            });
        }
        self.job.read_records(self.lines.clone(), move |lines, records, refuse| {
            each_event(lines, refuses, refuse, |number, event| {
                if !matches!(event, Event::Bid(_)) {
                    records.extend(read(number, event.clone()));
                }
            });
        })
    }

    /// Reads bids as lines of CSV.
    fn bid_lines(&mut self) -> Lines<'scope> {
        let (generator, refuses) = (Arc::clone(&self.input.generator), self.refuses());
        let is_generated = self.input.is_generated;
        self.job.read(self.lines.clone(), move |_, lines, refuse| {
            let mut bids = Batch::with_capacity(lines.len(), lines.len() * LINE_BYTES);
            bids.span = lines.span;
            if is_generated {
                ranges(lines).for_each(|range| generator.bid_lines(range, &mut bids));
                return bids;
            }
            let mut numbers = Vec::new();
            each_event(lines, refuses, refuse, |number, event| {
                if let Event::Bid(bid) = event {
                    BidFields::from(bid).push_line(bids.strings.buffer());
                    bids.strings.end_string();
                    numbers.push(number);
                }
            });
            bids.numbers = Numbers::Each(numbers);
            bids
        })
    }

    /// Returns the event times of the events, by which windows close. Generated events say how late they can be. Others may
    /// be as late as delayed events of the generator are.
    pub(super) fn times(&mut self) -> EventTimes<'scope> {
        let EventInput { is_generated, generator, pace } = self.input.clone();
        let allowed = Duration::from_secs(Config::default().occasional_delay_sec);
        let lateness = Lateness { allowed, ..Lateness::default() };
        let (lines, times) = event_times(self.lines.clone(), lateness, move |lines, times| {
            if !is_generated {
                let mut read = Vec::new();
                each_event(lines, false, &mut |_, _, _| {}, |_, event| {
                    read.push(event.date_time() as i64);
                });
                times.add_all(read.into_iter());
            }
        });
        self.lines = lines;
        if !is_generated {
            return times;
        }
        times.with_known(move |epoch| generator.earliest_from(pace.first(epoch + 1)) as i64)
    }

    /// Returns the times at which the events are due, by which windows of processing time close.
    pub(super) fn due_times(&mut self) -> EventTimes<'scope> {
        let EventInput { generator, pace, .. } = self.input.clone();
        let (lines, times) = event_times(self.lines.clone(), Lateness::default(), |_, _| {});
        self.lines = lines;
        times.with_known(move |epoch| generator.due_millis(pace.first(epoch + 1)) as i64)
    }

    /// Returns the function that says when an event is due, in Unix milliseconds.
    pub(super) fn due(&self) -> impl Fn(u64) -> i64 + 'static {
        let generator = Arc::clone(&self.input.generator);
        move |number| generator.due_millis(number) as i64
    }

    /// Writes a row of each bid, which `write` gets as a line of CSV. A bid of which it writes nothing has no row.
    pub(super) fn rows_of_bids(mut self, write: fn(&[u8], &mut Vec<u8>)) -> Output<'scope> {
        let lines = self.bid_lines();
        let task: TextTask = Arc::new(LineRows { name: self.name, write });
        let remote = Arc::clone(&task);
        let remote = Remote::Function(Box::new(move || Arc::new(Builtin::of(remote.clone()))));
        let task: TextTask = Arc::new(Modelled::new(task, self.work.clone()));
        let rows = self.job.stage(self.name, lines, task, remote);
        rows::added_texts(self.job, rows)
    }

    /// Adds the query's stage: it makes rows of keys and values of each record, and merges the values of a key.
    pub(super) fn aggregate<T, K, V>(
        &mut self,
        records: Stream<'scope, u64, Vec<T>>,
        compute: impl Fn(&T, &mut Rows<K, V>) + Send + Sync + 'static,
    ) -> Stream<'scope, u64, Vec<(K, V)>>
    where
        T: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
        K: Hash + Eq + Serialize + DeserializeOwned + Clone + Send + 'static,
        V: Merge + PartialEq + Serialize + DeserializeOwned + Clone + Send + 'static,
    {
        let compute = move |record: &T, rows: &mut Rows<K, V>| {
            compute(record, rows);
            Ok(())
        };
        let task = Arc::new(task::aggregate(self.name, compute));
        let function = Arc::clone(&task);
        let remote = Remote::Function(Box::new(move || function.clone()));
        // Queries with the same types share the code of the stage.
        let task: Arc<AggregateTask<T, K, V>> = Arc::new(Modelled::new(task, self.work.clone()));
        rows_of(self.job.stage(self.name, in_chunks(records), task, remote))
    }

    /// Whether the next reader refuses lines that are no events: the first one does.
    fn refuses(&mut self) -> bool {
        !std::mem::replace(&mut self.is_refusing, true)
    }
}

/// Room for a bid as a line of CSV.
const LINE_BYTES: usize = 240;

/// Returns the ranges of numbers of a batch.
fn ranges(lines: &Batch) -> impl Iterator<Item = std::ops::Range<u64>> + '_ {
    let (whole, each) = match &lines.numbers {
        Numbers::From(first) => (Some(*first..*first + lines.len() as u64), &[][..]),
        Numbers::Each(numbers) => (None, &numbers[..]),
    };
    whole.into_iter().chain(each.iter().map(|number| *number..number + 1))
}

/// Calls `each` with the events of lines. A line that is none is refused if `refuses`.
fn each_event(
    lines: &Batch,
    refuses: bool,
    refuse: &mut Refuse<'_>,
    mut each: impl FnMut(u64, &Event),
) {
    for index in 0..lines.len() {
        match serde_json::from_str(lines.strings.text(index)) {
            Ok(event) => each(lines.numbers.get(index), &event),
            Err(error) if refuses => refuse(lines, index, invalid_json(&error)),
            Err(_) => {}
        }
    }
}
