//! Bids, bidders and auctions of each day, by price: `day`, then in total and of rank 1, 2 and 3 the bids, the distinct
//! bidders and the distinct auctions.

use super::by_day::{bids, day, numbers_of_days, rows_of_bid};
use super::calendar::Day;
use super::events::Events;
use super::rows::{row, updated};
use crate::job::Output;
use crate::task::Rows;

pub(super) fn build<'scope>(mut events: Events<'_, 'scope>) -> Output<'scope> {
    let times = events.times();
    let bids = bids(&mut events);
    let tallies = events.aggregate(bids, |bid, rows: &mut Rows<_, _>| {
        let day = day(bid.3);
        for (key, tally) in rows_of_bid(&(), bid, 0) {
            rows.add((key, day), tally);
        }
    });
    let numbers = numbers_of_days(events.job, "q15", tallies, &times);
    updated(events.job, numbers, |((), day), numbers, rows| {
        rows.push(row!("{},{numbers}", Day(*day)));
    })
}
