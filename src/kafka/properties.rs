//! A file with properties of the client, named as in librdkafka.

use std::fmt;
use std::path::Path;

/// Properties of the client that the user sets, such as `security.protocol`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Properties(Vec<(String, String)>);

/// The properties that the user cannot set, because a run's guarantees depend on them.
const OURS: [&str; 14] = [
    "auto.offset.reset",
    "bootstrap.servers",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.gapless.guarantee",
    "enable.idempotence",
    "enable.partition.eof",
    "group.instance.id",
    "isolation.level",
    "metadata.broker.list",
    "offset.store.method",
    "plugin.library.paths",
    "transactional.id",
    "transaction.timeout.ms",
];

impl Properties {
    /// Reads a file of `key=value` lines. Empty lines and lines that begin with `#` are skipped.
    ///
    /// # Errors
    /// If the file cannot be read, or a line is invalid. The error never contains a value, which may be a secret.
    pub fn read(path: &Path) -> Result<Properties, String> {
        let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
        Properties::parse(&text)
    }

    fn parse(text: &str) -> Result<Properties, String> {
        let mut all = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let wrong = |why: String| format!("line {}: {why}", index + 1);
            let (key, value) =
                line.split_once('=').ok_or_else(|| wrong("expected KEY=VALUE".to_owned()))?;
            let (key, value) = (key.trim(), value.trim());
            if OURS.contains(&key) {
                return Err(wrong(format!("{key} is Floodway's own to set")));
            }
            all.push((key.to_owned(), value.to_owned()));
        }
        Ok(Properties(all))
    }

    /// Returns the properties, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (&**key, &**value))
    }

    /// Whether there is a property of this name.
    pub fn has(&self, key: &str) -> bool {
        self.iter().any(|(other, _)| other == key)
    }
}

impl fmt::Debug for Properties {
    /// Shows only the names, because values may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(|(key, _)| key)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_key_and_a_value_and_values_are_not_shown() {
        let text = "# of the cluster\n\nsecurity.protocol = SASL_SSL\nsasl.password=a=b\n";
        let properties = Properties::parse(text).unwrap();
        let all: Vec<_> = properties.iter().collect();
        assert_eq!(all, [("security.protocol", "SASL_SSL"), ("sasl.password", "a=b")]);
        assert_eq!(format!("{properties:?}"), r#"["security.protocol", "sasl.password"]"#);
        let wrong = |text| Properties::parse(text).unwrap_err();
        assert_eq!(wrong("\nsecret"), "line 2: expected KEY=VALUE");
        let ours = wrong("isolation.level=read_uncommitted");
        assert_eq!(ours, "line 1: isolation.level is Floodway's own to set");
    }
}
