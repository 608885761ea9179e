//! Whether two values are the same to the last bit: the test that lets an unchanged event keep its bytes.

use rhai::{Dynamic, Map};

/// Same type, same content; floats by their bits. Values that JSON cannot hold are never the same.
pub(crate) fn same(left: &Dynamic, right: &Dynamic) -> bool {
    if left.is_unit() {
        return right.is_unit();
    }
    if let (Ok(left), Ok(right)) = (left.as_immutable_string_ref(), right.as_immutable_string_ref()) {
        return *left == *right;
    }
    if let (Ok(left), Ok(right)) = (left.as_int(), right.as_int()) {
        return left == right;
    }
    if let (Ok(left), Ok(right)) = (left.as_float(), right.as_float()) {
        return left.to_bits() == right.to_bits();
    }
    if let (Ok(left), Ok(right)) = (left.as_bool(), right.as_bool()) {
        return left == right;
    }
    if let (Ok(left), Ok(right)) = (left.as_decimal(), right.as_decimal()) {
        return left.serialize() == right.serialize();
    }
    if let (Ok(left), Ok(right)) = (left.as_map_ref(), right.as_map_ref()) {
        return same_map(&left, &right);
    }
    if let (Ok(left), Ok(right)) = (left.as_array_ref(), right.as_array_ref()) {
        return left.len() == right.len() && left.iter().zip(right.iter()).all(|(l, r)| same(l, r));
    }
    false
}

fn same_map(left: &Map, right: &Map) -> bool {
    left.len() == right.len()
        && left.iter().zip(right.iter()).all(|((l, left), (r, right))| l == r && same(left, right))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::read_value;

    #[test]
    fn types_and_bits_count() {
        let value = |text: &str| read_value(text.as_bytes()).unwrap();
        for text in [r#"{"a":[1,2.5,null,true,"x",{"b":{}}]}"#, "0.1", "[]"] {
            assert!(same(&value(text), &value(text)), "{text}");
        }
        for (left, right) in [
            ("1", "1.0"),
            ("0.0", "-0.0"),
            ("null", "false"),
            (r#"{"a":1}"#, r#"{"b":1}"#),
            (r#"{"a":1}"#, r#"{"a":1,"b":null}"#),
            ("[1]", "[1,1]"),
            (r#""1""#, "1"),
        ] {
            assert!(!same(&value(left), &value(right)), "{left} {right}");
        }
    }
}
