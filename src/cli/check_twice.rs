//! `check --twice`: computes the same records in two processes of a function, in another order and in requests of another
//! size, and compares the results. A function whose results depend on the time, on chance or on the records before gives
//! itself away.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read};
use std::ops::Range;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use serde::de::IgnoredAny;

use super::args::{CheckArgs, DEFAULT_SEED};
use super::check;
use super::output::print_line;
use crate::batch::{Batch, Records as _};
use crate::bridge::HttpClient;
use crate::emulator::{FunctionProcesses, InvokeError, InvokeErrorKind, Model, Package};
use crate::nexmark::Generator;
use crate::pipeline::RecordForm;
use crate::source::nominal;
use crate::task::{JsonFunction, Task, TextFunction};
use crate::terminal::shorten;
use crate::units::show_many;
use crate::wire::{Answer, MAX_BODY, RequestBody};

/// The records that are computed at most.
const RECORDS: usize = 1_000;
/// The records of a request in the first process, and to a function.
const TOGETHER: usize = 100;
/// The records of a request in the second process: other records are in a request with each.
const APART: usize = 7;
/// The records for which a function that has never answered fails alone before it is given up.
const MOST_FAILURES: usize = 10;

/// The records that are computed, with their numbers in the sample.
pub(super) struct Sample {
    form: RecordForm,
    records: Vec<(usize, String)>,
}

impl Sample {
    /// Reads the first lines of the sample, or generates events.
    ///
    /// # Errors
    /// If there is no record among them.
    pub(super) fn of(args: &CheckArgs) -> Result<Sample> {
        let form = args.records.unwrap_or(RecordForm::Text);
        let bytes: Box<dyn Read> = match &args.sample {
            None => Box::new(io::Cursor::new(events(form))),
            Some(file) if file.as_os_str() == "-" => Box::new(io::stdin()),
            Some(file) => {
                let wrong = |error: io::Error| args.given.error("--sample", error.to_string());
                Box::new(File::open(file).map_err(wrong)?)
            }
        };
        let (mut records, mut lines) = (Vec::new(), BufReader::new(bytes).split(b'\n'));
        for number in 0..RECORDS {
            let Some(line) = lines.next() else { break };
            let mut line = line.context("cannot read the sample")?;
            if line.last() == Some(&b'\r') {
                line.pop();
            }
            // In a run, what is no record does not come to the function.
            let Ok(text) = String::from_utf8(line) else { continue };
            if form == RecordForm::Text || serde_json::from_str::<IgnoredAny>(&text).is_ok() {
                records.push((number, text));
            }
        }
        if records.is_empty() {
            let why = match form {
                RecordForm::Text => "has no line of text",
                RecordForm::Json => "has no line that is a JSON value",
            };
            return Err(args.given.error("--sample", why).into());
        }
        Ok(Sample { form, records })
    }

    /// Computes the records in two processes of `package`, and by `remote` if there is one, and compares the results. A
    /// request may take at most `timeout`.
    ///
    /// # Errors
    /// If two results differ, or the function cannot be asked.
    pub(super) async fn compare(
        &self,
        package: Package,
        remote: Option<&HttpClient>,
        timeout: Duration,
    ) -> Result<()> {
        let name = package.task().to_owned();
        let processes = processes(package)?;
        let compared = match self.form {
            RecordForm::Text => {
                let asked = Asked { task: TextFunction::new(name), input: |lines| lines, timeout };
                self.compare_by(&asked, &processes, remote).await
            }
            RecordForm::Json => {
                let input = crate::batch::JsonBatch;
                let asked = Asked { task: JsonFunction::new(name), input, timeout };
                self.compare_by(&asked, &processes, remote).await
            }
        };
        processes.end();
        compared
    }

