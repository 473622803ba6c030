//! `kafka://HOST:PORT/TOPIC`, as the value of `--source` and `--sink`.

use super::UsageError;

/// Parses a topic. Returns it with the options that are not the client's.
#[cfg(feature = "kafka")]
pub(super) fn topic(
    option: &str,
    given: &str,
    rest: &str,
) -> Result<(crate::kafka::Topic, Vec<String>), UsageError> {
    use crate::kafka::{Properties, Topic};

    let wrong = |why: String| UsageError::new(option, given, why);
    let rest = rest.strip_prefix("//");
    let rest = rest.ok_or_else(|| wrong("expected kafka://HOST:PORT/TOPIC".to_owned()))?;
    let (place, options) = rest.split_once('?').unwrap_or((rest, ""));
    let mut topic = Topic::parse(place).map_err(wrong)?;
    let (mut others, mut given_keys) = (Vec::new(), Vec::new());
    for one in options.split('&').filter(|one| !one.is_empty()) {
        let key = one.split('=').next();
        if given_keys.contains(&key) {
            return Err(wrong(format!("{one}: is said twice")));
        }
        given_keys.push(key);
        match one.split_once('=') {
            Some(("config", file)) => {
                let read = Properties::read(file.as_ref());
                topic.properties = read.map_err(|why| wrong(format!("config={file}: {why}")))?;
            }
            _ => others.push(one.to_owned()),
        }
    }
    topic.check().map_err(wrong)?;
    Ok((topic, others))
}

/// Returns the topic's name without its brokers, so that these may change between runs.
#[cfg(feature = "kafka")]
pub(super) fn name(given: &str) -> String {
    let Some(rest) = given.strip_prefix("kafka://") else { return given.to_owned() };
    let (place, options) = rest.split_once('?').unwrap_or((rest, ""));
    let (_, topic) = place.split_once('/').unwrap_or(("", place));
    let mut options: Vec<&str> = options.split('&').filter(|one| is_of_input(one)).collect();
    options.sort_unstable();
    format!("kafka:{topic} {}", options.join(" ")).trim_end().to_owned()
}

/// Whether an option changes what is read.
#[cfg(feature = "kafka")]
fn is_of_input(option: &str) -> bool {
    !matches!(option, "" | "from=earliest" | "until=stopped") && !option.starts_with("config=")
}

#[cfg(not(feature = "kafka"))]
pub(super) fn name(given: &str) -> String {
    given.to_owned()
}

/// Returns the error of a program that was built without Kafka.
#[cfg(not(feature = "kafka"))]
pub(super) fn absent(option: &str, given: &str) -> UsageError {
    let why = "this floodway was built without Kafka: build it with --features kafka (cargo install --path . \
               --features kafka), which needs make and a C compiler";
    UsageError::new(option, given, why)
}

#[cfg(all(test, feature = "kafka"))]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_topic_does_not_include_its_brokers() {
        assert_eq!(name("kafka://a:1,b:2/t?config=f&until=stopped"), "kafka:t");
        assert_eq!(name("kafka://a:1/t?until=end"), "kafka:t until=end");
        assert_eq!(name("lines:a?b"), "lines:a?b");
    }
}
