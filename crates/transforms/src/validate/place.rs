//! Places in JSON: pointers as the paths that users write, and as lines and columns of a file.

use std::collections::BTreeMap;

use jsonschema::paths::Location;
use serde_json::Value;
use serde_json::value::RawValue;

/// The steps of a JSON pointer, decoded.
pub(super) fn steps(pointer: &str) -> Vec<String> {
    pointer.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~")).collect()
}

/// A place in an event, as a rule would name it: `data.members[0]["e-mail"]`.
pub(super) fn in_event(location: &Location, event: &Value) -> String {
    let mut at = Some(event);
    let mut path = String::new();
    for step in steps(location.as_str()) {
        let is_element = at.is_some_and(Value::is_array);
        at = at.and_then(|at| child(at, &step));
        if is_element {
            path = format!("{path}[{step}]");
        } else {
            path = field(&path, &step);
        }
    }
    path
}

/// The path of a field one level further in.
pub(super) fn field(path: &str, name: &str) -> String {
    let mut characters = name.chars();
    let starts_well = characters.next().is_some_and(|c| c.is_alphabetic() || c == '_');
    let is_identifier = starts_well && characters.all(|c| c.is_alphanumeric() || c == '_');
    match (is_identifier, path) {
        (true, "") => name.to_owned(),
        (true, path) => format!("{path}.{name}"),
        (false, path) => format!("{path}[{}]", Value::from(name)),
    }
}

/// A place in a schema that stands in the pipeline file, as a problem names it: `properties.a.enum[0]`.
pub(super) fn in_options(pointer: &str, schema: &Value) -> String {
    let mut at = Some(schema);
    let mut path = String::new();
    for step in steps(pointer) {
        let is_element = at.is_some_and(Value::is_array);
        at = at.and_then(|at| child(at, &step));
        match (is_element, path.is_empty()) {
            (true, _) => path = format!("{path}[{step}]"),
            (false, true) => path = step,
            (false, false) => path = format!("{path}.{step}"),
        }
    }
    path
}

fn child<'v>(value: &'v Value, step: &str) -> Option<&'v Value> {
    match value {
        Value::Object(fields) => fields.get(step),
        Value::Array(items) => items.get(step.parse::<usize>().ok()?),
        _ => None,
    }
}

/// Line and column, from 1, of the value that a pointer leads to.
pub(super) fn in_file(pointer: &str, text: &str) -> Option<(usize, usize)> {
    let mut at: &RawValue = serde_json::from_str(text).ok()?;
    for step in steps(pointer) {
        at = match at.get().as_bytes().first()? {
            b'{' => serde_json::from_str::<BTreeMap<String, &RawValue>>(at.get()).ok()?.remove(&step)?,
            b'[' => {
                serde_json::from_str::<Vec<&RawValue>>(at.get()).ok()?.get(step.parse::<usize>().ok()?)?
            }
            _ => return None,
        };
    }
    let offset = at.get().as_ptr() as usize - text.as_ptr() as usize;
    let before = text.get(..offset)?;
    let line_start = before.rfind('\n').map_or(0, |end| end + 1);
    Some((before.matches('\n').count() + 1, before[line_start..].chars().count() + 1))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn places_are_named_as_people_write_them() {
        let event = json!({ "a": [{ "b-c": { "0": 1 } }], "d/e~f": 1 });
        let location = Location::new().join("a").join(0_usize).join("b-c").join("0");
        assert_eq!(in_event(&location, &event), r#"a[0]["b-c"]["0"]"#);
        assert_eq!(in_event(&Location::new().join("d/e~f"), &event), r#"["d/e~f"]"#);
        assert_eq!(in_event(&Location::new(), &event), "");
        assert_eq!(in_options("/a/0/b-c", &event), "a[0].b-c");
    }

    #[test]
    fn lines_and_columns_are_those_of_the_value() {
        let text = "{\n  \"é\": [1,\n    {\"x\": 2}],\n  \"x\": 3\n}";
        assert_eq!(in_file("", text), Some((1, 1)));
        assert_eq!(in_file("/é/0", text), Some((2, 9)));
        assert_eq!(in_file("/é/1/x", text), Some((3, 11)));
        assert_eq!(in_file("/x", text), Some((4, 8)));
        assert_eq!(in_file("/y", text), None);
    }
}
