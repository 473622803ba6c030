//! A remote side in bad weather: a server that misbehaves in one of the ways in which Lambda, the
//! network between, or a wrong function does. Written from the wire's description alone: it shares
//! no code with the bridge, nor with the local Lambda, or it would share their mistakes.
//!
//! Whatever it can say is right but for the one thing that the weather makes wrong: behind a status
//! of 500 stands the right answer, so that only who looks at the status comes home.
#![allow(dead_code)]

mod answer;
mod http;
mod server;

pub use server::Server;

/// What the server does with a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Weather {
    /// Answers well.
    Fair,
    /// The right answer with its ids, and their results, in another order.
    OtherOrder,
    /// One record of five or so is refused in `errors`; all others are answered well.
    Errors,
    /// Another status than 200.
    Status(u16),
    /// 429 with so many seconds of `Retry-After`.
    RetryAfter(u64),
    /// Nothing listens.
    Absent,
    /// The connection is reset before the answer.
    Reset,
    /// The connection is reset within the answer.
    ResetInAnswer,
    /// Never answers.
    Hang,
    /// The right answer, a few bytes at a time.
    Trickle,
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
    /// The right answers with each other's results: nothing but computing them again can tell.
    WrongResults,
    /// Fair for so many requests with records in them; then the server is gone.
    GoneAfter(usize),
    /// So many requests are reset; fair from then on.
    FairAfter(usize),
}

/// Which requests the weather is for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum On {
    /// All of them.
    All,
    /// Those with records in them. Whoever asks without any finds nothing wrong.
    Records,
}
