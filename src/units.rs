//! Durations, rates, counts and sizes as people write them, and back.

use std::time::Duration;

/// A text that is no quantity of its kind.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}")]
pub struct UnitError {
    expected: &'static str,
}

const DURATION: &str = "a duration such as 500ns, 12us, 20ms, 1.5s, 2m or 1h";
const ABOVE_ZERO: &str = "a duration above 0, such as 500ns, 12us, 20ms, 1.5s, 2m or 1h";
const COUNT: &str = "a whole number such as 1000, 50k or 2M";
const AT_LEAST_ONE: &str = "a whole number of at least 1, such as 1000, 50k or 2M";
const RATE: &str = "events per second such as 1000, 50k or 2.5M, above 0";
const SHARE: &str = "a share from 0 to 1, such as 0.05 or 5%";
const BYTES: &str = "a number of bytes such as 4096, 64Ki, 1Mi, 100k or 5M";

/// A duration: a number and one of `ns us ms s m h`.
///
/// # Errors
/// Anything else, a negative number, or more than 100 years.
pub fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    let error = UnitError { expected: DURATION };
    let unit_at = text.find(|c: char| c.is_ascii_alphabetic()).ok_or(error)?;
    let (number, unit) = text.split_at(unit_at);
    let nanos = match unit {
        "ns" => 1.0,
        "us" | "µs" => 1e3,
        "ms" => 1e6,
        "s" => 1e9,
        "m" => 60e9,
        "h" => 3_600e9,
        _ => return Err(UnitError { expected: DURATION }),
    };
    let nanos = decimal(number).ok_or(UnitError { expected: DURATION })? * nanos;
    const CENTURY: f64 = 100.0 * 366.0 * 24.0 * 3_600e9;
    if nanos > CENTURY {
        return Err(UnitError { expected: DURATION });
    }
    Ok(Duration::from_nanos(nanos.round() as u64))
}

/// A duration above 0.
///
/// # Errors
/// Anything else.
pub fn parse_above_zero(text: &str) -> Result<Duration, UnitError> {
    let duration = parse_duration(text).ok().filter(|duration| !duration.is_zero());
    duration.ok_or(UnitError { expected: ABOVE_ZERO })
}

/// A count of at least 1.
///
/// # Errors
/// Anything else.
pub fn parse_at_least_one(text: &str) -> Result<u64, UnitError> {
    let count = parse_count(text).ok().filter(|count| *count > 0);
    count.ok_or(UnitError { expected: AT_LEAST_ONE })
}

/// A number of things that there are in memory, of at least 1.
///
/// # Errors
/// Anything else.
pub fn parse_number(text: &str) -> Result<usize, UnitError> {
    parse_at_least_one(text).map(|number| number as usize)
}

/// A count: a whole number, with `k` for a thousand and `M` for a million.
///
/// # Errors
/// Anything else.
pub fn parse_count(text: &str) -> Result<u64, UnitError> {
    let count = suffixed(text, &[("k", 1e3), ("M", 1e6)]);
    whole(count).ok_or(UnitError { expected: COUNT })
}

/// A size in bytes: `k` and `M` are 10³ and 10⁶, `Ki`, `Mi` and `Gi` 2¹⁰, 2²⁰ and 2³⁰.
///
/// # Errors
/// Anything else.
pub fn parse_bytes(text: &str) -> Result<u64, UnitError> {
    let units = [
        ("Ki", 1024.0),
        ("Mi", 1_048_576.0),
        ("Gi", 1_073_741_824.0),
        ("k", 1e3),
        ("M", 1e6),
        ("G", 1e9),
    ];
    whole(suffixed(text, &units)).ok_or(UnitError { expected: BYTES })
}

/// Events a second, with `k` for a thousand and `M` for a million.
///
/// # Errors
/// Anything else, and 0.
pub fn parse_rate(text: &str) -> Result<f64, UnitError> {
    suffixed(text, &[("k", 1e3), ("M", 1e6)])
        .filter(|rate| (1e-6..=1e12).contains(rate))
        .ok_or(UnitError { expected: RATE })
}

/// A share of something: a number from 0 to 1, or as much in percent.
///
/// # Errors
/// Anything else.
pub fn parse_share(text: &str) -> Result<f64, UnitError> {
    // Parsed at once, so that 5.7% is exactly 0.057.
    let percent = |number| decimal(number).and_then(|_| format!("{number}e-2").parse().ok());
    text.strip_suffix('%')
        .map_or_else(|| decimal(text), percent)
        .filter(|share| (0.0..=1.0).contains(share))
        .ok_or(UnitError { expected: SHARE })
}

/// A number of digits with at most one point in it: no sign, no exponent, no infinity.
fn decimal(text: &str) -> Option<f64> {
    let plain = text.chars().all(|c| c.is_ascii_digit() || c == '.');
    text.parse().ok().filter(|_| plain)
}

