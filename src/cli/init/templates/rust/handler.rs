//! The function: `answer` takes one record and returns its result. Put your own code in its place.

use serde_json::Value;

use super::wire::{BadRecord, Failure};

/// The price of an order: `tea,3,150` is 3 pieces for 150 each, and its result is `tea 450`.
pub fn answer(record: &Value) -> Result<Value, Failure> {
    let fields: Vec<&str> = record.as_str().ok_or("not text")?.split(',').collect();
    let [item, pieces, price] = fields[..] else {
        return Err(BadRecord("not_three_fields").into());
    };
    if price.is_empty() {
        return Err(BadRecord("no_price").into());
    }
    let total = u64::from(pieces.parse::<u32>()?) * u64::from(price.parse::<u32>()?);
    Ok(format!("{item} {total}").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The result of a record, or how it fails.
    fn result(record: &str) -> Result<Value, String> {
        answer(&record.into()).map_err(|failure| match failure.downcast::<BadRecord>() {
            Ok(bad) => format!("bad record: {}", bad.0),
            Err(failure) => failure.to_string(),
        })
    }

    #[test]
    fn the_result_of_a_record() {
        assert_eq!(result("tea,3,150"), Ok("tea 450".into()));
        assert_eq!(result("日本茶,2,900"), Ok("日本茶 1800".into()));
    }

    #[test]
    fn a_bad_record_has_a_code() {
        assert_eq!(result("tea,3,"), Err("bad record: no_price".to_owned()));
        assert_eq!(result("tea"), Err("bad record: not_three_fields".to_owned()));
    }

    #[test]
    fn what_is_no_number_fails() {
        assert_eq!(result("tea,three,150"), Err("invalid digit found in string".to_owned()));
    }
}
