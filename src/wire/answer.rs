//! Answers: the bridge reads and checks them, and a function writes them.

use std::borrow::Cow;
use std::io::Write as _;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Slots, VERSION};
use crate::batch::{Strings, push_json_string};

/// A function's answer. `A` is the parsed `results` array.
#[derive(Debug, Deserialize)]
pub struct Answer<'a, A> {
    /// The wire's version.
    pub v: u32,
    /// The task's name.
    #[serde(borrow)]
    pub task: Cow<'a, str>,
    /// The values.
    pub results: A,
    /// For each value, the position in the request of its record.
    pub ids: Vec<u32>,
    /// The positions without a value, and why.
    #[serde(borrow, default = "Vec::new")]
    pub errors: Vec<RemoteError<'a>>,
    /// The function's version.
    #[serde(borrow, default)]
    pub version: Option<Cow<'a, str>>,
    /// Whether the environment was started for this request.
    #[serde(default)]
    pub cold: bool,
}

/// A record that the function refused. It is returned, because only the local task may call it bad.
#[derive(Debug, Deserialize)]
pub struct RemoteError<'a> {
    /// The record's position in the request.
    pub id: u32,
    /// Why.
    #[serde(borrow)]
    pub code: Cow<'a, str>,
}

/// Why an answer is not valid.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The answer has another version of the wire format.
    #[error("the answer is of version {0} of the wire, expected {VERSION}")]
    Version(u32),
    /// The answer is for another task.
    #[error("the answer is for task {0:?}")]
    Task(String),
    /// The numbers of values and of ids differ.
    #[error("the answer has {results} results for {ids} ids")]
    Counts {
        /// Number of values.
        results: usize,
        /// Number of ids.
        ids: usize,
    },
    /// The request has no record with this id.
    #[error("the answer names record {0}, which the request does not have")]
    Unknown(u32),
    /// An id occurs twice.
    #[error("the answer has record {0} twice")]
    Twice(u32),
    /// An id is missing.
    #[error("the answer lacks record {0}")]
    Missing(u32),
}

impl<A> Answer<'_, A> {
    /// Checks the answer to a request of `records` records of `task`. The answer has `results` values.
    /// Returns which value belongs to which record.
    ///
    /// # Errors
    /// The first error that is found.
    pub fn check(
        &self,
        task: &str,
        records: usize,
        results: usize,
    ) -> Result<Slots<'static>, Refused> {
        if self.v != VERSION {
            return Err(Refused::Version(self.v));
        }
        if self.task != task {
            return Err(Refused::Task(self.task.chars().take(64).collect()));
        }
        if results != self.ids.len() {
            return Err(Refused::Counts { results, ids: self.ids.len() });
        }
        Slots::of(&self.ids, self.errors.iter().map(|error| error.id), records)
    }
}

/// Writes the answer to a request of a text task, with `results` in the order of `ids`.
pub fn answer_strings(
    task: &str,
    results: &Strings,
    ids: &[u32],
    errors: &[(u32, &str)],
    cold: bool,
) -> Vec<u8> {
    let mut json = begin(task, results.bytes().len() + 10 * ids.len());
    json.push(b'[');
    for (index, result) in results.iter().enumerate() {
        if index > 0 {
            json.push(b',');
        }
        push_json_string(&mut json, result);
    }
    json.push(b']');
    end(json, ids, errors, cold, None)
}

/// Writes the answer to a request of typed records, with `results`, which serialize to an array, in the order of `ids`.
/// `version` is the function's; if it is `None`, that is Floodway's.
///
/// # Errors
/// If a result cannot be written as JSON.
pub fn answer_values(
    task: &str,
    results: &(impl Serialize + ?Sized),
    ids: &[u32],
    errors: &[(u32, &str)],
    cold: bool,
    version: Option<&str>,
) -> Result<Vec<u8>, serde_json::Error> {
    let mut json = begin(task, 20 * ids.len());
    serde_json::to_writer(&mut json, results)?;
    Ok(end(json, ids, errors, cold, version))
}

