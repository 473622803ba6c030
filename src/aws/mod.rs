//! What AWS asks of whoever calls it: which function, in which region, with whose credentials, and a
//! signature over all of that.
//!
//! - [`Function`] is a function by its name or ARN, with what is wrong with one that is none.
//! - [`Credentials`] come from the environment or the shared profile files, which are read again when
//!   they change; with the cargo feature `aws-config` from all places that AWS's own programs know. A
//!   [`CredentialsCache`] has those of the moment.
//! - [`sign`] signs a request (Signature Version 4), by `aws-sigv4`.
//! - [`ServiceError`] is what the service says of a request that it does not take.
//!
//! A [`Secret`] is never printed. Nothing here knows the bridge, or timely.

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
pub use service_error::{ServiceError, ServiceErrorKind};
pub use sign::{Payload, SignError, Unsigned, sign};
pub use throttle::Throttle;
