//! Events as JSON. An event is one object with the kind of entity as `"type"`, and with the fields in the same order as in
//! CSV. No field contains a character that JSON escapes.

use super::csv::{write_credit_card, write_email, write_name};
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
    line.literal(br#"{"type":"bid","auction":"#);
    line.number(bid.auction);
    line.literal(br#","bidder":"#);
    line.number(bid.bidder);
    line.literal(br#","price":"#);
    line.number(bid.price);
    line.literal(br#","channel":""#);
    bid.channel.write_name(line);
    line.literal(br#"","url":""#);
    bid.channel.write_url(line);
    line.literal(br#"","date_time":"#);
    stamp.write(line, bid.date_time);
    line.literal(br#","extra":""#);
    line.slice(bid.extra);
    line.literal(br#""}"#);
}

fn write_auction(auction: &AuctionDraft<'_>, stamp: &mut Stamp, line: &mut LineWriter<'_>) {
    line.literal(br#"{"type":"auction","id":"#);
    line.number(auction.id);
    line.literal(br#","item_name":""#);
    line.slice(auction.item_name);
    line.literal(br#"","description":""#);
    line.slice(auction.description);
    line.literal(br#"","initial_bid":"#);
    line.number(auction.initial_bid);
    line.literal(br#","reserve":"#);
    line.number(auction.reserve);
    line.literal(br#","date_time":"#);
    stamp.write(line, auction.date_time);
    line.literal(br#","expires":"#);
    line.number(auction.expires);
    line.literal(br#","seller":"#);
    line.number(auction.seller);
    line.literal(br#","category":"#);
    line.number(auction.category);
    line.literal(br#","extra":""#);
    line.slice(auction.extra);
    line.literal(br#""}"#);
}

fn write_person(person: &PersonDraft<'_>, stamp: &mut Stamp, line: &mut LineWriter<'_>) {
    line.literal(br#"{"type":"person","id":"#);
    line.number(person.id);
    line.literal(br#","name":""#);
    write_name(person, line);
    line.literal(br#"","email_address":""#);
    write_email(person, line);
    line.literal(br#"","credit_card":""#);
    write_credit_card(person, line);
    line.literal(br#"","city":""#);
    line.text(person.city);
    line.literal(br#"","state":""#);
    line.text(person.state);
    line.literal(br#"","date_time":"#);
    stamp.write(line, person.date_time);
    line.literal(br#","extra":""#);
    line.slice(person.extra);
    line.literal(br#""}"#);
}