/// Returns a function's answer to the event of a function URL that it refuses: a response with the status 400 and the
/// error. A function that fails instead is a bare 502 to the caller.
pub fn refuse_url_event(error_type: &str, message: &str) -> String {
    let body = json!({ "errorType": error_type, "errorMessage": message }).to_string();
    let headers = json!({ "content-type": "application/json" });
    json!({ "statusCode": 400, "headers": headers, "body": body }).to_string()
}

/// Writes an answer up to its results, with room for `bytes` more.
fn begin(task: &str, bytes: usize) -> Vec<u8> {
    let mut json = Vec::with_capacity(bytes + 128);
    // Writing to a `Vec` cannot fail, here and below.
    let _ = write!(json, "{{\"v\":{VERSION},\"task\":");
    push_json_string(&mut json, task.as_bytes());
    json.extend_from_slice(b",\"results\":");
    json
}

/// Writes the rest of an answer after its results.
fn end(
    mut json: Vec<u8>,
    ids: &[u32],
    errors: &[(u32, &str)],
    cold: bool,
    version: Option<&str>,
) -> Vec<u8> {
    json.extend_from_slice(b",\"ids\":[");
    for (index, id) in ids.iter().enumerate() {
        let _ = if index > 0 { write!(json, ",{id}") } else { write!(json, "{id}") };
    }
    json.extend_from_slice(b"],\"errors\":[");
    for (index, (id, code)) in errors.iter().enumerate() {
        let _ = write!(json, "{}{{\"id\":{id},\"code\":", if index > 0 { "," } else { "" });
        push_json_string(&mut json, code.as_bytes());
        json.push(b'}');
    }
    json.extend_from_slice(b"],\"version\":");
    push_json_string(&mut json, version.unwrap_or(env!("CARGO_PKG_VERSION")).as_bytes());
    if cold {
        json.extend_from_slice(b",\"cold\":true");
    }
    json.push(b'}');
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str, records: usize) -> Result<Vec<Option<usize>>, Refused> {
        let answer: Answer<Strings> = serde_json::from_str(json).unwrap();
        let slots = answer.check("words", records, answer.results.len())?;
        Ok((0..records).map(|id| slots.get(id)).collect())
    }

    #[test]
    fn a_written_answer_passes_the_check() {
        let results: Strings = ["x y", "z"].into_iter().collect();
        let json = answer_strings("words", &results, &[0, 2], &[(1, "bad \"one\"")], true);
        let json = std::str::from_utf8(&json).unwrap();
        assert_eq!(check(json, 3), Ok(vec![Some(0), None, Some(1)]));
        assert!(serde_json::from_str::<Answer<Strings>>(json).unwrap().cold);
    }

    #[test]
    fn an_invalid_answer_is_refused_with_the_reason() {
        let json = |v: u32, task: &str, results: &str, ids: &str| {
            format!(r#"{{"v":{v},"task":"{task}","results":[{results}],"ids":[{ids}]}}"#)
        };
        let two = r#""a","b""#;
        assert_eq!(check(&json(1, "words", two, "1,0"), 2), Ok(vec![Some(1), Some(0)]));
        assert_eq!(check(&json(2, "words", two, "0,1"), 2), Err(Refused::Version(2)));
        assert_eq!(check(&json(1, "bpe", two, "0,1"), 2), Err(Refused::Task("bpe".into())));
        assert_eq!(
            check(&json(1, "words", two, "0"), 2),
            Err(Refused::Counts { results: 2, ids: 1 })
        );
        assert_eq!(check(&json(1, "words", two, "0,2"), 2), Err(Refused::Unknown(2)));
        assert_eq!(check(&json(1, "words", two, "1,1"), 2), Err(Refused::Twice(1)));
        assert_eq!(check(&json(1, "words", two, "0,1"), 3), Err(Refused::Missing(2)));
    }
}
