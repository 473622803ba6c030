//! Every bid, unchanged: `auction,bidder,price,date_time,extra`.

use super::bid_line::BidLine;
use super::events::Events;
use crate::job::Output;

pub(super) fn build<'scope>(events: Events<'_, 'scope>) -> Output<'scope> {
    events.rows_of_bids(row)
}

fn row(line: &[u8], row: &mut Vec<u8>) {
    let bid = BidLine::new(line);
    row.extend_from_slice(bid.up_to_price());
    row.push(b',');
    row.extend_from_slice(bid.time_and_extra());
}
