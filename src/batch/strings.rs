//! Many strings in one buffer.

use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

use super::spare;

/// Strings back to back in one byte buffer, with the offset at which each one ends.
///
/// The bytes are UTF-8: whoever pushes has checked ([`Strings::push`] takes a `str`; the sources
/// and tasks that push bytes say why theirs are). A buffer holds less than 4 GiB.
#[derive(Clone, Default, Debug, PartialEq, Eq)]
pub struct Strings {
    bytes: Vec<u8>,
    ends: Vec<u32>,
}

impl Strings {
    /// Room for `strings` strings of `bytes` bytes together, in a buffer that was used before if
    /// there is one.
    pub fn with_capacity(strings: usize, bytes: usize) -> Self {
        Strings { bytes: spare::take(bytes), ends: Vec::with_capacity(strings) }
    }

    /// How many strings there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// All bytes, back to back.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The offset at which each string ends in [`Strings::bytes`].
    pub fn ends(&self) -> &[u32] {
        &self.ends
    }

    /// Where string `index` lies in [`Strings::bytes`].
    #[inline]
    pub fn range(&self, index: usize) -> Range<usize> {
        self.start(index)..self.ends[index] as usize
    }

    /// Where the strings of `range` lie together in [`Strings::bytes`].
    #[inline]
    pub fn range_of(&self, range: &Range<usize>) -> Range<usize> {
        if range.is_empty() {
            return 0..0;
        }
        self.start(range.start)..self.ends[range.end - 1] as usize
    }

    /// The bytes of string `index`.
    #[inline]
    pub fn get(&self, index: usize) -> &[u8] {
        &self.bytes[self.range(index)]
    }

    /// String `index` as text.
    ///
    /// # Panics
    /// If its bytes are not UTF-8, which whoever pushed them has ruled out.
    pub fn text(&self, index: usize) -> &str {
        std::str::from_utf8(self.get(index)).expect("strings are checked when they are pushed")
    }

    /// The strings in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        (0..self.len()).map(|index| self.get(index))
    }

    /// Adds a string.
    pub fn push(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
        self.end_string();
    }

    /// The buffer, to append the next string's UTF-8 to, before [`Strings::end_string`].
    #[inline]
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Ends the string whose bytes were appended to [`Strings::buffer`] since the last end.
    #[inline]
    pub fn end_string(&mut self) {
        debug_assert!(u32::try_from(self.bytes.len()).is_ok(), "a batch is far below 4 GiB");
        self.ends.push(self.bytes.len() as u32);
    }

    /// Both arrays, for code that fills many strings in one pass. Afterwards the ends must be
    /// increasing and the last one must be the number of bytes.
    pub fn parts_mut(&mut self) -> (&mut Vec<u8>, &mut Vec<u32>) {
        (&mut self.bytes, &mut self.ends)
    }

    /// Appends the strings of `range` from `other`: two copies, whatever their number.
    pub fn extend_from(&mut self, other: &Strings, range: Range<usize>) {
        let bytes = other.range_of(&range);
        let (from, to) = (bytes.start as u32, self.bytes.len() as u32);
        self.bytes.extend_from_slice(&other.bytes[bytes]);
        self.ends.extend(other.ends[range].iter().map(|end| end - from + to));
    }

    /// Empties both arrays and keeps their allocations.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    #[inline]
    fn start(&self, index: usize) -> usize {
        if index == 0 { 0 } else { self.ends[index - 1] as usize }
    }
}

/// The buffer is used again.
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

/// A JSON array of strings, read into the flat buffer without an allocation a string.
impl<'de> Deserialize<'de> for Strings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Strings;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an array of strings")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Strings, A::Error> {
                // How many there are is not known before, but most answers are as long as this.
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
    fn ranges_move_whole_strings() {
        let from: Strings = ["a", "", "ccc", "dd"].into_iter().collect();
        let mut to: Strings = ["x"].into_iter().collect();
        to.extend_from(&from, 1..4);
        assert_eq!(to.iter().collect::<Vec<_>>(), [&b"x"[..], b"", b"ccc", b"dd"]);
        to.extend_from(&from, 2..2);
        assert_eq!(to.len(), 4);
        assert_eq!(to.text(2), "ccc");
    }

    #[test]
    fn json_arrays_are_read_flat() {
        let strings: Strings = serde_json::from_str(r#"["a\nb","","é\u00e9"]"#).unwrap();
        assert_eq!(strings.iter().collect::<Vec<_>>(), [&b"a\nb"[..], b"", "éé".as_bytes()]);
        assert!(serde_json::from_str::<Strings>("[1]").is_err());
    }
}