    async fn compare_by<K: Task<Out = Batch>>(
        &self,
        asked: &Asked<K>,
        processes: &FunctionProcesses,
        remote: Option<&HttpClient>,
    ) -> Result<()> {
        let mut records: Vec<&str> = self.records.iter().map(|(_, record)| &**record).collect();
        let here = asked.in_process(processes, &records, TOGETHER).await?;
        records.reverse();
        let mut again = asked.in_process(processes, &records, APART).await?;
        records.reverse();
        again.reverse();
        let all = self.records.iter().zip(&here);
        refuse_difference(all.clone().zip(&again), "in another process, in another order", IMPURE)?;
        let bad = here.iter().filter(|it| matches!(it, Outcome::Bad(_))).count();
        let failed = here.iter().filter(|it| matches!(it, Outcome::Failed(_))).count();
        let mut rest = String::new();
        for (count, what) in [(bad, "bad"), (failed, "failures")] {
            if count > 0 {
                rest += &format!(", {count} of them {what}");
            }
        }
        let many = show_many(records.len() as u64, "record");
        print_line(format_args!("twice     the same results in two processes: {many}{rest}"))?;
        if let Some(remote) = remote {
            // One that fails would fail its whole request.
            let sent = all.filter(|(_, here)| !matches!(here, Outcome::Failed(_)));
            let records: Vec<&str> = sent.clone().map(|((_, record), _)| &**record).collect();
            let there = asked.remotely(remote, &records).await?;
            refuse_difference(sent.zip(&there), "by the remote function", OTHER)?;
            let many = show_many(records.len() as u64, "record");
            print_line(format_args!("remote    the same results as here: {many}"))?;
        }
        Ok(())
    }
}

/// A record of the sample, its outcome in a process, and its other outcome.
type Compared<'a> = ((&'a (usize, String), &'a Outcome), &'a Outcome);

/// Refuses the first record whose outcomes differ. The other one was made at `place`, and the `cause` says why.
fn refuse_difference<'a>(
    mut outcomes: impl Iterator<Item = Compared<'a>>,
    place: &str,
    cause: &str,
) -> Result<()> {
    const SHOWN: usize = 200;
    match outcomes.find(|((_, here), there)| !here.is_same(there)) {
        None => Ok(()),
        Some((((number, record), here), there)) => Err(anyhow!(
            "the results of record {number}, {:?}, differ: {here} in a process of the function, and {there} {place}. \
             {cause}",
            shorten(record, SHOWN)
        )),
    }
}

/// Why two processes have different results.
const IMPURE: &str = "The function is not pure: its results depend on the time, on chance, or on the records before. \
                      Floodway commits one of such results, and nobody knows which";

/// Why a remote function has other results.
const OTHER: &str = "It is another function, or of another version, or depends on what the two machines do not share";

/// Returns events as lines, for a function without a sample.
fn events(form: RecordForm) -> Vec<u8> {
    let generator = Generator::new(Default::default(), DEFAULT_SEED, nominal());
    let (mut lines, range) = (Vec::new(), 0..RECORDS as u64);
    match form {
        RecordForm::Text => generator.csv_lines(range, &mut lines),
        RecordForm::Json => generator.json_lines(range, &mut lines),
    }
    lines
}

/// Returns what starts the processes, on the runtime that calls it.
fn processes(package: Package) -> Result<FunctionProcesses> {
    let handle = tokio::runtime::Handle::current();
    Ok(FunctionProcesses::new(package, Model::default().memory_mb, false, handle)?)
}

/// What became of a record.
enum Outcome {
    Result(String),
    /// The function refused it with this code.
    Bad(String),
    /// The function failed for it alone.
    Failed(InvokeError),
}

impl Outcome {
    /// Whether a run commits the same. The message of a failure may name what is different each time.
    fn is_same(&self, other: &Outcome) -> bool {
        match (self, other) {
            (Outcome::Result(one), Outcome::Result(other)) => one == other,
            (Outcome::Bad(one), Outcome::Bad(other)) => one == other,
            (Outcome::Failed(one), Outcome::Failed(other)) => one.kind == other.kind,
            _ => false,
        }
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        const SHOWN: usize = 100;
        match self {
            Outcome::Result(text) => write!(f, "{:?}", shorten(text, SHOWN)),
            Outcome::Bad(code) => write!(f, "a bad record ({})", shorten(code, SHOWN)),
            Outcome::Failed(error) => write!(f, "a failure ({})", shorten(&error.message, SHOWN)),
        }
    }
}

/// How a function is asked for records.
struct Asked<K: Task> {
    task: K,
    input: fn(Batch) -> K::In,
    /// The longest time of a request.
    timeout: Duration,
}

