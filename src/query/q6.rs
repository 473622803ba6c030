//! The average winning price of a seller's last ten closed auctions: `seller,average`.

use timely::dataflow::operators::vec::Map as _;

use super::events::Events;
use super::rows::{row, updated};
use super::winners::{Emit, Lot, winners};
use crate::job::Output;
use crate::merge::TopK;
use crate::nexmark::Auction;
use crate::window::{Totals, Update};

/// The last ten auctions, by when they close and their number, with their winning prices.
type LastTen = TopK<(i64, u64, u64), 10>;

pub(super) fn build<'scope>(mut events: Events<'_, 'scope>) -> Output<'scope> {
    let seller = |number, auction: &Auction| (auction.seller, number);
    let closed = winners(&mut events, "q6_auctions", Emit::Closed, seller, |_| ());
    let prices = closed.flat_map(|Update { after, .. }| {
        let (Lot { expires, data: (seller, number), .. }, bid) = after?;
        Some(((seller, 0), LastTen::of((expires, number, bid.price))))
    });
    let last = events.job.keyed("q6_sellers", "totals", prices, None, Totals::for_ever);
    updated(events.job, last, |(seller, _), last, rows| {
        let sum: u128 = last.items().iter().map(|(_, _, price)| u128::from(*price)).sum();
        rows.push(row!("{seller},{}", sum / last.items().len() as u128));
    })
}
