//! The bids between 1,000,000 and 50,000,000 euro cents, both exclusive, with the kind of their time of day and the number of
//! c's in `extra`: `auction,bidder,euros,kind,date_time,extra,c_count`.

use super::bid_line::{BidLine, number, push_euros, push_fields, push_number};
use super::calendar::minute;
use super::events::Events;
use crate::job::Output;

/// The thousandths of a euro cent between which prices are.
const CENTS: std::ops::Range<u128> = 1_000_000_000..50_000_000_000;

pub(super) fn build<'scope>(events: Events<'_, 'scope>) -> Output<'scope> {
    events.rows_of_bids(row)
}

fn row(line: &[u8], row: &mut Vec<u8>) {
    let bid = BidLine::new(line);
    let price = number(bid.price);
    if !(CENTS.start < 908 * u128::from(price) && 908 * u128::from(price) < CENTS.end) {
        return;
    }
    let kind = match minute(number(bid.date_time) as i64) / 60 {
        8..=18 => "dayTime",
        7 | 19 => "otherTime",
        _ => "nightTime",
    };
    row.extend_from_slice(bid.auction_and_bidder());
    row.push(b',');
    push_euros(row, price);
    row.push(b',');
    push_fields(row, &[kind.as_bytes(), bid.time_and_extra()]);
    row.push(b',');
    push_number(row, memchr::memchr_iter(b'c', bid.extra).count() as u64);
}
