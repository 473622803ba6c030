//! The average winning price of a seller's last ten closed auctions: `seller,average`.

use timely::dataflow::operators::vec::Map as _;

use super::events::Events;
use super::rows::{row, updated};
use super::winners::{Emit, winners};
use crate::job::Output;
use crate::merge::TopK;
use crate::window::{Totals, Update};

/// The last ten auctions, by when they close and their id, with their winning prices.
type LastTen = TopK<(i64, u64, u64), 10>;

pub(super) fn build<'scope>(mut events: Events<'_, 'scope>) -> Output<'scope> {
    let closed = winners(&mut events, "q6_auctions", Emit::Closed, |auction| {
        (auction.seller, auction.expires as i64)
    });
    let prices = closed.flat_map(|Update { key: auction, after, .. }| {
        let ((seller, expires), price) = after?;
        Some(((seller, 0), LastTen::of((expires, auction, price))))
    });
    let last = events.job.keyed("q6_sellers", "totals", prices, None, Totals::for_ever);
    updated(events.job, last, |(seller, _), last, rows| {
        let sum: u128 = last.items().iter().map(|(_, _, price)| u128::from(*price)).sum();
        rows.push(row!("{seller},{}", sum / last.items().len() as u128));
    })
}
