//! The winning bid of each auction.
//!
//! The winner is the valid bid with the highest price; of equal ones the earlier, then that with the smaller number. A bid
//! is valid if it comes while its auction is open, both ends included. A bid may come before its auction in the stream, if
//! both have the same time, so bids of unknown auctions wait until no such auction can come.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

use rustc_hash::FxBuildHasher;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use timely::ExchangeData;
use timely::dataflow::Stream;
use timely::dataflow::operators::Concat as _;

use super::events::Events;
use crate::merge::Merge;
use crate::nexmark::{Auction, BidFields, Event};
use crate::task::Rows;
use crate::window::{Row, Store, Update};

/// An auction: when it is open, in milliseconds since 1970, and what a query needs of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Lot<L> {
    pub opens: i64,
    pub expires: i64,
    pub data: L,
}

/// A bid, and what a query needs of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Offer<O> {
    pub price: u64,
    pub time: i64,
    pub number: u64,
    pub data: O,
}

impl<O> Offer<O> {
    /// Returns by what offers are ordered: that of the best one is the largest.
    fn rank(&self) -> (u64, Reverse<i64>, Reverse<u64>) {
        (self.price, Reverse(self.time), Reverse(self.number))
    }
}

/// What is known of an auction: the auction with its best valid bid, or bids that wait for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Offers<L, O> {
    lot: Option<Lot<L>>,
    /// The best valid bid if the auction is known. Otherwise the best bid of each time, in the order of times: the first
    /// one, and the others.
    bid: Option<Offer<O>>,
    others: Vec<Offer<O>>,
}

impl<L, O> Offers<L, O> {
    pub(super) fn of_lot(lot: Lot<L>) -> Self {
        Offers { lot: Some(lot), bid: None, others: Vec::new() }
    }

    pub(super) fn of_bid(bid: Offer<O>) -> Self {
        Offers { lot: None, bid: Some(bid), others: Vec::new() }
    }

    /// Iterates over the bids.
    fn bids(&self) -> impl Iterator<Item = &Offer<O>> {
        self.bid.iter().chain(&self.others)
    }

    fn winner(&self) -> Option<(&Lot<L>, &Offer<O>)> {
        self.lot.as_ref().zip(self.bid.as_ref())
    }

    fn add(&mut self, bid: Offer<O>) {
        if let Some(lot) = &self.lot {
            let is_valid = bid.time >= lot.opens && bid.time <= lot.expires;
            if is_valid && self.bid.as_ref().is_none_or(|best| best.rank() < bid.rank()) {
                self.bid = Some(bid);
            }
            return;
        }
        // Which of two bids is better is known where they are of the same time, because then both are valid or neither.
        let Some(first) = &mut self.bid else {
            self.bid = Some(bid);
            return;
        };
        if first.time == bid.time {
            if first.rank() < bid.rank() {
                *first = bid;
            }
            return;
        }
        let bid = if bid.time < first.time { std::mem::replace(first, bid) } else { bid };
        match self.others.binary_search_by_key(&bid.time, |other| other.time) {
            Ok(at) if self.others[at].rank() >= bid.rank() => {}
            Ok(at) => self.others[at] = bid,
            Err(at) => self.others.insert(at, bid),
        }
    }
}

impl<L, O> Merge for Offers<L, O> {
    fn merge(&mut self, other: Self) {
        if self.lot.is_none() && other.lot.is_some() {
            self.lot = other.lot;
            let bids = self.bid.take().into_iter().chain(std::mem::take(&mut self.others));
            bids.for_each(|bid| self.add(bid));
        }
        other.bid.into_iter().chain(other.others).for_each(|bid| self.add(bid));
    }
}

/// An auction with its best bid.
pub(super) type Won<L, O> = (Lot<L>, Offer<O>);

