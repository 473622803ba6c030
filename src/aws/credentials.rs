//! Credentials: access keys, and where they were found.

use std::fmt;
use std::time::{Duration, SystemTime};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::profile::Profile;
use super::{Environment, ProfileError, Secret};
use crate::units::show_duration;

/// An access key, with the session token if it is temporary. `Debug` prints no secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Id of the access key. It is not secret, but identifies its owner.
    pub access_key_id: String,
    /// The secret key.
    pub secret_access_key: Secret,
    /// Session token of a temporary key.
    pub session_token: Option<Secret>,
    /// When the key expires, if that is known.
    pub expires: Option<SystemTime>,
    /// Where the key was found, in words.
    pub from: String,
}

/// Why there are no credentials.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// No credentials were found.
    #[error(
        "no AWS credentials: looked for AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment, and \
         for the profile {profile} in {looked}"
    )]
    None {
        /// The profile's name.
        profile: String,
        /// The files that were searched.
        looked: String,
    },
    /// Only one half of a key was found.
    #[error("incomplete AWS credentials: {place} has {has} and lacks {lacks}")]
    Half {
        /// Where it was found.
        place: String,
        /// The half that was found.
        has: &'static str,
        /// The half that is missing.
        lacks: &'static str,
    },
    /// The credentials have expired.
    #[error("the AWS credentials of {place} have expired {ago} ago: get new ones")]
    Expired {
        /// Where they were found.
        place: String,
        /// How long ago.
        ago: String,
    },
    /// The expiration time is not valid.
    #[error("AWS_CREDENTIAL_EXPIRATION is {0:?}: expected a time such as 2026-01-31T12:00:00Z")]
    Time(String),
    /// The environment names a profile that does not exist.
    #[error("there is no profile {profile}, which {variable} names: looked in {looked}")]
    NoProfile {
        /// The profile's name.
        profile: String,
        /// The variable that names the profile.
        variable: &'static str,
        /// The files that were searched.
        looked: String,
    },
    /// The profile names a way to get credentials that this build does not support.
    #[error(
        "the profile {profile} has {key} in {file}, which needs AWS's own chain of credentials: build with \
         --features aws-config, or put keys into the environment (`aws configure export-credentials \
         --format env`)"
    )]
    NeedsChain {
        /// The profile's name.
        profile: String,
        /// The key of the profile that names the way.
        key: &'static str,
        /// The file with that key.
        file: String,
    },
    /// The profile names a way to get credentials that no build supports.
    #[error(
        "the profile {profile} has login_session in {file}, which is not known here: put keys into the \
         environment (`aws configure export-credentials --format env`)"
    )]
    Login {
        /// The profile's name.
        profile: String,
        /// The file with that key.
        file: String,
    },
    /// A file exists and cannot be read.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// AWS's provider chain found no credentials.
    #[error("AWS's chain of credentials found none: {0}")]
    Chain(String),
}

/// A profile's key that names a way to get credentials. `aws-config` supports it only with additional
/// cryptography of `aws login`.
const LOGIN: &str = "login_session";

/// The other keys, which this build may not support.
const HOW: [&str; 6] = [
    "role_arn",
    "sso_session",
    "sso_start_url",
    "credential_process",
    "credential_source",
    "web_identity_token_file",
];

const ID: [&str; 2] = ["AWS_ACCESS_KEY_ID", "aws_access_key_id"];
const KEY: [&str; 2] = ["AWS_SECRET_ACCESS_KEY", "aws_secret_access_key"];
const TOKEN: [&str; 2] = ["AWS_SESSION_TOKEN", "aws_session_token"];
/// The former name of the token's key. It has precedence.
const OLD_TOKEN: &str = "aws_security_token";

impl Credentials {
    /// Creates credentials that do not expire, for example for a test.
    pub fn new(access_key_id: impl Into<String>, secret: Secret, token: Option<Secret>) -> Self {
        Credentials {
            access_key_id: access_key_id.into(),
            secret_access_key: secret,
            session_token: token,
            expires: None,
            from: "the program".to_owned(),
        }
    }

