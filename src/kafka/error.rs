//! What can go wrong with Kafka.

use rdkafka::error::KafkaError as ClientError;
use rdkafka::types::RDKafkaErrorCode as Code;

use super::Topic;

/// Kafka is not to be had, or not what it was.
#[derive(Debug, thiserror::Error)]
pub enum KafkaError {
    /// No broker answers.
    #[error("cannot reach Kafka at {brokers}: {why}")]
    Unreachable {
        /// Where.
        brokers: String,
        /// Why.
        why: String,
    },
    /// What is read is what would be written.
    #[error(
        "{topic} at {brokers} is what the run reads: it would read what it writes for ever. Name another topic"
    )]
    Own {
        /// Its name.
        topic: String,
        /// Where.
        brokers: String,
    },
    /// There is no such topic.
    #[error("there is no topic {topic} at {brokers}: make it, or name another")]
    NoTopic {
        /// Its name.
        topic: String,
        /// Where.
        brokers: String,
    },
    /// Something could not be done.
    #[error("cannot {what} {topic} at {brokers}: {why}")]
    Failed {
        /// What.
        what: &'static str,
        /// The topic's name.
        topic: String,
        /// Where.
        brokers: String,
        /// Why.
        why: String,
    },
    /// Messages that were not read are not there any more.
    #[error(
        "cannot go on reading {topic}, partition {partition}: its messages from offset {next} on were not read \
         yet, and it begins at {first} now (were they deleted by its retention?). To go on without them, begin \
         anew: with another --state and another output"
    )]
    Deleted {
        /// The topic's name.
        topic: String,
        /// Which partition.
        partition: i32,
        /// The first offset that was not read.
        next: i64,
        /// The first offset that is there.
        first: i64,
    },
    /// The same, found out while it was read.
    #[error(
        "cannot go on reading {topic}: messages that were not read yet are not there any more (were they deleted \
         by its retention while this run was behind?). To go on without them, begin anew: with another --state \
         and another output"
    )]
    Outrun {
        /// The topic's name.
        topic: String,
    },
    /// The topic is not the one that was read.
    #[error("cannot resume: {topic} {why}. Was it deleted and made again?")]
    Changed {
        /// The topic's name.
        topic: String,
        /// What changed.
        why: String,
    },
    /// Nobody knows how much of an output was published.
    #[error(
        "it is not known how much of this output was published to {topic}: at least {lines} lines, but the \
         offset of the group {group}, which says so, is not there any more (offsets.retention.minutes). Begin \
         anew with another --state, and have readers pass over what they have"
    )]
    Forgotten {
        /// The topic's name.
        topic: String,
        /// The group's.
        group: String,
        /// Lines that were published for certain.
        lines: u64,
    },
    /// A line is larger than a message may be.
    #[error(
        "the line of record {record} has {bytes} bytes, which is more than a message of {topic} may have: allow \
         more (max.message.bytes of the topic, message.max.bytes in ?config=FILE), or take less with \
         --max-record"
    )]
    TooLarge {
        /// The topic's name.
        topic: String,
        /// Which record.
        record: String,
        /// Its line's length.
        bytes: usize,
    },
    /// The note of what was published.
    #[error("cannot keep the note of what was published in the folder of --state")]
    Note(#[source] std::io::Error),
    /// The system has no threads.
    #[error("cannot start a thread for Kafka")]
    Thread(#[source] std::io::Error),
}

impl KafkaError {
    /// `what` could not be done to `topic`; `last_error` is what the client complained about last, if it did.
    pub(crate) fn failed(
        what: &'static str,
        topic: &Topic,
        last_error: Option<String>,
        error: &ClientError,
    ) -> Self {
        let (name, brokers) = (topic.name.clone(), topic.brokers.clone());
        // The code by itself says it: around it stands what was done, which is said here.
        let code = error.rdkafka_error_code();
        let why = code.map_or_else(|| error.to_string(), |code| code.to_string());
        match code {
            Some(Code::UnknownTopicOrPartition | Code::UnknownTopic) => {
                KafkaError::NoTopic { topic: name, brokers }
            }
            Some(code) if is_passing(code) => {
                KafkaError::Unreachable { brokers, why: last_error.unwrap_or(why) }
            }
            _ => {
                let last_error =
                    last_error.map(|last_error| format!(" ({last_error})")).unwrap_or_default();
                KafkaError::Failed { what, topic: name, brokers, why: why + &last_error }
            }
        }
    }
}

/// Whether it is a matter of waiting: a broker that is away, or does not know yet whose what is.
pub(crate) fn is_passing(code: Code) -> bool {
    matches!(
        code,
        Code::AllBrokersDown
            | Code::BrokerTransportFailure
            | Code::BrokerNotAvailable
            | Code::CoordinatorLoadInProgress
            | Code::CoordinatorNotAvailable
            | Code::LeaderNotAvailable
            | Code::NetworkException
            | Code::NotCoordinator
            | Code::NotEnoughReplicas
            | Code::NotEnoughReplicasAfterAppend
            | Code::NotLeaderForPartition
            | Code::OperationTimedOut
            | Code::ReplicaNotAvailable
            | Code::RequestTimedOut
            | Code::Resolve
            | Code::TimedOutQueue
            | Code::WaitingForCoordinator
    )
}
