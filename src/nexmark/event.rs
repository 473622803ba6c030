//! Events as typed values.

use serde::{Deserialize, Serialize};

use super::event_sampler::Draft;
use super::line_writer::LineWriter;

/// An event. In JSON, it is one object with the kind of entity as `"type"`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// A person registers.
    Person(Person),
    /// An auction opens.
    Auction(Auction),
    /// A person bids.
    Bid(Bid),
}

/// A person who sells and bids.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Person {
    /// The person's id.
    pub id: u64,
    /// The first and the last name.
    pub name: String,
    /// The e-mail address, of the form `letters@letters.com`.
    pub email_address: String,
    /// The number of the credit card: four groups of four digits.
    pub credit_card: String,
    /// The city, one of ten.
    pub city: String,
    /// The state, one of six.
    pub state: String,
    /// The event time, in Unix milliseconds.
    pub date_time: u64,
    /// Letters that pad the event to its size.
    pub extra: String,
}

/// An auction of an item.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Auction {
    /// The auction's id.
    pub id: u64,
    /// The name of the item.
    pub item_name: String,
    /// The description of the item.
    pub description: String,
    /// The first price, in cents.
    pub initial_bid: u64,
    /// The price below which the item is not sold, in cents.
    pub reserve: u64,
    /// The event time, in Unix milliseconds.
    pub date_time: u64,
    /// When the auction closes, in Unix milliseconds.
    pub expires: u64,
    /// The id of the person who sells.
    pub seller: u64,
    /// The id of one of five categories.
    pub category: u64,
    /// Letters that pad the event to its size.
    pub extra: String,
}

/// A bid for an auction.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Bid {
    /// The auction's id.
    pub auction: u64,
    /// The id of the person who bids.
    pub bidder: u64,
    /// The price, in cents.
    pub price: u64,
    /// The channel of the bid.
    pub channel: String,
    /// The URL of the channel.
    pub url: String,
    /// The event time, in Unix milliseconds.
    pub date_time: u64,
    /// Letters that pad the event to its size.
    pub extra: String,
}

impl Event {
    /// Returns the event time, in Unix milliseconds.
    pub fn date_time(&self) -> u64 {
        match self {
            Event::Person(person) => person.date_time,
            Event::Auction(auction) => auction.date_time,
            Event::Bid(bid) => bid.date_time,
        }
    }
}

impl From<Draft<'_>> for Event {
    fn from(draft: Draft<'_>) -> Event {
        match draft {
            Draft::Person(person) => Event::Person(Person {
                id: person.id,
                name: format!("{} {}", person.first_name, person.last_name),
                email_address: format!("{}@{}.com", person.mailbox.as_str(), person.host.as_str()),
                credit_card: person.credit_card.map(|group| format!("{group:04}")).join(" "),
                city: person.city.to_owned(),
                state: person.state.to_owned(),
                date_time: person.date_time,
                extra: person.extra.as_str().to_owned(),
            }),
            Draft::Auction(auction) => Event::Auction(Auction {
                id: auction.id,
                item_name: auction.item_name.as_str().to_owned(),
                description: auction.description.as_str().to_owned(),
                initial_bid: auction.initial_bid,
                reserve: auction.reserve,
                date_time: auction.date_time,
                expires: auction.expires,
                seller: auction.seller,
                category: auction.category,
                extra: auction.extra.as_str().to_owned(),
            }),
            Draft::Bid(bid) => Event::Bid(Bid {
                auction: bid.auction,
                bidder: bid.bidder,
                price: bid.price,
                channel: written(|line| bid.channel.write_name(line)),
                url: written(|line| bid.channel.write_url(line)),
                date_time: bid.date_time,
                extra: bid.extra.as_str().to_owned(),
            }),
        }
    }
}

/// Returns what `write` appends to a line of at most 128 bytes.
fn written(write: impl FnOnce(&mut LineWriter<'_>)) -> String {
    let mut buffer = [0; 128];
    let mut line = LineWriter::new(&mut buffer);
    write(&mut line);
    let len = line.len();
    std::str::from_utf8(&buffer[..len]).expect("lines are ASCII").to_owned()
}
