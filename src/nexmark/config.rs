//! The options of the generator.

use std::ops::RangeInclusive;

/// The reason why an option was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The option does not exist.
    #[error("Nexmark has no option `{key}`; it has {}", Config::KEYS.join(", "))]
    Unknown {
        /// The given text.
        key: String,
    },
    /// Another flag of the run sets this.
    #[error("the Nexmark option `{key}` is not taken here: use {flag}")]
    Refused {
        /// The option.
        key: String,
        /// The flag to use instead.
        flag: &'static str,
    },
    /// The value is invalid.
    #[error("the Nexmark option `{key}` is {expected}, not `{value}`")]
    Value {
        /// The option.
        key: String,
        /// The given text.
        value: String,
        /// The valid values.
        expected: String,
    },
}

/// The options of the generator, with the names (in snake case) and the defaults of the reference.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Config {
    /// The number of people in a cycle of events.
    pub person_proportion: u64,
    /// The number of auctions in a cycle of events.
    pub auction_proportion: u64,
    /// The number of bids in a cycle of events.
    pub bid_proportion: u64,
    /// The average size of a person in bytes. A number counts as 8 bytes, as in the reference.
    pub avg_person_byte_size: u64,
    /// The average size of an auction in bytes.
    pub avg_auction_byte_size: u64,
    /// The average size of a bid in bytes, without its channel and its URL.
    pub avg_bid_byte_size: u64,
    /// One in this many bids is not for the hot auction.
    pub hot_auction_ratio: u64,
    /// One in this many auctions is not by the hot seller.
    pub hot_sellers_ratio: u64,
    /// One in this many bids is not by the hot bidder.
    pub hot_bidders_ratio: u64,
    /// The number of auctions that are open at the same time.
    pub num_in_flight_auctions: u64,
    /// The number of people, the last ones to register, who bid and sell.
    pub num_active_people: u64,
    /// The size of the groups in which events are shuffled. As in the reference, the index of an event in its group is its
    /// number times 953, modulo the size.
    pub out_of_order_group_size: u64,
    /// The difference between the id and the number of an event. The id decides everything of an event except its time.
    pub first_event_id: u64,
    /// The number of the first event. The run generates a stream from this event on, with the same ids and times, but counts
    /// the events from 0.
    pub first_event_number: u64,
    /// The event time of the first event, in Unix milliseconds. The default is a fixed date, as in Beam, so that a run can be
    /// repeated.
    pub base_time: u64,
    /// The longest delay of a delayed event, in seconds.
    pub occasional_delay_sec: u64,
    /// The probability that an event is delayed. In Beam, a delayed event comes later. Here the number of an event decides
    /// when it comes, so its event time is earlier, which has the same effect on readers.
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

// With these limits, each random choice has enough random bits, an id has at most 63 bits, and a line fits in its buffer.
const PROPORTION: RangeInclusive<u64> = 0..=1_000_000;
const SIZE: RangeInclusive<u64> = 0..=65_536;
const RATIO: RangeInclusive<u64> = 1..=1_000;
const POOL: RangeInclusive<u64> = 1..=1_000_000;
const NUMBER: RangeInclusive<u64> = 0..=1_000_000_000_000_000;

impl Config {
    /// The names of all options.
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

    /// Sets an option.
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
    /// If the option is unknown or another flag of the run sets it, or if the value is out of range. The configuration is
    /// not changed then.
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

    /// Returns the number of events in a cycle.
    pub(super) fn cycle_length(&self) -> u64 {
        self.person_proportion + self.auction_proportion + self.bid_proportion
    }

    /// Returns the option of this name and its range.
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

/// Returns the flag that replaces an option of the reference which the run sets.
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
