//! Requests and answers.

use std::collections::HashMap;

use floodway::batch::{Batch, Strings};
use floodway::emulator::{Builtin, Context, Function as _};
use floodway::wire::{Answer, Refused, Request, RequestBody, Slots, answer_strings, answer_values};
use serde_json::Value;

use crate::engine::Target;

pub fn target() -> Target {
    let words = [
        "\"v\":1",
        "\"v\":2",
        "\"task\":",
        "\"words\"",
        "\"bpe\"",
        "\"records\":[",
        "\"results\":[",
        "\"ids\":[",
        "\"errors\":[",
        "{\"id\":",
        "\"code\":",
        "\"version\":",
        "\"cold\":true",
        "\"work_us\":",
        "\\ud800",
        "\\u00e9",
        "\\\\",
        "\u{e9}\u{4e16}",
        "[[[[[[[[[[[[[[[[",
    ];
    let function = Builtin::new();
    let check = move |bytes: &[u8]| {
        let request = request(bytes, &function);
        let answer = answer(bytes);
        let values = values(bytes);
        format!("{request} / {answer} / {values}")
    };
    Target::json("wire", &words, check)
}

/// A request, as a function takes it.
fn request(bytes: &[u8], function: &Builtin) -> String {
    let mut context = Context::default();
    let answered = function.invoke(bytes, &mut context);
    let request: Request = match serde_json::from_slice(bytes) {
        Ok(request) => request,
        Err(error) => {
            assert!(answered.is_err(), "what is no request was answered");
            return error.to_string();
        }
    };
    // Printed by the bridge, it is the same.
    let records = request.records.len();
    let batch = Batch { strings: request.records.clone(), ..Batch::default() };
    let mut body = RequestBody::begin(Vec::new(), &request.task, context.work, usize::MAX);
    assert_eq!(body.push(&batch, 0..records).unwrap(), records);
    let json = body.finish();
    let again: Request = serde_json::from_slice(&json).expect("a request that was printed");
    assert_eq!((&again.task, &again.records), (&request.task, &request.records));
    match answered {
        Ok(json) => {
            let answer: Answer<Strings> = serde_json::from_slice(&json).expect("an answer");
            let slots = answer.check(&request.task, records, answer.results.len());
            slots.expect("a function's answer is believed");
            "answered".to_owned()
        }
        Err(error) => error.error_type,
    }
}

/// An answer to a text task, to requests of several sizes.
fn answer(bytes: &[u8]) -> String {
    let answer: Answer<Strings> = match serde_json::from_slice(bytes) {
        Ok(answer) => answer,
        Err(error) => return error.to_string(),
    };
    let outcome = checked(&answer, answer.results.len());
    let errors: Vec<(u32, &str)> =
        answer.errors.iter().map(|error| (error.id, error.code.as_ref())).collect();
    let json = answer_strings(&answer.task, &answer.results, &answer.ids, &errors, answer.cold);
    let again: Answer<Strings> = serde_json::from_slice(&json).expect("an answer that was printed");
    assert!(again.results == answer.results, "the results are others");
    is_same(&answer, &again);
    outcome
}

/// An answer of typed results.
fn values(bytes: &[u8]) -> String {
    let answer: Answer<Vec<Value>> = match serde_json::from_slice(bytes) {
        Ok(answer) => answer,
        Err(error) => return error.to_string(),
    };
    let outcome = checked(&answer, answer.results.len());
    let errors: Vec<(u32, &str)> =
        answer.errors.iter().map(|error| (error.id, error.code.as_ref())).collect();
    let json =
        answer_values(&answer.task, &answer.results, &answer.ids, &errors, answer.cold, None)
            .unwrap();
    let again: Answer<Vec<Value>> = serde_json::from_slice(&json).expect("an answer");
    assert_eq!(again.results.len(), answer.results.len());
    is_same(&answer, &again);
    outcome
}

fn is_same<A>(one: &Answer<'_, A>, other: &Answer<'_, A>) {
    assert_eq!((&one.task, &one.ids, one.cold), (&other.task, &other.ids, other.cold));
    let errors = |answer: &Answer<'_, A>| -> Vec<(u32, String)> {
        answer.errors.iter().map(|error| (error.id, error.code.to_string())).collect()
    };
    assert_eq!(errors(one), errors(other));
}

/// Checks an answer as if to requests of about as many records as it has, and holds the verdict
/// against the definition.
fn checked<A>(answer: &Answer<'_, A>, results: usize) -> String {
    let named = answer.ids.len() + answer.errors.len();
    let mut outcomes = Vec::new();
    for records in [0, 1, 3, named.saturating_sub(1), named, named + 1] {
        for task in ["words", &answer.task] {
            let verdict = answer.check(task, records, results);
            holds(answer, task, records, results, &verdict);
            if task == answer.task {
                outcomes.push(verdict.map_or_else(|why| why.to_string(), |_| "believed".into()));
            }
        }
    }
    outcomes.dedup();
    outcomes.join(", ")
}

/// A verdict is right: each id stands in the results or in the errors, exactly once.
fn holds<A>(
    answer: &Answer<'_, A>,
    task: &str,
    records: usize,
    results: usize,
    verdict: &Result<Slots<'_>, Refused>,
) {
    let mut times: HashMap<u32, usize> = HashMap::new();
    for id in answer.ids.iter().copied().chain(answer.errors.iter().map(|error| error.id)) {
        *times.entry(id).or_default() += 1;
    }
    let of = |id: u32| times.get(&id).copied().unwrap_or(0);
    match verdict {
        Ok(slots) => {
            assert_eq!((answer.v, answer.task.as_ref(), results), (1, task, answer.ids.len()));
            assert!((0..records as u32).all(|id| of(id) == 1) && times.len() == records);
            let half = records / 2;
            let behind = slots.from(half);
            for id in 0..records {
                let at = answer.ids.iter().position(|one| *one as usize == id);
                assert_eq!(slots.get(id), at, "record {id}");
                assert!(id < half || behind.get(id - half) == at, "record {id} from {half} on");
            }
            if let Some(run) = slots.run(records) {
                assert!(run.eq((0..records).map(|id| slots.get(id).expect("a run has no gap"))));
            }
        }
        Err(Refused::Version(v)) => assert!(*v == answer.v && *v != 1),
        Err(Refused::Task(_)) => assert_ne!(answer.task, task),
        Err(Refused::Counts { results, ids }) => assert_ne!(results, ids),
        Err(Refused::Unknown(id)) => assert!(*id as usize >= records && of(*id) > 0),
        Err(Refused::Twice(id)) => assert!(of(*id) > 1),
        Err(Refused::Missing(id)) => assert!((*id as usize) < records && of(*id) == 0),
    }
}
