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
    build: Build,
}

/// Builds a query.
type Build = for<'a, 'scope> fn(Events<'a, 'scope>) -> Output<'scope>;

const fn query(name: &'static str, what: &'static str, build: Build) -> Query {
    Query { name, what, needs_due_times: false, build }
}

impl fmt::Debug for Query {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// All queries.
pub static QUERIES: [Query; 24] = [
    query("q0", "Every bid, unchanged.", q0::build),
    query("q1", "Every bid with its price in euros.", q1::build),
    query("q2", "The bids for auctions whose id is a multiple of 123.", q2::build),
    query("q3", "Who sells in category 10 from OR, ID or CA, and what.", q3::build),
    query("q4", "The average winning price of each category.", q4::build),
    query("q5", "The auctions with the most bids in 10 s, every 2 s.", q5::build),
    query(
        "q6",
        "The average winning price of the last ten closed auctions of a seller.",
        q6::build,
    ),
    query("q7", "The bids with the highest price of each 10 s.", q7::build),
    query("q8", "People who registered and opened an auction in the same 10 s.", q8::build),
    query("q9", "Each auction with its winning bid.", q9::build),
    query("q10", "Every bid with the day and the minute of its time.", q10::build),
    query("q11", "The bids of each bidder by session.", q11::build),
    Query {
        needs_due_times: true,
        ..query("q12", "The bids of each bidder in each 10 s of processing time.", q12::build)
    },
    query("q13", "Every bid with the value that a fixed table has for its auction.", q13::build),
    query(
        "q14",
        "The bids in a range of prices, with a time of day and the number of c's in `extra`.",
        q14::build,
    ),
    query("q15", "Bids, bidders and auctions of each day, by price.", q15::build),
    query("q16", "Bids, bidders and auctions of each channel and day, by price.", q16::build),
    query("q17", "Bids and prices of each auction and day.", q17::build),
    query("q18", "The last bid of each bidder for each auction.", q18::build),
    query("q19", "The ten highest bids of each auction.", q19::build),
    query("q20", "The bids for auctions of category 10, with the auction.", q20::build),
    query("q21", "The bids whose channel has a number, with it.", q21::build),
    query("q22", "Every bid with the directories of its URL.", q22::build),
    query(
        "q23",
        "The bids of people who also sell, with the person and each of their auctions.",
        q23::build,
    ),
];

/// Returns the query with this name.
pub fn named(name: &str) -> Option<&'static Query> {
    QUERIES.iter().find(|query| query.name == name)
}

/// Returns what each query answers, a line each, for the help.
pub fn help() -> String {
    QUERIES.iter().map(|Query { name, what, .. }| format!("\n  {name}  {what}")).collect()
}
