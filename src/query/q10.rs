//! Every bid with the day and the minute of its time: `auction,bidder,price,date_time,extra,dt,hm`.

use super::bid_line::{BidLine, number};
use super::calendar::{Day, Minute, minute};
use super::events::Events;
use crate::job::Output;

pub(super) fn build<'scope>(events: Events<'_, 'scope>) -> Output<'scope> {
    events.rows_of_bids(row)
}

fn row(line: &[u8], row: &mut Vec<u8>) {
    let bid = BidLine::new(line);
    bid.push_without_channel(row);
    let time = number(bid.date_time) as i64;
    row.push(b',');
    row.extend_from_slice(&Day(time).text());
    row.push(b',');
    row.extend_from_slice(&Minute(minute(time)).text());
}
