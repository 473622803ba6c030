//! The environment variables that say how AWS is called.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use super::profile::{Profile, read};
use super::{CredentialsError, Region, RegionError};

/// The variables that matter here, as they are when it is made. It holds secrets, and prints none.
#[derive(Clone, PartialEq, Eq)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// Those of this process.
    pub fn of_process() -> Self {
        let all = std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        Environment(all.filter(|(name, _)| name.starts_with("AWS_") || name == "HOME").collect())
    }

    /// These, for tests.
    pub fn of<'a>(variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        Environment(variables.into_iter().map(owned).collect())
    }

    /// A variable that is set, and not to nothing.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.trim().is_empty())
    }

    /// The first of them that is set.
    fn first(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| self.get(name))
    }

    /// The profile that is chosen by `AWS_PROFILE`.
    pub fn profile_name(&self) -> &str {
        self.get("AWS_PROFILE").unwrap_or("default")
    }

    /// The file of credentials, whether there is one or not.
    pub fn credentials_file(&self) -> Option<PathBuf> {
        self.file("AWS_SHARED_CREDENTIALS_FILE", "credentials")
    }

    /// The file of settings, whether there is one or not.
    pub fn config_file(&self) -> Option<PathBuf> {
        self.file("AWS_CONFIG_FILE", "config")
    }

    fn file(&self, variable: &str, name: &str) -> Option<PathBuf> {
        let home = self.get("HOME").map(PathBuf::from);
        match self.get(variable) {
            Some(given) => match given.strip_prefix("~/") {
                Some(below) => Some(home?.join(below)),
                None => Some(PathBuf::from(given)),
            },
            None => Some(home?.join(".aws").join(name)),
        }
    }

    /// The profile that is chosen, from both files.
    ///
    /// # Errors
    /// A file that is there and cannot be read.
    pub fn profile(&self) -> Result<Profile, CredentialsError> {
        read(self.profile_name(), self.credentials_file(), self.config_file())
    }

    /// The profile that `AWS_PROFILE` names, if no file has it.
    pub fn missing_profile(&self) -> Option<Profile> {
        self.get("AWS_PROFILE")?;
        self.profile().ok().filter(|profile| !profile.is_there())
    }

    /// The region: `AWS_REGION`, `AWS_DEFAULT_REGION`, or the profile's.
    ///
    /// # Errors
    /// A name that is none. Files that cannot be read have none.
    pub fn region(&self) -> Result<Option<Region>, RegionError> {
        if let Some(region) = self.first(&["AWS_REGION", "AWS_DEFAULT_REGION"]) {
            return region.parse().map(Some);
        }
        let profile = self.profile().ok();
        profile.as_ref().and_then(|profile| profile.get("region")).map(str::parse).transpose()
    }

    /// Where the Lambda service is, if it is not at its usual place, and what says so: `AWS_ENDPOINT_URL_LAMBDA`,
    /// `AWS_ENDPOINT_URL`, `endpoint_url` of `lambda` in the profile's `services`, or the profile's own. None
    /// counts if `AWS_IGNORE_CONFIGURED_ENDPOINT_URLS` is `true`, or `ignore_configured_endpoint_urls` in the
    /// profile where that variable is not set.
    pub fn lambda_endpoint(&self) -> Option<(String, String)> {
        const URL: &str = "endpoint_url";
        // Files that cannot be read say nothing of it.
        let profile = self.profile().unwrap_or_default();
        let ignored = self.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS");
        let ignored = ignored.or_else(|| profile.get("ignore_configured_endpoint_urls"));
        if ignored.is_some_and(|ignored| ignored.trim().eq_ignore_ascii_case("true")) {
            return None;
        }
        for name in ["AWS_ENDPOINT_URL_LAMBDA", "AWS_ENDPOINT_URL"] {
            if let Some(url) = self.get(name) {
                return Some((url.to_owned(), name.to_owned()));
            }
        }
        let of = |what: &str, file: Option<&std::path::Path>| {
            let file = file.map(|file| format!(" in {}", file.display())).unwrap_or_default();
            format!("{URL} of {what} {}{file}", profile.name())
        };
        if let Some((url, file)) = profile.of_service("lambda", URL) {
            return Some((url.to_owned(), of("lambda in the services of the profile", Some(file))));
        }
        let url = profile.get(URL)?;
        Some((url.to_owned(), of("the profile", profile.file_of(URL))))
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
