//! Who sells in category 10 from OR, ID or CA, and what: `name,city,state,auction`.

use serde::{Deserialize, Serialize};

use super::events::Events;
use super::lookup::{Lookup, Matches};
use super::rows::{changed, row};
use crate::job::Output;
use crate::nexmark::Event;
use crate::task::Rows;

/// A person's columns, or that a person has no row; or an auction.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Side {
    Person(Option<String>),
    Auction(u64),
}

pub(super) fn build<'scope>(mut events: Events<'_, 'scope>) -> Output<'scope> {
    let sides = events.people_and_auctions(|_, event| match event {
        Event::Person(person) => {
            let is_local = ["OR", "ID", "CA"].contains(&person.state.as_str());
            let row = || format!("{},{},{}", person.name, person.city, person.state);
            Some((person.id, Side::Person(is_local.then(row))))
        }
        Event::Auction(auction) if auction.category == 10 => {
            Some((auction.seller, Side::Auction(auction.id)))
        }
        _ => None,
    });
    let matches = events.aggregate(sides, |(person, side), rows: &mut Rows<_, _>| {
        let side = match side {
            Side::Person(row) => Matches::of_one(row.clone()),
            Side::Auction(auction) => Matches::of_many(*auction),
        };
        rows.add((*person, 0), side);
    });
    let row = |person: &String, auction: &u64| row!("{person},{auction}");
    let rows = events.job.keyed("q3_people", "join", matches, None, move || Lookup::new(row));
    changed(events.job, rows)
}