    /// Returns the last four characters of the access key's id, to tell keys apart.
    pub fn last4(&self) -> String {
        let skipped = self.access_key_id.chars().count().saturating_sub(4);
        self.access_key_id.chars().skip(skipped).collect()
    }

    /// Finds the credentials in the environment's variables, or else in the profile.
    ///
    /// # Errors
    /// If there are none, only one half of a key, or expired ones. The error says where it searched.
    pub fn find(environment: &Environment, now: SystemTime) -> Result<Self, CredentialsError> {
        let found = match Self::of_variables(environment)? {
            Some(found) => found,
            None => Self::of_profile(environment)?,
        };
        found.must_last(now)
    }

    /// Returns the credentials, or an error if they have expired.
    pub(super) fn must_last(self, now: SystemTime) -> Result<Self, CredentialsError> {
        match self.expires.and_then(|end| now.duration_since(end).ok()) {
            Some(ago) => {
                let ago = show_duration(Duration::from_secs(ago.as_secs()));
                Err(CredentialsError::Expired { place: self.from, ago })
            }
            None => Ok(self),
        }
    }

    fn of_variables(environment: &Environment) -> Result<Option<Self>, CredentialsError> {
        let get = |names: [&'static str; 2]| environment.get(names[0]);
        let expires = environment.get("AWS_CREDENTIAL_EXPIRATION");
        let expires = expires.map(|text| {
            let end = OffsetDateTime::parse(text.trim(), &Rfc3339);
            end.map(SystemTime::from).map_err(|_| CredentialsError::Time(text.to_owned()))
        });
        let found = pair(get(ID), get(KEY), get(TOKEN), 0, "the environment")?;
        found.map(|found| Ok(Credentials { expires: expires.transpose()?, ..found })).transpose()
    }

    fn of_profile(environment: &Environment) -> Result<Self, CredentialsError> {
        let profile = environment.profile()?;
        let name = profile.name().to_owned();
        let needs_chain = |key: &'static str| CredentialsError::NeedsChain {
            profile: profile.name().to_owned(),
            key,
            file: profile.file_of(key).map(|file| file.display().to_string()).unwrap_or_default(),
        };
        // The profile of a role may have keys too, which are used to assume the role.
        if profile.get("role_arn").is_some() {
            return Err(needs_chain("role_arn"));
        }
        if let Some(found) = keys_of(&profile)? {
            return Ok(found);
        }
        if let Some(how) = HOW.into_iter().find(|key| profile.get(key).is_some()) {
            return Err(needs_chain(how));
        }
        if let Some(file) = profile.get(LOGIN).and(profile.file_of(LOGIN)) {
            return Err(CredentialsError::Login {
                profile: name,
                file: file.display().to_string(),
            });
        }
        let looked = profile.looked();
        if let Some(variable) = environment.profile_variable().filter(|_| !profile.is_there()) {
            return Err(CredentialsError::NoProfile { profile: name, variable, looked });
        }
        Err(CredentialsError::None { profile: name, looked })
    }
}

/// Returns the keys of a profile. Both halves must be in the same file, the first one that has an id.
fn keys_of(profile: &Profile) -> Result<Option<Credentials>, CredentialsError> {
    let Some((file, has)) = profile.file_with(ID[1]).or(profile.file_with(KEY[1])) else {
        return Ok(None);
    };
    let get = |key: &str| has.get(key).map(String::as_str).filter(|value| !value.is_empty());
    let token = [OLD_TOKEN, TOKEN[1]].into_iter().find(|key| has.contains_key(*key));
    let place = format!("the profile {} in {}", profile.name(), file.display());
    pair(get(ID[1]), get(KEY[1]), token.and_then(get), 1, &place)
}

