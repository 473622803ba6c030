//! The header `Authorization` of a signed request.

use super::{ALGORITHM, Unsigned};

/// The parsed header `Authorization`.
pub(super) struct Authorization<'a> {
    pub(super) key: &'a str,
    /// Date, region, service and `aws4_request`.
    pub(super) scope: Vec<&'a str>,
    pub(super) signed_headers: Vec<&'a str>,
    pub(super) signature: &'a str,
}

impl<'a> Authorization<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Self, Unsigned> {
        let malformed = Unsigned::Incomplete("Authorization header is malformed.");
        let rest = text.strip_prefix(ALGORITHM).ok_or(Unsigned::Missing)?;
        if !rest.is_empty() && !rest.starts_with(' ') {
            return Err(malformed);
        }
        let (mut credential, mut headers, mut signature) = (None, None, None);
        for part in rest.split(',') {
            let (part, value) = match part.trim().split_once('=') {
                Some(("Credential", value)) => (&mut credential, value),
                Some(("SignedHeaders", value)) => (&mut headers, value),
                Some(("Signature", value)) => (&mut signature, value),
                _ => return Err(malformed),
            };
            if part.replace(value).is_some() {
                return Err(malformed);
            }
        }
        let credential = credential
            .ok_or(Unsigned::Incomplete("Authorization header requires 'Credential' parameter."))?;
        let headers = headers.ok_or(Unsigned::Incomplete(
            "Authorization header requires 'SignedHeaders' parameter.",
        ))?;
        let signature = signature
            .ok_or(Unsigned::Incomplete("Authorization header requires 'Signature' parameter."))?;
        let mut scope: Vec<_> = credential.split('/').collect();
        if scope.len() != 5 || scope[4] != "aws4_request" {
            return Err(Unsigned::Incomplete(
                "Credential must have exactly 5 slash-delimited elements, e.g. \
                 keyid/date/region/service/aws4_request",
            ));
        }
        let key = scope.remove(0);
        let signed_headers = headers.split(';').collect();
        Ok(Authorization { key, scope, signed_headers, signature })
    }

    /// Returns whether the header has the form that AWS requires: the names of headers in lower case and in
    /// order, each once, and the signature in lower-case hexadecimal.
    pub(super) fn is_canonical(&self) -> bool {
        let is_plain = |name: &&str| {
            let plain = |byte: u8| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte)
            };
            !name.is_empty() && name.bytes().all(plain)
        };
        let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        self.signed_headers.iter().all(is_plain)
            && self.signed_headers.is_sorted_by(|one, next| one < next)
            && self.signature.len() == 64
            && self.signature.bytes().all(is_hex)
            && self.scope.iter().all(|part| !part.is_empty())
    }
}
