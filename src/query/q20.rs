//! The bids for auctions of category 10, with the auction: the bid's seven fields, then the auction's without its id.

use serde::{Deserialize, Serialize};
use timely::dataflow::operators::Concat as _;

use super::events::Events;
use super::lookup::{Lookup, Matches};
use super::rows::{auction_columns, changed, joined};
use super::text::{LongText, PartText, TextBuffer};
use crate::job::Output;
use crate::nexmark::Event;
use crate::task::Rows;

/// An auction's columns, or that an auction has no row; or a bid's.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Side {
    Auction(Option<LongText>),
    Bid(PartText),
}

pub(super) fn build<'scope>(mut events: Events<'_, 'scope>) -> Output<'scope> {
    let auctions = events.people_and_auctions(|_, event| match event {
        Event::Auction(auction) => {
            let row =
                (auction.category == 10).then(|| LongText::from(&auction_columns(&auction)[..]));
            Some((auction.id, Side::Auction(row)))
        }
        _ => None,
    });
    let (mut line, mut texts) = (Vec::new(), TextBuffer::default());
    let bids = events.bids(move |_, bid| {
        line.clear();
        bid.push_line(&mut line);
        Some((bid.auction, Side::Bid(texts.text(|text| text.extend_from_slice(&line)))))
    });
    let matches =
        events.aggregate(auctions.concat(bids), |(auction, side), rows: &mut Rows<_, _>| {
            let side = match side {
                Side::Auction(row) => Matches::of_one(row.clone()),
                Side::Bid(row) => Matches::of_many(row.clone()),
            };
            rows.add((*auction, 0), side);
        });
    let row = |auction: &LongText, bid: &PartText| joined(&[bid.as_ref(), auction.as_ref()]);
    let rows = events.job.keyed("q20_auctions", "join", matches, None, move || Lookup::new(row));
    changed(events.job, rows)
}
