//! A region's name, and its partition.

use std::fmt;
use std::str::FromStr;

/// A region, such as `eu-central-1`. Only the form is checked, not whether the region exists.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Region(String);

/// A text that is not a region's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no region: expected a name such as us-east-1")]
pub struct RegionError(pub String);

/// The partitions of AWS: the prefix of their regions' names, their name, and the suffix of their hosts. The
/// first prefix that matches counts, and all other regions belong to `aws`.
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
    /// Returns the region's name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the region's partition, which is the second field of an ARN.
    pub fn partition(&self) -> &'static str {
        self.in_partitions().1
    }

    /// Returns the host of the region's Lambda service.
    pub fn lambda_host(&self) -> String {
        format!("lambda.{}.{}", self.0, self.in_partitions().2)
    }

    fn in_partitions(&self) -> &'static (&'static str, &'static str, &'static str) {
        let of = PARTITIONS.iter().find(|(prefix, ..)| self.0.starts_with(prefix));
        of.unwrap_or(&PARTITIONS[PARTITIONS.len() - 1])
    }

    /// Returns the region in the host of a function URL, `ID.lambda-url.REGION.on.aws`.
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

    /// Parses words of lower-case letters with hyphens between them, and a number at the end. The region
    /// becomes part of a host's name, so nothing else is accepted.
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
    fn a_region_has_a_partition_and_a_lambda_host() {
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
    fn the_host_of_a_function_url_names_its_region() {
        let of = |host| Region::of_function_url(host).map(|region| region.to_string());
        assert_eq!(of("abc123.lambda-url.eu-north-1.on.aws").as_deref(), Some("eu-north-1"));
        assert_eq!(of("abc123.lambda-url.eu-north-1.on.aws.evil.com"), None);
        assert_eq!(of("example.com"), None);
    }
}
