//! Dates and times in UTC.

/// A time with a precision of one second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Date {
    pub year: i64,
    pub month: i64,
    pub day: i64,
    pub hour: i64,
    pub minute: i64,
    pub second: i64,
}

impl Date {
    /// Converts seconds since 1970. The algorithm is `civil_from_days` by Howard Hinnant, in which years
    /// begin in March so that the leap day is the last one.
    pub(super) fn of_unix(seconds: u64) -> Date {
        let (days, rest) = ((seconds / 86_400) as i64, (seconds % 86_400) as i64);
        let days = days + 719_468;
        let era = days / 146_097;
        let of_era = days % 146_097;
        let years = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * years + years / 4 - years / 100);
        let from_march = (5 * of_year + 2) / 153;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
        Date {
            year: era * 400 + years + i64::from(month <= 2),
            month,
            day: of_year - (153 * from_march + 2) / 5 + 1,
            hour: rest / 3_600,
            minute: rest / 60 % 60,
            second: rest % 60,
        }
    }

    /// Returns the seconds since 1970.
    pub(super) fn unix(&self) -> i64 {
        let year = self.year - i64::from(self.month <= 2);
        let era = year.div_euclid(400);
        let of_era = year.rem_euclid(400);
        let from_march = (self.month + 9) % 12;
        let of_year = (153 * from_march + 2) / 5 + self.day - 1;
        let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
        ((days * 24 + self.hour) * 60 + self.minute) * 60 + self.second
    }

    /// Parses the form `20150830T123600Z`, in which signatures have their time.
    pub(super) fn of_basic(text: &str) -> Option<Date> {
        let digits = |range: std::ops::Range<usize>| -> Option<i64> {
            let digits = text.get(range)?;
            digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
        };
        let shaped = text.len() == 16 && text.get(8..9) == Some("T") && text.ends_with('Z');
        let date = Date {
            year: digits(0..4)?,
            month: digits(4..6)?,
            day: digits(6..8)?,
            hour: digits(9..11)?,
            minute: digits(11..13)?,
            second: digits(13..15)?,
        };
        let is_real = Date::of_unix(u64::try_from(date.unix()).ok()?) == date;
        (shaped && is_real).then_some(date)
    }

    /// Returns the time in that form.
    pub(super) fn basic(&self) -> String {
        let Date { year, month, day, hour, minute, second } = self;
        format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_seconds_convert_into_each_other() {
        for (seconds, text) in [
            (0, "19700101T000000Z"),
            (951_782_400, "20000229T000000Z"),
            (1_440_938_160, "20150830T123600Z"),
            (4_102_444_799, "20991231T235959Z"),
        ] {
            let date = Date::of_unix(seconds);
            assert_eq!((date.basic().as_str(), date.unix()), (text, seconds as i64));
            assert_eq!(Date::of_basic(text), Some(date));
        }
        for day in 0..60_000 {
            assert_eq!(Date::of_unix(day * 86_400).unix(), day as i64 * 86_400);
        }
        for wrong in
            ["", "20150830T123600", "20150230T123600Z", "2015-08-30T12:36", "é0150830T12360Z"]
        {
            assert_eq!(Date::of_basic(wrong), None, "{wrong}");
        }
    }
}
