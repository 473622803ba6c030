//! The bids whose channel has a number, with it: `auction,bidder,price,channel,channel_id`.
//!
//! Four channels have one by their name. The others have it in their URL; a bid without it has no row.

use super::bid_line::{BidLine, push_fields};
use super::events::Events;
use crate::job::Output;

/// The channels that have a number by their name, in any case.
const NAMED: [(&[u8], &[u8]); 4] =
    [(b"apple", b"0"), (b"google", b"1"), (b"facebook", b"2"), (b"baidu", b"3")];

pub(super) fn build<'scope>(events: Events<'_, 'scope>) -> Output<'scope> {
    events.rows_of_bids(row)
}

fn row(line: &[u8], row: &mut Vec<u8>) {
    let bid = BidLine::new(line);
    let named = NAMED.iter().find(|(name, _)| bid.channel.eq_ignore_ascii_case(name));
    let Some(id) = named.map(|(_, id)| *id).or_else(|| id_of(bid.url)) else { return };
    push_fields(row, &[bid.up_to_price(), bid.channel, id]);
}

/// Returns the value of the parameter `channel_id` of a URL: at its beginning, or after `&`.
fn id_of(url: &[u8]) -> Option<&[u8]> {
    let mut parameters = url.split(|byte| *byte == b'&');
    parameters.find_map(|parameter| parameter.strip_prefix(b"channel_id="))
}
