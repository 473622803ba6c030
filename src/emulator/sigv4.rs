//! Checks signatures of requests: AWS's Signature Version 4, written from its specification, with the
//! signature in the header `Authorization`.
//!
//! The check covers what AWS checks: the key, the token, their expiration, the clock, the list of signed
//! headers, and the signature of method, path, query, headers and body. Any region is accepted.

mod authorization;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit as _, Mac as _};
use hyper::http::request::Parts;
use sha2::{Digest as _, Sha256};

use self::authorization::Authorization;
use super::date::Date;

/// The keys with which requests have to be signed.
#[derive(Clone)]
pub struct Keys {
    /// Id of the access key.
    pub access_key_id: String,
    /// The secret key.
    pub secret_access_key: String,
    /// Session token of a temporary key.
    pub session_token: Option<String>,
    /// When the keys expire. Requests that are signed with expired keys are refused.
    pub expires: Option<SystemTime>,
}

impl std::fmt::Debug for Keys {
    /// Prints no secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.debug_struct("Keys").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

/// Why a request is refused.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unsigned {
    Missing,
    Incomplete(&'static str),
    UnknownKey,
    Expired,
    Signature(String),
}

/// Largest difference between the two clocks.
const SKEW: Duration = Duration::from_secs(5 * 60);

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const SERVICE: &str = "lambda";

/// Returns the error for a wrong signature, whatever the cause is.
fn mismatch() -> Unsigned {
    let why = "The request signature we calculated does not match the signature you provided. Check your AWS \
               Secret Access Key and signing method. Consult the service documentation for details.";
    Unsigned::Signature(why.to_owned())
}

/// What a request's head says about its signature.
pub(super) struct Claim<'a> {
    keys: &'a Keys,
    head: &'a Parts,
    authorization: Authorization<'a>,
    date: &'a str,
}

impl Keys {
    /// Checks everything that can be checked before the body is read: whether the request can be signed with
    /// these keys for the service `lambda` now.
    pub(super) fn claim<'a>(
        &'a self,
        head: &'a Parts,
        now: SystemTime,
    ) -> Result<Claim<'a>, Unsigned> {
        if is_presigned(head.uri.query().unwrap_or_default()) {
            let why = "A presigned request is not accepted: sign it in its 'Authorization' header.";
            return Err(Unsigned::Incomplete(why));
        }
        let header = |name: &str| one(head, name);
        let authorization = header("authorization")?.ok_or(Unsigned::Missing)?;
        let authorization = Authorization::parse(authorization)?;
        let date = header("x-amz-date")?.ok_or(Unsigned::Incomplete(
            "Authorization header requires existence of a 'X-Amz-Date' header.",
        ))?;
        header("host")?;
        let signed = |name: &str| authorization.signed_headers.contains(&name);
        if !signed("host") {
            let why = "'Host' must be a 'SignedHeader' in the AWS Authorization.";
            return Err(Unsigned::Signature(why.to_owned()));
        }
        if !signed("x-amz-date") {
            let why = "'X-Amz-Date' must be a 'SignedHeader' in the AWS Authorization.";
            return Err(Unsigned::Signature(why.to_owned()));
        }
        if authorization.key != self.access_key_id
            || header("x-amz-security-token")? != self.session_token.as_deref()
        {
            return Err(Unsigned::UnknownKey);
        }
        if self.expires.is_some_and(|end| end <= now) {
            return Err(Unsigned::Expired);
        }
        if authorization.scope[2] != SERVICE {
            let why = format!("Credential should be scoped to correct service: '{SERVICE}'.");
            return Err(Unsigned::Signature(why));
        }
        if date.get(..8) != Some(authorization.scope[0]) {
            let why =
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date";
            return Err(Unsigned::Signature(why.to_owned()));
        }
        in_time(date, now)?;
        if !authorization.is_canonical() {
            return Err(mismatch());
        }
        Ok(Claim { keys: self, head, authorization, date })
    }
}

impl Claim<'_> {
    /// Checks the signature of the request with this body.
    pub(super) fn check(&self, body: &[u8]) -> Result<(), Unsigned> {
        let Claim { keys, head, authorization, date } = self;
        let request = Signed {
            method: head.method.as_str(),
            path: head.uri.path(),
            query: head.uri.query().unwrap_or_default(),
            headers: head
                .headers
                .iter()
                .map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value.as_bytes())))
                .collect(),
            body,
        };
        let canonical = request.canonical(&authorization.signed_headers, Path::Normalized);
        let to_sign = string_to_sign(date, &authorization.scope, &canonical);
        let mac = sign(&keys.secret_access_key, &authorization.scope, &to_sign);
        // The comparison takes constant time.
        let given = decode_hex(authorization.signature).unwrap_or_default();
        mac.verify_slice(&given).map_err(|_| mismatch())
    }
}

/// Returns the value of a header that must occur once at most: of two, one could be signed and the other one
/// used.
fn one<'a>(head: &'a Parts, name: &str) -> Result<Option<&'a str>, Unsigned> {
    let mut values = head.headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    match (value.to_str(), values.next()) {
        (Ok(value), None) => Ok(Some(value)),
        _ => Err(Unsigned::Incomplete("A header that says who signed is there more than once.")),
    }
}

