//! `floodway check`: one round trip to an endpoint, step by step, and what to do if one fails.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use bytes::Bytes;
use reqwest::Version;
use reqwest::header::HeaderMap;

use super::args::CheckArgs;
use super::check_twice::Sample;
use super::output::print_line;
use super::{function_folder, function_task, logging, remote_options, stage_options};
use crate::aws::{Environment, Region, ServiceError, ServiceErrorKind};
use crate::batch::{Batch, Strings};
use crate::bridge::{self, Endpoint, Failure, HttpClient, HttpError, HttpResponse, Settings};
use crate::emulator::Choices;
use crate::job::{DataflowDescription, Declaration};
use crate::quota::REQUESTS_PER_ENVIRONMENT;
use crate::sink::UNREACHABLE;
use crate::task::{self, Task as _};
use crate::units::{show_count, show_duration, show_rate};
use crate::wire::{Answer, MAX_BODY, RequestBody};

/// A hint for an answer that is not one of Floodway's functions.
const FUNCTION_HINT: &str = "is it a function of Floodway's, from functions/, of this release?";

/// The records of the round trip: texts of all scripts, with marks and emoji, long and empty ones, and a JSON
/// object with a `text` on each line. Functions are tested with them too.
const GOLDEN: &str = include_str!("../../functions/golden/words.jsonl");

fn records() -> impl Iterator<Item = String> {
    GOLDEN.lines().filter_map(|line| {
        let vector: serde_json::Value = serde_json::from_str(line).ok()?;
        vector["text"].as_str().map(str::to_owned)
    })
}

