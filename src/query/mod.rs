//! Nexmark's queries, as graphs of a job.
//!
//! Each query is a file with its definition. A query reads the fields that it needs of the events ([`Events`]), hands them
//! to its stage, which may be computed remotely, and merges what comes back in stores of keyed state. What a query answers,
//! to the byte, is in `docs/nexmark.md`.

mod bid_line;
mod by_day;
mod calendar;
mod events;
mod graph;
mod lookup;
mod per_epoch;
mod rows;
mod text;
mod winners;

mod q0;
mod q1;
mod q10;
mod q11;
mod q12;
mod q13;
mod q14;
mod q15;
mod q16;
mod q17;
mod q18;
mod q19;
mod q2;
mod q20;
mod q21;
mod q22;
mod q23;
mod q3;
mod q4;
mod q5;
mod q6;
mod q7;
mod q8;
mod q9;

use std::fmt;

use events::Events;
pub use graph::{EventInput, QueryGraph, functions};

use crate::job::Output;

/// A query.
#[derive(Clone)]
pub struct Query {
    /// Its name, such as `q5`, which is that of its stage too.
    pub name: &'static str,
    /// What it answers, in a sentence.
    pub what: &'static str,
    /// Whether its windows are of the times at which events are due.
    pub needs_due_times: bool,
    build: for<'a, 'scope> fn(Events<'a, 'scope>) -> Output<'scope>,
}

impl fmt::Debug for Query {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// All queries.
pub static QUERIES: [Query; 24] = [
    Query { name: "q0", what: "Every bid, unchanged.", needs_due_times: false, build: q0::build },
    Query {
        name: "q1",
        what: "Every bid with its price in euros.",
        needs_due_times: false,
        build: q1::build,
    },
    Query {
        name: "q2",
        what: "The bids for every 123rd auction.",
        needs_due_times: false,
        build: q2::build,
    },
    Query {
        name: "q3",
        what: "Who sells in category 10 from OR, ID or CA, and what.",
        needs_due_times: false,
        build: q3::build,
    },
    Query {
        name: "q4",
        what: "The average winning price of each category.",
        needs_due_times: false,
        build: q4::build,
    },
    Query {
        name: "q5",
        what: "The auctions with the most bids in 10 s, every 2 s.",
        needs_due_times: false,
        build: q5::build,
    },
    Query {
        name: "q6",
        what: "The average winning price of the last ten closed auctions of a seller.",
        needs_due_times: false,
        build: q6::build,
    },
    Query {
        name: "q7",
        what: "The bids with the highest price of each 10 s.",
        needs_due_times: false,
        build: q7::build,
    },
    Query {
        name: "q8",
        what: "People who registered and opened an auction in the same 10 s.",
        needs_due_times: false,
        build: q8::build,
    },
    Query {
        name: "q9",
        what: "Each auction with its winning bid.",
        needs_due_times: false,
        build: q9::build,
    },
    Query {
        name: "q10",
        what: "Every bid with the day and the minute of its file.",
        needs_due_times: false,
        build: q10::build,
    },
    Query {
        name: "q11",
        what: "The bids of each bidder by session.",
        needs_due_times: false,
        build: q11::build,
    },
    Query {
        name: "q12",
        what: "The bids of each bidder in each 10 s of processing time.",
        needs_due_times: true,
        build: q12::build,
    },
    Query {
        name: "q13",
        what: "Every bid with the value that a fixed table has for its auction.",
        needs_due_times: false,
        build: q13::build,
    },
    Query {
        name: "q14",
        what: "The bids in a range of prices, with a time of day and the number of c's in their text.",
        needs_due_times: false,
        build: q14::build,
    },
    Query {
        name: "q15",
        what: "Bids, bidders and auctions of each day, by price.",
        needs_due_times: false,
        build: q15::build,
    },
    Query {
        name: "q16",
        what: "Bids, bidders and auctions of each channel and day, by price.",
        needs_due_times: false,
        build: q16::build,
    },
    Query {
        name: "q17",
        what: "Bids and prices of each auction and day.",
        needs_due_times: false,
        build: q17::build,
    },
    Query {
        name: "q18",
        what: "The last bid of each bidder for each auction.",
        needs_due_times: false,
        build: q18::build,
    },
    Query {
        name: "q19",
        what: "The ten highest bids of each auction.",
        needs_due_times: false,
        build: q19::build,
    },
    Query {
        name: "q20",
        what: "The bids for auctions of category 10, with the auction.",
        needs_due_times: false,
        build: q20::build,
    },
    Query {
        name: "q21",
        what: "Every bid with the number of its channel.",
        needs_due_times: false,
        build: q21::build,
    },
    Query {
        name: "q22",
        what: "Every bid with the directories of its URL.",
        needs_due_times: false,
        build: q22::build,
    },
    Query {
        name: "q23",
        what: "The bids of people who also sell, with the person and each of their auctions.",
        needs_due_times: false,
        build: q23::build,
    },
];

/// Returns the query with this name.
pub fn query(name: &str) -> Option<&'static Query> {
    QUERIES.iter().find(|query| query.name == name)
}
