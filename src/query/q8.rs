//! People who registered and opened an auction in the same 10 s: `id,name,start`, once for each person. `start` is the
//! beginning of the window.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::events::Events;
use super::rows::{added, row};
use crate::job::Output;
use crate::merge::{First, Max};
use crate::nexmark::Event;
use crate::task::Rows;
use crate::window::{Window, Windows};

/// A person who registers, or who opens an auction.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Person {
    Registers { name: String, number: u64 },
    Sells,
}

/// The name of a person who has registered, and whether one has opened an auction.
type Known = (Option<First<u64, String>>, Max<bool>);

pub(super) fn build<'scope>(mut events: Events<'_, 'scope>) -> Output<'scope> {
    let windows = Windows::tumbling(Duration::from_secs(10)).expect("10 s are whole");
    let times = events.times();
    let people = events.people_and_auctions(|number, event| match event {
        Event::Person(person) => {
            let registers = Person::Registers { name: person.name, number };
            Some((person.id, person.date_time as i64, registers))
        }
        Event::Auction(auction) => Some((auction.seller, auction.date_time as i64, Person::Sells)),
        Event::Bid(_) => None,
    });
    let known = events.aggregate(people, move |(id, time, person), rows: &mut Rows<_, Known>| {
        let known = match person {
            Person::Registers { name, number } => {
                (Some(First { number: *number, value: name.clone() }), Max(false))
            }
            Person::Sells => (None, Max(true)),
        };
        rows.add((*id, windows.pane(*time)), known);
    });
    let closed = events.job.windows("q8_windows", known, &times, windows).results;
    added(events.job, closed, |Window { start, key, value, .. }| match value {
        (Some(First { value: name, .. }), Max(true)) => Some(row!("{key},{name},{start}")),
        _ => None,
    })
}
