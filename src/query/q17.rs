//! Bids and prices of each auction and day: `auction,day,total,rank1,rank2,rank3,min,max,average,sum`.

use super::by_day::{day, rank};
use super::calendar::{DAY, Day};
use super::events::Events;
use super::rows::{row, updated};
use crate::job::Output;
use crate::merge::{Count, Max, Min, Sum};
use crate::task::Rows;
use crate::window::Totals;

/// The bids of each rank, the lowest and the highest price, and their sum.
type Prices = ((Count, Count, Count), Min<u64>, Max<u64>, Sum);

pub(super) fn build<'scope>(mut events: Events<'_, 'scope>) -> Output<'scope> {
    let times = events.times();
    let bids = events.bids(|_, bid| Some((bid.auction, bid.price, bid.date_time as i64)));
    let prices = events.aggregate(bids, |&(auction, price, time), rows: &mut Rows<_, Prices>| {
        let of = |which| Count(u64::from(rank(price) == which));
        let sum = Sum::of(price.into());
        rows.add((auction, day(time)), ((of(0), of(1), of(2)), Min(price), Max(price), sum));
    });
    let days = || Totals::in_windows(DAY);
    let updates = events.job.keyed("q17_days", "days", prices, Some(&times), days);
    updated(events.job, updates, |(auction, day), prices, rows| {
        let ((Count(low), Count(middle), Count(high)), Min(min), Max(max), sum) = prices;
        let (total, sum) = (low + middle + high, sum.total());
        let average = sum / i128::from(total.max(1));
        let day = Day(*day);
        rows.push(row!(
            "{auction},{day},{total},{low},{middle},{high},{min},{max},{average},{sum}"
        ));
    })
}
