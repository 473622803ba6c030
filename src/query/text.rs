//! Texts of records, of which copies cost little.

use std::fmt;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smallvec::SmallVec;

/// A text that is mostly at most `N` bytes long.
#[derive(Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct ShortText<const N: usize>(SmallVec<[u8; N]>);

/// A text whose copies share their bytes.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct LongText(Arc<[u8]>);

/// A text that is part of a buffer with other texts. It costs no memory of its own, but keeps the buffer: it is for texts of
/// which nearly all, or nearly none, are kept for long.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct PartText(Bytes);

/// The buffer of texts that are made one after the other.
#[derive(Default)]
pub(super) struct TextBuffer(BytesMut);

impl TextBuffer {
    /// Bytes of a buffer.
    const CAPACITY: usize = 64 << 10;

    /// Returns the text that `write` appends.
    #[inline]
    pub(super) fn text(&mut self, write: impl FnOnce(&mut BytesMut)) -> PartText {
        /// Room for nearly all texts.
        const ROOM: usize = 1 << 10;
        if self.0.capacity() < ROOM {
            self.0 = BytesMut::with_capacity(TextBuffer::CAPACITY);
        }
        write(&mut self.0);
        PartText(self.0.split().freeze())
    }
}

impl<const N: usize> From<&[u8]> for ShortText<N> {
    #[inline]
    fn from(text: &[u8]) -> Self {
        ShortText(SmallVec::from_slice(text))
    }
}

impl From<&[u8]> for LongText {
    fn from(text: &[u8]) -> Self {
        LongText(text.into())
    }
}

impl From<&[u8]> for PartText {
    fn from(text: &[u8]) -> Self {
        PartText(Bytes::copy_from_slice(text))
    }
}

macro_rules! as_text {
    ($($name:ident [$($parameters:tt)*] [$($arguments:tt)*]),*) => {$(
        impl<$($parameters)*> AsRef<[u8]> for $name<$($arguments)*> {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }

        impl<$($parameters)*> fmt::Debug for $name<$($arguments)*> {
            fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
                String::from_utf8_lossy(&self.0).fmt(f)
            }
        }

        impl<$($parameters)*> Serialize for $name<$($arguments)*> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let text = std::str::from_utf8(&self.0).map_err(serde::ser::Error::custom)?;
                serializer.serialize_str(text)
            }
        }

        impl<'de, $($parameters)*> Deserialize<'de> for $name<$($arguments)*> {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
                Ok($name::from(text.as_bytes()))
            }
        }
    )*};
}

as_text!(ShortText [const N: usize] [N], LongText [] [], PartText [] []);
