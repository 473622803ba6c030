//! Samples events. A sampled event consists of numbers, and of references to text that is copied later.

use super::channels::{Channel, Channels};
use super::config::Config;
use super::event_position::{Cycle, EventPosition, FIRST_ID, Kind, pick};
use super::people::{CITIES, FIRST_NAMES, LAST_NAMES, STATES};
use super::prices::Prices;
use super::random::{Bits, Random};
use super::text::{Slice, Text, padded};
use super::timeline::{Moment, Timeline};

// One more than the lengths of the longest item name, the longest description, and the longest parts of an e-mail address,
// as in the reference.
const ITEM_NAME: usize = 20;
const DESCRIPTION: usize = 100;
const MAILBOX: usize = 7;
const HOST: usize = 5;

// There are five categories, from 10 on.
const CATEGORIES: u64 = 5;
const FIRST_CATEGORY: u64 = 10;

/// A person, before it is written.
pub(super) struct PersonDraft<'d> {
    pub(super) id: u64,
    pub(super) first_name: &'static str,
    pub(super) last_name: &'static str,
    pub(super) mailbox: Slice<'d>,
    pub(super) host: Slice<'d>,
    pub(super) credit_card: [u64; 4],
    pub(super) city: &'static str,
    pub(super) state: &'static str,
    pub(super) date_time: u64,
    pub(super) extra: Slice<'d>,
}

/// An auction, before it is written.
pub(super) struct AuctionDraft<'d> {
    pub(super) id: u64,
    pub(super) item_name: Slice<'d>,
    pub(super) description: Slice<'d>,
    pub(super) initial_bid: u64,
    pub(super) reserve: u64,
    pub(super) date_time: u64,
    pub(super) expires: u64,
    pub(super) seller: u64,
    pub(super) category: u64,
    pub(super) extra: Slice<'d>,
}

/// A bid, before it is written.
pub(super) struct BidDraft<'d> {
    pub(super) auction: u64,
    pub(super) bidder: u64,
    pub(super) price: u64,
    pub(super) channel: Channel<'d>,
    pub(super) date_time: u64,
    pub(super) extra: Slice<'d>,
}

