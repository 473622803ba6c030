//! Bids by people who also sell, with the person and each of their auctions: 21 columns.

use std::collections::HashMap;

use rustc_hash::FxBuildHasher;
use serde::{Deserialize, Serialize};
use timely::dataflow::operators::Concat as _;

use super::bid_line::push_number;
use super::events::Events;
use super::rows::{Row as Text, RowChange, auction_columns, changed, joined, row};
use super::text::{LongText, PartText, TextBuffer};
use crate::job::Output;
use crate::merge::Merge;
use crate::nexmark::{Event, Person};
use crate::task::Rows;
use crate::window::{Row, Store};

/// The columns of a person, an auction or a bid.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Side {
    Person(LongText),
    Auction(LongText),
    Bid(PartText),
}

pub(super) fn build<'scope>(mut events: Events<'_, 'scope>) -> Output<'scope> {
    let people = events.people_and_auctions(|_, event| match event {
        Event::Person(person) => Some((person.id, Side::Person(row_of_person(&person)))),
        Event::Auction(auction) => {
            Some((auction.seller, Side::Auction(auction_columns(&auction)[..].into())))
        }
        Event::Bid(_) => None,
    });
    let (mut row, mut texts) = (Vec::new(), TextBuffer::default());
    let bids = events.bids(move |_, bid| {
        row.clear();
        for number in [bid.bidder, bid.price] {
            push_number(&mut row, number);
            row.push(b',');
        }
        bid.push_channel(&mut row);
        row.push(b',');
        bid.push_url(&mut row);
        row.push(b',');
        row.extend_from_slice(bid.extra());
        Some((bid.bidder, Side::Bid(texts.text(|text| text.extend_from_slice(&row)))))
    });
    let parts = events.aggregate(people.concat(bids), |(person, side), rows: &mut Rows<_, _>| {
        let mut parts = Parts::default();
        match side {
            Side::Person(row) => parts.person = Some(row.clone()),
            Side::Auction(row) => parts.auctions.push(row.clone()),
            Side::Bid(row) => parts.bids.push(row.clone()),
        }
        rows.add((*person, 0), parts);
    });
    let rows = events.job.keyed("q23_people", "join", parts, None, Sellers::default);
    changed(events.job, rows)
}

fn row_of_person(person: &Person) -> LongText {
    let Person { id, name, email_address, credit_card, city, state, extra, .. } = person;
    row!("{id},{name},{email_address},{credit_card},{city},{state},{extra}")[..].into()
}

/// What is known of a person: the columns of the person, the auctions and the bids.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Parts {
    person: Option<LongText>,
    auctions: Vec<LongText>,
    bids: Vec<PartText>,
}

impl Merge for Parts {
    fn merge(&mut self, mut other: Self) {
        self.person = self.person.take().or(other.person);
        self.auctions.append(&mut other.auctions);
        self.bids.append(&mut other.bids);
    }
}

/// All people with their auctions and bids.
#[derive(Default)]
struct Sellers {
    people: HashMap<u64, Parts, FxBuildHasher>,
    /// The rows of the epoch.
    rows: Vec<Text>,
}

impl Store for Sellers {
    type Key = u64;
    type Value = Parts;
    type Out = RowChange;

    fn merge(&mut self, key: u64, _: i64, value: Parts) {
        let known = self.people.entry(key).or_default();
        let was_known = known.person.is_some();
        let (auctions, bids) = (known.auctions.len(), known.bids.len());
        known.merge(value);
        let Some(person) = &known.person else { return };
        // Rows of a bid and an auction that were there before are there too, if the person was.
        let (old_bids, old_auctions) = if was_known { (bids, auctions) } else { (0, 0) };
        let (old, new) = known.bids.split_at(old_bids);
        let mut add = |bids: &[PartText], auctions: &[LongText]| {
            for auction in auctions {
                let row =
                    |bid: &PartText| joined(&[bid.as_ref(), person.as_ref(), auction.as_ref()]);
                self.rows.extend(bids.iter().map(row));
            }
        };
        add(old, &known.auctions[old_auctions..]);
        add(new, &known.auctions);
    }

    fn longest(&self) -> i64 {
        0
    }

    fn end_epoch(&mut self, epoch: u64, _: i64, emit: &mut dyn FnMut(RowChange)) {
        self.rows.drain(..).for_each(|row| emit((row, epoch, 1)));
    }

    fn pane(&self, _: i64) -> (i64, i64) {
        (0, 1)
    }

    fn value(&self, key: &u64, _: i64) -> Option<&Parts> {
        self.people.get(key)
    }

    fn restore(&mut self, row: Row<u64, Parts>) {
        self.people.entry(row.key).or_default().merge(row.value);
    }

    fn forget(&mut self, _: i64) {}

    fn clear(&mut self) {
        self.people.clear();
    }

    fn rows(&self, each: &mut dyn FnMut(&u64, i64, i64, &Parts)) {
        self.people.iter().for_each(|(key, parts)| each(key, 0, 0, parts));
    }

    fn len(&self) -> usize {
        self.people.len()
    }
}
