//! Differences of JSON values, so that a commit need not repeat what did not change.
//!
//! A difference is an array of one element, which is the new value, or an object of differences: of an object
//! by the names of its fields, of an array by the indexes of its elements. An index that is the array's
//! length adds an element.

use serde_json::{Map, Value};

/// Returns the difference that turns `from` into `to`.
pub(super) fn diff(from: &Value, to: &Value) -> Value {
    between(from, to).unwrap_or_else(|| Value::Object(Map::new()))
}

/// Returns none if nothing changed.
fn between(from: &Value, to: &Value) -> Option<Value> {
    let new = || Some(Value::Array(vec![to.clone()]));
    let changed: Map<String, Value> = match (from, to) {
        (from, to) if from == to => return None,
        (Value::Object(from), Value::Object(to)) if from.keys().all(|key| to.contains_key(key)) => {
            to.iter().filter_map(|(key, to)| Some((key.clone(), of(from.get(key), to)?))).collect()
        }
        (Value::Array(from), Value::Array(to)) if from.len() <= to.len() => {
            let elements = to.iter().enumerate();
            elements.filter_map(|(at, to)| Some((at.to_string(), of(from.get(at), to)?))).collect()
        }
        _ => return new(),
    };
    Some(Value::Object(changed))
}

fn of(from: Option<&Value>, to: &Value) -> Option<Value> {
    match from {
        Some(from) => between(from, to),
        None => Some(Value::Array(vec![to.clone()])),
    }
}

/// Applies differences to `value`.
///
/// # Errors
/// If they do not fit the value.
pub(super) fn apply(value: &mut Value, changes: Value) -> Result<(), String> {
    let changed = match changes {
        Value::Object(changed) => changed,
        Value::Array(mut new) if new.len() == 1 => {
            *value = new.pop().unwrap_or_default();
            return Ok(());
        }
        other => return Err(format!("{other} is no change")),
    };
    match value {
        Value::Object(fields) => changed.into_iter().try_for_each(|(name, change)| {
            apply(fields.entry(name).or_insert(Value::Null), change)
        }),
        Value::Array(elements) => {
            let indexed = changed.into_iter().map(|(index, change)| match index.parse() {
                Ok(index) => Ok((index, change)),
                Err(_) => Err(format!("{index:?} is no index")),
            });
            let mut indexed: Vec<(usize, Value)> = indexed.collect::<Result<_, _>>()?;
            indexed.sort_by_key(|(index, _)| *index);
            for (index, change) in indexed {
                if index == elements.len() {
                    elements.push(Value::Null);
                }
                let there = elements.len();
                let element = elements.get_mut(index);
                apply(element.ok_or_else(|| format!("{index} is past {there} elements"))?, change)?;
            }
            Ok(())
        }
        // Nothing changed of what has no parts.
        _ if changed.is_empty() => Ok(()),
        other => Err(format!("{other} has no parts that could change")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (0..4_u64).prop_map(Value::from),
            "[a-c]{0,2}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 14, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..14).prop_map(Value::from),
                prop::collection::btree_map("[a-c]", inner, 0..4)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn changes_make_the_one_of_the_other(from in value(), to in value()) {
            let mut value = from.clone();
            apply(&mut value, diff(&from, &to)).unwrap();
            prop_assert_eq!(value, to);
        }
    }

    #[test]
    fn only_what_changed_is_said() {
        let at = |bytes: [u64; 3]| json!({"lines": {"epoch": bytes[2], "files": bytes}});
        assert_eq!(
            diff(&at([1, 2, 3]), &at([1, 2, 4])),
            json!({"lines": {"epoch": [4], "files": {"2": [4]}}})
        );
        assert_eq!(diff(&at([1, 2, 3]), &at([1, 2, 3])), json!({}));
    }

    #[test]
    fn what_is_no_change_of_the_value_is_refused() {
        for (value, changes) in [
            (json!({}), json!(1)),
            (json!({}), json!([1, 2])),
            (json!([1]), json!({"2": [1]})),
            (json!([1]), json!({"x": [1]})),
            (json!(1), json!({"a": [1]})),
        ] {
            assert!(apply(&mut value.clone(), changes.clone()).is_err(), "{value} {changes}");
        }
    }
}
