//! The generator's options.

use std::ops::RangeInclusive;

/// Why an option was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// There is no such option.
    #[error("Nexmark has no option `{key}`; it has {}", Config::KEYS.join(", "))]
    Unknown {
        /// What was given.
        key: String,
    },
    /// The run decides this, not the generator.
    #[error("the Nexmark option `{key}` is not taken here: use {flag}")]
    Refused {
        /// The option.
        key: String,
        /// The flag to use instead.
        flag: &'static str,
    },
    /// The value is not one that the option can have.
    #[error("the Nexmark option `{key}` is {expected}, not `{value}`")]
    Value {
        /// The option.
        key: String,
        /// What was given.
        value: String,
        /// What would be right.
        expected: String,
    },
}

/// What the generator can be told, with the reference's names in snake case and its defaults.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Config {
    /// People in a cycle of events.
    pub person_proportion: u64,
    /// Auctions in a cycle of events.
    pub auction_proportion: u64,
    /// Bids in a cycle of events.
    pub bid_proportion: u64,
    /// Average size of a person, as the reference counts it: numbers are 8 bytes.
    pub avg_person_byte_size: u64,
    /// Average size of an auction.
    pub avg_auction_byte_size: u64,
    /// Average size of a bid, not counting its channel and its url.
    pub avg_bid_byte_size: u64,
    /// All but one in this many bids are for the hot auction.
    pub hot_auction_ratio: u64,
    /// All but one in this many auctions are by the hot seller.
    pub hot_sellers_ratio: u64,
    /// All but one in this many bids are by the hot bidder.
    pub hot_bidders_ratio: u64,
    /// Auctions that are open at a time.
    pub num_in_flight_auctions: u64,
    /// The last people who bid and sell.
    pub num_active_people: u64,
    /// Events are shuffled in groups of this many, as the reference does it: the event's place in
    /// the group is its number times 953, modulo the size.
    pub out_of_order_group_size: u64,
    /// What is added to an event's number to make its id. The id decides all of an event but its
    /// time.
    pub first_event_id: u64,
    /// The number at which the stream begins: events are those of a whole stream from this one
    /// on, ids and times included. (The run still counts from 0.)
    pub first_event_number: u64,
    /// Event time of the first event, in Unix milliseconds; a fixed date, Beam's, so that a run
    /// can be repeated.
    pub base_time: u64,
    /// Delayed events are from up to so many seconds ago.
    pub occasional_delay_sec: u64,
    /// The probability that an event is delayed. In Beam it comes later; here, where the number
    /// of an event decides when it comes, its time is earlier, which is the same to who reads it.
    pub prob_delayed_event: f64,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            person_proportion: 1,
            auction_proportion: 3,
            bid_proportion: 46,
            avg_person_byte_size: 200,
            avg_auction_byte_size: 500,
            avg_bid_byte_size: 100,
            hot_auction_ratio: 2,
            hot_sellers_ratio: 4,
            hot_bidders_ratio: 4,
            num_in_flight_auctions: 100,
            num_active_people: 1_000,
            out_of_order_group_size: 1,
            first_event_id: 0,
            first_event_number: 0,
            base_time: 1_436_918_400_000, // 2015-07-15T00:00:00Z
            occasional_delay_sec: 3,
            prob_delayed_event: 0.0,
        }
    }
}

/// The limits leave every draw enough random bits, every id 63 and every line its buffer.
const PROPORTION: RangeInclusive<u64> = 0..=1_000_000;
const SIZE: RangeInclusive<u64> = 0..=65_536;
const RATIO: RangeInclusive<u64> = 1..=1_000;
const POOL: RangeInclusive<u64> = 1..=1_000_000;
const NUMBER: RangeInclusive<u64> = 0..=1_000_000_000_000_000;

impl Config {
    /// The options there are.
    pub const KEYS: [&str; 17] = [
        "person_proportion",
        "auction_proportion",
        "bid_proportion",
        "avg_person_byte_size",
        "avg_auction_byte_size",
        "avg_bid_byte_size",
        "hot_auction_ratio",
        "hot_sellers_ratio",
        "hot_bidders_ratio",
        "num_in_flight_auctions",
        "num_active_people",
        "out_of_order_group_size",
        "first_event_id",
        "first_event_number",
        "base_time",
        "occasional_delay_sec",
        "prob_delayed_event",
    ];

