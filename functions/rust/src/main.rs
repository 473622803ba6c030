//! What Lambda starts: the function behind AWS's runtime client.

use floodway_function::{Function, Refused};
use lambda_runtime::{Diagnostic, Error, LambdaEvent, service_fn};
use serde_json::value::RawValue;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let function = Function::new();
    // The event as it came: it is read once, by the function.
    lambda_runtime::run(service_fn(async |event: LambdaEvent<Box<RawValue>>| {
        let answer = function.answer(event.payload.get()).map_err(Failed)?;
        RawValue::from_string(answer).map_err(|error| Failed(error.into()))
    }))
    .await
}

/// A function error, as AWS shows it.
#[derive(Debug)]
struct Failed(Refused);

impl From<Failed> for Diagnostic {
    fn from(Failed(refused): Failed) -> Diagnostic {
        Diagnostic { error_type: refused.kind().to_owned(), error_message: refused.to_string() }
    }
}
