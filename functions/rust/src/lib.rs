//! Floodway's tasks as a function of AWS Lambda: a request in, an answer out, both of
//! [`floodway::wire`], computed by the code that a worker runs ([`floodway::task`]).
//!
//! The event is the request itself (a direct invoke) or a function URL's (payload version 2), whose
//! body is the request.

mod event;
mod function;
mod refused;

pub use function::Function;
pub use refused::Refused;
