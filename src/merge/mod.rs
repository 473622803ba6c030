//! Values that merge: what many records say of a key, in one value.
//!
//! A function or a worker merges the values of a key before they travel, and the worker that holds the key's state merges
//! what arrives. The result must not depend on who merges what, and in which order. So a merge is exact, associative and
//! commutative, and there is none of floating-point numbers.
//!
//! This module uses neither timely nor tokio.

mod instances;
mod intervals;
#[cfg(test)]
mod laws;

pub use instances::{Count, First, Last, Max, Min, Set, Sum, TopK};
pub use intervals::Intervals;

/// A value that merges with others of its kind: associative, commutative and exact.
///
/// With `a∘b` for what `a` is after `b` was merged into it, `a∘b = b∘a` and `(a∘b)∘c = a∘(b∘c)`.
///
/// # Examples
/// The number of bids of an auction, and the highest one:
/// ```
/// use floodway::merge::{Count, Max, Merge};
///
/// let mut bids = (Count(1), Max(700_u64));
/// bids.merge((Count(1), Max(900)));
/// bids.merge((Count(2), Max(800)));
/// assert_eq!(bids, (Count(4), Max(900)));
/// ```
pub trait Merge {
    /// Merges `other` into this value.
    fn merge(&mut self, other: Self);
}

macro_rules! of_tuple {
    ($($name:ident $index:tt),+) => {
        /// The product of its parts.
        impl<$($name: Merge),+> Merge for ($($name,)+) {
            fn merge(&mut self, other: Self) {
                $(self.$index.merge(other.$index);)+
            }
        }
    };
}

of_tuple!(A 0);
of_tuple!(A 0, B 1);
of_tuple!(A 0, B 1, C 2);
of_tuple!(A 0, B 1, C 2, D 3);
of_tuple!(A 0, B 1, C 2, D 3, E 4);
of_tuple!(A 0, B 1, C 2, D 3, E 4, F 5);
of_tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6);
of_tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);

/// A value that may be missing.
impl<V: Merge> Merge for Option<V> {
    fn merge(&mut self, other: Self) {
        match (self.as_mut(), other) {
            (Some(value), Some(other)) => value.merge(other),
            (None, other) => *self = other,
            (Some(_), None) => {}
        }
    }
}
