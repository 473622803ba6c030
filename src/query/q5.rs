//! The auctions with the most bids in 10 s, every 2 s: `auction,num`. The window is not shown, and all auctions with the most
//! bids of their window are rows.

use std::time::Duration;

use super::events::Events;
use super::per_epoch::per_epoch;
use super::rows::{added, row};
use crate::job::Output;
use crate::merge::Count;
use crate::task::Rows;
use crate::window::{Window, Windows, shard};

pub(super) fn build<'scope>(mut events: Events<'_, 'scope>) -> Output<'scope> {
    let windows = Windows::sliding(Duration::from_secs(10), Duration::from_secs(2));
    let windows = windows.expect("2 s divide 10 s");
    let times = events.times();
    let bids = events.bids(|_, bid| Some((bid.auction, bid.date_time as i64)));
    let counts = events.aggregate(bids, move |&(auction, time), rows: &mut Rows<_, _>| {
        rows.add((auction, windows.pane(time)), Count(1));
    });
    let closed = events.job.windows("q5_windows", counts, &times, windows).results;
    // A window closes on all workers in the same epoch.
    let most = per_epoch(closed, |window| shard(&window.start), most);
    added(events.job, most, |(auction, count)| [row!("{auction},{count}")])
}

/// Returns the auctions of windows that have the most bids of their window.
fn most(windows: Vec<Window<u64, Count>>) -> Vec<(u64, u64)> {
    let mut most = std::collections::HashMap::new();
    for Window { start, value, .. } in &windows {
        let most: &mut Count = most.entry(*start).or_default();
        *most = (*most).max(*value);
    }
    let of_most = windows.into_iter().filter(|window| most[&window.start] == window.value);
    of_most.map(|window| (window.key, window.value.0)).collect()
}