/// Returns both halves of a key or none. `names` are the names that they have in this place.
fn pair(
    id: Option<&str>,
    key: Option<&str>,
    token: Option<&str>,
    names: usize,
    place: &str,
) -> Result<Option<Credentials>, CredentialsError> {
    let place = place.to_owned();
    match (id, key) {
        (None, None) => Ok(None),
        (Some(id), Some(key)) => Ok(Some(Credentials {
            access_key_id: id.trim().to_owned(),
            secret_access_key: Secret::new(key.trim()),
            session_token: token.map(|token| Secret::new(token.trim())),
            expires: None,
            from: place,
        })),
        (Some(_), None) => Err(CredentialsError::Half { place, has: ID[names], lacks: KEY[names] }),
        (None, Some(_)) => Err(CredentialsError::Half { place, has: KEY[names], lacks: ID[names] }),
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("access_key_id", &format_args!("…{}", self.last4()))
            .field("secret_access_key", &self.secret_access_key)
            .field("session_token", &self.session_token)
            .field("expires", &self.expires)
            .field("from", &self.from)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(variables: &[(&str, &str)]) -> Result<Credentials, String> {
        let environment = Environment::of(variables.iter().copied());
        Credentials::find(&environment, SystemTime::now()).map_err(|error| error.to_string())
    }

    const BOTH: [(&str, &str); 2] =
        [("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"), ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI")];

    #[test]
    fn the_environments_credentials_are_found_or_the_error_says_what_is_missing() {
        let found = find(&[BOTH[0], BOTH[1], ("AWS_SESSION_TOKEN", "token")]).unwrap();
        assert_eq!((found.last4().as_str(), found.from.as_str()), ("MPLE", "the environment"));
        assert_eq!(found.session_token.as_ref().map(Secret::reveal), Some("token"));
        let shown = format!("{found:?}");
        assert!(!shown.contains("wJalr") && !shown.contains("token\""), "{shown}");
        let error = find(&BOTH[..1]).unwrap_err();
        assert!(error.contains("has AWS_ACCESS_KEY_ID and lacks AWS_SECRET_ACCESS_KEY"), "{error}");
        let error = find(&BOTH[1..]).unwrap_err();
        assert!(error.contains("lacks AWS_ACCESS_KEY_ID"), "{error}");
        let ended = ("AWS_CREDENTIAL_EXPIRATION", "2020-01-01T00:00:00Z");
        assert!(find(&[BOTH[0], BOTH[1], ended]).unwrap_err().contains("have expired"));
        let none = ("AWS_CREDENTIAL_EXPIRATION", "tomorrow");
        assert!(find(&[BOTH[0], BOTH[1], none]).unwrap_err().contains("expected a time"));
    }

    #[test]
    fn a_profiles_credentials_are_found_or_the_error_says_where_it_searched() {
        let folder = tempfile::tempdir().unwrap();
        let aws = folder.path().join(".aws");
        std::fs::create_dir(&aws).unwrap();
        let home = ("HOME", folder.path().to_str().unwrap());
        let profile = |name| [home, ("AWS_PROFILE", name)];
        let error = find(&[home]).unwrap_err();
        assert!(error.contains("no AWS credentials") && error.contains(".aws/config"), "{error}");
        let config = "[default]\naws_access_key_id = A\naws_secret_access_key = B\n\
            [profile half]\naws_access_key_id = A\n[profile sso]\nsso_session = s\n\
            [profile role]\nrole_arn = r\naws_access_key_id = A\naws_secret_access_key = B\n\
            [profile process]\ncredential_process = /bin/true\n[profile login]\nlogin_session = x\n[profile empty]\nregion=us-east-1\n";
        std::fs::write(aws.join("config"), config).unwrap();
        assert!(find(&[home]).unwrap().from.starts_with("the profile default in "));
        for (name, part) in [
            ("half", "has aws_access_key_id and lacks aws_secret_access_key"),
            ("sso", "has sso_session in "),
            ("role", "has role_arn in "),
            ("process", "build with --features aws-config"),
            ("login", "which is not known here: put keys"),
            ("empty", "no AWS credentials"),
            ("other", "there is no profile other"),
        ] {
            let error = find(&profile(name)).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
        let error = find(&[BOTH[0], BOTH[1], home, ("AWS_PROFILE", "other")]);
        assert!(error.is_ok(), "the environment's keys have precedence");
    }
}
