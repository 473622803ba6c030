//! Which stages of a dataflow feed which, from timely's log of the channels between its operators.
//!
//! Timely logs each channel when it is built. The log is taken of the dataflow that is built to see what it declares, so
//! that the run logs nothing.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use timely::logging::{TimelyEvent, TimelyEventBuilder};
use timely::progress::Source;
use timely::worker::Worker;

/// A connection of a dataflow, possibly through operators that are no stages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Link {
    /// The number of the stage whose results pass. None is the source.
    pub from: Option<usize>,
    /// The number of the stage that receives them. None is the sink.
    pub to: Option<usize>,
}

/// The operator and port at which a channel begins, and the operator at which it ends.
type Channel = ((usize, usize), usize);

/// The channels that are built on a worker, outside of nested scopes.
#[derive(Clone, Default)]
pub(super) struct ChannelLog(Rc<RefCell<Vec<Channel>>>);

impl ChannelLog {
    /// Logs the channels that are built on `worker` from now on.
    pub(super) fn of(worker: &Worker) -> Self {
        let log = ChannelLog::default();
        let Some(mut loggers) = worker.log_register() else { return log };
        let channels = Rc::clone(&log.0);
        let note = move |_: &Duration, events: &mut Option<Vec<(Duration, TimelyEvent)>>| {
            let logged = events.take().into_iter().flatten();
            channels.borrow_mut().extend(logged.filter_map(|(_, event)| match event {
                // A nested scope is an operator of the dataflow, of which all outputs may come from all inputs.
                TimelyEvent::Channels(channel) if channel.scope_addr.len() == 1 => {
                    Some((channel.source, channel.target.0))
                }
                _ => None,
            }));
        };
        loggers.insert::<TimelyEventBuilder, _>("timely", note);
        log
    }

    /// Returns the channels that were built until now.
    pub(super) fn take(&self) -> Vec<Channel> {
        self.0.take()
    }
}

/// The ends of a dataflow's links: where the records leave the source and the stages, and what is committed.
pub(super) struct Ends {
    pub lines: Source,
    pub stages: Vec<Source>,
    pub results: Source,
    /// What workers say of event times. It is no link, since no records pass.
    pub event_times: Vec<Source>,
}

impl Ends {
    /// Returns the links of a dataflow with these channels, in order.
    pub(super) fn links(&self, channels: &[Channel]) -> Vec<Link> {
        let stages = self.stages.iter().enumerate().map(|(stage, source)| (Some(stage), source));
        let begins = [(None, &self.lines)].into_iter().chain(stages);
        begins.flat_map(|(from, source)| self.reached(source, from, channels)).collect()
    }

    /// Returns the links of what leaves `begin`.
    fn reached(&self, begin: &Source, from: Option<usize>, channels: &[Channel]) -> BTreeSet<Link> {
        let results = (self.results.node, self.results.port);
        let (mut links, mut seen) = (BTreeSet::new(), BTreeSet::new());
        let mut open = vec![(begin.node, begin.port)];
        while let Some(source) = open.pop() {
            let is_of_times = |times: &Source| (times.node, times.port) == source;
            if !seen.insert(source) || self.event_times.iter().any(is_of_times) {
                continue;
            }
            if source == results {
                links.insert(Link { from, to: None });
            }
            for target in channels.iter().filter(|(begin, _)| *begin == source).map(|(_, to)| *to) {
                if let Some(to) = self.stages.iter().position(|stage| stage.node == target) {
                    links.insert(Link { from, to: Some(to) });
                    continue;
                }
                // The output has no channel yet.
                let outputs = channels.iter().map(|(begin, _)| *begin).chain([results]);
                open.extend(outputs.filter(|(node, _)| *node == target));
            }
        }
        links
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use timely::dataflow::operators::vec::Map as _;
    use timely::dataflow::operators::{Concat as _, Enter as _, Exchange as _, Leave as _};

    use super::super::{BuildError, DataflowDescription, Job, Lines, Output};
    use super::*;
    use crate::merge::Count;
    use crate::window::{Lateness, Windows};

    /// The links of what `build` builds, as text.
    fn links<F>(build: F) -> String
    where
        F: for<'scope> Fn(&mut Job<'scope>, Lines<'scope>) -> Result<Output<'scope>, BuildError>,
        F: Send + Sync + 'static,
    {
        let dataflow = DataflowDescription::new(Arc::new(build)).unwrap();
        let name = |stage: Option<usize>, end: &str| {
            stage.map_or(end.to_owned(), |stage| dataflow.stages[stage].name.clone())
        };
        let show = |link: &Link| format!("{} {}", name(link.from, "in"), name(link.to, "out"));
        dataflow.links.iter().map(show).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn operators_between_stages_are_part_of_a_link() {
        let chain = links(|job, lines| {
            let numbers = job.json::<u64>(lines);
            let one = job.burst("one", numbers, |number| Ok(number + 1));
            let each = one.flat_map(|number| [number, number]).exchange(|number| *number);
            let each =
                job.scope().region(|inner| each.enter(inner).map(|it| it).leave(job.scope()));
            let two = job.burst("two", each, |number| Ok(number * 2));
            Ok(job.json_lines(two.map(|number| number.to_string())))
        });
        assert_eq!(chain, "in one, one two, two out");
        let none = links(|job, lines| Ok(job.text(lines)));
        assert_eq!(none, "in out");
    }

    #[test]
    fn event_times_that_go_around_a_stage_are_no_link() {
        let windows = links(|job, lines| {
            let numbers = job.json::<i64>(lines);
            let (numbers, times) = job.event_times(numbers, Lateness::default(), |number| *number);
            let rows = job.burst("rows", numbers, |number: &i64| Ok((*number % 7, *number)));
            let rows = rows.map(|row| (row, Count(1)));
            let windows = Windows::tumbling(Duration::from_secs(1))?;
            let closed = job.windows("windows", rows, &times, windows).results;
            Ok(job.json_lines(closed))
        });
        assert_eq!(windows, "in rows, rows out");
    }

    #[test]
    fn branches_are_links_of_their_own_and_what_is_not_committed_leads_nowhere() {
        let branches = links(|job, lines| {
            let numbers = job.json::<u64>(lines);
            let even = job.burst("even", numbers.clone(), |number| Ok(number * 2));
            let odd = job.burst("odd", numbers, |number| Ok(number * 2 + 1));
            let all = job.burst("all", even.concat(odd.clone()), |number| Ok(*number));
            job.burst("forgotten", odd.clone(), |number| Ok(*number));
            Ok(job.json_lines(all.concat(odd)))
        });
        assert_eq!(branches, "in even, in odd, even all, odd out, odd all, odd forgotten, all out");
    }
}
