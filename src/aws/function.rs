//! A function's name or ARN.

use std::fmt;
use std::str::FromStr;

use super::Region;

/// A function as the Invoke API takes it: a name, an ARN or a partial ARN, each with an optional version or
/// alias.
///
/// # Examples
/// ```
/// use floodway::aws::Function;
///
/// let arn = "arn:aws:lambda:eu-north-1:123456789012:function:words:live";
/// let function: Function = arn.parse()?;
/// assert_eq!((function.name(), function.qualifier()), ("words", Some("live")));
/// assert_eq!(function.region().map(|region| region.as_str()), Some("eu-north-1"));
/// assert_eq!("words".parse::<Function>()?.region(), None);
///
/// let error = "arn:aws:lambda:eu-north-1:1234:function:words".parse::<Function>().unwrap_err();
/// assert!(error.to_string().contains("account"));
/// # Ok::<(), floodway::aws::FunctionError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    given: String,
    name: String,
    qualifier: Option<String>,
    region: Option<Region>,
}

/// A text that is not a function, with the wrong field and what is expected there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {field} is {value:?}: {expected}")]
pub struct FunctionError {
    /// The wrong field of the ARN or the name.
    pub field: &'static str,
    /// The given value.
    pub value: String,
    /// The expected value.
    pub expected: String,
}

/// Prefix of the paths of the Invoke API.
pub(crate) const INVOKE: &str = "/2015-03-31/";

/// The form of an ARN.
const ARN: &str = "arn:PARTITION:lambda:REGION:ACCOUNT:function:NAME or …:NAME:QUALIFIER";

fn wrong(field: &'static str, value: &str, expected: impl Into<String>) -> FunctionError {
    let value = value.chars().take(140).collect();
    FunctionError { field, value, expected: expected.into() }
}

impl Function {
    /// Returns the name without the ARN's other fields.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the version or the alias.
    pub fn qualifier(&self) -> Option<&str> {
        self.qualifier.as_deref()
    }

    /// Returns the region, if the ARN names it.
    pub fn region(&self) -> Option<&Region> {
        self.region.as_ref()
    }

    /// Returns the path of the Invoke API. Special characters, `:` included, are percent-encoded once.
    pub fn path(&self) -> String {
        let mut path = format!("{INVOKE}functions/");
        for byte in self.given.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => path.push(byte.into()),
                // `parse` accepts no other special characters.
                b':' => path.push_str("%3A"),
                _ => path.push_str("%24"),
            }
        }
        path.push_str("/invocations");
        path
    }

    fn check_name(name: &str) -> Result<(), FunctionError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if name.is_empty() || name.len() > 64 || !name.bytes().all(plain) {
            let why = "expected 1 to 64 letters, digits, hyphens and underscores";
            return Err(wrong("function's name", name, why));
        }
        Ok(())
    }

    fn check_qualifier(qualifier: &str) -> Result<(), FunctionError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        let is_plain = (1..=128).contains(&qualifier.len()) && qualifier.bytes().all(plain);
        if qualifier != "$LATEST" && !is_plain {
            let why = "expected a version's number, an alias or $LATEST";
            return Err(wrong("qualifier", qualifier, why));
        }
        Ok(())
    }

    fn check_account(account: &str) -> Result<(), FunctionError> {
        if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(wrong("account", account, "expected 12 digits"));
        }
        Ok(())
    }

    fn whole(arn: &str) -> Result<(Option<Region>, Vec<&str>), FunctionError> {
        let fields: Vec<&str> = arn.split(':').collect();
        let [_, partition, service, region, account, kind, rest @ ..] = &fields[..] else {
            return Err(wrong("ARN", arn, format!("expected {ARN}")));
        };
        if !(*partition == "aws" || partition.starts_with("aws-")) {
            return Err(wrong("partition", partition, "expected aws, aws-cn or aws-us-gov"));
        }
        if *service != "lambda" {
            return Err(wrong("service", service, format!("expected lambda, as in {ARN}")));
        }
        let region: Region = region
            .parse()
            .map_err(|_| wrong("region", region, "expected a region such as us-east-1"))?;
        if region.partition() != *partition {
            let expected = format!("{region} is in {}", region.partition());
            return Err(wrong("partition", partition, expected));
        }
        Self::check_account(account)?;
        if *kind != "function" {
            return Err(wrong("kind of resource", kind, format!("expected function, as in {ARN}")));
        }
        Ok((Some(region), rest.to_vec()))
    }

    fn partial(text: &str) -> Result<Vec<&str>, FunctionError> {
        let fields: Vec<&str> = text.split(':').collect();
        match &fields[..] {
            ["function", rest @ ..] => Ok(rest.to_vec()),
            [account, "function", rest @ ..] => {
                Self::check_account(account)?;
                Ok(rest.to_vec())
            }
            [_] | [_, _] => Ok(fields),
            _ => {
                let expected =
                    format!("expected NAME, NAME:QUALIFIER, ACCOUNT:function:NAME, or {ARN}");
                Err(wrong("function", text, expected))
            }
        }
    }
}

