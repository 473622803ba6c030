//! Every bid with the three directories of its URL: `auction,bidder,price,channel,dir1,dir2,dir3`.

use super::bid_line::{BidLine, push_fields};
use super::events::Events;
use crate::job::Output;

pub(super) fn build<'scope>(events: Events<'_, 'scope>) -> Output<'scope> {
    events.rows_of_bids(row)
}

fn row(line: &[u8], row: &mut Vec<u8>) {
    let bid = BidLine::new(line);
    let mut parts = bid.url.split(|byte| *byte == b'/').skip(3);
    let [first, second, third] = std::array::from_fn(|_| parts.next().unwrap_or_default());
    push_fields(row, &[bid.up_to_price(), bid.channel, first, second, third]);
}
