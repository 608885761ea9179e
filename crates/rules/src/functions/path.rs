//! Paths to a value inside maps and lists: `data.items[0].name`, `data["a-b"]`.

use rhai::{Dynamic, Identifier, Map};

use super::outcome::{Outcome, fault, quoted};
use crate::limits;

/// One step of a path.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A field of a map.
    Field(String),
    /// An item of a list, from 0.
    Item(usize),
}

/// Reads a path.
///
/// # Errors
/// It is none.
pub(super) fn parse(function: &str, path: &str) -> Outcome<Vec<Step>> {
    steps(path)
        .filter(|steps| !steps.is_empty() && steps.len() <= limits::PATH_STEPS)
        .ok_or_else(|| fault(function, "a path like `data.items[0].name` or `data[\"a-b\"]`", &quoted(path)))
}

fn steps(path: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        if let Some(inside) = rest.strip_prefix("[\"") {
            let (name, after) = inside.split_once("\"]")?;
            steps.push(Step::Field(name.to_owned()));
            rest = after;
        } else if let Some(inside) = rest.strip_prefix('[') {
            let (index, after) = inside.split_once(']')?;
            steps.push(Step::Item(index.parse().ok()?));
            rest = after;
        } else {
            rest = if steps.is_empty() { rest } else { rest.strip_prefix('.')? };
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            if end == 0 {
                return None;
            }
            steps.push(Step::Field(rest[..end].to_owned()));
            rest = &rest[end..];
        }
    }
    Some(steps)
}

/// The value at the end of a path; missing where there is none.
pub(super) fn get(value: &Dynamic, steps: &[Step]) -> Dynamic {
    let Some((step, rest)) = steps.split_first() else {
        return value.clone();
    };
    let inner = |inner: Option<&Dynamic>| inner.map(|inner| get(inner, rest)).unwrap_or_default();
    match step {
        Step::Field(name) => value.as_map_ref().map(|map| inner(map.get(name.as_str()))).unwrap_or_default(),
        Step::Item(index) => value.as_array_ref().map(|list| inner(list.get(*index))).unwrap_or_default(),
    }
}

/// Puts a value at the end of a path; maps that are missing on the way are made. False if something else is in the
/// way, or a list is too short.
pub(super) fn set(target: &mut Dynamic, steps: &[Step], new: Dynamic) -> bool {
    let Some((step, rest)) = steps.split_first() else {
        *target = new;
        return true;
    };
    match step {
        Step::Field(name) => {
            if target.is_unit() {
                *target = Dynamic::from_map(Map::new());
            }
            let Ok(mut map) = target.as_map_mut() else { return false };
            set(map.entry(Identifier::from(name.as_str())).or_insert(Dynamic::UNIT), rest, new)
        }
        Step::Item(index) => {
            let Ok(mut list) = target.as_array_mut() else { return false };
            list.get_mut(*index).is_some_and(|item| set(item, rest, new))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_or_refused() {
        let field = |name: &str| Step::Field(name.to_owned());
        assert_eq!(steps("a.b[2].c"), Some(vec![field("a"), field("b"), Step::Item(2), field("c")]));
        assert_eq!(steps("a[\"x.y-z\"]"), Some(vec![field("a"), field("x.y-z")]));
        assert_eq!(steps("[0]"), Some(vec![Step::Item(0)]));
        for wrong in ["a.", ".a", "a..b", "a[", "a[x]", "a[-1]", "a[\"b]", "a[0]b"] {
            assert_eq!(steps(wrong), None, "{wrong}");
        }
    }
}
