//! The shared profile files, `~/.aws/credentials` and `~/.aws/config`.
//!
//! The format is that of AWS's SDKs and tools: sections of `key = value`, a profile's section being
//! `[NAME]` in the one file and `[profile NAME]` in the other (but `[default]` in both); comments are
//! lines that begin with `#` or `;`, and what follows one of them after a blank; indented lines belong
//! to the key above, and none that is read here has any. Keys of the credentials file count first.

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
        if let Some(values) = section(&text, name, is_config) {
            profile.is_there = true;
            for (key, value) in values {
                profile.values.entry(key).or_insert_with(|| (value, file.clone()));
            }
        }
        profile.looked.push(file);
    }
    Ok(profile)
}

/// The values of a profile in the text of a file, if it has a section there. A later value of a key
/// replaces an earlier one.
fn section(text: &str, name: &str, is_config: bool) -> Option<BTreeMap<String, String>> {
    let mut found = None;
    let mut is_inside = false;
    for line in text.trim_start_matches('\u{feff}').lines() {
        let is_indented = line.starts_with([' ', '\t']);
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) || is_indented {
            continue;
        }
        if let Some(title) = line.strip_prefix('[') {
            let title = title.split(']').next().unwrap_or_default().trim();
            let words: Vec<&str> = title.split_whitespace().collect();
            is_inside = match words[..] {
                ["profile", of] if is_config => of.trim_matches('"') == name,
                [of] => of == name && (!is_config || of == "default"),
                _ => false,
            };
            if is_inside {
                found.get_or_insert_with(BTreeMap::new);
            }
        } else if let (true, Some(values)) = (is_inside, &mut found)
            && let Some((key, value)) = line.split_once('=')
        {
            values.insert(key.trim().to_ascii_lowercase(), without_comment(value).to_owned());
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
        [profile \"quoted\"]\nregion=eu-north-1\n[other]\nregion = no\n[sso-session dev]\nregion = no\n";

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
    }
}
