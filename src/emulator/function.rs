//! Functions that run in an environment.

use std::borrow::Cow;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::quota::MAX_TIMEOUT;
use crate::task::{self, Code, Task as _, TextTask};
use crate::version;
use crate::wire::{Request, VERSION, answer_strings, answer_values};

/// A function: it receives an event and returns an answer. Threads of the local Lambda run it, several at a
/// time.
pub trait Function: Send + Sync + 'static {
    /// Answers one event.
    ///
    /// # Errors
    /// If the function fails, which AWS calls a function error.
    fn invoke(&self, event: &[u8], context: &mut Context) -> Result<Vec<u8>, FunctionError>;
}

/// What a function knows and reports about an invocation besides its event.
#[derive(Debug, Default)]
pub struct Context {
    /// Whether the environment was started for the invocation.
    pub cold: bool,
    /// Modelled work: time on one CPU, in addition to what the function really computes.
    pub work: Duration,
    /// The function's version. None if it is Floodway's.
    pub version: Option<Arc<str>>,
}

/// A failure of the function's code.
#[derive(Debug)]
pub struct FunctionError {
    /// Name of the kind of failure.
    pub error_type: String,
    /// Description of the failure.
    pub message: String,
}

impl FunctionError {
    pub(super) fn event(error: &serde_json::Error) -> Self {
        let message = format!("the event is not a request: {error}");
        FunctionError { error_type: "InvalidEvent".to_owned(), message }
    }

    pub(super) fn result(error: &serde_json::Error) -> Self {
        let message = format!("a result cannot be written: {error}");
        FunctionError { error_type: "InvalidResult".to_owned(), message }
    }

    /// Returns an error if the function does not understand the request.
    pub(super) fn check(v: u32, task: &str, knows: bool) -> Result<(), FunctionError> {
        let message = match (v, knows) {
            (VERSION, true) => return Ok(()),
            (VERSION, false) => format!("there is no task {task}"),
            _ => format!("version {v} of the wire is not version {VERSION}"),
        };
        Err(FunctionError { error_type: "InvalidRequest".to_owned(), message })
    }
}

/// Tasks on text as a function, such as the built-in ones.
pub struct Builtin {
    tasks: Vec<TextTask>,
}

impl Builtin {
    /// Creates the built-in tasks.
    pub fn new() -> Self {
        let tasks = task::NAMES.iter().filter_map(|name| task::text(name, Duration::ZERO));
        Builtin { tasks: tasks.collect() }
    }

    /// Creates the function of one task.
    pub fn of(task: TextTask) -> Self {
        Builtin { tasks: vec![task] }
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
        context.work = modelled(request.work_us, input.len())?;
        let mut out = task.results(&input, &(0..input.len()));
        let mut bad = Vec::new();
        task.compute(&input, 0..input.len(), &mut out, &mut bad);
        let (ids, errors) = ids(input.len(), &bad);
        Ok(answer_strings(&request.task, &out.strings, &ids, &errors, context.cold))
    }
}

/// A function on typed records. It is made by [`function`].
pub struct Typed<F, T, U> {
    name: String,
    compute: F,
    types: PhantomData<fn(T) -> U>,
}

/// Creates the function that answers requests of task `name` by computing `compute` for each record: the
/// counterpart of [`task::function`].
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
        answer_typed(&self.name, &self.compute, event, context)
    }
}

/// A task from a function on typed records answers requests too.
impl<F, T, U> Function for task::Function<F, T, U>
where
    F: Fn(&T) -> Result<U, Code> + Send + Sync + 'static,
    T: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
    U: Serialize + DeserializeOwned + Clone + PartialEq + Send + 'static,
{
    fn invoke(&self, event: &[u8], context: &mut Context) -> Result<Vec<u8>, FunctionError> {
        answer_typed(self.name(), |record| self.of(record), event, context)
    }
}

/// Answers a request of the task `name` by computing `compute` for each record.
fn answer_typed<T: DeserializeOwned, U: Serialize>(
    name: &str,
    compute: impl Fn(&T) -> Result<U, Code>,
    event: &[u8],
    context: &mut Context,
) -> Result<Vec<u8>, FunctionError> {
    let request: Request<'_, Vec<T>> =
        serde_json::from_slice(event).map_err(|error| FunctionError::event(&error))?;
    FunctionError::check(request.v, &request.task, request.task == name)?;
    context.work = modelled(request.work_us, request.records.len())?;
    let mut values = Vec::with_capacity(request.records.len());
    let mut bad = Vec::new();
    for (index, record) in request.records.iter().enumerate() {
        match compute(record) {
            Ok(value) => values.push(value),
            Err(code) => bad.push((index, code)),
        }
    }
    let (ids, errors) = ids(request.records.len(), &bad);
    let version = context.version.as_deref();
    answer_values(name, &values, &ids, &errors, context.cold, version)
        .map_err(|error| FunctionError::result(&error))
}

/// Functions that each compute one task, as one function: a request goes to that of its task.
pub struct ByTask(Vec<(String, Arc<dyn Function>)>);

impl ByTask {
    /// Creates the function of these tasks.
    pub fn new(tasks: impl IntoIterator<Item = (String, Arc<dyn Function>)>) -> Self {
        ByTask(tasks.into_iter().collect())
    }
}

impl Function for ByTask {
    fn invoke(&self, event: &[u8], context: &mut Context) -> Result<Vec<u8>, FunctionError> {
        /// The part of a request that says whose it is. The records are skipped.
        #[derive(Deserialize)]
        struct Addressed<'a> {
            v: u32,
            #[serde(borrow)]
            task: Cow<'a, str>,
        }
        let request: Addressed<'_> =
            serde_json::from_slice(event).map_err(|error| FunctionError::event(&error))?;
        let found = self.0.iter().find(|(task, _)| *task == request.task);
        FunctionError::check(request.v, &request.task, found.is_some())?;
        found.map_or_else(|| Ok(Vec::new()), |(_, function)| function.invoke(event, context))
    }
}

/// A function that states its version in its answers.
pub struct Versioned {
    function: Arc<dyn Function>,
    version: Arc<str>,
}

impl Versioned {
    /// Creates the function.
    pub fn new(function: Arc<dyn Function>, version: &str) -> Self {
        Versioned { function, version: version.into() }
    }
}

impl Function for Versioned {
    fn invoke(&self, event: &[u8], context: &mut Context) -> Result<Vec<u8>, FunctionError> {
        context.version = Some(Arc::clone(&self.version));
        self.function.invoke(event, context).map_err(|error| FunctionError {
            message: version::with_version(&error.message, &self.version),
            ..error
        })
    }
}

/// Returns the time that `work_us` of a request with so many records stands for.
pub(super) fn modelled(work_us: f64, records: usize) -> Result<Duration, FunctionError> {
    let work = Duration::try_from_secs_f64(work_us / 1e6 * records as f64).ok();
    work.filter(|work| *work <= MAX_TIMEOUT).ok_or_else(|| FunctionError {
        error_type: "InvalidRequest".to_owned(),
        message: format!(
            "work_us is {work_us}: expected 0 or more, and at most {} s for all records of a request",
            MAX_TIMEOUT.as_secs()
        ),
    })
}

/// Returns the ids of the records with a result, and the codes of the others.
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
