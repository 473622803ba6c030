//! Statistics of bids by day: how many bids, bidders and auctions there are, by price.

use serde::{Deserialize, Serialize};
use timely::dataflow::Stream;
use timely::dataflow::operators::vec::{Filter as _, Map as _};

use super::calendar::DAY;
use super::events::Events;
use crate::job::Job;
use crate::merge::Merge;
use crate::stateful::{EventTimes, Key};
use crate::window::{Totals, Update};

/// Returns the rank of a price: 0, 1 or 2.
pub(super) fn rank(price: u64) -> usize {
    match price {
        0..10_000 => 0,
        10_000..1_000_000 => 1,
        _ => 2,
    }
}

/// Whose bids are counted: all of them, those of a bidder, or those for an auction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Of {
    All,
    Bidder(u64),
    Auction(u64),
}

/// How many bids there are of each rank, and the last minute of the day in which there was one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tally {
    bids: [u64; 3],
    minute: u16,
}

impl Tally {
    /// Returns the tally of a bid.
    pub(super) fn of(price: u64, minute: u16) -> Self {
        let mut tally = Tally { minute, ..Tally::default() };
        tally.bids[rank(price)] = 1;
        tally
    }

    /// Returns the tally of a bid of a bidder or for an auction, of which only the ranks count.
    pub(super) fn of_rank(price: u64) -> Self {
        Tally::of(price, 0)
    }
}

impl Merge for Tally {
    fn merge(&mut self, other: Self) {
        (0..3).for_each(|rank| self.bids[rank] += other.bids[rank]);
        self.minute = self.minute.max(other.minute);
    }
}

/// The twelve numbers of a day: in total and by rank, the bids, the bidders and the auctions. And the last minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Numbers {
    pub numbers: [i64; 12],
    pub minute: u16,
}

impl Merge for Numbers {
    fn merge(&mut self, other: Self) {
        (0..12).for_each(|index| self.numbers[index] += other.numbers[index]);
        self.minute = self.minute.max(other.minute);
    }
}

impl std::fmt::Display for Numbers {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        self.numbers.iter().enumerate().try_for_each(|(index, number)| {
            let comma = if index > 0 { "," } else { "" };
            write!(f, "{comma}{number}")
        })
    }
}

/// Returns what a tally adds to the numbers.
fn numbers(of: Of, tally: &Tally) -> Numbers {
    let [low, middle, high] = tally.bids.map(|bids| bids as i64);
    let mut numbers = [0; 12];
    let (at, by_rank) = match of {
        Of::All => (0, [low + middle + high, low, middle, high]),
        Of::Bidder(_) => (4, distinct([low, middle, high])),
        Of::Auction(_) => (8, distinct([low, middle, high])),
    };
    numbers[at..at + 4].copy_from_slice(&by_rank);
    Numbers { numbers, minute: tally.minute }
}

fn distinct(bids: [i64; 3]) -> [i64; 4] {
    let [low, middle, high] = bids.map(|bids| i64::from(bids > 0));
    [low | middle | high, low, middle, high]
}

/// Counts tallies by group and day. Returns how the numbers of groups change, with the beginning of their day.
pub(super) fn numbers_of_days<'scope, G: Key + Ord>(
    job: &mut Job<'scope>,
    name: &str,
    tallies: Stream<'scope, u64, Vec<(((G, Of), i64), Tally)>>,
    times: &EventTimes<'scope>,
) -> Stream<'scope, u64, Vec<Update<(G, i64), Numbers>>> {
    let tallied =
        job.keyed(&format!("{name}_distinct"), "days", tallies, Some(times), days::<_, Tally>);
    let changes = tallied.map(|Update { key: ((group, of), day), before, after, .. }| {
        let mut change = Numbers::default();
        let after = after.map(|tally| numbers(of, &tally)).unwrap_or_default();
        let before = before.map(|tally| numbers(of, &tally)).unwrap_or_default();
        (0..12).for_each(|at| change.numbers[at] = after.numbers[at] - before.numbers[at]);
        change.minute = after.minute;
        ((group, day), change)
    });
    // Bidders who bid again change nothing.
    let changes = changes.filter(|(_, change): &((G, i64), Numbers)| {
        change.numbers.iter().any(|number| *number != 0)
    });
    job.keyed(&format!("{name}_days"), "days", changes, Some(times), days::<_, Numbers>)
}

fn days<K, V>() -> Totals<K, V> {
    Totals::in_windows(DAY)
}

/// Returns the rows of a bid: for all bids, for its bidder, and for its auction.
pub(super) fn rows_of_bid<G: Clone>(
    group: &G,
    bid: &(u64, u64, u64, i64),
    minute: u16,
) -> [((G, Of), Tally); 3] {
    let (auction, bidder, price, _) = *bid;
    [
        ((group.clone(), Of::All), Tally::of(price, minute)),
        ((group.clone(), Of::Bidder(bidder)), Tally::of_rank(price)),
        ((group.clone(), Of::Auction(auction)), Tally::of_rank(price)),
    ]
}

/// Returns the beginning of the day of a time.
pub(super) fn day(time: i64) -> i64 {
    time.saturating_sub(time.rem_euclid(DAY))
}

/// Reads the auction, the bidder, the price and the time of each bid.
pub(super) fn bids<'scope>(
    events: &mut Events<'_, 'scope>,
) -> Stream<'scope, u64, Vec<(u64, u64, u64, i64)>> {
    events.bids(|_, bid| Some((bid.auction, bid.bidder, bid.price, bid.date_time as i64)))
}
