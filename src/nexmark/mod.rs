//! Nexmark: a fast generator of people, auctions and bids of an online auction house.
//!
//! The entities, fields, ids, ratios and sizes are those of the generators of `nexmark/nexmark` (for Flink) and Apache
//! Beam. Here, event number n is a function of the seed, the [`Config`] and n alone. Its random numbers come from a
//! generator that is seeded with n, and its time comes from the [`Schedule`](crate::schedule::Schedule). So any worker can
//! make any range of events, a restart makes the same events, and a burst in the schedule is a burst in the stream.
//!
//! # Why it is fast
//! An event is sampled as a few numbers and references to text (`draw`). CSV, JSON and the typed [`Event`] are written from
//! them, so that the three agree. No memory is allocated per event. Text is copied in blocks of a fixed length, which may
//! go past its end: a copy whose length the processor can predict costs a few loads and stores. Numbers are written eight
//! digits at a time, without a branch on the number of digits.
//!
//! # Where it differs from the reference
//! - Random strings (`extra`, names, descriptions, the parts of an e-mail address) are slices of two texts that depend on
//!   the seed. A slice begins at one of 65,536 offsets. The text for `extra` has letters a–z. The other one has letters and,
//!   with probability 1/13, spaces, and its slices are trimmed. Each string by itself is distributed as in the reference.
//!   But two strings may overlap, which a compressor with a window of 64 KiB can use.
//! - A price is 100·10^(6u) with a random u of 32 bits, rounded. The error of 10^(6u) is below 10⁻⁹.
//! - The id of a bidder is its number plus 1000. Newer versions of the reference add 1000 twice, so that the bidder is a
//!   person who comes 50,000 events later, or never.
//! - A `url` is made once per channel, from the seed, and not once per process.
//! - Beam delays one event in ten by up to 3 s if the rate is limited. Here event times follow event numbers unless
//!   `prob_delayed_event` is set.

mod bid_fields;
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

pub use bid_fields::BidFields;
pub use config::{Config, ConfigError};
pub use event::{Auction, Bid, Event, Person};
pub use generator::Generator;
