//! Why the records of a request are returned.

use std::borrow::Cow;

use crate::aws::{ServiceError, ServiceErrorKind, Throttle};
use crate::task::Code;
use crate::version;

/// Why a request has no valid response.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Status 429: too many requests at once. The function did not run.
    #[error("throttled{0}")]
    Throttled(Throttle),
    /// No answer within the timeout. The function may have run, and may be billed.
    #[error("no answer in time")]
    TimedOut,
    /// The connection could not be made, or it broke.
    #[error("the connection failed: {0}")]
    Connection(String),
    /// This machine has no descriptor, port or memory for another connection. Nothing was sent.
    #[error("this machine has no room for another connection: {0}")]
    NoRoom(String),
    /// The response is longer than expected, and the memory for bodies is full. It may be billed.
    #[error(
        "there is no memory for the answer: the bodies of requests and answers have {0} MiB already"
    )]
    NoMemory(usize),
    /// A status from 500 to 599, such as 502 for a function that failed.
    #[error("the service answered {0}")]
    Service(u16),
    /// Any other status than 200: a retry would not help.
    #[error("the service refused the request with {0}")]
    Rejected(u16),
    /// AWS refuses the request and gives the reason.
    #[error("the service refused the request with {0}")]
    Refused(ServiceError),
    /// AWS cannot answer now and gives the reason.
    #[error("the service answered {0}")]
    Unwell(ServiceError),
    /// The proxy wants a user and a password, or refuses those it was given.
    #[error("the proxy {0} wants a user and a password, or others than it was given (407)")]
    ProxyLogin(String),
    /// There are no credentials to sign the request.
    #[error("the request cannot be signed: {0}")]
    Credentials(String),
    /// The endpoint's certificate is not valid.
    #[error("the endpoint's certificate cannot be verified: {0}")]
    Certificate(String),
    /// The function has a version that computes something else.
    #[error("the function is of version {function}, this program needs {needs}")]
    Version {
        /// The function's version.
        function: String,
        /// The versions that would do.
        needs: String,
    },
    /// A redirect, which is not followed.
    #[error("the service redirected the request, which is not followed")]
    Redirected,
    /// The function failed (`X-Amz-Function-Error`).
    #[error("the function failed: {0}")]
    Function(String),
    /// The response is not valid.
    #[error("the answer is not valid: {0}")]
    Answer(String),
    /// The request or its response is too large, even for a single record.
    #[error("the request or its answer is too large")]
    TooLarge,
    /// The response is longer than Lambda's responses are, unless they are streamed.
    #[error(
        "the answer is longer than 6 MB, which is the most that is read of one, streamed ones included"
    )]
    AnswerTooLong,
    /// A record cannot be written as JSON.
    #[error("the record cannot be written as JSON")]
    Encode,
    /// The remote side fails, and nothing is sent to it for now.
    #[error("the breaker is open")]
    BreakerOpen,
    /// The budget is spent.
    #[error("the budget is spent")]
    OverBudget,
    /// The workers computed the records before a response arrived.
    #[error("a worker computed its records")]
    DoneLocally,
    /// The bridge was closed, or has ended.
    #[error("the bridge is closed")]
    Closed,
}

impl Failure {
    /// Returns an error if the function's version is not the one that the task needs.
    pub(crate) fn unless_compatible(
        function: Option<&str>,
        needs: Option<&str>,
    ) -> Result<(), Failure> {
        match (function, needs) {
            (Some(function), Some(needs)) if !version::are_compatible(function, needs) => {
                let (function, needs) =
                    (function.to_owned(), version::compatible_versions(needs).to_owned());
                Err(Failure::Version { function, needs })
            }
            _ => Ok(()),
        }
    }

