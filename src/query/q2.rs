//! The bids for every 123rd auction: `auction,price`.

use super::bid_line::{BidLine, number, push_fields};
use super::events::Events;
use crate::job::Output;

pub(super) fn build<'scope>(events: Events<'_, 'scope>) -> Output<'scope> {
    events.rows_of_bids(row)
}

fn row(line: &[u8], row: &mut Vec<u8>) {
    let bid = BidLine::new(line);
    if number(bid.auction).is_multiple_of(123) {
        push_fields(row, &[bid.auction, bid.price]);
    }
}
