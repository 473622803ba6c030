//! What a client of AWS needs: a function's name, a region, credentials, and a signature.
//!
//! - [`Function`] is a function's name or ARN, and reports what is wrong with an invalid one.
//! - [`Credentials`] come from the environment or the shared profile files, and with the cargo feature
//!   `aws-config` from all sources that AWS's own programs use. A [`CredentialsCache`] keeps them up to date.
//! - [`sign`] signs a request (Signature Version 4) with `aws-sigv4`.
//! - [`ServiceError`] is the reason that the service gives when it refuses a request.
//!
//! A [`Secret`] is never printed. This module uses neither the bridge nor timely.

mod credentials;
mod credentials_cache;
mod environment;
mod function;
mod ini;
mod profile;
#[cfg(feature = "aws-config")]
mod provider_chain;
mod region;
mod secret;
mod service_error;
mod sign;
mod throttle;

pub use credentials::{Credentials, CredentialsError};
pub use credentials_cache::{CredentialsCache, CredentialsSource};
pub use environment::{Environment, EnvironmentError};
pub(crate) use function::INVOKE;
pub use function::{Function, FunctionError};
pub use profile::{Profile, ProfileError};
pub use region::{Region, RegionError};
pub use secret::Secret;
pub(crate) use service_error::MAX_ERROR_BODY;
pub use service_error::{ServiceError, ServiceErrorKind};
pub use sign::{Payload, SignError, Unsigned, sign};
pub use throttle::Throttle;
