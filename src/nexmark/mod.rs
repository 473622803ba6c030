//! Nexmark: people, auctions and bids of an online auction house, made fast.
//!
//! The entities, fields, ids, ratios and sizes are those of the generators of `nexmark/nexmark`
//! (for Flink) and Apache Beam. What differs is that event number n is a function of the seed, the
//! [`Config`] and n alone: its random numbers come from a generator seeded with n, and its time
//! from the [`Schedule`](crate::schedule::Schedule). So any worker can make any event, in any cut
//! of ranges, a restart makes the same ones, and a burst in the schedule is a burst in the stream.
//!
//! # How it is fast
//! An event is drawn as a handful of numbers and references (`draw`) and written from them,
//! as CSV, as JSON or as a typed [`Event`], so that the three agree by construction. Nothing is
//! allocated an event. Text is copied in blocks of a fixed length, past its end where that is
//! within the buffer: a copy whose length the processor can predict costs a few loads and stores.
//! Numbers are written eight digits at a time without a branch on how many there are.
//!
//! # Where it differs from the reference
//! - Random strings (`extra`, names, descriptions, the parts of an e-mail address) are slices of
//!   two texts of 65,536 places, which depend on the seed: letters a–z for `extra`, letters with a
//!   space with probability 1/13 for the rest, trimmed. Each string by itself is distributed as in
//!   the reference; but two of them may overlap, and a compressor that remembers 64 KiB can tell.
//! - A price is 100·10^(6u) with u of 32 bits, rounded; 10^(6u) is within 10⁻⁹ of its value.
//! - A bidder's id is its number plus 1000. Newer versions of the reference add 1000 twice, so
//!   that the bidder is a person who comes 50,000 events later, or never.
//! - `url` is made once a channel, from the seed, instead of once a process.
//! - Beam holds back one event in ten by up to 3 s, where it is limited to a rate. Here that is
//!   off: event time follows the event number unless `prob_delayed_event` is set.

mod channels;
mod config;
mod csv;
mod event;
mod event_position;
mod event_sampler;
mod generator;
mod json;
mod line_writer;
mod people;
mod prices;
mod random;
mod text;
mod timeline;

pub use config::{Config, ConfigError};
pub use event::{Auction, Bid, Event, Person};
pub use generator::Generator;