    /// Returns [`Failure::Version`] if this is an error of a function that names another version than is needed,
    /// because the function may lack the task for this reason. Otherwise returns this failure.
    pub(crate) fn or_version(self, needs: Option<&str>) -> Failure {
        match &self {
            Failure::Refused(ServiceError {
                kind: ServiceErrorKind::Function, message, ..
            }) => {
                let function = version::in_error(message);
                Failure::unless_compatible(function, needs).err().unwrap_or(self)
            }
            _ => self,
        }
    }

    /// Returns whether a retry may succeed.
    pub fn is_retryable(&self) -> bool {
        match self {
            Failure::Throttled(_)
            | Failure::NoRoom(_)
            | Failure::NoMemory(_)
            | Failure::TimedOut
            | Failure::Connection(_)
            | Failure::Service(_)
            | Failure::Unwell(_)
            | Failure::Function(_)
            | Failure::Answer(_) => true,
            Failure::Refused(service_error) => service_error.is_transient(),
            _ => false,
        }
    }

    /// Returns whether too many requests were in flight, for the service or for this machine. Fewer are then
    /// sent.
    pub(crate) fn is_limit(&self) -> bool {
        matches!(self, Failure::Throttled(_) | Failure::NoRoom(_) | Failure::NoMemory(_))
    }

    /// Returns whether a request may wait for room without counting as an attempt: it met a limit before the
    /// function ran.
    pub(super) fn may_wait_for_room(&self) -> bool {
        matches!(self, Failure::Throttled(_) | Failure::NoRoom(_))
    }

    /// Returns whether a request with fewer records may succeed.
    pub(crate) fn is_size(&self) -> bool {
        matches!(self, Failure::TooLarge | Failure::AnswerTooLong)
    }

    /// Returns whether any other request would fail too, until somebody changes the setup.
    pub fn is_refusal(&self) -> bool {
        match self {
            Failure::Rejected(_)
            | Failure::ProxyLogin(_)
            | Failure::Credentials(_)
            | Failure::Certificate(_)
            | Failure::Version { .. }
            | Failure::Redirected => true,
            Failure::Refused(service_error) => !service_error.is_transient(),
            _ => false,
        }
    }

    /// Returns whether the failure says something about the health of the remote side. A limit of this machine
    /// does not, nor does the size of a request.
    pub(crate) fn is_remote(&self) -> bool {
        !matches!(
            self,
            Failure::NoRoom(_)
                | Failure::NoMemory(_)
                | Failure::TooLarge
                | Failure::AnswerTooLong
                | Failure::Encode
                | Failure::Closed
                | Failure::BreakerOpen
                | Failure::OverBudget
                | Failure::DoneLocally
        )
    }

    /// Returns the code of a bad record that no worker can compute and whose requests failed in this way.
    pub fn code(&self) -> Code {
        Code(match self {
            Failure::Service(status) | Failure::Rejected(status) => {
                Cow::Owned(format!("status_{status}"))
            }
            Failure::TimedOut => Cow::Borrowed("timed_out"),
            Failure::Connection(_) => Cow::Borrowed("connection_failed"),
            Failure::Function(_) => Cow::Borrowed("function_failed"),
            Failure::Answer(_) | Failure::Version { .. } => Cow::Borrowed("invalid_answer"),
            Failure::TooLarge => Cow::Borrowed("too_large"),
            Failure::AnswerTooLong => Cow::Borrowed("answer_too_long"),
            Failure::Encode => Cow::Borrowed("not_json"),
            Failure::Throttled(_)
            | Failure::NoRoom(_)
            | Failure::NoMemory(_)
            | Failure::Refused(_)
            | Failure::Unwell(_)
            | Failure::ProxyLogin(_)
            | Failure::Credentials(_)
            | Failure::Certificate(_)
            | Failure::Redirected
            | Failure::BreakerOpen
            | Failure::OverBudget
            | Failure::DoneLocally
            | Failure::Closed => Cow::Borrowed("request_failed"),
        })
    }

