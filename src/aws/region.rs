//! A region's name, and the part of AWS's cloud that it lies in.

use std::fmt;
use std::str::FromStr;

/// A region, such as `eu-central-1`: it has the form of one, whether there is one of that name or not.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Region(String);

/// No region's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no region: expected a name such as us-east-1")]
pub struct RegionError(pub String);

/// The parts of the cloud, by what their regions begin with, with what their hosts end in. The first that
/// fits counts; no other than `aws` has regions that begin otherwise.
const PARTITIONS: [(&str, &str, &str); 7] = [
    ("cn-", "aws-cn", "amazonaws.com.cn"),
    ("us-gov-", "aws-us-gov", "amazonaws.com"),
    ("us-isob-", "aws-iso-b", "sc2s.sgov.gov"),
    ("us-isof-", "aws-iso-f", "csp.hci.ic.gov"),
    ("us-iso-", "aws-iso", "c2s.ic.gov"),
    ("eusc-", "aws-eusc", "amazonaws.eu"),
    ("", "aws", "amazonaws.com"),
];

impl Region {
    /// Its name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The partition that it lies in, which is the second field of an ARN.
    pub fn partition(&self) -> &'static str {
        self.in_partitions().1
    }

    /// The host of the Lambda service there.
    pub fn lambda_host(&self) -> String {
        format!("lambda.{}.{}", self.0, self.in_partitions().2)
    }

    fn in_partitions(&self) -> &'static (&'static str, &'static str, &'static str) {
        let of = PARTITIONS.iter().find(|(prefix, ..)| self.0.starts_with(prefix));
        of.unwrap_or(&PARTITIONS[PARTITIONS.len() - 1])
    }

    /// The region in the name of a function URL's host, `ID.lambda-url.REGION.on.aws`.
    pub fn of_function_url(host: &str) -> Option<Region> {
        let (_, rest) = host.split_once(".lambda-url.")?;
        let region =
            rest.strip_suffix(".on.aws").or_else(|| rest.strip_suffix(".on.amazonaws.com.cn"));
        region?.parse().ok()
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Region {
    type Err = RegionError;

    /// Words of lower-case letters with hyphens between them, then a number. It becomes part of a host's
    /// name: nothing else may.
    fn from_str(text: &str) -> Result<Self, RegionError> {
        let mut words: Vec<&str> = text.split('-').collect();
        let number = words.pop().unwrap_or_default();
        let is_number =
            (1..=2).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit());
        let are_words = words.len() >= 2
            && words
                .iter()
                .all(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase()));
        if is_number && are_words && text.len() <= 32 {
            Ok(Region(text.to_owned()))
        } else {
            Err(RegionError(text.chars().take(64).collect()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_and_their_hosts() {
        for (name, partition, host) in [
            ("us-east-1", "aws", "lambda.us-east-1.amazonaws.com"),
            ("ap-southeast-3", "aws", "lambda.ap-southeast-3.amazonaws.com"),
            ("cn-northwest-1", "aws-cn", "lambda.cn-northwest-1.amazonaws.com.cn"),
            ("us-gov-west-1", "aws-us-gov", "lambda.us-gov-west-1.amazonaws.com"),
            ("us-isob-east-1", "aws-iso-b", "lambda.us-isob-east-1.sc2s.sgov.gov"),
        ] {
            let region: Region = name.parse().unwrap();
            assert_eq!((region.partition(), &*region.lambda_host()), (partition, host));
        }
        for none in
            ["", "us", "us-east", "us-east-", "US-EAST-1", "us-east-1.evil.com", "us-éast-1", "--1"]
        {
            assert!(none.parse::<Region>().is_err(), "{none:?}");
        }
    }

    #[test]
    fn a_function_urls_host_names_its_region() {
        let of = |host| Region::of_function_url(host).map(|region| region.to_string());
        assert_eq!(of("abc123.lambda-url.eu-north-1.on.aws").as_deref(), Some("eu-north-1"));
        assert_eq!(of("abc123.lambda-url.eu-north-1.on.aws.evil.com"), None);
        assert_eq!(of("example.com"), None);
    }
}