/// An event, before it is written.
pub(super) enum Draft<'d> {
    Person(PersonDraft<'d>),
    Auction(AuctionDraft<'d>),
    Bid(BidDraft<'d>),
}

/// Samples the events of a configuration and a seed.
#[derive(Debug)]
pub(super) struct EventSampler {
    config: Config,
    cycle: Cycle,
    /// The key of the events' random numbers.
    key: u64,
    /// The key of the events' delays, so that a delay changes nothing else.
    delay_key: u64,
    /// An event is delayed if 64 random bits are below this.
    delayed_below: u64,
    /// The number of events in which as many auctions open as are in flight.
    events_in_flight: u64,
    bid_extra: Padding,
    letters: Text,
    words: Text,
    channels: Channels,
    prices: Prices,
}

impl EventSampler {
    pub(super) fn new(config: Config, seed: u64) -> EventSampler {
        let random = |purpose| Random::of_event(Random::key(seed, purpose), 0);
        EventSampler {
            cycle: Cycle::new(&config),
            key: Random::key(seed, 0),
            delay_key: Random::key(seed, 1),
            // The conversion saturates, so 1.0 delays all but one event in 2⁶⁴.
            delayed_below: (config.prob_delayed_event * 2f64.powi(64)) as u64,
            events_in_flight: (config.num_in_flight_auctions * config.cycle_length())
                .checked_div(config.auction_proportion)
                .unwrap_or(0),
            bid_extra: Padding::new(4 * 8, config.avg_bid_byte_size),
            letters: Text::letters(random(2), EventSampler::longest_extra(&config)),
            words: Text::words(random(3), DESCRIPTION, b' '),
            channels: Channels::new(random(4)),
            prices: Prices::new(),
            config,
        }
    }

    /// Returns the length of the longest `extra`.
    pub(super) fn longest_extra(config: &Config) -> usize {
        let sizes =
            [config.avg_person_byte_size, config.avg_auction_byte_size, config.avg_bid_byte_size];
        sizes.map(|average| Padding::new(0, average).longest()).into_iter().max().unwrap_or(0)
    }

    /// Returns the cycle of the events.
    pub(super) fn cycle(&self) -> &Cycle {
        &self.cycle
    }

    /// Samples the event of `moment`, which is at `position`.
    #[inline(always)]
    pub(super) fn draw(
        &self,
        timeline: &Timeline,
        moment: Moment,
        position: EventPosition,
    ) -> Draft<'_> {
        let mut random = Random::of_event(self.key, moment.id);
        let date_time = self.date_time(moment);
        match position.kind(&self.cycle) {
            Kind::Bid => Draft::Bid(self.bid(&mut random, position, date_time)),
            Kind::Person => Draft::Person(self.person(&mut random, position, date_time)),
            Kind::Auction => {
                let in_flight = timeline.time(moment.number + self.events_in_flight) - moment.time;
                Draft::Auction(self.auction(&mut random, position, date_time, in_flight))
            }
        }
    }

    /// Returns the event's time, or an earlier one if it is delayed.
    #[inline]
    fn date_time(&self, moment: Moment) -> u64 {
        if self.delayed_below == 0 {
            return moment.time;
        }
        let mut random = Random::of_event(self.delay_key, moment.id);
        if !random.bits().is_below(self.delayed_below) {
            return moment.time;
        }
        let delay = 1 + random.bits().below(self.config.occasional_delay_sec * 1_000);
        moment.time.saturating_sub(delay)
    }

    /// Returns the earliest time that an event can have whose time without a delay is `time`.
    pub(super) fn earliest(&self, time: u64) -> u64 {
        let delay =
            if self.delayed_below == 0 { 0 } else { self.config.occasional_delay_sec * 1_000 };
        time.saturating_sub(delay)
    }

    #[inline(always)]
    fn bid(&self, random: &mut Random, position: EventPosition, date_time: u64) -> BidDraft<'_> {
        let mut text = random.bits();
        BidDraft {
            auction: self.auction_id(&mut random.bits(), position),
            bidder: self.person_id(&mut random.bits(), position, self.config.hot_bidders_ratio, 1),
            price: self.prices.pick(random.bits()),
            channel: self.channels.pick(&mut text),
            date_time,
            extra: self.bid_extra.of_same_cost(&self.letters, &mut text),
        }
    }

    #[inline(never)]
    fn auction(
        &self,
        random: &mut Random,
        position: EventPosition,
        date_time: u64,
        in_flight: u64,
    ) -> AuctionDraft<'_> {
        let initial_bid = self.prices.pick(random.bits());
        let item_name = self.words.string(&mut random.bits(), ITEM_NAME);
        let description = self.words.string(&mut random.bits(), DESCRIPTION);
        let size = (6 * 8 + item_name.len + description.len) as u64;
        let mut length = random.bits();
        AuctionDraft {
            id: FIRST_ID + position.auctions(&self.cycle) - 1,
            item_name,
            description,
            initial_bid,
            reserve: initial_bid + self.prices.pick(random.bits()),
            date_time,
            // The length is between 1 ms and twice the time, so it is the time on average.
            expires: date_time + 1 + length.below((2 * in_flight).max(1)),
            seller: self.person_id(&mut random.bits(), position, self.config.hot_sellers_ratio, 0),
            category: FIRST_CATEGORY + random.bits().below(CATEGORIES),
            extra: Padding::new(size, self.config.avg_auction_byte_size)
                .of(&self.letters, &mut random.bits()),
        }
    }

    #[inline(never)]
    fn person(
        &self,
        random: &mut Random,
        position: EventPosition,
        date_time: u64,
    ) -> PersonDraft<'_> {
        let mut bits = random.bits();
        let mut name = |names: &[&'static str]| names[bits.below(names.len() as u64) as usize];
        let (first_name, last_name) = (name(&FIRST_NAMES), name(&LAST_NAMES));
        let (city, state) = (name(&CITIES), name(&STATES));
        let mailbox = self.words.string(&mut random.bits(), MAILBOX);
        let host = self.words.string(&mut random.bits(), HOST);
        let credit_card = std::array::from_fn(|_| random.bits().below(10_000));
        let texts = first_name.len() + 1 + last_name.len() + city.len() + state.len();
        let email = mailbox.len + "@".len() + host.len + ".com".len();
        let size = (8 + texts + email + "0000 0000 0000 0000".len()) as u64;
        PersonDraft {
            id: FIRST_ID + position.people(&self.cycle) - 1,
            first_name,
            last_name,
            mailbox,
            host,
            credit_card,
            city,
            state,
            date_time,
            extra: Padding::new(size, self.config.avg_person_byte_size)
                .of(&self.letters, &mut random.bits()),
        }
    }

    /// Samples an auction to bid for: the hot one, one of those in flight, or one to come.
    #[inline]
    fn auction_id(&self, bits: &mut Bits, position: EventPosition) -> u64 {
        let auctions = position.auctions(&self.cycle);
        // As in the reference, the auctions in flight are those before the last one.
        let window = self.config.num_in_flight_auctions + 1;
        FIRST_ID + pick(bits, auctions, self.config.hot_auction_ratio, 0, window)
    }

    /// Samples a person to sell or bid: the hot one, one of the active ones, or one to come.
    #[inline]
    fn person_id(&self, bits: &mut Bits, position: EventPosition, ratio: u64, hot: u64) -> u64 {
        let people = position.people(&self.cycle);
        FIRST_ID + pick(bits, people, ratio, hot, self.config.num_active_people)
    }
}

/// The length of an `extra`: the difference between the event's size and the average size, plus or minus a fifth.
#[derive(Clone, Copy, Debug)]
struct Padding {
    least: u64,
    spread: u64,
}

impl Padding {
    /// Creates the padding of an event of `size` bytes that should have `average` bytes.
    fn new(size: u64, average: u64) -> Padding {
        let lack = average.saturating_sub(size);
        let fifth = (2 * lack + 5) / 10;
        Padding { least: lack - fifth, spread: 2 * fifth }
    }

    fn longest(self) -> usize {
        (self.least + self.spread) as usize
    }

    #[inline]
    fn len(self, bits: &mut Bits) -> usize {
        (self.least + bits.below(self.spread)) as usize
    }

    fn of<'t>(self, text: &'t Text, bits: &mut Bits) -> Slice<'t> {
        let len = self.len(bits);
        text.slice(bits, len)
    }

    /// Does the same as `of`, with a copy that costs the same for every length.
    #[inline]
    fn of_same_cost<'t>(self, text: &'t Text, bits: &mut Bits) -> Slice<'t> {
        let len = self.len(bits);
        text.slice_of(bits, len, self.longest())
    }
}

/// Returns an upper bound of the length of a line in any format, with the bytes that are copied past its end.
pub(super) fn longest_line(config: &Config) -> usize {
    // Names, keys, punctuation, ten numbers and a channel take less than half of the constant.
    1_024 + padded(EventSampler::longest_extra(config))
}
