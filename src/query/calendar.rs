//! Days and times of day in UTC.

use std::fmt;

/// A day in milliseconds.
pub(super) const DAY: i64 = 24 * 3_600 * 1_000;

/// A time in milliseconds since 1970, shown as its day: `2015-07-15`.
pub(super) struct Day(pub i64);

impl Day {
    /// Returns the day as text. Its year has four digits.
    pub(super) fn text(&self) -> [u8; 10] {
        // The days from March 1 of year 0 on, in cycles of 400 years (Hinnant, "chrono-compatible low-level date
        // algorithms").
        let days = self.0.div_euclid(DAY) + 719_468;
        let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153;
        let date = day - (153 * month + 2) / 5 + 1;
        let month = if month < 10 { month + 3 } else { month - 9 };
        let year = (year + era * 400 + i64::from(month <= 2)).rem_euclid(10_000);
        let [century, year, month, date] = [year / 100, year % 100, month, date].map(two_digits);
        let [[a, b], [c, d]] = [century, year];
        [a, b, c, d, b'-', month[0], month[1], b'-', date[0], date[1]]
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.text()).unwrap_or_default())
    }
}

fn two_digits(number: i64) -> [u8; 2] {
    [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8]
}

/// Returns the minute of its day of a time in milliseconds since 1970.
pub(super) fn minute(time: i64) -> u16 {
    (time.rem_euclid(DAY) / 60_000) as u16
}

/// A minute of a day, shown as `00:07`.
pub(super) struct Minute(pub u16);

impl Minute {
    /// Returns the minute as text.
    pub(super) fn text(&self) -> [u8; 5] {
        let [[a, b], [c, d]] = [self.0 / 60, self.0 % 60].map(|number| two_digits(number.into()));
        [a, b, b':', c, d]
    }
}

impl fmt::Display for Minute {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.text()).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_minutes_are_those_of_the_calendar() {
        let days = [
            (0, "1970-01-01"),
            (951_782_400_000, "2000-02-29"),
            (1_436_918_400_000, "2015-07-15"),
            (1_436_918_399_999, "2015-07-14"),
            (4_107_542_400_000, "2100-03-01"),
            (-1, "1969-12-31"),
        ];
        for (time, day) in days {
            assert_eq!(Day(time).to_string(), day);
        }
        assert_eq!(Minute(minute(1_436_918_400_000 + 7 * 60_000 + 59_999)).to_string(), "00:07");
        assert_eq!(Minute(minute(-1)).to_string(), "23:59");
    }
}
