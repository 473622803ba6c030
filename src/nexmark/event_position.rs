//! The position of an event in the stream, and which people and auctions exist there.

use super::config::Config;
use super::random::Bits;

/// The id of the first person and of the first auction.
pub(super) const FIRST_ID: u64 = 1_000;

/// The number of people and auctions that do not exist yet, but that an event may refer to.
const LEAD: u64 = 10;

/// One in this many people and auctions is hot.
const HOT_BATCH: u64 = 100;

/// The numbers of people, auctions and bids in a cycle, which repeats.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cycle {
    people: u64,
    auctions: u64,
    total: u64,
}

impl Cycle {
    pub(super) fn new(config: &Config) -> Cycle {
        let (people, auctions) = (config.person_proportion, config.auction_proportion);
        Cycle { people, auctions, total: people + auctions + config.bid_proportion }
    }
}

/// The kind of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Person,
    Auction,
    Bid,
}

/// The position of an event: its cycle, and its offset in the cycle. (The reference calls a cycle an epoch,
/// which is something else here.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EventPosition {
    cycle: u64,
    offset: u64,
}

impl EventPosition {
    /// Returns the position of the event with this id.
    pub(super) fn of(cycle: &Cycle, id: u64) -> EventPosition {
        EventPosition { cycle: id / cycle.total, offset: id % cycle.total }
    }

    /// Returns the position of the next event.
    #[inline]
    pub(super) fn next(self, cycle: &Cycle) -> EventPosition {
        if self.offset + 1 == cycle.total {
            EventPosition { cycle: self.cycle + 1, offset: 0 }
        } else {
            EventPosition { cycle: self.cycle, offset: self.offset + 1 }
        }
    }

    /// Returns the kind of the event.
    #[inline]
    pub(super) fn kind(self, cycle: &Cycle) -> Kind {
        if self.offset < cycle.people {
            Kind::Person
        } else if self.offset < cycle.people + cycle.auctions {
            Kind::Auction
        } else {
            Kind::Bid
        }
    }

    /// Returns how many people exist, with the event itself.
    #[inline]
    pub(super) fn people(self, cycle: &Cycle) -> u64 {
        self.cycle * cycle.people + cycle.people.min(self.offset + 1)
    }

    /// Returns how many auctions exist, with the event itself.
    #[inline]
    pub(super) fn auctions(self, cycle: &Cycle) -> u64 {
        let begun = (self.offset + 1).saturating_sub(cycle.people);
        self.cycle * cycle.auctions + cycle.auctions.min(begun)
    }
}

/// Picks one of `count` numbers. With probability 1 − 1/`ratio` it is the hot one, which is number `hot` of the last hundred
/// that has begun. Otherwise it is one of the last `window` numbers or of the next ten.
#[inline]
pub(super) fn pick(bits: &mut Bits, count: u64, ratio: u64, hot: u64, window: u64) -> u64 {
    let is_hot = bits.below(ratio) > 0;
    let window = window.min(count);
    let other = count - window + bits.below(window + LEAD);
    let last = count.saturating_sub(1);
    // Both numbers are computed, so that choosing one needs no branch, which would be mispredicted.
    if is_hot { last - last % HOT_BATCH + hot } else { other }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cycle_is_one_person_three_auctions_and_bids() {
        let cycle = Cycle::new(&Config::default());
        let mut position = EventPosition::of(&cycle, 0);
        let (mut people, mut auctions) = (0, 0);
        for id in 0..1_000 {
            assert_eq!(position, EventPosition::of(&cycle, id));
            match position.kind(&cycle) {
                Kind::Person => people += 1,
                Kind::Auction => auctions += 1,
                Kind::Bid => assert!(id % 50 >= 4),
            }
            assert_eq!((position.people(&cycle), position.auctions(&cycle)), (people, auctions));
            position = position.next(&cycle);
        }
        assert_eq!((people, auctions), (20, 60));
    }
}
