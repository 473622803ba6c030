//! The environment variables that configure AWS clients.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use super::profile::{Profile, ProfileError, read};
use super::{Region, RegionError};

/// A copy of the variables. It holds secrets, and `Debug` prints none.
#[derive(Clone, PartialEq, Eq)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// Copies the variables of this process.
    pub fn of_process() -> Self {
        let all = std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        Environment(all.collect())
    }

    /// Creates an environment of these variables, for tests.
    pub fn of<'a>(variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        Environment(variables.into_iter().map(owned).collect())
    }

    /// Returns a variable that is set and not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.trim().is_empty())
    }

    /// Returns the first of these variables that is set and not empty.
    fn first(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| self.get(name))
    }

    /// Returns the variable that names the profile, if one does, in the order of botocore.
    pub fn profile_variable(&self) -> Option<&'static str> {
        ["AWS_DEFAULT_PROFILE", "AWS_PROFILE"].into_iter().find(|name| self.get(name).is_some())
    }

    /// Returns the name of the profile.
    pub fn profile_name(&self) -> &str {
        self.profile_variable().and_then(|name| self.get(name)).unwrap_or("default")
    }

    /// Returns the path of the credentials file, which need not exist.
    pub fn credentials_file(&self) -> Option<PathBuf> {
        self.file("AWS_SHARED_CREDENTIALS_FILE", "credentials")
    }

    /// Returns the path of the config file, which need not exist.
    pub fn config_file(&self) -> Option<PathBuf> {
        self.file("AWS_CONFIG_FILE", "config")
    }

    fn file(&self, variable: &str, name: &str) -> Option<PathBuf> {
        let home = self.get("HOME").map(PathBuf::from);
        let Some(given) = self.get(variable) else { return Some(home?.join(".aws").join(name)) };
        let given = self.expanded(given);
        match given.strip_prefix("~/") {
            Some(below) => Some(home?.join(below)),
            None => Some(PathBuf::from(given)),
        }
    }

    /// Replaces variables in a path, `$NAME` or `${NAME}`, by their values. A variable that is not set stays.
    fn expanded(&self, path: &str) -> String {
        let mut parts = path.split('$');
        let mut expanded = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let is_name = |char: char| char.is_ascii_alphanumeric() || char == '_';
            let braced = part.strip_prefix('{').and_then(|part| part.split_once('}'));
            let (name, rest) = braced
                .unwrap_or(part.split_at(part.find(|char| !is_name(char)).unwrap_or(part.len())));
            match self.0.get(name) {
                Some(value) => expanded.extend([value, rest]),
                None => expanded.extend(["$", part]),
            }
        }
        expanded
    }

    /// Reads the profile from both files.
    ///
    /// # Errors
    /// If a file exists and cannot be read.
    pub fn profile(&self) -> Result<Profile, ProfileError> {
        read(self.profile_name(), self.credentials_file(), self.config_file())
    }

    /// Returns the region: `AWS_REGION`, `AWS_DEFAULT_REGION`, or the profile's.
    ///
    /// # Errors
    /// If the region's name is not valid, or if it is not in a variable and a file cannot be read.
    pub fn region(&self) -> Result<Option<Region>, EnvironmentError> {
        if let Some(region) = self.first(&["AWS_REGION", "AWS_DEFAULT_REGION"]) {
            return Ok(Some(region.parse()?));
        }
        Ok(self.profile()?.get("region").map(str::parse).transpose()?)
    }

    /// Returns the URL of the Lambda service if it is not AWS's own, and what names it:
    /// `AWS_ENDPOINT_URL_LAMBDA`, `AWS_ENDPOINT_URL`, `endpoint_url` of `lambda` in the profile's `services`,
    /// or the profile's own. All are ignored if `AWS_IGNORE_CONFIGURED_ENDPOINT_URLS` is `true`, or if that
    /// variable is not set and the profile's `ignore_configured_endpoint_urls` is.
    ///
    /// # Errors
    /// If a file is malformed. A file without permission to read is ignored, as by AWS's own programs: with
    /// all settings in variables, a home folder may not be readable.
    pub fn lambda_endpoint(&self) -> Result<Option<(String, String)>, ProfileError> {
        let profile = match self.profile() {
            Err(ProfileError::Unreadable { .. }) => Profile::default(),
            profile => profile?,
        };
        Ok(self.endpoint_of(&profile))
    }

    fn endpoint_of(&self, profile: &Profile) -> Option<(String, String)> {
        const URL: &str = "endpoint_url";
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

/// A value of the environment that is not valid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvironmentError {
    /// The region is not valid.
    #[error("AWS_REGION, AWS_DEFAULT_REGION or the profile: {0}")]
    Region(#[from] RegionError),
    /// A profile file cannot be read.
    #[error(transparent)]
    Profile(#[from] ProfileError),
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
