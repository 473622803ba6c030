//! The function: what is set up before the first event, and the answer to each.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use floodway::batch::Batch;
use floodway::task::{self, NAMES, Task as _, TextTask};
use floodway::wire::answer_strings;

use crate::Refused;
use crate::event::{self, Kind, Request};

/// The tasks, ready to run: one of these an environment.
pub struct Function {
    tasks: Vec<TextTask>,
    cold: AtomicBool,
}

impl Function {
    /// Makes the tasks ready: the table of words and the vocabulary of `bpe` are loaded.
    pub fn new() -> Self {
        let tasks = NAMES.iter().filter_map(|name| task::text(name, Duration::ZERO)).collect();
        let function = Function { tasks, cold: AtomicBool::new(true) };
        for name in NAMES {
            // What is made at first use is made now.
            let records = ["warm", "wärme"].into_iter().collect();
            let (ids, errors) = (vec![0, 1], Vec::new());
            let _ =
                function.compute(Request { task: (*name).to_owned(), records, ids, errors }, false);
        }
        function
    }

    /// Answers one event.
    ///
    /// # Errors
    /// An event that is not a request that this function understands. A function URL's is answered
    /// with a status of 400 that says so.
    pub fn answer(&self, event: &str) -> Result<String, Refused> {
        let cold = self.cold.swap(false, Relaxed);
        match event::read(event)? {
            Kind::Request(request) => self.compute(request, cold),
            Kind::Url(body) => {
                let answer = body.and_then(|body| self.answer_body(&body, cold));
                Ok(answer.unwrap_or_else(|refused| refused.response()))
            }
        }
    }

    fn answer_body(&self, body: &str, cold: bool) -> Result<String, Refused> {
        match event::read(body) {
            Ok(Kind::Request(request)) => self.compute(request, cold),
            Ok(Kind::Url(_)) => Err(Refused::NoRequest),
            Err(Refused::Event(error)) => Err(Refused::Body(error)),
            Err(refused) => Err(refused),
        }
    }

    fn compute(&self, request: Request, cold: bool) -> Result<String, Refused> {
        let Request { task: name, records, mut ids, mut errors } = request;
        let Some(task) = self.tasks.iter().find(|task| task.name() == name) else {
            return Err(Refused::Task(format!("{name:.64?}")));
        };
        let input = Batch { strings: records, ..Batch::default() };
        let mut out = task.results(&input, &(0..input.len()));
        let mut bad = Vec::new();
        task.compute(&input, 0..input.len(), &mut out, &mut bad);
        // Positions among the records that are text are ids of the request.
        let mut refused: Vec<(u32, &str)> =
            bad.iter().map(|(at, code)| (ids[*at], code.0.as_ref())).collect();
        // Both are in order.
        ids.retain(|id| refused.binary_search_by_key(id, |(bad, _)| *bad).is_err());
        refused.append(&mut errors);
        refused.sort_unstable();
        let json = answer_strings(&name, &out.strings, &ids, &refused, cold);
        Ok(String::from_utf8(json).expect("tasks make text of text"))
    }
}

impl Default for Function {
    fn default() -> Self {
        Function::new()
    }
}
