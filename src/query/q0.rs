//! Every bid, unchanged: `auction,bidder,price,date_time,extra`.

use super::bid_line::BidLine;
use super::events::Events;
use crate::job::Output;

pub(super) fn build<'scope>(events: Events<'_, 'scope>) -> Output<'scope> {
    events.rows_of_bids(row)
}

fn row(line: &[u8], row: &mut Vec<u8>) {
    BidLine::new(line).push_without_channel(row);
}
