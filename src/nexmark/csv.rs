//! Events as CSV lines. The fields are in the order of the reference. There is no header and there are no quotes, since no
//! field contains a comma, a quote or a line break. Timestamps are in Unix milliseconds.

use super::event_sampler::{AuctionDraft, BidDraft, Draft, PersonDraft};
use super::line_writer::{LineWriter, Stamp};

/// Appends the event to `line`, without a line break.
#[inline(always)]
pub(super) fn write(draft: &Draft<'_>, stamp: &mut Stamp, line: &mut LineWriter<'_>) {
    match draft {
        Draft::Bid(bid) => write_bid(bid, stamp, line),
        Draft::Auction(auction) => write_auction(auction, stamp, line),
        Draft::Person(person) => write_person(person, stamp, line),
    }
}

#[inline(always)]
fn write_bid(bid: &BidDraft<'_>, stamp: &mut Stamp, line: &mut LineWriter<'_>) {
    line.number(bid.auction);
    line.literal(b",");
    line.number(bid.bidder);
    line.literal(b",");
    line.number(bid.price);
    line.literal(b",");
    bid.channel.write_name(line);
    line.literal(b",");
    bid.channel.write_url(line);
    line.literal(b",");
    stamp.write(line, bid.date_time);
    line.literal(b",");
    line.slice(bid.extra);
}

fn write_auction(auction: &AuctionDraft<'_>, stamp: &mut Stamp, line: &mut LineWriter<'_>) {
    line.number(auction.id);
    line.literal(b",");
    line.slice(auction.item_name);
    line.literal(b",");
    line.slice(auction.description);
    line.literal(b",");
    line.number(auction.initial_bid);
    line.literal(b",");
    line.number(auction.reserve);
    line.literal(b",");
    stamp.write(line, auction.date_time);
    line.literal(b",");
    line.number(auction.expires);
    line.literal(b",");
    line.number(auction.seller);
    line.literal(b",");
    line.number(auction.category);
    line.literal(b",");
    line.slice(auction.extra);
}

fn write_person(person: &PersonDraft<'_>, stamp: &mut Stamp, line: &mut LineWriter<'_>) {
    line.number(person.id);
    line.literal(b",");
    write_name(person, line);
    line.literal(b",");
    write_email(person, line);
    line.literal(b",");
    write_credit_card(person, line);
    line.literal(b",");
    line.text(person.city);
    line.literal(b",");
    line.text(person.state);
    line.literal(b",");
    stamp.write(line, person.date_time);
    line.literal(b",");
    line.slice(person.extra);
}

/// Appends a name, such as `Peter Jones`.
pub(super) fn write_name(person: &PersonDraft<'_>, line: &mut LineWriter<'_>) {
    line.text(person.first_name);
    line.literal(b" ");
    line.text(person.last_name);
}

/// Appends an e-mail address, such as `abc@def.com`.
pub(super) fn write_email(person: &PersonDraft<'_>, line: &mut LineWriter<'_>) {
    line.slice(person.mailbox);
    line.literal(b"@");
    line.slice(person.host);
    line.literal(b".com");
}

/// Appends the number of a credit card, such as `1234 0042 9999 0000`.
pub(super) fn write_credit_card(person: &PersonDraft<'_>, line: &mut LineWriter<'_>) {
    for (index, &group) in person.credit_card.iter().enumerate() {
        if index > 0 {
            line.literal(b" ");
        }
        line.four_digits(group);
    }
}
