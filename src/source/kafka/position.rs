//! Positions in a topic: a commit records them, and a resumed run reads on from them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::batch::Note;

/// How far a topic was read when the committed epochs ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicPosition {
    /// The name of the topic.
    pub topic: String,
    /// The positions in its partitions, by their numbers.
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

/// The note of a reader at the end of an epoch: the positions that have changed.
pub(super) type Noted = BTreeMap<i32, PartitionPosition>;

pub(super) fn note(noted: &Noted) -> Note {
    // Numbers can always be written as JSON.
    serde_json::to_vec(noted).unwrap_or_default()
}

impl TopicPosition {
    /// Creates the position before anything was read.
    pub fn new(topic: &str) -> Self {
        TopicPosition { topic: topic.to_owned(), partitions: BTreeMap::new() }
    }

    /// Adds the notes of committed epochs, in any order.
    pub fn advance(&mut self, notes: &[Note]) {
        for note in notes {
            let noted: Noted = serde_json::from_slice(note).unwrap_or_default();
            for (partition, position) in noted {
                let known = self.partitions.entry(partition).or_insert(position);
                known.next = known.next.max(position.next);
            }
        }
    }

    /// Checks that a run can have reached the position. Otherwise returns what is wrong with it.
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
