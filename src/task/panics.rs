//! Names the task and the record for which the code of a task panics.
//!
//! Only the code around a record knows both, and it can catch the panic. But a panic hook comes first, and the command's
//! hook ends the run with what it hears. So that hook passes over a panic in the code of a task ([`note_panic`]), which is
//! then raised again with the names ([`TaskPanic`]).

use std::cell::RefCell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any, resume_unwind};

/// What a panic in the code of a task carries when it is raised again.
#[derive(Clone, Debug)]
pub(crate) struct TaskPanic {
    task: String,
    record: String,
    /// What the panic says, and where it was raised.
    what: String,
}

impl fmt::Display for TaskPanic {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let TaskPanic { task, record, what } = self;
        write!(f, "the code of the stage {task} panicked for {record}: {what}")
    }
}

/// What a thread does.
enum Thread {
    /// It runs other code.
    Elsewhere,
    /// It runs the code of a task.
    InTask,
    /// That code has panicked with these words, and the hook has passed over it.
    Panicked(String),
}

thread_local! {
    static THREAD: RefCell<Thread> = const { RefCell::new(Thread::Elsewhere) };
}

/// Notes a panic if it is in the code of a task. Returns whether it is: it is then raised again as a [`TaskPanic`].
#[cfg_attr(not(feature = "cli"), allow(dead_code))]
pub(crate) fn note_panic(what: &str) -> bool {
    let noted = THREAD.try_with(|thread| {
        let mut thread = thread.borrow_mut();
        let is_in_task = matches!(*thread, Thread::InTask);
        if is_in_task {
            *thread = Thread::Panicked(what.to_owned());
        }
        is_in_task
    });
    // A thread that is about to end runs no task.
    noted.unwrap_or(false)
}

/// Runs the code of `task`. If it panics, `record` says for which record.
pub(super) fn naming<R>(
    task: &str,
    record: impl FnOnce() -> String,
    code: impl FnOnce() -> R,
) -> R {
    THREAD.set(Thread::InTask);
    // Nothing is used after a panic: it goes on.
    let result = catch_unwind(AssertUnwindSafe(code));
    match (result, THREAD.replace(Thread::Elsewhere)) {
        (Ok(result), _) => result,
        (Err(_), Thread::Panicked(what)) => {
            panic_any(TaskPanic { task: task.to_owned(), record: record(), what })
        }
        // Another hook has said all that it could.
        (Err(panic), _) => resume_unwind(panic),
    }
}
