//! Every bid with its price in euros: `auction,bidder,euros,date_time,extra`.

use super::bid_line::{BidLine, number, push_euros};
use super::events::Events;
use crate::job::Output;

pub(super) fn build<'scope>(events: Events<'_, 'scope>) -> Output<'scope> {
    events.rows_of_bids(row)
}

fn row(line: &[u8], row: &mut Vec<u8>) {
    let bid = BidLine::new(line);
    row.extend_from_slice(bid.auction_and_bidder());
    row.push(b',');
    push_euros(row, number(bid.price));
    row.push(b',');
    row.extend_from_slice(bid.time_and_extra());
}
