//! What AWS asks of whoever calls it: which function, in which region, with whose credentials, and a
//! signature over all of that.
//!
//! - [`Function`] is a function by its name or ARN, with what is wrong with one that is none.
//! - [`Credentials`] come from the environment or the shared profile files, which are read again when
//!   they change; with the cargo feature `aws-config` from all places that AWS's own programs know. A
//!   [`Keeper`] has those of the moment.
//! - [`sign`] signs a request (Signature Version 4), by `aws-sigv4`.
//! - [`Said`] is what the service says of a request that it does not take.
//!
//! A [`Secret`] is never printed. Nothing here knows the bridge, or timely.

#[cfg(feature = "aws-config")]
mod chain;
mod credentials;
mod environment;
mod function;
mod ini;
mod keeper;
mod profile;
mod region;
mod said;
mod secret;
mod sign;
mod throttle;

pub use credentials::{Credentials, CredentialsError};
pub use environment::{Environment, EnvironmentError};
pub(crate) use function::INVOKE;
pub use function::{Function, FunctionError};
pub use keeper::{Keeper, Source};
pub use profile::{Profile, ProfileError};
pub use region::{Region, RegionError};
pub use said::{Kind, Said};
pub use secret::Secret;
pub use sign::{Payload, SignError, Unsigned, sign};
pub use throttle::Throttle;
