//! Whether a value has numbers that JSON does not have.
//!
//! serde_json writes NaN and infinite numbers as `null`, so a value would change on its way to a function or back: a
//! number would be an error there, and an optional number would be missing. The fields are visited, and nothing is
//! written.

use std::fmt;

use serde::ser::{self, Serialize, Serializer};

/// Whether JSON can have all numbers of `value`.
pub(crate) fn is_finite<T: Serialize + ?Sized>(value: &T) -> bool {
    // What else is wrong is found when the value is written.
    !matches!(value.serialize(Visit), Err(Found::NotFinite))
}

/// Visits a value.
#[derive(Clone, Copy)]
struct Visit;

/// What ends the visit.
#[derive(Debug)]
enum Found {
    NotFinite,
    /// An error of the value itself.
    Other,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("the value cannot be visited")
    }
}

impl std::error::Error for Found {}

impl ser::Error for Found {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Found::Other
    }
}

type Visited = Result<(), Found>;

fn check(is_finite: bool) -> Visited {
    if is_finite { Ok(()) } else { Err(Found::NotFinite) }
}

/// Passes over values of these types.
macro_rules! pass {
    ($($method:ident: $type:ty),* $(,)?) => {
        $(fn $method(self, _: $type) -> Visited {
            Ok(())
        })*
    };
}

impl Serializer for Visit {
    type Ok = ();
    type Error = Found;
    type SerializeSeq = Visit;
    type SerializeTuple = Visit;
    type SerializeTupleStruct = Visit;
    type SerializeTupleVariant = Visit;
    type SerializeMap = Visit;
    type SerializeStruct = Visit;
    type SerializeStructVariant = Visit;

    pass! {
        serialize_bool: bool, serialize_char: char, serialize_str: &str, serialize_bytes: &[u8],
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64, serialize_i128: i128,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_u128: u128,
        serialize_unit_struct: &'static str,
    }

    fn serialize_f32(self, number: f32) -> Visited {
        check(number.is_finite())
    }

    fn serialize_f64(self, number: f64) -> Visited {
        check(number.is_finite())
    }

    fn serialize_none(self) -> Visited {
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Visited {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Visited {
        Ok(())
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, _: &'static str) -> Visited {
        Ok(())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Visited {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> Visited {
        value.serialize(self)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Visit, Found> {
        Ok(self)
    }

    fn serialize_tuple(self, _: usize) -> Result<Visit, Found> {
        Ok(self)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Visit, Found> {
        Ok(self)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Visit, Found> {
        Ok(self)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Visit, Found> {
        Ok(self)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Visit, Found> {
        Ok(self)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Visit, Found> {
        Ok(self)
    }

    fn collect_str<T: fmt::Display + ?Sized>(self, _: &T) -> Visited {
        Ok(())
    }
}

/// Visits each element or field.
macro_rules! visit_each {
    ($($kind:ident: $method:ident($($name:ident: $type:ty)?)),* $(,)?) => {
        $(impl ser::$kind for Visit {
            type Ok = ();
            type Error = Found;

            fn $method<T: Serialize + ?Sized>(&mut self, $($name: $type,)? value: &T) -> Visited {
                value.serialize(*self)
            }

            fn end(self) -> Visited {
                Ok(())
            }
        })*
    };
}

visit_each! {
    SerializeSeq: serialize_element(),
    SerializeTuple: serialize_element(),
    SerializeTupleStruct: serialize_field(),
    SerializeTupleVariant: serialize_field(),
    SerializeStruct: serialize_field(_name: &'static str),
    SerializeStructVariant: serialize_field(_name: &'static str),
}

impl ser::SerializeMap for Visit {
    type Ok = ();
    type Error = Found;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, _: &T) -> Visited {
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Visited {
        value.serialize(*self)
    }

    fn end(self) -> Visited {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[derive(serde::Serialize)]
    enum Shape {
        Point,
        Circle(f32),
        Box(f64, f64),
        Named { width: Option<f64> },
    }

    #[test]
    fn nan_and_infinite_numbers_are_found_wherever_they_are() {
        let finite = (1.5, [0.0, -1e308], Some(f32::MIN), "NaN", BTreeMap::from([("a", 1.0)]), ());
        assert!(is_finite(&finite) && is_finite(&u64::MAX) && is_finite(&None::<f64>));
        assert!(!is_finite(&f64::NAN) && !is_finite(&f32::INFINITY));
        assert!(!is_finite(&(1, vec![Some(f64::NEG_INFINITY)])));
        assert!(!is_finite(&BTreeMap::from([("a", 1.0), ("b", f64::NAN)])));
        use Shape::{Box, Circle, Named, Point};
        let finite = [Point, Circle(1.0), Box(1.0, 2.0), Named { width: None }];
        assert!(is_finite(&finite[..]));
        for shape in [Circle(f32::NAN), Box(1.0, f64::NAN), Named { width: Some(f64::NAN) }] {
            assert!(!is_finite(&shape), "{}", serde_json::to_string(&shape).unwrap());
        }
    }
}
