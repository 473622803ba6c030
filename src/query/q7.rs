//! The bids with the highest price of each 10 s: `auction,bidder,price,date_time,extra`. All bids with the highest price of
//! their window are rows.

use std::cmp::Ordering;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::events::Events;
use super::rows::{added, joined, row};
use super::text::{PartText, TextBuffer};
use crate::job::Output;
use crate::merge::Merge;
use crate::task::Rows;
use crate::window::Windows;

/// The columns of a bid.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Bid {
    auction: u64,
    bidder: u64,
    price: u64,
    time: i64,
    extra: PartText,
}

/// The bids with the highest price, of which there mostly is one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Highest {
    bid: Bid,
    others: Vec<Bid>,
}

pub(super) fn build<'scope>(mut events: Events<'_, 'scope>) -> Output<'scope> {
    let windows = Windows::tumbling(Duration::from_secs(10)).expect("10 s are whole");
    let times = events.times();
    let mut texts = TextBuffer::default();
    let bids = events.bids(move |_, bid| {
        let (auction, bidder, price, time) =
            (bid.auction, bid.bidder, bid.price, bid.date_time as i64);
        Some(Bid {
            auction,
            bidder,
            price,
            time,
            extra: texts.text(|text| text.extend_from_slice(bid.extra())),
        })
    });
    let highest = events.aggregate(bids, move |bid: &Bid, rows: &mut Rows<_, _>| {
        let highest = Highest { bid: bid.clone(), others: Vec::new() };
        rows.add(((), windows.pane(bid.time)), highest);
    });
    let closed = events.job.windows("q7_windows", highest, &times, windows).results;
    added(events.job, closed, |window| {
        let Highest { bid, others } = window.value;
        std::iter::once(bid).chain(others).map(|Bid { auction, bidder, price, time, extra }| {
            joined(&[&row!("{auction},{bidder},{price},{time}"), extra.as_ref()])
        })
    })
}

impl Merge for Highest {
    fn merge(&mut self, mut other: Self) {
        match self.bid.price.cmp(&other.bid.price) {
            Ordering::Less => *self = other,
            Ordering::Equal => {
                // In an order that does not depend on that of the merges.
                if other.bid < self.bid {
                    std::mem::swap(&mut self.bid, &mut other.bid);
                }
                self.others.push(other.bid);
                self.others.append(&mut other.others);
                self.others.sort_unstable();
            }
            Ordering::Greater => {}
        }
    }
}
