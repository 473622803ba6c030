//! The shared profile files, `~/.aws/credentials` and `~/.aws/config`.
//!
//! The format is that of AWS's SDKs and tools: sections of `key = value`, a profile's section being
//! `[NAME]` in the one file and `[profile NAME]` in the other (but `[default]` in both); comments are
//! lines that begin with `#` or `;`, and what follows one of them after a blank; indented lines belong
//! to the key above. Keys of the credentials file count first. What a profile says of services stands in
//! `[services NAME]` of the config file, where `services = NAME` in the profile; there the indented lines
//! are keys of a service's own.

use std::collections::BTreeMap;
use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::CredentialsError;

/// A profile as it stands in both files. It may hold secrets, and prints no values.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Profile {
    name: String,
    values: BTreeMap<String, (String, PathBuf)>,
    /// The keys of its services, by the service's name and their own.
    of_services: BTreeMap<(String, String), (String, PathBuf)>,
    is_there: bool,
    looked: Vec<PathBuf>,
}

impl Profile {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it stands in any of the files.
    pub fn is_there(&self) -> bool {
        self.is_there
    }

    /// A key's value, if it has one.
    pub fn get(&self, key: &str) -> Option<&str> {
        Some(self.values.get(key)?.0.as_str()).filter(|value| !value.is_empty())
    }

    /// The file that a key stands in.
    pub fn file_of(&self, key: &str) -> Option<&Path> {
        Some(&self.values.get(key)?.1)
    }

    /// A key's value for a service, and the file that it stands in.
    pub fn of_service(&self, service: &str, key: &str) -> Option<(&str, &Path)> {
        let (value, file) = self.of_services.get(&(service.to_owned(), key.to_owned()))?;
        Some((value.as_str(), file.as_path())).filter(|(value, _)| !value.is_empty())
    }

    /// Where it was looked for, in words.
    pub fn looked(&self) -> String {
        if self.looked.is_empty() {
            return "no file, as HOME is not set".to_owned();
        }
        let files: Vec<String> =
            self.looked.iter().map(|file| file.display().to_string()).collect();
        files.join(" and ")
    }
}

impl fmt::Debug for Profile {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let keys: Vec<&String> = self.values.keys().collect();
        f.debug_struct("Profile").field("name", &self.name).field("keys", &keys).finish()
    }
}

/// Reads the profile `name` from the files that are there.
pub(super) fn read(
    name: &str,
    credentials: Option<PathBuf>,
    config: Option<PathBuf>,
) -> Result<Profile, CredentialsError> {
    let mut profile = Profile { name: name.to_owned(), ..Profile::default() };
    for (file, is_config) in [(credentials, false), (config, true)] {
        let Some(file) = file else { continue };
        let text = match std::fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                profile.looked.push(file);
                continue;
            }
            Err(source) => return Err(CredentialsError::Unreadable { file, source }),
        };
        let title = if is_config { Title::Profile(name) } else { Title::Plain(name) };
        if let Some(section) = section(&text, title) {
            profile.is_there = true;
            for (key, value) in section.values {
                profile.values.entry(key).or_insert_with(|| (value, file.clone()));
            }
        }
        let services = profile.get("services").filter(|_| is_config);
        if let Some(section) = services.and_then(|name| section(&text, Title::Services(name))) {
            let keys = section.below.into_iter();
            profile.of_services = keys.map(|(key, value)| (key, (value, file.clone()))).collect();
        }
        profile.looked.push(file);
    }
    Ok(profile)
}