/// Returns whether the signature is in the query.
fn is_presigned(query: &str) -> bool {
    const NAMES: [&str; 3] = ["x-amz-algorithm", "x-amz-credential", "x-amz-signature"];
    let mut names =
        query.split('&').map(|parameter| parameter.split('=').next().unwrap_or_default());
    names.any(|name| NAMES.iter().any(|of| decode(name).eq_ignore_ascii_case(of.as_bytes())))
}

fn in_time(date: &str, now: SystemTime) -> Result<(), Unsigned> {
    let signed = Date::of_basic(date)
        .ok_or(Unsigned::Incomplete("Date must be in ISO-8601 'basic format'."))?;
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let apart = now as i64 - signed.unix();
    if apart.unsigned_abs() <= SKEW.as_secs() {
        return Ok(());
    }
    let (now, what, than) = (Date::of_unix(now).basic(), "Signature", "5 min.");
    Err(Unsigned::Signature(if apart > 0 {
        format!("{what} expired: {date} is now earlier than {now} less {than}")
    } else {
        format!("{what} not yet current: {date} is still later than {now} and {than}")
    }))
}

/// Whether dots and double slashes in a path are resolved, as all services except S3 do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Path {
    Normalized,
    #[cfg(test)]
    AsItIs,
}

/// The signed parts of a request.
struct Signed<'a> {
    method: &'a str,
    path: &'a str,
    query: &'a str,
    headers: Vec<(&'a str, std::borrow::Cow<'a, str>)>,
    body: &'a [u8],
}

impl Signed<'_> {
    /// Returns the canonical request.
    fn canonical(&self, signed_headers: &[&str], path: Path) -> String {
        let mut canonical = format!("{}\n", self.method);
        // The path is encoded once more: an ARN's colon, sent as %3A, becomes %253A.
        let path = match path {
            Path::Normalized => normalized(self.path),
            #[cfg(test)]
            Path::AsItIs => self.path.to_owned(),
        };
        encode(&mut canonical, path.as_bytes(), b"/");
        canonical.push('\n');
        canonical.push_str(&canonical_query(self.query));
        canonical.push('\n');
        for name in signed_headers {
            let values = self.headers.iter().filter(|(of, _)| of.eq_ignore_ascii_case(name));
            let values: Vec<_> = values.map(|(_, value)| trimmed(value)).collect();
            canonical.push_str(&format!("{name}:{}\n", values.join(",")));
        }
        let hash = hex(&Sha256::digest(self.body));
        canonical + "\n" + &signed_headers.join(";") + "\n" + &hash
    }
}

fn string_to_sign(date: &str, scope: &[&str], canonical: &str) -> String {
    let hash = hex(&Sha256::digest(canonical));
    format!("{ALGORITHM}\n{date}\n{}\n{hash}", scope.join("/"))
}

/// Computes the signature for comparison. The key is derived from each part of the scope in turn.
fn sign(secret: &str, scope: &[&str], to_sign: &str) -> Hmac<Sha256> {
    let mut mac = keyed(format!("AWS4{secret}").as_bytes());
    for part in scope {
        mac.update(part.as_bytes());
        mac = keyed(&mac.finalize().into_bytes());
    }
    mac.update(to_sign.as_bytes());
    mac
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

/// Removes spaces at both ends, and repeated spaces in between.
fn trimmed(value: &str) -> String {
    value.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

fn normalized(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                kept.pop();
            }
            segment => kept.push(segment),
        }
    }
    let end = if kept.is_empty() || !path.ends_with('/') { "" } else { "/" };
    format!("/{}{end}", kept.join("/"))
}

/// Returns the parameters in order, each encoded in the canonical form.
fn canonical_query(query: &str) -> String {
    let mut parameters: Vec<(String, String)> = query
        .split('&')
        .filter(|parameter| !parameter.is_empty())
        .map(|parameter| {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let encoded = |text: &str| {
                let mut encoded = String::new();
                encode(&mut encoded, &decode(text), b"");
                encoded
            };
            (encoded(name), encoded(value))
        })
        .collect();
    parameters.sort();
    let parameters: Vec<_> =
        parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
    parameters.join("&")
}

/// Percent-encodes all bytes except RFC 3986's unreserved ones and `kept`.
fn encode(out: &mut String, bytes: &[u8], kept: &[u8]) {
    for byte in bytes {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(*byte));
            }
            byte if kept.contains(byte) => out.push(char::from(*byte)),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
}

/// Decodes a percent-encoded text.
pub(super) fn decode(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let pair = text.get(at + 1..at + 3).filter(|_| bytes[at] == b'%').and_then(decode_hex);
        match pair {
            Some(byte) => {
                decoded.extend(byte);
                at += 3;
            }
            None => {
                decoded.push(bytes[at]);
                at += 1;
            }
        }
    }
    decoded
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn decode_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|digit| digit.to_digit(16).map(|digit| digit as u8)).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    Some(digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

#[cfg(test)]
mod tests;
