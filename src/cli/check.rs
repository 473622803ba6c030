//! `floodway check`: one round trip to an endpoint, step by step, and what to do if one fails.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};

use super::args::CheckArgs;
use super::{UsageError, bursting, logging, settings};
use crate::batch::{Batch, Strings};
use crate::task::{self, Task as _};
use crate::units::{parse_duration, show_duration};
use crate::wire::{Answer, MAX_BODY, RequestBody};

/// Records that the round trip carries: plain, empty, and of several scripts.
const RECORDS: [&str; 3] = ["one, two", "", "naïve Ελλάδα 日本"];

pub(super) fn check(args: &CheckArgs) -> Result<()> {
    logging::init(None)?;
    let url = bursting::url("--lambda", &args.lambda)?;
    let default = Duration::from_secs(10);
    let timeout = settings::parse("--timeout", args.timeout.as_ref(), default, parse_duration)?;
    let name = args.task.clone().unwrap_or_else(|| "words".to_owned());
    let Some(task) = task::text(&name, Duration::ZERO) else {
        let expected = format!("expected one of {}", task::NAMES.join(", "));
        return Err(UsageError::new("--task", name, expected).into());
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(round_trip(&url, &task, timeout))
}

/// The URL without what may be a secret in it.
fn shown(url: &str) -> String {
    let Ok(mut url) = reqwest::Url::parse(url) else { return String::new() };
    // A URL with a host can be without all of these.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url.into()
}

async fn round_trip(url: &str, task: &task::TextTask, timeout: Duration) -> Result<()> {
    let batch: Batch = RECORDS.into_iter().collect();
    let mut body = RequestBody::begin(Vec::new(), task.name(), Duration::ZERO, MAX_BODY);
    body.push(&batch, 0..batch.len())?;
    let client = reqwest::Client::builder()
        .timeout(timeout)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .context("cannot set up HTTPS")?;
    println!("endpoint  {}", shown(url));
    let began = Instant::now();
    let sent = client.post(url).header("content-type", "application/json").body(body.finish());
    let answer = sent.send().await.map_err(|error| {
        let advice = if error.is_timeout() {
            "no answer in time: is the function's time-out longer than --timeout?"
        } else if error.is_connect() {
            "no connection: is the host right, and reachable from here?"
        } else {
            "the request failed"
        };
        anyhow::Error::from(error.without_url()).context(advice)
    })?;
    let status = answer.status();
    let function_error =
        answer.headers().get("x-amz-function-error").map(|value| format!("{value:?}"));
    let location = answer.headers().get("location").map(|value| format!("{value:?}"));
    let bytes = answer.bytes().await;
    let bytes = bytes.map_err(reqwest::Error::without_url).context("the answer broke off")?;
    println!("answered  {status} after {}", show_duration(began.elapsed()));
    let shown: String = String::from_utf8_lossy(&bytes).chars().take(200).collect();
    if let Some(location) = location {
        bail!(
            "it redirects to {location}: Floodway does not follow, give that URL if you trust it"
        );
    }
    match status.as_u16() {
        200 => {}
        403 => bail!(
            "it refuses: the function URL wants a signature, or a permission is missing: {shown}"
        ),
        404 => bail!("there is no such function: {shown}"),
        429 => bail!("it is throttled: its concurrency is used up: {shown}"),
        502 => bail!("the function failed: {shown}"),
        _ => bail!("expected 200: {shown}"),
    }
    if let Some(error) = function_error {
        bail!("the function failed ({error}): {shown}");
    }
    let answer: Answer<Strings> = serde_json::from_slice(&bytes)
        .with_context(|| format!("not an answer of Floodway's wire: {shown}"))?;
    let slots = answer.check(task.name(), batch.len(), answer.results.len())?;
    let mut expected = Batch::default();
    let mut bad = Vec::new();
    task.compute(&batch, 0..batch.len(), &mut expected, &mut bad);
    for (at, record) in RECORDS.iter().enumerate() {
        let value = slots.get(at).ok_or_else(|| anyhow!("it refused record {record:?}"))?;
        let (there, here) = (answer.results.text(value), expected.strings.text(at));
        if there != here {
            bail!("record {record:?} gives {there:?} there and {here:?} here");
        }
    }
    let version = answer.version.as_deref().unwrap_or("unknown");
    println!("function  version {version}, same results as here for {}", task.name());
    println!("good");
    Ok(())
}
