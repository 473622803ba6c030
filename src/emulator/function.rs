//! What runs in an environment.

use std::marker::PhantomData;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::task::{self, Code, Task as _, TextTask};
use crate::wire::{Request, VERSION, answer_strings, answer_values};

/// A function: an event in, an answer out. It runs on a thread of the local Lambda, several at once.
pub trait Function: Send + Sync + 'static {
    /// Answers one event.
    ///
    /// # Errors
    /// What AWS calls a function error.
    fn invoke(&self, event: &[u8], context: &mut Context) -> Result<Vec<u8>, FunctionError>;
}

/// What a function knows and says about an invocation besides its event.
#[derive(Debug, Default)]
pub struct Context {
    /// Whether the environment was started for it.
    pub cold: bool,
    /// Work to be modelled: one CPU for so long, in addition to what the function really computes.
    pub work: Duration,
}

/// A failure of the function's code.
#[derive(Debug)]
pub struct FunctionError {
    /// A name of the kind of failure.
    pub error_type: String,
    /// What happened.
    pub message: String,
}

impl FunctionError {
    fn event(error: &serde_json::Error) -> Self {
        let message = format!("the event is not a request: {error}");
        FunctionError { error_type: "InvalidEvent".to_owned(), message }
    }

    /// A request that this function does not understand.
    fn check(v: u32, task: &str, knows: bool) -> Result<(), FunctionError> {
        let message = match (v, knows) {
            (VERSION, true) => return Ok(()),
            (VERSION, false) => format!("there is no task {task}"),
            _ => format!("version {v} of the wire is not version {VERSION}"),
        };
        Err(FunctionError { error_type: "InvalidRequest".to_owned(), message })
    }
}

/// The tasks that come with Floodway.
pub struct Builtin {
    tasks: Vec<TextTask>,
}

impl Builtin {
    /// Makes them ready.
    pub fn new() -> Self {
        let tasks = task::NAMES.iter().filter_map(|name| task::text(name, Duration::ZERO));
        Builtin { tasks: tasks.collect() }
    }
}

impl Default for Builtin {
    fn default() -> Self {
        Builtin::new()
    }
}

impl Function for Builtin {
    fn invoke(&self, event: &[u8], context: &mut Context) -> Result<Vec<u8>, FunctionError> {
        let request: Request<'_> =
            serde_json::from_slice(event).map_err(|error| FunctionError::event(&error))?;
        let task = self.tasks.iter().find(|task| task.name() == request.task);
        FunctionError::check(request.v, &request.task, task.is_some())?;
        let Some(task) = task else { return Ok(Vec::new()) };
        let input = crate::batch::Batch { strings: request.records, ..Default::default() };
        context.work = modelled(request.work_us, input.len());
        let mut out = task.results(&input, &(0..input.len()));
        let mut bad = Vec::new();
        task.compute(&input, 0..input.len(), &mut out, &mut bad);
        let (ids, errors) = ids(input.len(), &bad);
        Ok(answer_strings(&request.task, &out.strings, &ids, &errors, context.cold))
    }
}

/// A function of typed records, made by [`function`].
pub struct Typed<F, T, U> {
    name: String,
    compute: F,
    types: PhantomData<fn(T) -> U>,
}

/// The function that answers requests of task `name` with `compute` of each record: the other side
/// of [`task::function`].
pub fn function<F, T, U>(name: impl Into<String>, compute: F) -> Typed<F, T, U>
where
    F: Fn(&T) -> Result<U, Code> + Send + Sync + 'static,
    T: DeserializeOwned + 'static,
    U: Serialize + 'static,
{
    Typed { name: name.into(), compute, types: PhantomData }
}

impl<F, T, U> Function for Typed<F, T, U>
where
    F: Fn(&T) -> Result<U, Code> + Send + Sync + 'static,
    T: DeserializeOwned + 'static,
    U: Serialize + 'static,
{
    fn invoke(&self, event: &[u8], context: &mut Context) -> Result<Vec<u8>, FunctionError> {
        let request: Request<'_, Vec<T>> =
            serde_json::from_slice(event).map_err(|error| FunctionError::event(&error))?;
        FunctionError::check(request.v, &request.task, request.task == self.name)?;
        context.work = modelled(request.work_us, request.records.len());
        let mut values = Vec::with_capacity(request.records.len());
        let mut bad = Vec::new();
        for (index, record) in request.records.iter().enumerate() {
            match (self.compute)(record) {
                Ok(value) => values.push(value),
                Err(code) => bad.push((index, code)),
            }
        }
        let (ids, errors) = ids(request.records.len(), &bad);
        answer_values(&self.name, &values, &ids, &errors, context.cold).map_err(|error| {
            let message = format!("a result cannot be written: {error}");
            FunctionError { error_type: "InvalidResult".to_owned(), message }
        })
    }
}

/// The time that a request's `work_us` stands for.
fn modelled(work_us: f64, records: usize) -> Duration {
    Duration::try_from_secs_f64(work_us / 1e6 * records as f64).unwrap_or_default()
}

/// The ids of the records that have a result, and the codes of those that have none.
fn ids(records: usize, bad: &[(usize, Code)]) -> (Vec<u32>, Vec<(u32, &str)>) {
    let mut errors = bad.iter().map(|(id, code)| (*id as u32, code.0.as_ref())).peekable();
    let mut ids = Vec::with_capacity(records);
    let mut refused = Vec::with_capacity(bad.len());
    for id in 0..records as u32 {
        match errors.next_if(|(bad, _)| *bad == id) {
            Some(error) => refused.push(error),
            None => ids.push(id),
        }
    }
    (ids, refused)
}