/// What a section is called.
#[derive(Clone, Copy)]
enum Title<'a> {
    /// `[NAME]`: a profile in the credentials file.
    Plain(&'a str),
    /// `[profile NAME]`, or `[default]`: one in the config file.
    Profile(&'a str),
    /// `[services NAME]`, in the config file.
    Services(&'a str),
}

impl Title<'_> {
    fn is(self, words: &[&str]) -> bool {
        let unquoted = |of: &str| of.trim_matches('"').to_owned();
        match (self, words) {
            (Title::Plain(name), [of]) => *of == name,
            (Title::Profile(name), [of]) => *of == name && name == "default",
            (Title::Profile(name), ["profile", of]) => unquoted(of) == name,
            (Title::Services(name), ["services", of]) => unquoted(of) == name,
            _ => false,
        }
    }
}

/// What stands in a section.
#[derive(Default)]
struct Section {
    values: BTreeMap<String, String>,
    /// What stands indented below a key that has no value, by that key and its own.
    below: BTreeMap<(String, String), String>,
}

/// A section of the text of a file, if it is there. A later value of a key replaces an earlier one.
fn section(text: &str, title: Title<'_>) -> Option<Section> {
    let mut found: Option<Section> = None;
    let (mut is_inside, mut outer) = (false, None);
    for line in text.trim_start_matches('\u{feff}').lines() {
        let is_indented = line.starts_with([' ', '\t']);
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').filter(|_| !is_indented) {
            let name = name.split(']').next().unwrap_or_default();
            is_inside = title.is(&name.split_whitespace().collect::<Vec<_>>());
            outer = None;
            if is_inside {
                found.get_or_insert_default();
            }
        } else if let (true, Some(section)) = (is_inside, &mut found)
            && let Some((key, value)) = line.split_once('=')
        {
            let (key, value) = (key.trim().to_ascii_lowercase(), without_comment(value).to_owned());
            if !is_indented {
                outer = Some(key.clone()).filter(|_| value.is_empty());
                section.values.insert(key, value);
            } else if let Some(outer) = &outer {
                section.below.insert((outer.clone(), key), value);
            }
        }
    }
    found
}

/// A value without what follows ` #` or ` ;`.
fn without_comment(value: &str) -> &str {
    let bytes = value.as_bytes();
    let begins = (1..bytes.len())
        .find(|&at| matches!(bytes[at], b'#' | b';') && matches!(bytes[at - 1], b' ' | b'\t'));
    value[..begins.unwrap_or(value.len())].trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CREDENTIALS: &str = "\u{feff}# mine\n[default]\naws_access_key_id=AKIDDEFAULT\n\
        aws_secret_access_key = a/b+c=  ; a comment\n\n[ dev ]\r\naws_access_key_id = AKIDDEV\r\n\
        s3 =\n  aws_access_key_id = not this one\n[default]\nregion = eu-west-1 # late\n";
    const CONFIG: &str = "[default]\nregion = us-east-1\n[profile dev]\nrole_arn = arn:aws:iam::1:role/r\n\
        [profile \"quoted\"]\nregion=eu-north-1\n[other]\nregion = no\n[sso-session dev]\nregion = no\n\
        [services mine]\ns3 =\n  # one\n  endpoint_url = http://s3/\nlambda =\n\tendpoint_url=http://lambda/ ; x\n\
        sts = no\n  endpoint_url = http://sts/\n[services other]\nlambda =\n  endpoint_url = http://no/\n\
        [profile served]\nservices = mine\n  endpoint_url = http://no/\n";

    #[test]
    fn a_profile_is_what_both_files_have_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let [credentials, config] = ["credentials", "config"].map(|name| folder.path().join(name));
        std::fs::write(&credentials, CREDENTIALS).unwrap();
        std::fs::write(&config, CONFIG).unwrap();
        let read = |name| read(name, Some(credentials.clone()), Some(config.clone())).unwrap();
        let default = read("default");
        assert_eq!(default.get("aws_access_key_id"), Some("AKIDDEFAULT"));
        assert_eq!(default.get("aws_secret_access_key"), Some("a/b+c="));
        assert_eq!(default.get("region"), Some("eu-west-1"), "the credentials file counts first");
        let dev = read("dev");
        assert_eq!(dev.get("aws_access_key_id"), Some("AKIDDEV"));
        assert_eq!(dev.file_of("role_arn"), Some(&*config));
        assert_eq!(dev.get("region"), None);
        assert_eq!(read("quoted").get("region"), Some("eu-north-1"));
        assert!(!read("other").is_there(), "a profile of the config file is called one");
        assert!(!format!("{default:?}").contains("a/b"), "it prints no values");
        assert_eq!(default.of_service("lambda", "endpoint_url"), None);
        let served = read("served");
        assert_eq!(served.get("endpoint_url"), None, "that is a service's");
        let service = |name| served.of_service(name, "endpoint_url").map(|(value, _)| value);
        assert_eq!(service("lambda"), Some("http://lambda/"));
        assert_eq!(service("s3"), Some("http://s3/"));
        assert_eq!((service("sts"), service("dynamodb")), (None, None), "no value, and no key");
    }
}
