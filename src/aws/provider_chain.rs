//! AWS's provider chain, through `aws-config`: SSO, processes, assumed roles, web identities, and the
//! metadata of containers and instances.

use std::error::Error;

use aws_config::BehaviorVersion;
use aws_credential_types::provider::ProvideCredentials as _;
use tracing::instrument::WithSubscriber as _;
use tracing::subscriber::NoSubscriber;

use super::{Credentials, CredentialsError, Environment, Secret};

/// Returns the credentials of the provider chain, which reads the process's own environment. `without` is the
/// error of the search without the chain; it is reported if the chain finds none either.
///
/// The chain's own log is discarded, because at the level `trace` it contains requests with tokens and
/// responses with keys. The error says what went wrong.
pub(super) async fn credentials(
    environment: &Environment,
    without: CredentialsError,
) -> Result<Credentials, CredentialsError> {
    asked(environment, without).with_subscriber(NoSubscriber::default()).await
}

async fn asked(
    environment: &Environment,
    without: CredentialsError,
) -> Result<Credentials, CredentialsError> {
    let mut loader = aws_config::defaults(BehaviorVersion::latest());
    if let Ok(Some(region)) = environment.region() {
        loader = loader.region(aws_config::Region::new(region.to_string()));
    }
    if environment.profile_variable().is_some() {
        loader = loader.profile_name(environment.profile_name());
    }
    let config = loader.load().await;
    let Some(provider) = config.credentials_provider() else { return Err(without) };
    let found = provider
        .provide_credentials()
        .await
        .map_err(|error| CredentialsError::Chain(why(&error, &without)))?;
    Ok(Credentials {
        access_key_id: found.access_key_id().to_owned(),
        secret_access_key: Secret::new(found.secret_access_key()),
        session_token: found.session_token().map(Secret::new),
        expires: found.expiry(),
        from: format!("AWS's chain, profile {}", environment.profile_name()),
    })
}

/// Returns each cause once, where the search took place, and what may help.
fn why(error: &dyn Error, without: &CredentialsError) -> String {
    /// Errors that say nothing beyond their cause.
    const EMPTY: [&str; 3] =
        ["an error occurred while loading credentials", "unhandled error", "service error"];
    let mut causes: Vec<String> = Vec::new();
    let mut cause = Some(error);
    while let Some(error) = cause {
        // The standard error of a process may have several lines.
        let text = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        cause = error.source();
        let is_empty = EMPTY.contains(&text.as_str()) && cause.is_some();
        // Some errors repeat their cause.
        if !is_empty && !causes.iter().any(|before| before.contains(&text)) {
            causes.push(text);
        }
    }
    let causes = causes.join(": ");
    match without {
        CredentialsError::NeedsChain { profile, key, file } => {
            let help = match *key {
                "sso_session" | "sso_start_url" => ": `aws sso login` gets a new token",
                _ => "",
            };
            format!("{causes} (the profile {profile} has {key} in {file}){help}")
        }
        without => format!("{causes} ({without})"),
    }
}
