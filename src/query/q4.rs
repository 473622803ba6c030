//! The average winning price of all auctions so far, by category: `category,average`. Auctions that are open count with
//! their best bid so far.

use timely::dataflow::operators::vec::Map as _;

use super::events::Events;
use super::rows::{row, updated};
use super::winners::{Emit, Lot, Won, winners};
use crate::job::Output;
use crate::merge::Sum;
use crate::nexmark::Auction;
use crate::window::{Totals, Update};

pub(super) fn build<'scope>(mut events: Events<'_, 'scope>) -> Output<'scope> {
    // The same types as those of q6, which so share the code.
    let category = |_, auction: &Auction| (auction.category, 0);
    let updates = winners(&mut events, "q4_auctions", Emit::Changes, category, |_| ());
    let prices = updates.flat_map(|Update { before, after, .. }| {
        let change = |won: Option<Won<(u64, u64), ()>>, sign: i64| {
            let (Lot { data: (category, _), .. }, bid) = won?;
            let price = Sum::of(i128::from(sign) * i128::from(bid.price));
            Some(((category, 0), (price, Sum::from(sign))))
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
