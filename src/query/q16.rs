//! Bids, bidders and auctions of each channel and day, by price: `channel,day,minute`, then the twelve numbers of q15.
//! `minute` is the last one in which there was a bid.

use super::by_day::{day, numbers_of_days, rows_of_bid};
use super::calendar::{Day, Minute, minute};
use super::events::Events;
use super::rows::{joined, row, updated};
use super::text::ShortText;
use crate::job::Output;
use crate::task::Rows;

pub(super) fn build<'scope>(mut events: Events<'_, 'scope>) -> Output<'scope> {
    let times = events.times();
    let mut channel = Vec::new();
    let bids = events.bids(move |_, bid| {
        channel.clear();
        bid.push_channel(&mut channel);
        let name = ShortText::<16>::from(&channel[..]);
        Some((name, (bid.auction, bid.bidder, bid.price, bid.date_time as i64)))
    });
    let tallies = events.aggregate(bids, |(channel, bid), rows: &mut Rows<_, _>| {
        let day = day(bid.3);
        for (key, tally) in rows_of_bid(channel, bid, minute(bid.3)) {
            rows.add((key, day), tally);
        }
    });
    let numbers = numbers_of_days(events.job, "q16", tallies, &times);
    updated(events.job, numbers, |(channel, day), numbers, rows| {
        let minute = Minute(numbers.minute);
        rows.push(joined(&[channel.as_ref(), &row!("{},{minute},{numbers}", Day(*day))]));
    })
}
