//! Each auction with its winning bid so far: the auction's ten fields, then `auction,bidder,price,bid_date_time,bid_extra`.

use serde::{Deserialize, Serialize};

use super::events::Events;
use super::rows::{auction_columns, joined, row, updated};
use super::text::{LongText, ShortText};
use super::winners::{Emit, Offer, winners};
use crate::job::Output;
use crate::nexmark::{Auction, BidFields};

/// The columns of a bid that no other field has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Bid {
    bidder: u64,
    extra: ShortText<96>,
}

pub(super) fn build<'scope>(mut events: Events<'_, 'scope>) -> Output<'scope> {
    let of_auction = |_, auction: &Auction| {
        LongText::from(&joined(&[row!("{}", auction.id).as_slice(), &auction_columns(auction)])[..])
    };
    let of_bid = |bid: &BidFields<'_>| Bid { bidder: bid.bidder, extra: bid.extra().into() };
    let updates = winners(&mut events, "q9_auctions", Emit::Changes, of_auction, of_bid);
    updated(events.job, updates, |auction, (lot, bid), rows| {
        let Offer { price, time, data: Bid { bidder, extra }, .. } = bid;
        let bid = row!("{auction},{bidder},{price},{time}");
        rows.push(joined(&[lot.data.as_ref(), &bid, extra.as_ref()]));
    })
}
