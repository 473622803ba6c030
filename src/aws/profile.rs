//! The shared profile files, `~/.aws/credentials` and `~/.aws/config`, as botocore reads them.
//!
//! A profile is the section `[NAME]` of the credentials file and `[profile NAME]` of the config file (but
//! `[default]` in both). Keys of the credentials file have precedence. A profile's settings for single
//! services are in the section `[services NAME]` of the config file, which the profile names by `services =
//! NAME`; the indented lines there are the keys of a service.

use std::collections::BTreeMap;
use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::ini::{self, Properties};

/// A profile file that exists and cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    /// The system cannot read the file.
    #[error("cannot read {}: {why}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// The system's reason.
        why: String,
    },
    /// The file is not a profile file.
    #[error("cannot read {}: line {line}: {why}", file.display())]
    Malformed {
        /// The file.
        file: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong in this line.
        why: String,
    },
}

/// A profile as it is in both files. It may hold secrets, and `Debug` prints no values.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Profile {
    name: String,
    /// The files in order of precedence, and what each has of the profile.
    files: Vec<(PathBuf, Option<Properties>)>,
    /// Keys of single services, by the names of the service and of the key.
    of_services: BTreeMap<(String, String), (String, PathBuf)>,
}

impl Profile {
    /// Returns the profile's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns whether any of the files has the profile.
    pub fn is_there(&self) -> bool {
        self.files.iter().any(|(_, has)| has.is_some())
    }

    /// Returns the value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        let value = self.file_with(key)?.1.get(key)?;
        Some(value.as_str()).filter(|value| !value.is_empty())
    }

    /// Returns the file with this key.
    pub fn file_of(&self, key: &str) -> Option<&Path> {
        Some(self.file_with(key)?.0)
    }

    /// Returns the first file with this key, and all of the profile's properties in it.
    pub(super) fn file_with(&self, key: &str) -> Option<(&Path, &Properties)> {
        let files = self.files.iter().filter_map(|(file, has)| Some((&**file, has.as_ref()?)));
        files.into_iter().find(|(_, has)| has.contains_key(key))
    }

    /// Returns the value of a service's key, and its file.
    pub fn of_service(&self, service: &str, key: &str) -> Option<(&str, &Path)> {
        let (value, file) = self.of_services.get(&(service.to_owned(), key.to_owned()))?;
        Some((value.as_str(), file.as_path())).filter(|(value, _)| !value.is_empty())
    }

    /// Returns the searched files, in words.
    pub fn looked(&self) -> String {
        if self.files.is_empty() {
            return "no file, as HOME is not set".to_owned();
        }
        let files: Vec<String> =
            self.files.iter().map(|(file, _)| file.display().to_string()).collect();
        files.join(" and ")
    }
}

impl fmt::Debug for Profile {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let keys = self.files.iter().flat_map(|(_, has)| has).flat_map(Properties::keys);
        let keys: Vec<&String> = keys.collect();
        f.debug_struct("Profile").field("name", &self.name).field("keys", &keys).finish()
    }
}

/// Reads the profile `name` from the files that exist.
pub(super) fn read(
    name: &str,
    credentials: Option<PathBuf>,
    config: Option<PathBuf>,
) -> Result<Profile, ProfileError> {
    let mut profile = Profile { name: name.to_owned(), ..Profile::default() };
    if let Some(file) = credentials {
        let has = Title::Plain(name).last_of(&sections(&file)?).cloned();
        profile.files.push((file, has));
    }
    if let Some(file) = config {
        let sections = sections(&file)?;
        let has = Title::Profile(name).last_of(&sections).cloned();
        profile.files.push((file.clone(), has));
        let services = profile.get("services").map(Title::Services);
        let services = services.and_then(|title| title.last_of(&sections));
        for (service, value) in services.into_iter().flatten() {
            for (key, value) in ini::nested(value).unwrap_or_default() {
                profile.of_services.insert((service.clone(), key), (value, file.clone()));
            }
        }
    }
    Ok(profile)
}

