//! How many bids a bidder made in each 10 s of processing time: `bidder,count,start,end`. A bid is processed when it is due,
//! so that the answer does not depend on the machine.

use std::time::Duration;

use super::events::Events;
use super::rows::{added, row};
use crate::job::Output;
use crate::merge::Count;
use crate::task::Rows;
use crate::window::{Window, Windows};

pub(super) fn build<'scope>(mut events: Events<'_, 'scope>) -> Output<'scope> {
    let windows = Windows::tumbling(Duration::from_secs(10)).expect("10 s are whole");
    let (times, due) = (events.due_times(), events.due());
    let bids = events.bids(move |number, bid| Some((bid.bidder, due(number))));
    let counts = events.aggregate(bids, move |&(bidder, time), rows: &mut Rows<_, _>| {
        rows.add((bidder, windows.pane(time)), Count(1));
    });
    let closed = events.job.windows("q12_windows", counts, &times, windows).results;
    added(events.job, closed, |Window { start, end, key, value }| {
        [row!("{key},{},{start},{end}", value.0)]
    })
}
