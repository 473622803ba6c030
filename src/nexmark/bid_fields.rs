//! The fields of a bid, for readers that need some of them.

use super::channels::Channel;
use super::event::Bid;
use super::event_sampler::BidDraft;
use super::line_writer::LineWriter;
use super::text::Slice;

/// A bid whose texts are made when they are read. It is drawn by [`Generator::bids`](super::Generator::bids), or borrowed
/// from a [`Bid`].
pub struct BidFields<'b> {
    /// The auction's id.
    pub auction: u64,
    /// The id of the person who bids.
    pub bidder: u64,
    /// The price, in cents.
    pub price: u64,
    /// The event time, in Unix milliseconds.
    pub date_time: u64,
    texts: Texts<'b>,
}

enum Texts<'b> {
    Drawn(Channel<'b>, Slice<'b>),
    Read(&'b Bid),
}

impl BidFields<'_> {
    /// Appends the channel to `text`.
    pub fn push_channel(&self, text: &mut Vec<u8>) {
        match &self.texts {
            Texts::Drawn(channel, _) => channel.push_name(text),
            Texts::Read(bid) => text.extend_from_slice(bid.channel.as_bytes()),
        }
    }

    /// Appends the URL of the channel to `text`.
    pub fn push_url(&self, text: &mut Vec<u8>) {
        match &self.texts {
            Texts::Drawn(channel, _) => channel.push_url(text),
            Texts::Read(bid) => text.extend_from_slice(bid.url.as_bytes()),
        }
    }

    /// Appends all fields to `text`, as a line of CSV without a line break.
    #[inline]
    pub fn push_line(&self, text: &mut Vec<u8>) {
        let BidFields { auction, bidder, price, date_time, texts } = self;
        match texts {
            Texts::Drawn(channel, extra) => {
                let begin = text.len();
                // Numbers, commas and a channel take less.
                text.resize(begin + 256 + extra.padded.len(), 0);
                let mut line = LineWriter::new(&mut text[begin..]);
                for number in [auction, bidder, price] {
                    line.number(*number);
                    line.literal(b",");
                }
                channel.write_name(&mut line);
                line.literal(b",");
                channel.write_url(&mut line);
                line.literal(b",");
                line.number(*date_time);
                line.literal(b",");
                line.slice(*extra);
                let end = begin + line.len();
                text.truncate(end);
            }
            Texts::Read(Bid { channel, url, extra, .. }) => {
                let line =
                    format!("{auction},{bidder},{price},{channel},{url},{date_time},{extra}");
                text.extend_from_slice(line.as_bytes());
            }
        }
    }

    /// Returns the letters that pad the event to its size.
    #[inline]
    pub fn extra(&self) -> &[u8] {
        match &self.texts {
            Texts::Drawn(_, extra) => &extra.padded[..extra.len],
            Texts::Read(bid) => bid.extra.as_bytes(),
        }
    }
}

impl<'b> From<BidDraft<'b>> for BidFields<'b> {
    #[inline(always)]
    fn from(bid: BidDraft<'b>) -> Self {
        let BidDraft { auction, bidder, price, channel, date_time, extra } = bid;
        BidFields { auction, bidder, price, date_time, texts: Texts::Drawn(channel, extra) }
    }
}

impl<'b> From<&'b Bid> for BidFields<'b> {
    fn from(bid: &'b Bid) -> Self {
        let Bid { auction, bidder, price, date_time, .. } = *bid;
        BidFields { auction, bidder, price, date_time, texts: Texts::Read(bid) }
    }
}
