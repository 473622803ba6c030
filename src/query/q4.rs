//! The average winning price of all auctions so far, by category: `category,average`. Auctions that are open count with
//! their best bid so far.

use timely::dataflow::operators::vec::Map as _;

use super::events::Events;
use super::rows::{row, updated};
use super::winners::{Emit, winners};
use crate::job::Output;
use crate::merge::Sum;
use crate::window::{Totals, Update};

pub(super) fn build<'scope>(mut events: Events<'_, 'scope>) -> Output<'scope> {
    let updates =
        winners(&mut events, "q4_auctions", Emit::Changes, |auction| (auction.category, 0));
    let prices = updates.flat_map(|Update { before, after, .. }| {
        let change = |won: Option<_>, sign: i64| {
            let ((category, _), price): ((u64, i64), u64) = won?;
            Some(((category, 0), (Sum::from(sign * price as i64), Sum::from(sign))))
        };
        change(before, -1).into_iter().chain(change(after, 1))
    });
    let averages = events.job.keyed("q4_categories", "totals", prices, None, Totals::for_ever);
    updated(events.job, averages, |(category, _), (sum, count), rows| {
        if count.total() > 0 {
            rows.push(row!("{category},{}", sum.total() / count.total()));
        }
    })
}