impl<K: Task<Out = Batch>> Asked<K> {
    /// Computes records in a process of the function, so many in a request. A process that ends is replaced.
    async fn in_process(
        &self,
        processes: &FunctionProcesses,
        records: &[&str],
        together: usize,
    ) -> Result<Vec<Outcome>> {
        let (mut outcomes, mut process, mut has_answered) = (Vec::new(), None, false);
        let starts = (0..records.len()).step_by(together);
        let requests = starts.map(|start| start..records.len().min(start + together));
        // The last one is the next.
        let mut requests: Vec<Range<usize>> = requests.collect();
        requests.reverse();
        while let Some(range) = requests.pop() {
            let input = self.input(&records[range.clone()]);
            let (body, _) = self.request(&input, 0, usize::MAX)?;
            let one = match process.take() {
                Some(process) => process,
                None => processes.start().await?,
            };
            let (answer, left) = processes.invoke(one, body.into(), self.timeout).await;
            process = left;
            let raised = |message| InvokeError { kind: InvokeErrorKind::Raised, message };
            match answer
                .and_then(|answer| self.read(&input, 0..range.len(), &answer).map_err(raised))
            {
                Ok(read) => {
                    has_answered = true;
                    outcomes.extend(read);
                }
                Err(error) if range.len() == 1 => {
                    outcomes.push(Outcome::Failed(error.clone()));
                    if !has_answered && outcomes.len() >= MOST_FAILURES {
                        bail!("the function fails for every record: {}", error.message);
                    }
                }
                Err(_) => {
                    let middle = range.start + range.len() / 2;
                    requests.extend([middle..range.end, range.start..middle]);
                }
            }
        }
        Ok(outcomes)
    }

    /// Computes records by the remote function.
    async fn remotely(&self, remote: &HttpClient, records: &[&str]) -> Result<Vec<Outcome>> {
        let input = self.input(records);
        let mut outcomes = Vec::new();
        while outcomes.len() < records.len() {
            let first = outcomes.len();
            let (body, fitted) = self.request(&input, first, MAX_BODY)?;
            if fitted == 0 {
                bail!("record {first} of the sample is too long for a request");
            }
            let answer = check::ask(remote, body.into(), None, self.timeout).await?;
            let read = self.read(&input, first..first + fitted, &answer.bytes);
            outcomes.extend(read.map_err(|why| anyhow!("the answer is not valid: {why}"))?);
        }
        Ok(outcomes)
    }

    fn input(&self, records: &[&str]) -> K::In {
        (self.input)(records.iter().copied().collect())
    }

    /// Writes a request with records from `first` on. Returns it, and how many it has.
    fn request(&self, input: &K::In, first: usize, limit: usize) -> Result<(Vec<u8>, usize)> {
        let range = first..input.len().min(first + TOGETHER);
        let mut body = RequestBody::begin(Vec::new(), self.task.name(), Duration::ZERO, limit);
        let fitted = body.push(input, range)?;
        Ok((body.finish(), fitted))
    }

    /// Reads the answer to a request with the records of `range`.
    fn read(
        &self,
        input: &K::In,
        range: Range<usize>,
        answer: &[u8],
    ) -> Result<Vec<Outcome>, String> {
        let task = &self.task;
        let mut answer: Answer<'_, K::Answers> =
            serde_json::from_slice(answer).map_err(|error| error.to_string())?;
        let slots = answer
            .check(task.name(), range.len(), task.answered(&answer.results))
            .map_err(|refused| refused.to_string())?;
        if !task.are_well_formed(&answer.results) {
            return Err("a result has a line break in it".to_owned());
        }
        let codes: Vec<(usize, String)> =
            answer.errors.iter().map(|error| (error.id as usize, error.code.to_string())).collect();
        let outcomes = range.clone().map(|at| {
            let index = at - range.start;
            if let Some((_, code)) = codes.iter().find(|(id, _)| *id == index) {
                return Outcome::Bad(code.clone());
            }
            let mut out = task.results(input, &(at..at + 1));
            task.assemble(input, at..at + 1, &mut answer.results, &slots.from(index), &mut out);
            Outcome::Result(task.show(&out, 0))
        });
        Ok(outcomes.collect())
    }
}
