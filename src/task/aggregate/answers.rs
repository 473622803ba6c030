//! Reads the results of chunks from an answer.

use std::fmt;
use std::ops::Range;

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor,
};

/// The results of an answer: the rows of all chunks in one array, each to be taken once.
pub struct PartialAnswers<K, V> {
    rows: Vec<Option<(K, V)>>,
    /// The records that were refused, by their positions in their chunk.
    bad: Vec<usize>,
    /// For each chunk, where its rows and its bad records end.
    ends: Vec<(usize, usize)>,
}

impl<K, V> PartialAnswers<K, V> {
    /// Returns the number of results.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Takes the rows of a result, and returns the positions that were refused.
    pub(super) fn take(&mut self, result: usize) -> (impl Iterator<Item = (K, V)> + '_, &[usize]) {
        let (rows, bad) = self.of(result);
        (self.rows[rows].iter_mut().filter_map(Option::take), &self.bad[bad])
    }

    fn of(&self, result: usize) -> (Range<usize>, Range<usize>) {
        let (rows, bad) = result.checked_sub(1).map_or((0, 0), |before| self.ends[before]);
        let (rows_end, bad_end) = self.ends[result];
        (rows..rows_end, bad..bad_end)
    }
}

impl<'de, K: Deserialize<'de>, V: Deserialize<'de>> Deserialize<'de> for PartialAnswers<K, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut answers = PartialAnswers { rows: Vec::new(), bad: Vec::new(), ends: Vec::new() };
        deserializer.deserialize_seq(Results(&mut answers))?;
        Ok(answers)
    }
}

/// Reads the results.
struct Results<'a, K, V>(&'a mut PartialAnswers<K, V>);

impl<'de, K: Deserialize<'de>, V: Deserialize<'de>> Visitor<'de> for Results<'_, K, V> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an array of results of chunks")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut results: A) -> Result<(), A::Error> {
        while results.next_element_seed(Chunk(self.0))?.is_some() {
            self.0.ends.push((self.0.rows.len(), self.0.bad.len()));
        }
        Ok(())
    }
}

/// Reads the result of a chunk: its rows, or an object with its rows and its bad records.
struct Chunk<'a, K, V>(&'a mut PartialAnswers<K, V>);

impl<'de, K: Deserialize<'de>, V: Deserialize<'de>> DeserializeSeed<'de> for Chunk<'_, K, V> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, K: Deserialize<'de>, V: Deserialize<'de>> Visitor<'de> for Chunk<'_, K, V> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an array of rows, or an object with the fields rows and bad")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<(), A::Error> {
        while let Some(row) = rows.next_element()? {
            self.0.rows.push(Some(row));
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        while let Some(field) = fields.next_key::<Field>()? {
            match field {
                Field::Rows => fields.next_value_seed(Chunk(self.0))?,
                Field::Bad => {
                    let bad: Vec<(usize, IgnoredAny)> = fields.next_value()?;
                    self.0.bad.extend(bad.into_iter().map(|(position, _)| position));
                }
                Field::Other => drop(fields.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum Field {
    Rows,
    Bad,
    #[serde(other)]
    Other,
}
