//! A text that is never printed.

use std::fmt;
use std::sync::Arc;

/// A secret: printing it, in any form, says only that it is one. [`Secret::reveal`] is the one way to it,
/// and is easy to look for.
///
/// # Examples
/// ```
/// use floodway::aws::Secret;
///
/// let secret = Secret::new("wJalrXUtnFEMI");
/// assert_eq!(format!("{secret} {secret:?}"), "(secret) (secret)");
/// assert_eq!(secret.reveal(), "wJalrXUtnFEMI");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Keeps `text`.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Secret(text.into())
    }

    /// The text itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("(secret)")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("(secret)")
    }
}