fn suffixed(text: &str, units: &[(&str, f64)]) -> Option<f64> {
    for (unit, factor) in units {
        if let Some(number) = text.strip_suffix(unit) {
            return decimal(number).map(|number| number * factor);
        }
    }
    decimal(text)
}

fn whole(number: Option<f64>) -> Option<u64> {
    // Below 2^53 a whole f64 is exact.
    const MOST: f64 = 9_007_199_254_740_992.0;
    number.filter(|number| number.fract() == 0.0 && *number <= MOST).map(|number| number as u64)
}

/// A duration in three digits or so: `1.53 s`.
pub fn show_duration(duration: Duration) -> String {
    let nanos = duration.as_nanos() as f64;
    let (value, unit) = match nanos {
        n if n < 1e3 => (n, "ns"),
        n if n < 1e6 => (n / 1e3, "µs"),
        n if n < 1e9 => (n / 1e6, "ms"),
        n if n < 120e9 => (n / 1e9, "s"),
        n if n < 7_200e9 => (n / 60e9, "min"),
        n => (n / 3_600e9, "h"),
    };
    let digits = if value >= 100.0 || value.fract() == 0.0 {
        0
    } else if value >= 10.0 {
        1
    } else {
        2
    };
    format!("{value:.digits$} {unit}")
}

/// A count with separators: `1,234,567`.
pub fn show_count(count: u64) -> String {
    let digits = count.to_string();
    let mut shown = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// A size of about so many bytes: `512 B`, `1.5 MiB`.
pub fn show_bytes(bytes: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"];
    let (mut size, mut unit) = (bytes as f64, "B");
    for larger in units {
        if size < 1_024.0 {
            break;
        }
        (size, unit) = (size / 1_024.0, larger);
    }
    let digits = usize::from(size < 10.0 && unit != "B");
    format!("{size:.digits$} {unit}")
}

/// A count of things: `1 request`, `2,000 requests`.
pub fn show_many(count: u64, one: &str) -> String {
    let ending = match one {
        _ if count == 1 => "",
        _ if one.ends_with('s') => "es",
        _ => "s",
    };
    format!("{} {one}{ending}", show_count(count))
}

/// A rate as it is typed, rounded to whole events per second: `70k`, `1500`.
pub fn show_rate(rate: f64) -> String {
    let whole = rate.round() as u64;
    match whole {
        n if n >= 1_000_000 && n.is_multiple_of(1_000_000) => format!("{}M", n / 1_000_000),
        n if n >= 1_000 && n.is_multiple_of(1_000) => format!("{}k", n / 1_000),
        n => n.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_the_largest_unit_that_fits() {
        let shown = [0, 1_023, 1_024, 1_536, 10 << 20, 3 << 40].map(show_bytes);
        assert_eq!(shown, ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "10 MiB", "3.0 TiB"]);
    }

    #[test]
    fn quantities_are_parsed() {
        assert_eq!(parse_duration("12us"), Ok(Duration::from_micros(12)));
        assert_eq!(parse_duration("1.5s"), Ok(Duration::from_millis(1_500)));
        assert_eq!(parse_duration("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(parse_duration("0ms"), Ok(Duration::ZERO));
        assert_eq!(parse_count("50k"), Ok(50_000));
        assert_eq!(parse_count("1.5M"), Ok(1_500_000));
        assert_eq!(parse_bytes("1Mi"), Ok(1 << 20));
        assert_eq!(parse_bytes("100"), Ok(100));
        assert_eq!(parse_rate("2.5M"), Ok(2_500_000.0));
    }

    #[test]
    fn wrong_quantities_are_refused() {
        for text in ["", "5", "ms", "-1s", "1e3s", "1 s", "nan s", "infs", "5d", "9999999999h"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
        for text in ["", "-1", "1.5", "k", "1K", "1e3", "inf", "99999999999999999999"] {
            assert!(parse_count(text).is_err(), "{text}");
        }
        for text in ["0", "-5", "nan", "inf", "max", "1/s"] {
            assert!(parse_rate(text).is_err(), "{text}");
        }
    }

    #[test]
    fn quantities_are_formatted() {
        assert_eq!(show_duration(Duration::from_micros(1_534)), "1.53 ms");
        assert_eq!(show_duration(Duration::from_secs(10)), "10 s");
        assert_eq!(show_count(1_234_567), "1,234,567");
        assert_eq!(show_count(12), "12");
        assert_eq!(show_many(1, "request"), "1 request");
        assert_eq!(show_many(0, "request"), "0 requests");
        assert_eq!(show_many(2_000, "process"), "2,000 processes");
        assert_eq!(show_rate(70_000.0), "70k");
        assert_eq!(show_rate(1_500.2), "1500");
    }
}