/// Returns the sections of a file: none if the file does not exist, or is a folder or a device.
fn sections(file: &Path) -> Result<Vec<(String, Properties)>, ProfileError> {
    let text = match std::fs::metadata(file) {
        Ok(metadata) if metadata.is_file() => std::fs::read(file),
        Ok(_) => Ok(Vec::new()),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(Vec::new())
        }
        Err(error) => Err(error),
    };
    let text = text.map_err(|error| ProfileError::Unreadable {
        file: file.to_owned(),
        why: error.to_string(),
    })?;
    ini::parse(&text).map_err(|ini::Wrong { line, why }| ProfileError::Malformed {
        file: file.to_owned(),
        line,
        why,
    })
}

/// Name of a section.
#[derive(Clone, Copy)]
enum Title<'a> {
    /// `[NAME]`: a profile in the credentials file.
    Plain(&'a str),
    /// `[profile NAME]` or `[default]`: a profile in the config file.
    Profile(&'a str),
    /// `[services NAME]` in the config file.
    Services(&'a str),
}

impl Title<'_> {
    /// Returns the section of this name. There are several only if their names are quoted in different ways;
    /// then the last one counts.
    fn last_of(self, sections: &[(String, Properties)]) -> Option<&Properties> {
        let found = sections.iter().rfind(|(title, _)| self.is(title));
        found.map(|(_, section)| section)
    }

    fn is(self, title: &str) -> bool {
        let has = |kind: &str, name: &str| {
            let words = title.starts_with(kind).then(|| ini::words(title)).flatten();
            words.is_some_and(|words| matches!(&words[..], [_, of] if of == name))
        };
        match self {
            Title::Plain(name) => title == name,
            Title::Profile(name) => has("profile", name) || (name == "default" && title == name),
            Title::Services(name) => has("services", name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CREDENTIALS: &str = "# mine\n[default]\naws_access_key_id=AKIDDEFAULT\n\
        aws_secret_access_key = a/b+c=  \nregion = eu-west-1\n\n[dev] ; x\r\naws_access_key_id = AKIDDEV\r\n\
        s3 =\n  aws_access_key_id = not this one\n";
    const CONFIG: &str = "[default]\nregion = us-east-1\n[profile dev]\nrole_arn = arn:aws:iam::1:role/r\n\
        [profile \"quoted\"]\nregion=eu-north-1\n[other]\nregion = no\n[sso-session dev]\nregion = no\n\
        [services mine]\ns3 =\n  # one\n  endpoint_url = http://s3/\nlambda =\n\tendpoint_url=http://lambda/\n\
        sts = no\n  endpoint_url = http://sts/\n[services other]\nlambda =\n  endpoint_url = http://no/\n\
        [profile served]\nservices = mine\ns3 =\n  endpoint_url = http://no/\n";

    #[test]
    fn a_profile_is_merged_from_both_files() {
        let folder = tempfile::tempdir().unwrap();
        let [credentials, config] = ["credentials", "config"].map(|name| folder.path().join(name));
        std::fs::write(&credentials, CREDENTIALS).unwrap();
        std::fs::write(&config, CONFIG).unwrap();
        let read = |name| read(name, Some(credentials.clone()), Some(config.clone())).unwrap();
        let default = read("default");
        assert_eq!(default.get("aws_access_key_id"), Some("AKIDDEFAULT"));
        assert_eq!(default.get("aws_secret_access_key"), Some("a/b+c="));
        assert_eq!(default.get("region"), Some("eu-west-1"), "the credentials file has precedence");
        let dev = read("dev");
        assert_eq!(dev.get("aws_access_key_id"), Some("AKIDDEV"));
        assert_eq!(dev.file_of("role_arn"), Some(&*config));
        assert_eq!(dev.get("region"), None);
        assert_eq!(read("quoted").get("region"), Some("eu-north-1"));
        assert!(
            !read("other").is_there(),
            "a section of the config file without `profile` is not a profile"
        );
        assert!(!format!("{default:?}").contains("a/b"), "no values are printed");
        assert_eq!(default.of_service("lambda", "endpoint_url"), None);
        let served = read("served");
        assert_eq!(served.get("endpoint_url"), None, "the key belongs to a service");
        let service = |name| served.of_service(name, "endpoint_url").map(|(value, _)| value);
        assert_eq!(service("lambda"), Some("http://lambda/"));
        assert_eq!(service("s3"), Some("http://s3/"));
        assert_eq!((service("sts"), service("dynamodb")), (None, None), "no value, and no key");
    }
}
