//! The last bid of each bidder for each auction, with all its fields.

use super::events::Events;
use super::rows::updated;
use super::text::LongText;
use crate::job::Output;
use crate::merge::Last;
use crate::task::Rows;
use crate::window::Totals;

pub(super) fn build<'scope>(mut events: Events<'_, 'scope>) -> Output<'scope> {
    let mut line = Vec::new();
    let bids = events.bids(move |number, bid| {
        line.clear();
        bid.push_line(&mut line);
        Some(((bid.bidder, bid.auction), (bid.date_time, number), LongText::from(&line[..])))
    });
    let last = events.aggregate(bids, |(key, number, line), rows: &mut Rows<_, _>| {
        rows.add((*key, 0), Last { number: *number, value: line.clone() });
    });
    let updates = events.job.keyed("q18_bids", "totals", last, None, Totals::for_ever);
    updated(events.job, updates, |_, last, rows| rows.push(last.value.as_ref().to_vec()))
}
