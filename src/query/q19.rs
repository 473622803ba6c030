//! The ten highest bids of each auction, with all their fields and their rank. Of equal prices, the bid with the
//! smaller number is the higher one.

use std::cmp::Reverse;

use super::events::Events;
use super::rows::{joined, updated};
use super::text::LongText;
use crate::job::Output;
use crate::merge::TopK;
use crate::task::Rows;
use crate::window::Totals;

/// The best ten bids, by price and number.
type Best = TopK<(u64, Reverse<u64>, LongText), 10>;

pub(super) fn build<'scope>(mut events: Events<'_, 'scope>) -> Output<'scope> {
    let mut line = Vec::new();
    let bids = events.bids(move |number, bid| {
        line.clear();
        bid.push_line(&mut line);
        Some((bid.auction, (bid.price, Reverse(number), LongText::from(&line[..]))))
    });
    let best = events.aggregate(bids, |(auction, bid), rows: &mut Rows<_, Best>| {
        rows.add((*auction, 0), TopK::of(bid.clone()));
    });
    let updates = events.job.keyed("q19_bids", "totals", best, None, Totals::for_ever);
    updated(events.job, updates, |_, best, rows| {
        let ranked = best.items().iter().zip(1_u8..);
        rows.extend(
            ranked
                .map(|((_, _, line), rank)| joined(&[line.as_ref(), rank.to_string().as_bytes()])),
        );
    })
}