    /// Sets one option.
    ///
    /// ```
    /// use floodway::nexmark::Config;
    ///
    /// let mut config = Config::default();
    /// config.set("person_proportion", "2")?;
    /// assert_eq!(config.person_proportion, 2);
    ///
    /// let error = config.set("first_event_rate", "100").unwrap_err();
    /// assert!(error.to_string().ends_with("use --rate"));
    /// # Ok::<(), floodway::nexmark::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// An unknown option, one that a flag of the run stands for, or a value out of its range. The
    /// configuration is then as before.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), ConfigError> {
        if let Some(flag) = flag_instead(key) {
            return Err(ConfigError::Refused { key: key.to_owned(), flag });
        }
        let wrong = |expected: String| ConfigError::Value {
            key: key.to_owned(),
            value: value.to_owned(),
            expected,
        };
        if key == "prob_delayed_event" {
            let probability = value.parse().ok().filter(|p| (0.0..=1.0).contains(p));
            let expected = || wrong("a probability between 0 and 1".to_owned());
            self.prob_delayed_event = probability.ok_or_else(expected)?;
            return Ok(());
        }
        let (option, range) =
            self.number(key).ok_or_else(|| ConfigError::Unknown { key: key.to_owned() })?;
        let number =
            value.parse().ok().filter(|number| range.contains(number)).ok_or_else(|| {
                wrong(format!("a number between {} and {}", range.start(), range.end()))
            })?;
        let before = std::mem::replace(option, number);
        if self.cycle_length() == 0 {
            if let Some((option, _)) = self.number(key) {
                *option = before;
            }
            return Err(wrong("not 0 where the two other proportions are".to_owned()));
        }
        Ok(())
    }

    /// Events in a cycle.
    pub(super) fn cycle_length(&self) -> u64 {
        self.person_proportion + self.auction_proportion + self.bid_proportion
    }

    /// The option of this name, and what it can be.
    fn number(&mut self, key: &str) -> Option<(&mut u64, RangeInclusive<u64>)> {
        Some(match key {
            "person_proportion" => (&mut self.person_proportion, PROPORTION),
            "auction_proportion" => (&mut self.auction_proportion, PROPORTION),
            "bid_proportion" => (&mut self.bid_proportion, PROPORTION),
            "avg_person_byte_size" => (&mut self.avg_person_byte_size, SIZE),
            "avg_auction_byte_size" => (&mut self.avg_auction_byte_size, SIZE),
            "avg_bid_byte_size" => (&mut self.avg_bid_byte_size, SIZE),
            "hot_auction_ratio" => (&mut self.hot_auction_ratio, RATIO),
            "hot_sellers_ratio" => (&mut self.hot_sellers_ratio, RATIO),
            "hot_bidders_ratio" => (&mut self.hot_bidders_ratio, RATIO),
            "num_in_flight_auctions" => (&mut self.num_in_flight_auctions, POOL),
            "num_active_people" => (&mut self.num_active_people, POOL),
            "out_of_order_group_size" => (&mut self.out_of_order_group_size, POOL),
            "first_event_id" => (&mut self.first_event_id, NUMBER),
            "first_event_number" => (&mut self.first_event_number, NUMBER),
            "base_time" => (&mut self.base_time, NUMBER),
            "occasional_delay_sec" => (&mut self.occasional_delay_sec, POOL),
            _ => return None,
        })
    }
}

/// The flag that stands for an option of the reference which is the run's business here.
fn flag_instead(key: &str) -> Option<&'static str> {
    Some(match key {
        "num_events" | "stop_at_event" => "--events",
        "rate_shape" => "--shape",
        "first_event_rate" => "--rate",
        "next_event_rate" => "--peak-rate",
        "rate_unit" => "--rate, in events a second",
        "rate_period_sec" => "--period",
        "is_rate_limited" => "--rate (`--rate max` for no limit)",
        "num_event_generators" => "timely's `-- -w N`: every worker generates its share",
        "cpu_delay_ms" => "--work, which is per record",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_can_be_set_and_nothing_else() {
        for key in Config::KEYS {
            let mut config = Config::default();
            config.set(key, "1").unwrap();
            config.set(key, "-1").unwrap_err();
            config.set(key, "NaN").unwrap_err();
        }
        let error = Config::default().set("personProportion", "1").unwrap_err();
        assert!(matches!(error, ConfigError::Unknown { .. }));
        let error = Config::default().set("cpu_delay_ms", "1").unwrap_err();
        assert!(error.to_string().contains("--work"));
    }

    #[test]
    fn a_cycle_is_never_empty() {
        let mut config = Config::default();
        config.set("bid_proportion", "0").unwrap();
        config.set("auction_proportion", "0").unwrap();
        config.set("person_proportion", "0").unwrap_err();
        assert_eq!(config.person_proportion, 1);
    }
}
