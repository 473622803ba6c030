//! Many strings in one buffer.

use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

use super::spare;

/// Strings in one byte buffer, with the offset at which each one ends.
///
/// The bytes are UTF-8, which the caller ensures: [`Strings::push`] takes a `str`, and sources and tasks that
/// push bytes explain why theirs are UTF-8. A buffer holds less than 4 GiB.
#[derive(Clone, Default, Debug, PartialEq, Eq)]
pub struct Strings {
    bytes: Vec<u8>,
    ends: Vec<u32>,
}

impl Strings {
    /// Creates room for `strings` strings of `bytes` bytes in total, in a reused buffer if there is one.
    pub fn with_capacity(strings: usize, bytes: usize) -> Self {
        Strings { bytes: spare::take(bytes), ends: Vec::with_capacity(strings) }
    }

    /// Returns the number of strings.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Returns whether there are no strings.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Returns the bytes of all strings.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the offset at which each string ends in [`Strings::bytes`].
    pub fn ends(&self) -> &[u32] {
        &self.ends
    }

    /// Returns the position of string `index` in [`Strings::bytes`].
    #[inline]
    pub fn range(&self, index: usize) -> Range<usize> {
        self.start(index)..self.ends[index] as usize
    }

    /// Returns the position of the strings of `range` in [`Strings::bytes`].
    #[inline]
    pub fn range_of(&self, range: &Range<usize>) -> Range<usize> {
        if range.is_empty() {
            return 0..0;
        }
        self.start(range.start)..self.ends[range.end - 1] as usize
    }

    /// Returns the bytes of string `index`.
    #[inline]
    pub fn get(&self, index: usize) -> &[u8] {
        &self.bytes[self.range(index)]
    }

    /// Returns string `index` as text.
    ///
    /// # Panics
    /// If the bytes are not UTF-8, which whoever pushed them has to ensure.
    pub fn text(&self, index: usize) -> &str {
        std::str::from_utf8(self.get(index)).expect("strings are checked when they are pushed")
    }

    /// Iterates over the strings in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        (0..self.len()).map(|index| self.get(index))
    }

    /// Adds a string.
    pub fn push(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
        self.end_string();
    }

    /// Returns the buffer, to append the UTF-8 of the next string. Call [`Strings::end_string`] afterwards.
    #[inline]
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Ends the string whose bytes were appended to [`Strings::buffer`].
    #[inline]
    pub fn end_string(&mut self) {
        debug_assert!(u32::try_from(self.bytes.len()).is_ok(), "a batch is far below 4 GiB");
        self.ends.push(self.bytes.len() as u32);
    }

    /// Returns both arrays, for code that fills in many strings at once. Afterwards the ends must be
    /// increasing, and the last one must be the number of bytes.
    pub fn parts_mut(&mut self) -> (&mut Vec<u8>, &mut Vec<u32>) {
        (&mut self.bytes, &mut self.ends)
    }

    /// Appends the strings of `range` of `other`, with two copies for any number of strings.
    pub fn extend_from(&mut self, other: &Strings, range: Range<usize>) {
        let bytes = other.range_of(&range);
        let (from, to) = (bytes.start as u32, self.bytes.len() as u32);
        self.bytes.extend_from_slice(&other.bytes[bytes]);
        self.ends.extend(other.ends[range].iter().map(|end| end - from + to));
    }

    /// Removes all strings and keeps the allocations.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    #[inline]
    fn start(&self, index: usize) -> usize {
        if index == 0 { 0 } else { self.ends[index - 1] as usize }
    }
}

/// Keeps the buffer for reuse.
impl Drop for Strings {
    fn drop(&mut self) {
        spare::keep(std::mem::take(&mut self.bytes));
    }
}

impl<'a> FromIterator<&'a str> for Strings {
    fn from_iter<I: IntoIterator<Item = &'a str>>(texts: I) -> Self {
        let mut strings = Strings::default();
        texts.into_iter().for_each(|text| strings.push(text));
        strings
    }
}

/// Reads a JSON array of strings without an allocation per string.
impl<'de> Deserialize<'de> for Strings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Strings;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an array of strings")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Strings, A::Error> {
                // The number of strings is not known yet. Most responses have about this size.
                let mut strings = Strings::with_capacity(0, super::BATCH_BYTES);
                while seq.next_element_seed(One(&mut strings))?.is_some() {}
                Ok(strings)
            }
        }
        deserializer.deserialize_seq(All)
    }
}

struct One<'s>(&'s mut Strings);

impl<'de> serde::de::DeserializeSeed<'de> for One<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for One<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a string")
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        if self.0.bytes.len() + text.len() > u32::MAX as usize {
            return Err(E::custom("more than 4 GiB of strings"));
        }
        self.0.push(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_of_strings_is_appended_whole() {
        let from: Strings = ["a", "", "ccc", "dd"].into_iter().collect();
        let mut to: Strings = ["x"].into_iter().collect();
        to.extend_from(&from, 1..4);
        assert_eq!(to.iter().collect::<Vec<_>>(), [&b"x"[..], b"", b"ccc", b"dd"]);
        to.extend_from(&from, 2..2);
        assert_eq!(to.len(), 4);
        assert_eq!(to.text(2), "ccc");
    }

    #[test]
    fn a_json_array_is_read_into_one_buffer() {
        let strings: Strings = serde_json::from_str(r#"["a\nb","","é\u00e9"]"#).unwrap();
        assert_eq!(strings.iter().collect::<Vec<_>>(), [&b"a\nb"[..], b"", "éé".as_bytes()]);
        assert!(serde_json::from_str::<Strings>("[1]").is_err());
    }
}
