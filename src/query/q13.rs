//! Every bid with the value that a fixed table has for its auction: `auction,bidder,price,date_time,value`.
//!
//! The table has the keys from 0 to 9,999, each with itself as the value. A bid has the one of its auction modulo 10,000.

use super::bid_line::{BidLine, number, push_fields, push_number};
use super::events::Events;
use crate::job::Output;

/// The number of keys of the table.
const TABLE: u64 = 10_000;

pub(super) fn build<'scope>(events: Events<'_, 'scope>) -> Output<'scope> {
    events.rows_of_bids(row)
}

fn row(line: &[u8], row: &mut Vec<u8>) {
    let bid = BidLine::new(line);
    let value = number(bid.auction) % TABLE;
    push_fields(row, &[bid.up_to_price(), bid.date_time]);
    row.push(b',');
    push_number(row, value);
}
