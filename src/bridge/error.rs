//! Why a bridge cannot be started.

use super::SettingsError;
use crate::aws::CredentialsError;

/// A bridge that cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum BridgeError {
    /// The settings are not valid.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// There are no credentials to sign requests.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// The thread or its runtime cannot be started.
    #[error("cannot start the bridge's thread")]
    Thread(#[source] std::io::Error),
    /// The HTTP client cannot be created.
    #[error("cannot set up HTTPS")]
    Client(#[source] reqwest::Error),
}
