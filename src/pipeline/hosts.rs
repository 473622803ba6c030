//! The addresses of a run's processes: timely's hosts file, and its default.

use std::fmt;
use std::io;
use std::path::Path;

/// The address at which a process listens for the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// `HOST:PORT`. A host of IP version 6 stands in brackets.
    pub address: String,
    /// The file and the line that the address stands in. None without a hosts file.
    pub line: Option<String>,
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address)?;
        match &self.line {
            Some(line) => write!(f, " ({line})"),
            None => Ok(()),
        }
    }
}

/// The reason why a hosts file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HostsError {
    /// The file cannot be read.
    #[error("cannot read the hosts file {file}")]
    Io {
        /// The file's path.
        file: String,
        /// The cause.
        source: io::Error,
    },
    /// A line is wrong.
    #[error("{line}: {why}")]
    Line {
        /// The file and the line.
        line: String,
        /// What is wrong with the line.
        why: String,
    },
    /// The file has too few addresses.
    #[error(
        "{file} has {there} of the {processes} addresses that -n {processes} needs, one a line"
    )]
    TooFew {
        /// The file's path.
        file: String,
        /// The number of addresses in the file.
        there: usize,
        /// The number of processes of the run.
        processes: usize,
    },
}

/// The addresses that timely has without a hosts file: ports of this machine, from 2101 on.
pub fn local_hosts(processes: usize) -> Vec<Host> {
    const FIRST: usize = 2_101;
    (0..processes)
        .map(|process| Host { address: format!("localhost:{}", FIRST + process), line: None })
        .collect()
}

/// Reads the addresses of `processes` from a file: process p listens at the address of number p. Blank lines and
/// what follows a `#` are skipped, and all lines are checked, of which there may be more than processes.
///
/// # Errors
/// If it cannot be read, a line is no address or stands there twice, or there are too few.
pub fn read_hosts(path: &Path, processes: usize) -> Result<Vec<Host>, HostsError> {
    let file = path.display().to_string();
    let bytes =
        std::fs::read(path).map_err(|source| HostsError::Io { file: file.clone(), source })?;
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let mut hosts: Vec<Host> = Vec::new();
    for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let place = format!("{file}, line {}", index + 1);
        let wrong = |why: String| HostsError::Line { line: place.clone(), why };
        let text = std::str::from_utf8(line).map_err(|_| wrong("it is not UTF-8".to_owned()))?;
        let address = text.split('#').next().unwrap_or_default().trim();
        if address.is_empty() {
            continue;
        }
        check(address).map_err(|why| wrong(format!("{address:?} {why}")))?;
        if let Some(other) = hosts.iter().find(|other| is_same(&other.address, address)) {
            let other = other.line.as_deref().unwrap_or_default();
            return Err(wrong(format!("{address} is there already ({other})")));
        }
        hosts.push(Host { address: address.to_owned(), line: Some(place) });
    }
    if hosts.len() < processes {
        return Err(HostsError::TooFew { file, there: hosts.len(), processes });
    }
    hosts.truncate(processes);
    Ok(hosts)
}

/// Whether two checked addresses are one, as far as their text says.
fn is_same(one: &str, other: &str) -> bool {
    let canonical = |address: &str| {
        let (host, port) = address.rsplit_once(':')?;
        let host = match host.to_ascii_lowercase() {
            host if host == "localhost" => "127.0.0.1".to_owned(),
            host => host,
        };
        Some((host, port.parse::<u16>().ok()?))
    };
    canonical(one) == canonical(other)
}

/// Checks that the address is `HOST:PORT`.
///
/// # Errors
/// What is wrong with it.
fn check(address: &str) -> Result<(), String> {
    const EXPECTED: &str = "expected HOST:PORT, such as 10.0.0.1:2101, node-1:2101 or [::1]:2101";
    let wrong = |what: &str| Err(format!("{what}: {EXPECTED}"));
    if address.contains(char::is_whitespace) {
        return wrong("has several words");
    }
    let Some((host, port)) = address.rsplit_once(':') else { return wrong("has no port") };
    if !port.bytes().all(|byte| byte.is_ascii_digit()) || !matches!(port.parse::<u16>(), Ok(1..)) {
        return wrong(&format!("has no port from 1 to 65535, but {port:?}"));
    }
    let is_host = match host.strip_prefix('[').map(|rest| rest.strip_suffix(']')) {
        Some(Some(inner)) => inner.parse::<std::net::Ipv6Addr>().is_ok(),
        Some(None) => false,
        None => is_name(host),
    };
    if is_host { Ok(()) } else { wrong("names no host") }
}

/// Whether the text can be the name of a host, or an address of IP version 4.
fn is_name(host: &str) -> bool {
    let is_number = host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    match is_number {
        true => host.parse::<std::net::Ipv4Addr>().is_ok(),
        false => host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8], processes: usize) -> Result<Vec<String>, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hosts");
        std::fs::write(&path, text).unwrap();
        let hosts = read_hosts(&path, processes).map_err(|error| error.to_string())?;
        Ok(hosts.into_iter().map(|host| host.address).collect())
    }

    #[test]
    fn blank_lines_and_comments_are_skipped() {
        let text = b"\xef\xbb\xbf# all\r\n\r\n a:2101 # first\r\n\t\n[::1]:2102\n10.0.0.3:1";
        assert_eq!(read(text, 2).unwrap(), ["a:2101", "[::1]:2102"]);
        assert_eq!(read(text, 3).unwrap().len(), 3);
        assert!(read(text, 4).unwrap_err().contains("3 of the 4 addresses"));
    }

    #[test]
    fn an_error_names_the_wrong_line() {
        for (line, why) in [
            ("a", "has no port"),
            ("a:", "no port from 1"),
            ("a:0", "no port from 1"),
            ("a:+80", "no port from 1"),
            ("a:65536", "no port from 1"),
            (":2101", "names no host"),
            ("::1:2101", "names no host"),
            ("[::1:2101", "names no host"),
            ("300.0.0.1:2101", "names no host"),
            ("http://a:2101", "names no host"),
            ("a:2101 b:2101", "several words"),
            ("ok:2101", "is there already"),
            ("OK:02101", "is there already"),
        ] {
            let said = read(format!("# x\nok:2101\n{line}\n").as_bytes(), 1).unwrap_err();
            assert!(said.contains("hosts, line 3: ") && said.contains(why), "{line}: {said}");
        }
        assert!(read(b"localhost:7\n127.0.0.1:7", 1).unwrap_err().contains("is there already"));
        assert!(read(b"ok:2101\nb\xff:1\n", 1).unwrap_err().contains("line 2: it is not UTF-8"));
    }
}