impl FromStr for Function {
    type Err = FunctionError;

    fn from_str(text: &str) -> Result<Self, FunctionError> {
        let (region, rest) = match text.starts_with("arn:") {
            true => Self::whole(text)?,
            false => (None, Self::partial(text)?),
        };
        let (name, qualifier) = match rest[..] {
            [name] => (name, None),
            [name, qualifier] => (name, Some(qualifier)),
            [] => return Err(wrong("function's name", "", format!("expected {ARN}"))),
            [_, _, more, ..] => {
                return Err(wrong("field after the qualifier", more, "expected none"));
            }
        };
        Self::check_name(name)?;
        if let Some(qualifier) = qualifier {
            Self::check_qualifier(qualifier)?;
        }
        Ok(Function {
            given: text.to_owned(),
            name: name.to_owned(),
            qualifier: qualifier.map(str::to_owned),
            region,
        })
    }
}

/// The name with its qualifier. The ARN's account is left out, because it need not be in logs.
impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.name)?;
        self.qualifier.iter().try_for_each(|qualifier| write!(f, ":{qualifier}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_a_name_an_arn_or_a_partial_arn() {
        for (given, name, qualifier, region) in [
            ("words", "words", None, None),
            ("my-words_2:7", "my-words_2", Some("7"), None),
            ("words:$LATEST", "words", Some("$LATEST"), None),
            ("function:words", "words", None, None),
            ("123456789012:function:words", "words", None, None),
            ("123456789012:function:words:live", "words", Some("live"), None),
            ("arn:aws:lambda:us-east-1:123456789012:function:w", "w", None, Some("us-east-1")),
            (
                "arn:aws-cn:lambda:cn-north-1:123456789012:function:w:3",
                "w",
                Some("3"),
                Some("cn-north-1"),
            ),
        ] {
            let function: Function = given.parse().unwrap();
            assert_eq!(function.name(), name);
            assert_eq!(function.qualifier(), qualifier);
            assert_eq!(function.region().map(Region::as_str), region);
        }
    }

    #[test]
    fn an_invalid_function_is_refused_with_the_wrong_field() {
        for (given, field) in [
            ("", "function's name"),
            ("two words", "function's name"),
            ("words:", "qualifier"),
            ("words:$OLDEST", "qualifier"),
            ("1234:function:words", "account"),
            ("a:b:c", "function"),
            ("arn:aws:lambda", "ARN"),
            ("arn:gcp:lambda:us-east-1:123456789012:function:w", "partition"),
            ("arn:aws:s3:us-east-1:123456789012:function:w", "service"),
            ("arn:aws:lambda:mars:123456789012:function:w", "region"),
            ("arn:aws:lambda:cn-north-1:123456789012:function:w", "partition"),
            ("arn:aws:lambda:us-east-1:12345678901:function:w", "account"),
            ("arn:aws:lambda:us-east-1:123456789012:layer:w", "kind of resource"),
            ("arn:aws:lambda:us-east-1:123456789012:function", "function's name"),
            ("arn:aws:lambda:us-east-1:123456789012:function:w:1:2", "field after the qualifier"),
        ] {
            assert_eq!(given.parse::<Function>().unwrap_err().field, field, "{given}");
        }
    }

    #[test]
    fn a_colon_in_the_path_is_encoded_once() {
        let path = |given: &str| given.parse::<Function>().unwrap().path();
        assert_eq!(path("words"), "/2015-03-31/functions/words/invocations");
        let encoded = "123456789012%3Afunction%3Awords%3A%24LATEST";
        assert_eq!(
            path("123456789012:function:words:$LATEST"),
            format!("/2015-03-31/functions/{encoded}/invocations")
        );
    }
}
