//! `kafka://HOST:PORT/TOPIC`, of `--source` and `--sink`.

use super::UsageError;

/// A topic, and the options behind it that are not the client's.
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
    let (mut others, mut seen) = (Vec::new(), Vec::new());
    for one in options.split('&').filter(|one| !one.is_empty()) {
        let key = one.split('=').next();
        if seen.contains(&key) {
            return Err(wrong(format!("{one}: is said twice")));
        }
        seen.push(key);
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

/// What a topic is called where it does not matter how it is reached.
#[cfg(feature = "kafka")]
pub(super) fn name(given: &str) -> String {
    let Some(rest) = given.strip_prefix("kafka://") else { return given.to_owned() };
    let (place, options) = rest.split_once('?').unwrap_or((rest, ""));
    let (_, topic) = place.split_once('/').unwrap_or(("", place));
    let mut options: Vec<&str> = options.split('&').filter(|one| is_of_input(one)).collect();
    options.sort_unstable();
    format!("kafka:{topic} {}", options.join(" ")).trim_end().to_owned()
}

/// Whether an option says what is read, and is not what would be read without it.
#[cfg(feature = "kafka")]
fn is_of_input(option: &str) -> bool {
    !matches!(option, "" | "from=earliest" | "until=stopped") && !option.starts_with("config=")
}

#[cfg(not(feature = "kafka"))]
pub(super) fn name(given: &str) -> String {
    given.to_owned()
}

/// It was left out when this program was built.
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
    fn how_a_topic_is_reached_is_no_part_of_its_name() {
        assert_eq!(name("kafka://a:1,b:2/t?config=f&until=stopped"), "kafka:t");
        assert_eq!(name("kafka://a:1/t?until=end"), "kafka:t until=end");
        assert_eq!(name("lines:a?b"), "lines:a?b");
    }
}