/// Adds the stage of a query about winners, and the store of the auctions. `of_auction` and `of_bid` return what the query
/// needs of an auction, which they get with its number, and of a bid. Returns how the winners change.
pub(super) fn winners<'scope, L: Needed, O: Needed>(
    events: &mut Events<'_, 'scope>,
    store: &str,
    emit: Emit,
    of_auction: fn(u64, &Auction) -> L,
    of_bid: fn(&BidFields<'_>) -> O,
) -> Stream<'scope, u64, Vec<Update<u64, Won<L, O>>>> {
    let times = events.times();
    let auctions = events.people_and_auctions(move |number, event| match event {
        Event::Auction(auction) => {
            let (opens, expires) = (auction.date_time as i64, auction.expires as i64);
            let data = of_auction(number, &auction);
            Some((auction.id, Side::Auction(Lot { opens, expires, data })))
        }
        _ => None,
    });
    let bids = events.bids(move |number, bid| {
        let (price, time) = (bid.price, bid.date_time as i64);
        let data = of_bid(&bid);
        Some((bid.auction, Side::Bid(Offer { price, time, number, data })))
    });
    let sides = auctions.concat(bids);
    let offers = events.aggregate(sides, |(auction, side), rows: &mut Rows<_, _>| {
        let offers = match side {
            Side::Auction(lot) => Offers::of_lot(lot.clone()),
            Side::Bid(bid) => Offers::of_bid(bid.clone()),
        };
        rows.add((*auction, 0), offers);
    });
    let empty = move || Winners::new(emit);
    events.job.keyed(store, "winners", offers, Some(&times), empty)
}

/// An auction, or a bid.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Side<L, O> {
    Auction(Lot<L>),
    Bid(Offer<O>),
}

/// What a query may need of an auction or a bid.
pub(super) trait Needed:
    ExchangeData + Clone + PartialEq + Serialize + DeserializeOwned + Sync
{
}

impl<T: ExchangeData + Clone + PartialEq + Serialize + DeserializeOwned + Sync> Needed for T {}

/// When winners are emitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Emit {
    /// Whenever the best bid of an auction has changed.
    Changes,
    /// When the auction is over.
    Closed,
}

/// The auctions that are open, with their best bids, and the bids that wait for their auction.
pub(super) struct Winners<L, O> {
    emit: Emit,
    /// How long the longest auction is open, and a millisecond.
    longest: i64,
    auctions: HashMap<u64, Offers<L, O>, FxBuildHasher>,
    /// Auctions that may be over, or whose bids may have waited long enough, after a time.
    over_after: BTreeMap<i64, Vec<u64>>,
    /// The winners when the epoch began, of the auctions that have changed in it.
    before: Vec<(u64, Option<Won<L, O>>)>,
}

impl<L, O> Winners<L, O> {
    pub(super) fn new(emit: Emit) -> Self {
        let (over_after, before) = (BTreeMap::new(), Vec::new());
        Winners { emit, longest: 0, auctions: HashMap::default(), over_after, before }
    }
}

impl<L: Clone, O: Clone> Winners<L, O> {
    fn add(&mut self, auction: u64, value: Offers<L, O>) {
        if let Some(lot) = &value.lot {
            let open = lot.expires.saturating_sub(lot.opens).saturating_add(1);
            self.longest = self.longest.max(open);
        }
        match self.auctions.entry(auction) {
            Entry::Occupied(mut known) => {
                let known = known.get_mut();
                if known.lot.is_none() {
                    Self::note(&mut self.over_after, auction, &value);
                }
                known.merge(value);
            }
            Entry::Vacant(new) => {
                Self::note(&mut self.over_after, auction, &value);
                new.insert(value);
            }
        }
    }

    /// Notes when it has to be seen whether an auction, or bids that wait for it, can be forgotten.
    fn note(over_after: &mut BTreeMap<i64, Vec<u64>>, auction: u64, value: &Offers<L, O>) {
        let mut at = |time| over_after.entry(time).or_default().push(auction);
        match &value.lot {
            Some(lot) => at(lot.expires),
            None => value.bids().for_each(|bid| at(bid.time)),
        }
    }