    /// Returns what to do about the failure.
    pub fn advice(&self) -> Cow<'static, str> {
        let advice = match self {
            Failure::Throttled(throttle) => throttle.advice(),
            Failure::NoRoom(_) => {
                "fewer requests are sent at once; raise the limit on open files (ulimit -n), or lower --max-in-flight"
            }
            Failure::NoMemory(_) => {
                "fewer requests are sent at once; answers are long: lower --batch or --max-in-flight if it goes on"
            }
            Failure::TimedOut => {
                "it is slower than before, or hangs; see its log, and try a smaller --batch"
            }
            Failure::AnswerTooLong => {
                "fewer records are sent at once, and one whose own result is that long is computed locally; a smaller \
                 --batch saves the requests that find that out"
            }
            Failure::TooLarge => "fewer records are sent at once; see the limits of the function",
            Failure::Connection(_) => {
                "is the endpoint up and reachable? the command `check` tries it"
            }
            Failure::Certificate(_) => {
                "if you trust it, name a file with its authority's certificate in SSL_CERT_FILE"
            }
            Failure::Service(_) => {
                "the remote side fails; see the function's log, or use --log-functions of a \
                local one"
            }
            Failure::Rejected(401 | 403) => {
                "it wants requests that are signed (--auth iam), or a key in the URL"
            }
            Failure::ProxyLogin(_) => {
                "write them into that variable: http://USER:PASSWORD@HOST:PORT"
            }
            Failure::Rejected(404) => "there is no such function: check the URL",
            Failure::Refused(service_error) | Failure::Unwell(service_error) => {
                return advice_for(service_error);
            }
            Failure::Credentials(_) => "the command `check` says where they are looked for",
            Failure::Version { needs, .. } if version::is_of_program(needs) => {
                "deploy this build of the program: its command `package` makes the zip, and a function has the defaults of \
                 the program's own options"
            }
            Failure::Version { .. } => "deploy the functions/ of this release",
            Failure::Redirected => "give the URL it redirects to, if you trust it",
            Failure::Answer(_) => "does the function speak this version of the wire?",
            _ => "see the function's log",
        };
        Cow::Borrowed(advice)
    }
}

/// Returns what to do about an error of AWS.
fn advice_for(service_error: &ServiceError) -> Cow<'static, str> {
    let advice = match &service_error.kind {
        ServiceErrorKind::Signature => {
            "the secret is not that of the access key: set AWS_SECRET_ACCESS_KEY, or the profile's, anew"
        }
        ServiceErrorKind::Clock => "this machine's clock is wrong by minutes: set it",
        ServiceErrorKind::UnknownKey => {
            "AWS knows no such access key, or it goes with another session token: get the keys anew"
        }
        ServiceErrorKind::Expired => "the credentials have expired: get new ones",
        ServiceErrorKind::Unsigned => {
            "it wants requests that are signed: --auth iam; or, if it is a function URL of the auth type NONE, a \
             policy of the function that lets anybody call it"
        }
        ServiceErrorKind::Denied(Some(action)) => {
            return Cow::Owned(format!(
                "whoever the access key belongs to needs a policy that allows {action} on this function: \
                 docs/aws.md has one"
            ));
        }
        ServiceErrorKind::Denied(None) => {
            "either the secret is not that of the access key, or this machine's clock is wrong by minutes, or whoever \
             the key belongs to needs a policy that allows lambda:InvokeFunctionUrl and lambda:InvokeFunction on the \
             function: docs/aws.md has one"
        }
        ServiceErrorKind::UnknownFunction => {
            "there is no such function in this account and region: check its name, qualifier and --region"
        }
        ServiceErrorKind::NotReady => "the function is being updated: it will be ready",
        ServiceErrorKind::Function => "that is what the function itself says",
        ServiceErrorKind::Setup => {
            "the service cannot use a key, a network or a file system of the function: see its \
            configuration"
        }
        ServiceErrorKind::Request => "is it a function of Floodway's? the command `check` tries it",
        ServiceErrorKind::Other => "see the function's log",
    };
    Cow::Borrowed(advice)
}
