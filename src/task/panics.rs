//! Names the code and the record for which a user's code panics: that of a task, or of a parser of lines.
//!
//! Only the code around a record knows both, and it can catch the panic. But a panic hook comes first, and the command's
//! hook ends the run with what it hears. So that hook passes over a panic in such code ([`note_panic`]), which is
//! then raised again with the names ([`CodePanic`]).

use std::cell::RefCell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any, resume_unwind};

/// What a panic in a user's code carries when it is raised again.
#[derive(Clone, Debug)]
pub(crate) struct CodePanic {
    /// Which code it was.
    code: String,
    record: String,
    /// What the panic says, and where it was raised.
    what: String,
}

impl fmt::Display for CodePanic {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let CodePanic { code, record, what } = self;
        write!(f, "{code} panicked for {record}: {what}")
    }
}

/// What a thread does.
enum Thread {
    /// It runs other code.
    Elsewhere,
    /// It runs a user's code.
    InCode,
    /// That code has panicked with these words, and the hook has passed over it.
    Panicked(String),
}

thread_local! {
    static THREAD: RefCell<Thread> = const { RefCell::new(Thread::Elsewhere) };
}

/// Notes a panic if it is in a user's code. Returns whether it is: it is then raised again as a [`CodePanic`].
#[cfg_attr(not(feature = "cli"), allow(dead_code))]
pub(crate) fn note_panic(what: &str) -> bool {
    let noted = THREAD.try_with(|thread| {
        let mut thread = thread.borrow_mut();
        let is_in_code = matches!(*thread, Thread::InCode);
        if is_in_code {
            *thread = Thread::Panicked(what.to_owned());
        }
        is_in_code
    });
    // A thread that is about to end runs none.
    noted.unwrap_or(false)
}

/// Runs a user's code. If it panics, `named` says which code it is, and for which record.
pub(crate) fn naming<R>(named: impl FnOnce() -> (String, String), run: impl FnOnce() -> R) -> R {
    THREAD.set(Thread::InCode);
    // Nothing is used after a panic: it goes on.
    let result = catch_unwind(AssertUnwindSafe(run));
    match (result, THREAD.replace(Thread::Elsewhere)) {
        (Ok(result), _) => result,
        (Err(_), Thread::Panicked(what)) => {
            let (code, record) = named();
            panic_any(CodePanic { code, record, what })
        }
        // Another hook has said all that it could.
        (Err(panic), _) => resume_unwind(panic),
    }
}
