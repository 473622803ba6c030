//! Why records come home.

/// Why a request was not answered, or its answer not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// 429: too many at once. It did not run.
    #[error("throttled")]
    Throttled,
    /// No answer in time. It may have run, and may be billed.
    #[error("no answer in time")]
    TimedOut,
    /// No connection, or it broke.
    #[error("the connection failed: {0}")]
    Connection(String),
    /// 500 to 599, and 502 for a function that failed.
    #[error("the service answered {0}")]
    Service(u16),
    /// Any other status that is not 200: trying again would not help.
    #[error("the service refused the request with {0}")]
    Rejected(u16),
    /// A redirect, which is not followed.
    #[error("the service redirected the request, which is not followed")]
    Redirected,
    /// The function failed (`X-Amz-Function-Error`).
    #[error("the function failed: {0}")]
    Function(String),
    /// The answer is not what the wire asks for.
    #[error("the answer is not to be believed: {0}")]
    Answer(String),
    /// The request or its answer is too large, even for a single record.
    #[error("the request or its answer is too large")]
    TooLarge,
    /// A record that cannot be written as JSON.
    #[error("the record cannot be written as JSON")]
    Encode,
    /// The remote side does not answer well, and nothing is sent to it for now.
    #[error("the breaker is open")]
    BreakerOpen,
    /// The budget is spent.
    #[error("the budget is spent")]
    OverBudget,
    /// The workers did its records before an answer was there.
    #[error("its records were done at home")]
    DoneAtHome,
    /// The bridge was told to bring everything home, or is gone.
    #[error("the bridge is closed")]
    Closed,
}

impl Failure {
    /// Whether another attempt may go better.
    pub fn is_worth_another_attempt(&self) -> bool {
        matches!(
            self,
            Failure::Throttled
                | Failure::TimedOut
                | Failure::Connection(_)
                | Failure::Service(_)
                | Failure::Function(_)
                | Failure::Answer(_)
        )
    }

    /// Whether it says something of the remote side, and not only of this one.
    pub(super) fn is_of_the_remote_side(&self) -> bool {
        !matches!(
            self,
            Failure::TooLarge
                | Failure::Encode
                | Failure::Closed
                | Failure::BreakerOpen
                | Failure::OverBudget
                | Failure::DoneAtHome
        )
    }

    /// What to do about it, for the log.
    pub(super) fn advice(&self) -> &'static str {
        match self {
            Failure::Throttled => "raise the function's concurrency or lower --max-in-flight",
            Failure::TimedOut => "it is slow or hangs: try a larger --timeout or a smaller --batch",
            Failure::TooLarge => "fewer records are sent at once; see the limits of the function",
            Failure::Connection(_) => "is the endpoint up and reachable? `floodway check` tries it",
            Failure::Service(_) => "the remote side is unwell; see the function's log",
            Failure::Rejected(403) => "the function URL wants a signature, or lacks a permission",
            Failure::Rejected(404) => "there is no such function: check the URL",
            Failure::Redirected => "give the URL it redirects to, if you trust it",
            Failure::Answer(_) => "does the function speak this version of the wire?",
            _ => "see the function's log",
        }
    }
}
