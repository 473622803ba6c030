//! A remote side with faults: a server that misbehaves in one of the ways in which Lambda, the network between, or a
//! wrong function does. It is written from the wire's description alone: it shares no code with the bridge or with the
//! local Lambda, or it would share their mistakes.
//!
//! Every answer is right but for its fault: behind a status of 500 stands the right answer, so that only who looks at
//! the status returns the records.
#![allow(dead_code)]

mod answer;
mod http;
mod server;

pub use server::Server;

/// What the server does with a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    /// Answers well.
    None,
    /// The right answer with its ids, and their results, in another order.
    OtherOrder,
    /// One record of five or so is refused in `errors`; all others are answered well.
    Errors,
    /// The first record is refused in `errors`.
    FirstRefused,
    /// Another status than 200.
    Status(u16),
    /// 500 to each request with this number in it.
    Chokes(u64),
    /// 429 with so many seconds of `Retry-After`.
    RetryAfter(u64),
    /// Nothing listens.
    Absent,
    /// The connection is reset before the answer.
    Reset,
    /// The connection is reset within the answer.
    ResetInAnswer,
    /// Answers the first request of a connection, and closes the connection on the next one.
    Stale,
    /// Never answers.
    Hang,
    /// The right answer, a few bytes at a time.
    Trickle,
    /// The right answer, a tenth of a second late.
    Late,
    /// 200 and the first half of the right answer, said to be all of it.
    Truncated,
    /// 200 and nothing.
    Empty,
    /// 200 and a page for people.
    Html,
    /// The right answer in another version of the wire.
    OtherVersion,
    /// The right answer to another task.
    OtherTask,
    /// The last result is for a record that the request does not have.
    UnknownId,
    /// The last record has no result.
    Missing,
    /// The first record has two.
    Doubled,
    /// A result without an id.
    TooMany,
    /// The first result has this in it, which ends a line for some reader.
    LineBreak(&'static str),
    /// 200 with `X-Amz-Function-Error`.
    FunctionError(&'static str),
    /// To another server, which would answer well.
    Redirect,
    /// The right answer, of 7 MB.
    Huge,
    /// The right answer, of 7 MB if the request has more records than this.
    HugeAbove(usize),
    /// Nearly 6 MB of an answer, and nothing more: it holds the memory of whoever reads it.
    NeverEnds,
    /// The right answers with each other's results: nothing but computing them again can tell.
    WrongResults,
    /// Answers well so many requests with records in them; then the server is gone.
    GoneAfter(usize),
}

/// Which requests have the faults.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum On {
    /// All of them.
    All,
    /// Those with records in them. Whoever asks without any finds nothing wrong.
    Records,
}

/// What the function does with a record.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Task {
    /// Splits a line of ASCII into words.
    Words,
    /// Squares a number.
    Square,
    /// Does Floodway's text task of this name.
    Text(&'static str),
}