    /// Forgets what is over at this event-time frontier. Calls `closed` with the winners.
    fn close(&mut self, frontier: i64, mut closed: impl FnMut(u64, Won<L, O>)) {
        while let Some(over) = self.over_after.first_entry()
            && *over.key() < frontier
        {
            for auction in over.remove() {
                let Entry::Occupied(mut entry) = self.auctions.entry(auction) else { continue };
                let known = entry.get_mut();
                match &known.lot {
                    Some(lot) if lot.expires >= frontier => {}
                    Some(_) => {
                        let won = entry.remove();
                        if let Some((lot, bid)) = won.lot.zip(won.bid) {
                            closed(auction, (lot, bid));
                        }
                    }
                    None => {
                        known.others.retain(|bid| bid.time >= frontier);
                        if known.bid.as_ref().is_some_and(|bid| bid.time < frontier) {
                            let next = (!known.others.is_empty()).then(|| known.others.remove(0));
                            known.bid = next;
                        }
                        if known.bid.is_none() {
                            entry.remove();
                        }
                    }
                }
            }
        }
    }
}

impl<L, O> Store for Winners<L, O>
where
    L: Clone + PartialEq + Serialize + DeserializeOwned + Send + 'static,
    O: Clone + PartialEq + Serialize + DeserializeOwned + Send + 'static,
{
    type Key = u64;
    type Value = Offers<L, O>;
    type Out = Update<u64, Won<L, O>>;

    fn merge(&mut self, auction: u64, _: i64, value: Offers<L, O>) {
        if self.emit == Emit::Changes {
            let known = self.auctions.get(&auction);
            // What is no better changes nothing.
            let changes = match known.and_then(Offers::winner) {
                Some((_, best)) => value.bids().any(|bid| bid.rank() > best.rank()),
                None => true,
            };
            if changes {
                let winner = known.and_then(Offers::winner);
                let winner = winner.map(|(lot, bid)| (lot.clone(), bid.clone()));
                self.before.push((auction, winner));
            }
        }
        self.add(auction, value);
    }

    /// Bids that are no better than the one of an auction that is known change nothing.
    fn kept<'a>(&self, auction: &u64, value: &'a Offers<L, O>) -> Option<Cow<'a, Offers<L, O>>> {
        let best = self.auctions.get(auction).and_then(Offers::winner);
        let is_better = |(_, best): (_, &Offer<O>)| {
            value.lot.is_some() || value.bids().any(|bid| bid.rank() > best.rank())
        };
        best.is_none_or(is_better).then_some(Cow::Borrowed(value))
    }

    fn longest(&self) -> i64 {
        self.longest
    }

    fn end_epoch(&mut self, epoch: u64, frontier: i64, emit: &mut dyn FnMut(Self::Out)) {
        for (key, before) in std::mem::take(&mut self.before) {
            let after = self.auctions.get(&key).and_then(Offers::winner);
            let after = after.map(|(lot, bid)| (lot.clone(), bid.clone()));
            if before != after {
                emit(Update { key, epoch, before, after });
            }
        }
        let closes = self.emit == Emit::Closed;
        self.close(frontier, |key, won| {
            if closes {
                emit(Update { key, epoch, before: None, after: Some(won) });
            }
        });
    }

    fn pane(&self, _: i64) -> (i64, i64) {
        (0, 1)
    }

    fn value(&self, key: &u64, _: i64) -> Option<&Offers<L, O>> {
        self.auctions.get(key)
    }

    fn restore(&mut self, row: Row<u64, Offers<L, O>>) {
        self.add(row.key, row.value);
    }

    fn forget(&mut self, frontier: i64) {
        self.close(frontier, |_, _| {});
    }

    fn clear(&mut self) {
        self.auctions.clear();
        self.over_after.clear();
    }

    fn rows(&self, each: &mut dyn FnMut(&u64, i64, i64, &Offers<L, O>)) {
        self.auctions.iter().for_each(|(auction, offers)| each(auction, 0, 0, offers));
    }

    fn len(&self) -> usize {
        self.auctions.len()
    }
}
