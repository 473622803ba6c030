//! Each auction with its winning bid so far: the auction's ten fields, then `auction,bidder,price,bid_date_time,bid_extra`.

use serde::{Deserialize, Serialize};
use timely::dataflow::operators::Concat as _;

use super::events::Events;
use super::rows::{Row, joined, row, updated};
use super::text::{LongText, ShortText};
use super::winners::{Emit, Lot, Offer, Offers, Winners};
use crate::job::Output;
use crate::nexmark::{Auction, Event};
use crate::task::Rows;

/// The columns of a bid that no other field has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Bid {
    bidder: u64,
    extra: ShortText<96>,
}

/// An auction with its columns, or a bid.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Side {
    Lot(Lot<LongText>),
    Bid(Offer<Bid>),
}

pub(super) fn build<'scope>(mut events: Events<'_, 'scope>) -> Output<'scope> {
    let times = events.times();
    let auctions = events.people_and_auctions(|_, event| match event {
        Event::Auction(auction) => {
            let (opens, expires) = (auction.date_time as i64, auction.expires as i64);
            let lot = Lot { opens, expires, data: LongText::from(&row_of(&auction)[..]) };
            Some((auction.id, Side::Lot(lot)))
        }
        _ => None,
    });
    let bids = events.bids(|number, bid| {
        let (price, time) = (bid.price, bid.date_time as i64);
        let data = Bid { bidder: bid.bidder, extra: bid.extra().into() };
        Some((bid.auction, Side::Bid(Offer { price, time, number, data })))
    });
    let offers =
        events.aggregate(auctions.concat(bids), |(auction, side), rows: &mut Rows<_, _>| {
            let offers = match side {
                Side::Lot(lot) => Offers::of_lot(lot.clone()),
                Side::Bid(bid) => Offers::of_bid(bid.clone()),
            };
            rows.add((*auction, 0), offers);
        });
    let winners = || Winners::new(Emit::Changes);
    let updates = events.job.keyed("q9_auctions", "winners", offers, Some(&times), winners);
    updated(events.job, updates, |auction, (lot, bid), rows| {
        let Offer { price, time, data: Bid { bidder, extra }, .. } = bid;
        let bid = row!("{auction},{bidder},{price},{time}");
        rows.push(joined(&[lot.data.as_ref(), &bid, extra.as_ref()]));
    })
}

/// Returns an auction's columns.
fn row_of(auction: &Auction) -> Row {
    let Auction {
        id,
        item_name,
        description,
        initial_bid,
        reserve,
        date_time,
        expires,
        seller,
        category,
        extra,
    } = auction;
    row!(
        "{id},{item_name},{description},{initial_bid},{reserve},{date_time},{expires},{seller},{category},{extra}"
    )
}
