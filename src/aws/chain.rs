//! AWS's own chain of credentials, by `aws-config`: SSO, processes, assumed roles, web identities, the
//! metadata of containers and instances.

use aws_config::BehaviorVersion;
use aws_credential_types::provider::ProvideCredentials as _;

use super::{Credentials, CredentialsError, Environment, Secret};

/// What the chain has to give. It reads the process's own environment; `without` is what was found without
/// it, and is said if the chain has none to give either.
pub(super) async fn credentials(
    environment: &Environment,
    without: CredentialsError,
) -> Result<Credentials, CredentialsError> {
    let mut loader = aws_config::defaults(BehaviorVersion::latest());
    if let Ok(Some(region)) = environment.region() {
        loader = loader.region(aws_config::Region::new(region.to_string()));
    }
    let config = loader.load().await;
    let Some(provider) = config.credentials_provider() else { return Err(without) };
    let found = provider.provide_credentials().await.map_err(|error| {
        let mut causes = vec![error.to_string()];
        let mut cause = std::error::Error::source(&error);
        while let Some(error) = cause {
            causes.push(error.to_string());
            cause = error.source();
        }
        CredentialsError::Chain(format!("{} ({without})", causes.join(": ")))
    })?;
    Ok(Credentials {
        access_key_id: found.access_key_id().to_owned(),
        secret_access_key: Secret::new(found.secret_access_key()),
        session_token: found.session_token().map(Secret::new),
        expires: found.expiry(),
        from: format!("AWS's chain, profile {}", environment.profile_name()),
    })
}
