//! Events: a request, or a function URL's with a request in its body.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use floodway::batch::Strings;
use floodway::wire::VERSION;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::Refused;

/// All that an event may have, read in one pass.
#[derive(Deserialize)]
struct Event<'a, R> {
    #[serde(borrow)]
    v: Option<&'a RawValue>,
    #[serde(borrow)]
    task: Option<&'a RawValue>,
    records: Option<R>,
    #[serde(borrow)]
    body: Option<Cow<'a, str>>,
    #[serde(rename = "isBase64Encoded", default)]
    is_base64: bool,
    #[serde(rename = "requestContext")]
    context: Option<IgnoredAny>,
}

/// A request whose version is right.
pub(crate) struct Request {
    /// The task's name.
    pub(crate) task: String,
    /// The records that are text.
    pub(crate) records: Strings,
    /// Their positions in the request.
    pub(crate) ids: Vec<u32>,
    /// The positions of the others, and what is wrong with them.
    pub(crate) errors: Vec<(u32, &'static str)>,
}

/// What an event is.
pub(crate) enum Kind {
    /// A request.
    Request(Request),
    /// A function URL's, and its body.
    Url(Result<String, Refused>),
}

/// Reads an event, or the request in a function URL's body.
pub(crate) fn read(json: &str) -> Result<Kind, Refused> {
    match serde_json::from_str::<Event<'_, Strings>>(json) {
        Ok(event) if event.context.is_some() => Ok(Kind::Url(body(event.body, event.is_base64))),
        Ok(event) => {
            let task = head(event.v, event.task)?;
            let records = event.records.ok_or(Refused::NoRecords)?;
            let ids = (0..records.len() as u32).collect();
            Ok(Kind::Request(Request { task, records, ids, errors: Vec::new() }))
        }
        // One record that is no text, such as half of a surrogate pair, is an error of all of it.
        Err(_) => one_by_one(json),
    }
}

/// Reads an event whose records are not all text.
fn one_by_one(json: &str) -> Result<Kind, Refused> {
    let event: Event<'_, &RawValue> = serde_json::from_str(json)?;
    if event.context.is_some() {
        return Ok(Kind::Url(body(event.body, event.is_base64)));
    }
    let task = head(event.v, event.task)?;
    let all: Vec<&RawValue> = event
        .records
        .and_then(|records| serde_json::from_str(records.get()).ok())
        .ok_or(Refused::NoRecords)?;
    let mut request =
        Request { task, records: Strings::default(), ids: Vec::new(), errors: Vec::new() };
    for (id, record) in (0..).zip(all) {
        match serde_json::from_str::<Cow<'_, str>>(record.get()) {
            Ok(text) => {
                request.records.push(&text);
                request.ids.push(id);
            }
            Err(_) if record.get().starts_with('"') => request.errors.push((id, "invalid_utf8")),
            Err(_) => request.errors.push((id, "not_a_string")),
        }
    }
    Ok(Kind::Request(request))
}

/// Checks a request's version, and answers its task.
fn head(v: Option<&RawValue>, task: Option<&RawValue>) -> Result<String, Refused> {
    let (Some(v), Some(task)) = (v, task) else { return Err(Refused::NoRequest) };
    if v.get() != VERSION.to_string() {
        return Err(Refused::Version(shown(v)));
    }
    serde_json::from_str(task.get()).map_err(|_| Refused::Task(shown(task)))
}

/// A value of a request, short enough for an error.
fn shown(value: &RawValue) -> String {
    value.get().chars().take(64).collect()
}

/// The body of a function URL's event.
fn body(body: Option<Cow<'_, str>>, is_base64: bool) -> Result<String, Refused> {
    let body = body.filter(|body| !body.is_empty()).ok_or(Refused::NoBody)?;
    if !is_base64 {
        return Ok(body.into_owned());
    }
    String::from_utf8(BASE64.decode(body.as_bytes())?).map_err(|_| Refused::NotUtf8)
}
