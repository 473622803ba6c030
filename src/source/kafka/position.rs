//! How far a topic has been read: what a commit remembers, and where the next run goes on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::batch::Note;

/// Where everything of the committed epochs had been read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicPosition {
    /// The topic.
    pub topic: String,
    /// By its number, each partition that is read.
    pub partitions: BTreeMap<i32, PartitionPosition>,
}

/// How far a partition has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionPosition {
    /// The first offset that was not read.
    pub next: i64,
    /// The offset that the input ends before, if it has an end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<i64>,
}

/// What a reader notes at the end of an epoch: its partitions that have got on.
pub(super) type Noted = BTreeMap<i32, PartitionPosition>;

pub(super) fn note(noted: &Noted) -> Note {
    // Numbers can be written.
    serde_json::to_vec(noted).unwrap_or_default()
}

impl TopicPosition {
    /// Of nothing that was read.
    pub fn new(topic: &str) -> Self {
        TopicPosition { topic: topic.to_owned(), partitions: BTreeMap::new() }
    }

    /// Takes the notes of committed epochs, in whatever order they have come.
    pub fn advance(&mut self, notes: &[Note]) {
        for note in notes {
            let noted: Noted = serde_json::from_slice(note).unwrap_or_default();
            for (partition, position) in noted {
                let known = self.partitions.entry(partition).or_insert(position);
                known.next = known.next.max(position.next);
            }
        }
    }

    /// Whether it is one that a run can have come to, or what is wrong with it.
    pub(super) fn can_be(&self) -> Result<(), String> {
        for (partition, position) in &self.partitions {
            let is_past = position.end.is_some_and(|end| position.next > end);
            if *partition < 0 || position.next < 0 || is_past {
                return Err(format!("partition {partition} cannot have been read to {position:?}"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_come_in_any_order() {
        let at = |next| PartitionPosition { next, end: Some(9) };
        let notes = [[(0, at(5))], [(1, at(2))], [(0, at(3))]];
        let notes: Vec<Note> = notes.into_iter().map(|noted| note(&noted.into())).collect();
        let mut position = TopicPosition::new("t");
        position.advance(&notes);
        let json = r#"{"topic":"t","partitions":{"0":{"next":5,"end":9},"1":{"next":2,"end":9}}}"#;
        assert_eq!(serde_json::to_string(&position).unwrap(), json);
        assert_eq!(position.can_be(), Ok(()));
        position.partitions.insert(2, at(10));
        assert!(position.can_be().unwrap_err().starts_with("partition 2"));
    }
}