pub(super) fn check(args: &CheckArgs) -> Result<()> {
    logging::init(args.log.as_deref())?;
    let (mut checks, mut twice) = (Vec::new(), None);
    match args.given.program.own_dataflow(&args.given)? {
        None => {
            for (option, given) in
                [("--call", args.named.calls.len()), ("--stage", args.named.stages.len())]
            {
                if given > 0 {
                    let why = "is for a program with a dataflow of its own";
                    return Err(args.given.error(option, why).into());
                }
            }
            let trial = match function_task::folder(&args.task) {
                Some(folder) => {
                    let choices = Choices::default();
                    let package = function_folder::open(folder, "--task", choices, &args.given)?;
                    let task = package.task().to_owned();
                    twice =
                        args.twice.then(|| Sample::of(args)).transpose()?.map(|it| (it, package));
                    Trial::of_stage("function", task, None)
                }
                None if args.twice => {
                    let why = "is for --task function:DIR: the tasks of floodway are pure";
                    return Err(args.given.error("--twice", why).into());
                }
                None => Trial::of_text(&args.task),
            };
            if twice.is_none() || args.function.lambda.is_some() {
                checks.push((function(args)?, vec![trial]));
            }
        }
        Some(_) if args.twice => {
            let why = "is for --task function:DIR: run --verify 100% computes what the function does on workers too, and \
                       compares the results";
            return Err(args.given.error("--twice", why).into());
        }
        Some(dataflow) => {
            let calls = remote_options::calls(&args.named, &args.given, &dataflow)?;
            let calls = calls.into_iter().map(|(name, settings)| {
                (settings.endpoint, vec![Trial::of_stage("call", name, None)])
            });
            checks = of_stages(args, &dataflow)?;
            checks.extend(calls);
            // A program with calls may leave its stages to its workers.
            if checks.is_empty() {
                function(args)?;
            }
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let endpoint = checks.first().map(|(endpoint, _)| endpoint.clone());
    for (endpoint, trials) in checks {
        runtime.block_on(steps(endpoint, &trials, args.timeout))?;
    }
    if let Some((sample, package)) = twice {
        let client = |endpoint| HttpClient::new(&Settings { endpoint, ..Settings::default() });
        let remote = endpoint.map(client).transpose()?;
        runtime.block_on(sample.compare(package, remote.as_ref(), args.timeout))?;
    }
    print_line("good")?;
    Ok(())
}

/// Returns the functions of the stages, each with the trials of its stages. A stage whose records are not sent, or are
/// sent to the embedded Lambda, has none.
fn of_stages(
    args: &CheckArgs,
    dataflow: &DataflowDescription,
) -> Result<Vec<(Endpoint, Vec<Trial>)>> {
    let of_run = args.function.lambda.is_some().then(|| function(args)).transpose()?;
    let own = stage_options::stages(&args.named, &args.given, dataflow)?;
    let mut checks: Vec<(Endpoint, Vec<Trial>)> = Vec::new();
    for Declaration { name, .. } in dataflow.served() {
        let own = own.iter().find(|stage| stage.name == *name);
        let endpoint = match own {
            Some(stage) if stage.args.policy.is_some_and(|policy| !policy.needs_remote()) => None,
            Some(stage) if stage.has_own("lambda") => {
                let lambda = stage.args.function.lambda.as_deref();
                let lambda = lambda.filter(|lambda| *lambda != remote_options::LOCAL);
                let resolve = |lambda| {
                    remote_options::remote(lambda, &stage.args.function, &stage.given)
                        .map_err(|error| stage.explain(error))
                };
                lambda.map(resolve).transpose()?
            }
            _ => of_run.clone(),
        };
        let Some(endpoint) = endpoint else { continue };
        let trial = Trial::of_stage("stage", name.clone(), dataflow.version.clone());
        match checks.iter_mut().find(|(other, _)| *other == endpoint) {
            Some((_, trials)) => trials.push(trial),
            None => checks.push((endpoint, vec![trial])),
        }
    }
    if checks.is_empty() {
        checks.extend(of_run.map(|endpoint| (endpoint, Vec::new())));
    }
    Ok(checks)
}

/// Returns the function that is checked.
fn function(args: &CheckArgs) -> Result<Endpoint> {
    let Some(lambda) = &args.function.lambda else {
        let also = match function_task::folder(&args.task) {
            Some(_) => {
                ". To compute records in processes of the folder on this machine, give --twice"
            }
            None => "",
        };
        let why = format!("is needed: the URL, name or ARN of the function that is asked{also}");
        return Err(args.given.error("--lambda", why).into());
    };
    if lambda == remote_options::LOCAL {
        let why = "is built in and needs no check: give a URL, or a function's name or ARN";
        return Err(args.given.error("--lambda", why).into());
    }
    remote_options::remote(lambda, &args.function, &args.given)
}

/// A request of the check, and what is expected of its answer.
struct Trial {
    /// What is tried, and the name of its task.
    kind: &'static str,
    task: String,
    /// The version that the function must be compatible with.
    needs_version: Option<String>,
    records: Vec<String>,
    /// The results of the records, which are all good.
    expected: Batch,
}

impl Trial {
    /// Returns the trial of a text task, with records.
    fn of_text(name: &str) -> Self {
        let task = task::text(name, Duration::ZERO).expect("the option takes known names only");
        let records: Vec<String> = records().collect();
        let batch: Batch = records.iter().map(String::as_str).collect();
        let (mut expected, mut bad) = (Batch::default(), Vec::new());
        task.compute(&batch, 0..batch.len(), &mut expected, &mut bad);
        let needs_version = task.needs_version().map(str::to_owned);
        Trial { kind: "task", task: name.to_owned(), needs_version, records, expected }
    }

    /// Returns the trial of a stage or a call of a user's program, or of a function in a folder: a request without
    /// records.
    fn of_stage(kind: &'static str, task: String, needs_version: Option<String>) -> Self {
        let (records, expected) = (Vec::new(), Batch::default());
        Trial { kind, task, needs_version, records, expected }
    }

    /// Says what was tried, and is good.
    fn good(&self) -> String {
        match self.records.len() {
            0 => format!("answers for the {} {}", self.kind, self.task),
            records => format!("same results as here for {}: {records} records", self.task),
        }
    }
}

async fn steps(endpoint: Endpoint, trials: &[Trial], timeout: Duration) -> Result<()> {
    let kind = match &endpoint {
        Endpoint::Function { .. } => "a function, by Lambda's Invoke API",
        Endpoint::SignedUrl { .. } => "a URL, with signed requests",
        Endpoint::Url(_) | Endpoint::Unset => "a URL, with requests that are not signed",
    };
    print_line(format_args!("endpoint  {endpoint}: {kind}"))?;
    if let Endpoint::Function { service, .. } = &endpoint {
        let from = Environment::of_process().lambda_endpoint()?;
        let from = from.map(|(_, from)| format!(", by {from}")).unwrap_or_default();
        print_line(format_args!("service   {}{from}", Endpoint::Url(service.clone())))?;
    }
    if let Some(proxy) = remote_options::proxy(&endpoint)? {
        print_line(format_args!("proxy     {proxy}"))?;
    }
    if let Some(region) = endpoint.region() {
        print_line(format_args!("region    {region}, of the partition {}", region.partition()))?;
    }
    let is_lambda = match &endpoint {
        Endpoint::Function { .. } | Endpoint::SignedUrl { .. } => true,
        Endpoint::Url(url) => url.host_str().and_then(Region::of_function_url).is_some(),
        Endpoint::Unset => false,
    };
    let remote = HttpClient::new(&Settings { endpoint, ..Settings::default() })?;
    if let Some(found) = remote.credentials().await? {
        let temporary = if found.session_token.is_some() { ", temporary" } else { "" };
        print_line(format_args!("key       …{} of {}{temporary}", found.last4(), found.from))?;
    }
    for trial in trials {
        let tried = round_trip(&remote, trial, timeout).await;
        tried.with_context(|| format!("the {} {}", trial.kind, trial.task))?;
    }
    if is_lambda {
        print_line(format_args!("ceiling   {}", ceiling(remote.environments().await)))?;
    }
    Ok(())
}

/// Returns the highest rate of records that Lambda allows a function whose account may have this many
/// environments.
fn ceiling(environments: Option<u64>) -> String {
    let batch = Settings::default().batch_records as u64;
    let rate = |environments: u64| {
        show_rate(environments as f64 * REQUESTS_PER_ENVIRONMENT * batch as f64)
    };
    let of = format!(
        "{REQUESTS_PER_ENVIRONMENT} requests/s for each environment, {} records each",
        show_count(batch)
    );
    match environments {
        Some(own) => format!(
            "{} records/s: {} environments of the account, {of} (--batch)",
            rate(own),
            show_count(own)
        ),
        None => format!(
            "{} records/s with the 10 environments of a new account, {} with 1,000: {of} (--batch). Those of this \
             account are not known: lambda:GetAccountSettings is not allowed, or it is not called by its name",
            rate(10),
            rate(1_000)
        ),
    }
}

/// The answer to a request.
pub(super) struct Answered {
    /// How long it took, and the version of HTTP.
    took: Duration,
    http: Version,
    headers: HeaderMap,
    pub bytes: Bytes,
}

/// Sends a request to a function, which is compatible with the version that is needed.
///
/// # Errors
/// If the function does not answer within `timeout`, or fails.
pub(super) async fn ask(
    remote: &HttpClient,
    body: Bytes,
    needs_version: Option<&str>,
    timeout: Duration,
) -> Result<Answered> {
    let began = Instant::now();
    let answer = tokio::time::timeout(timeout, remote.post(body, &Arc::default())).await;
    let answer = match answer {
        Err(_) => {
            bail!(
                "no answer within {}: it is slow or hangs: try a larger --timeout, and see its log",
                show_duration(timeout)
            )
        }
        Ok(Err(HttpError { failure, .. })) => {
            return Err(with_advice(&failure.or_version(needs_version)));
        }
        Ok(Ok(HttpResponse { response: answer, .. })) => answer,
    };
    let (http, headers) = (answer.version(), answer.headers().clone());
    let left = timeout.saturating_sub(began.elapsed());
    let bytes = match tokio::time::timeout(left, answer.bytes()).await {
        Err(_) => bail!("the answer is not whole within {}", show_duration(timeout)),
        Ok(bytes) => bytes.map_err(|error| with_advice(&bridge::connection_failure(&error)))?,
    };
    if let Some(error) = headers.get("x-amz-function-error") {
        if let Some(refused) = remote.refused_by_function(&bytes) {
            let failure = Failure::Refused(refused).or_version(needs_version);
            return Err(with_advice(&failure));
        }
        let shown = remote.redacted(&bytes);
        bail!("the function failed ({error:?}): {shown}: {FUNCTION_HINT} See its log");
    }
    Ok(Answered { took: began.elapsed(), http, headers, bytes })
}

async fn round_trip(remote: &HttpClient, trial: &Trial, timeout: Duration) -> Result<()> {
    let Trial { kind, task, needs_version, records, expected } = trial;
    let batch: Batch = records.iter().map(String::as_str).collect();
    let mut body = RequestBody::begin(Vec::new(), task, Duration::ZERO, MAX_BODY);
    body.push(&batch, 0..batch.len())?;
    let answered = ask(remote, body.finish().into(), needs_version.as_deref(), timeout).await?;
    let Answered { took, http, headers, bytes } = answered;
    print_line(format_args!("answered  200 after {}, {http:?}", show_duration(took)))?;
    let shown = remote.redacted(&bytes);
    let answer: Answer<Strings> = serde_json::from_slice(&bytes).map_err(|error| {
        let why = remote.redacted(error.to_string().as_bytes());
        anyhow!("not an answer of Floodway's wire ({why}): {shown}: {FUNCTION_HINT}")
    })?;
    let version = answer.version.as_deref();
    Failure::unless_compatible(version, needs_version.as_deref())
        .map_err(|failure| with_advice(&remote.redact(failure)))?;
    let slots = answer.check(task, batch.len(), answer.results.len())?;
    for (at, record) in records.iter().enumerate() {
        let value = slots.get(at).ok_or_else(|| {
            let error = answer.errors.iter().find(|error| error.id as usize == at);
            let code =
                error.map(|error| remote.redacted(error.code.as_bytes())).unwrap_or_default();
            anyhow!("it refused record {record:?} with {code:?}")
        })?;
        let (there, here) = (answer.results.text(value), expected.strings.text(at));
        if there != here {
            bail!("record {record:?} gives {there:?} there and {here:?} here");
        }
    }
    let version =
        version.map_or("of an unknown version".to_owned(), |version| format!("version {version}"));
    print_line(format_args!("function  {version}, {}", trial.good()))?;
    match bridge::log(&headers).as_deref().and_then(bridge::billed) {
        Some(billed) => {
            print_line(format_args!("billed    {}, as the service says", show_duration(billed)))?
        }
        // What a call costs is not Floodway's to know.
        None if *kind == "call" => {}
        None => print_line(
            "billed    the service does not say; Floodway estimates it from the duration of requests",
        )?,
    }
    Ok(())
}

/// Returns the failure with what to do about it.
fn with_advice(failure: &Failure) -> anyhow::Error {
    match failure {
        // Elsewhere this command is what to try.
        Failure::Connection(_) => anyhow!("{failure}: {UNREACHABLE}"),
        Failure::Refused(ServiceError { kind: ServiceErrorKind::Request, .. }) => {
            anyhow!("{failure}: {FUNCTION_HINT}")
        }
        failure => anyhow!("{failure}: {}", failure.advice()),
    }
}
