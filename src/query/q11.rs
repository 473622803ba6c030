//! How many bids a bidder made in each session: `bidder,count,start,end`. The bids of a session are less than 10 s apart;
//! `start` is the time of the first one, `end` that of the last one and 10 s.

use std::time::Duration;

use super::events::Events;
use super::rows::{added, row};
use crate::job::Output;
use crate::merge::Count;
use crate::task::Rows;
use crate::window::{Window, Windows};

pub(super) fn build<'scope>(mut events: Events<'_, 'scope>) -> Output<'scope> {
    let sessions = Windows::session(Duration::from_secs(10)).expect("10 s are whole");
    let times = events.times();
    let bids = events.bids(|_, bid| Some((bid.bidder, bid.date_time as i64)));
    let counts = events.aggregate(bids, move |&(bidder, time), rows: &mut Rows<_, _>| {
        rows.add((bidder, sessions.pane(time)), Count(1));
    });
    let closed = events.job.windows("q11_sessions", counts, &times, sessions).results;
    added(events.job, closed, |Window { start, end, key, value }| {
        [row!("{key},{},{start},{end}", value.0)]
    })
}
