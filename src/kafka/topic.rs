//! The name of a topic and of its cluster.

use super::Properties;

/// A topic of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Brokers of the cluster, as `HOST:PORT`, separated by commas.
    pub brokers: String,
    /// The name of the topic.
    pub name: String,
    /// More properties of the client.
    pub properties: Properties,
}

/// Kafka's limit on the length of a topic's name.
const LONGEST: usize = 249;

impl Topic {
    /// Parses the text after `kafka://`, which is `HOST:PORT[,HOST:PORT...]/TOPIC`.
    ///
    /// # Errors
    /// A text that says what is wrong and what would be right.
    pub fn parse(text: &str) -> Result<Topic, String> {
        let expected = "expected kafka://HOST:PORT/TOPIC";
        let (brokers, name) = text.split_once('/').ok_or(expected)?;
        for broker in brokers.split(',') {
            let (host, port) = broker.rsplit_once(':').unwrap_or((broker, ""));
            if host.is_empty() || !port.parse::<u16>().is_ok_and(|port| port > 0) {
                return Err(format!("{broker:?} is no HOST:PORT: {expected}"));
            }
        }
        let is_legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if !name.chars().all(is_legal)
            || !(1..=LONGEST).contains(&name.len())
            || matches!(name, "." | "..")
        {
            return Err(format!(
                "{name:?} is no topic's name, which is 1 to {LONGEST} of a-z, A-Z, 0-9, '.', '_' and '-'"
            ));
        }
        let properties = Properties::default();
        Ok(Topic { brokers: brokers.to_owned(), name: name.to_owned(), properties })
    }

    /// Checks that the client knows the properties.
    ///
    /// # Errors
    /// The name of a property that is unknown or has a wrong value.
    pub fn check(&self) -> Result<(), String> {
        let unfit = |error| match error {
            rdkafka::error::KafkaError::ClientConfig(_, why, ..) => why,
            error => error.to_string(),
        };
        self.config(&[], &[]).create_native_config().map(drop).map_err(unfit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_has_brokers_and_a_name() {
        let topic = Topic::parse("a:9092,[::1]:9093/in.put_1-x").unwrap();
        assert_eq!((&*topic.brokers, &*topic.name), ("a:9092,[::1]:9093", "in.put_1-x"));
        for wrong in
            ["a:9092", "a/t", "a:0/t", ":1/t", "a:1,b/t", "a:1/", "a:1/..", "a:1/t/u", "a:1/t u"]
        {
            assert!(Topic::parse(wrong).is_err(), "{wrong}");
        }
        assert!(Topic::parse(&format!("a:1/{}", "x".repeat(250))).is_err());
    }
}
