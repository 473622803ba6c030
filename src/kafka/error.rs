//! Errors of Kafka.

use rdkafka::error::KafkaError as ClientError;
use rdkafka::types::RDKafkaErrorCode as Code;

use super::Topic;
use crate::sink::UNREACHABLE;

/// The reason why a topic cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum KafkaError {
    /// No broker answers.
    #[error("cannot reach Kafka at {brokers}: {why} ({})", UNREACHABLE)]
    Unreachable {
        /// The brokers of the cluster.
        brokers: String,
        /// The reason.
        why: String,
    },
    /// The topic to write to is the one that is read.
    #[error(
        "{topic} at {brokers} is what the run reads: it would read what it writes for ever. Name another topic"
    )]
    SameTopic {
        /// The name of the topic.
        topic: String,
        /// The brokers of the cluster.
        brokers: String,
    },
    /// The topic does not exist.
    #[error("there is no topic {topic} at {brokers}: make it, or name another")]
    NoTopic {
        /// The name of the topic.
        topic: String,
        /// The brokers of the cluster.
        brokers: String,
    },
    /// A request failed.
    #[error("cannot {what} {topic} at {brokers}: {why}")]
    Failed {
        /// The verb of the failed action.
        what: &'static str,
        /// The name of the topic.
        topic: String,
        /// The brokers of the cluster.
        brokers: String,
        /// The reason.
        why: String,
    },
    /// Messages were deleted before they were read.
    #[error(
        "cannot go on reading {topic}, partition {partition}: its messages from offset {next} on were not read \
         yet, and it begins at {first} now (were they deleted by its retention?). To go on without them, begin \
         anew: with another --state and another output"
    )]
    Deleted {
        /// The name of the topic.
        topic: String,
        /// The number of the partition.
        partition: i32,
        /// The first offset that was not read.
        next: i64,
        /// The first offset that still exists.
        first: i64,
    },
    /// Messages were deleted before they were read. This was noticed during the run.
    #[error(
        "cannot go on reading {topic}: messages that were not read yet are not there any more (were they deleted \
         by its retention while this run was behind?). To go on without them, begin anew: with another --state \
         and another output"
    )]
    Outrun {
        /// The name of the topic.
        topic: String,
    },
    /// The topic is not the one that the last run read.
    #[error("cannot resume: {topic} {why}. Was it deleted and made again?")]
    Changed {
        /// The name of the topic.
        topic: String,
        /// What changed.
        why: String,
    },
    /// It is not known how much of the output was published.
    #[error(
        "it is not known how much of this output was published to {topic}: at least {lines} lines, but the \
         offset of the group {group}, which says so, is not there any more (offsets.retention.minutes). Begin \
         anew with another --state, and have readers pass over what they have"
    )]
    Forgotten {
        /// The name of the topic.
        topic: String,
        /// The name of the group.
        group: String,
        /// The number of lines that were certainly published.
        lines: u64,
    },
    /// A line is longer than a message may be.
    #[error(
        "the line of record {record} has {bytes} bytes, which is more than a message of {topic} may have: allow \
         more (max.message.bytes of the topic, message.max.bytes in ?config=FILE), or take less with \
         --max-record"
    )]
    TooLarge {
        /// The name of the topic.
        topic: String,
        /// The name of the record.
        record: String,
        /// The length of the line.
        bytes: usize,
    },
    /// The note of what was published cannot be read or written.
    #[error("cannot keep the note of what was published in the folder of --state")]
    Note(#[source] std::io::Error),
    /// The system does not start a thread.
    #[error("cannot start a thread for Kafka")]
    Thread(#[source] std::io::Error),
}

impl KafkaError {
    /// Makes the error of a failed action `what` on `topic`. `last_error` is the client's last error message.
    pub(crate) fn failed(
        what: &'static str,
        topic: &Topic,
        last_error: Option<String>,
        error: &ClientError,
    ) -> Self {
        let (name, brokers) = (topic.name.clone(), topic.brokers.clone());
        // The text of the code is enough. The text of the error also names the action, as `what` does.
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

/// Whether an error may pass by waiting, because a broker cannot be reached or does not know its partitions yet.
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
