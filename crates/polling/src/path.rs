//! Paths into an answer (`data.items`, `links.0.href`), followed over the raw text.
//!
//! Invariant: what is found keeps its bytes; no tree is built, of duplicate keys the last wins, and what no path leads
//! to may be as odd as it likes.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::page::Name;

/// The path of the whole value.
const WHOLE: &str = "$";

/// Names of fields, one inside the other; a number is a place in a list, from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    text: String,
    segments: Vec<String>,
}

impl Path {
    /// Reads `data.items`, or `$` for the whole value.
    ///
    /// # Errors
    /// A sentence for the user.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text == WHOLE {
            return Ok(Self { text: text.to_owned(), segments: Vec::new() });
        }
        let segments: Vec<String> = text.split('.').map(str::to_owned).collect();
        if segments.iter().any(|segment| segment.is_empty() || segment.trim() != segment) {
            return Err(format!("expected a path like `data.items`, or `$` for the whole, found `{text}`"));
        }
        Ok(Self { text: text.to_owned(), segments })
    }

    /// What the path leads to.
    pub fn find<'a>(&self, value: &'a RawValue) -> Option<&'a RawValue> {
        follow(value, &self.segments)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What each path leads to, in one pass over `text`.
///
/// # Errors
/// The text is no JSON.
pub fn find_all<'a>(text: &'a str, paths: &[&Path]) -> serde_json::Result<Vec<Option<&'a RawValue>>> {
    let is_object = text.trim_ascii_start().starts_with('{');
    if !is_object || paths.iter().any(|path| path.segments.is_empty()) {
        let whole: &RawValue = serde_json::from_str(text)?;
        return Ok(paths.iter().map(|path| path.find(whole)).collect());
    }
    let names: Vec<&str> = paths.iter().map(|path| path.segments[0].as_str()).collect();
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let mut found = deserializer.deserialize_map(Fields { names: &names, lifetime: PhantomData })?;
    deserializer.end()?;
    go_on(&mut found, &names, paths);
    Ok(found)
}

/// Makes of the fields that paths begin with what they lead to.
fn go_on(found: &mut [Option<&RawValue>], names: &[&str], paths: &[&Path]) {
    // From the last to the first, for a name that several paths begin with is found at the place of its first mention.
    for (index, path) in paths.iter().enumerate().rev() {
        let first = || names[..index].iter().position(|name| *name == names[index]);
        let field = found[index].or_else(|| found[first()?]);
        found[index] = field.and_then(|value| follow(value, &path.segments[1..]));
    }
}

/// The elements of the list that `list` leads to, and what each other path leads to: in one pass over `text`, where the
/// list is a field of the whole.
///
/// # Errors
/// The text is no JSON, or there is no list, in words.
pub fn find_list<'a>(
    text: &'a str,
    list: &Path,
    others: &[&Path],
) -> Result<(Vec<&'a RawValue>, Vec<Option<&'a RawValue>>), String> {
    let no_json = |error: serde_json::Error| error.to_string();
    let is_object = text.trim_ascii_start().starts_with('{');
    let simple = others.iter().all(|path| path.segments.first().is_some_and(|first| *first != list.text));
    if is_object && list.segments.len() == 1 && simple {
        let names: Vec<&str> = [list].iter().chain(others).map(|path| path.segments[0].as_str()).collect();
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let visitor = ListAndFields { names: &names, lifetime: PhantomData };
        let (elements, mut found) = deserializer.deserialize_map(visitor).map_err(no_json)?;
        deserializer.end().map_err(no_json)?;
        let elements = elements.ok_or_else(|| format!("there is no `{list}`"))?;
        found.remove(0);
        go_on(&mut found, &names[1..], others);
        return Ok((elements, found));
    }
    let all: Vec<&Path> = [list].into_iter().chain(others.iter().copied()).collect();
    let mut found = find_all(text, &all).map_err(no_json)?;
    let value = found.remove(0).ok_or_else(|| format!("there is no `{list}`"))?;
    Ok((elements(value).ok_or_else(|| format!("`{list}` is not a list"))?, found))
}

/// The elements of a JSON list; `None` if the value is none.
pub fn elements(value: &RawValue) -> Option<Vec<&RawValue>> {
    serde_json::from_str(value.get()).ok()
}

fn follow<'a>(value: &'a RawValue, segments: &[String]) -> Option<&'a RawValue> {
    let Some((first, rest)) = segments.split_first() else { return Some(value) };
    let inner = if value.get().starts_with('[') {
        elements(value)?.get(first.parse::<usize>().ok()?).copied()?
    } else {
        let visitor = Fields { names: &[first.as_str()], lifetime: PhantomData };
        serde_json::Deserializer::from_str(value.get()).deserialize_map(visitor).ok()?.pop()??
    };
    follow(inner, rest)
}

/// The values of some fields of an object, by the place of their name's first mention.
struct Fields<'n, 'a> {
    names: &'n [&'n str],
    lifetime: PhantomData<&'a RawValue>,
}

impl<'de> Visitor<'de> for Fields<'_, 'de> {
    type Value = Vec<Option<&'de RawValue>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = vec![None; self.names.len()];
        while let Some(name) = map.next_key_seed(Name(self.names))? {
            match name {
                Some(index) => found[index] = Some(map.next_value()?),
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(found)
    }
}

/// The same, where the field of the first name is a list.
struct ListAndFields<'n, 'a> {
    names: &'n [&'n str],
    lifetime: PhantomData<&'a RawValue>,
}

impl<'de> Visitor<'de> for ListAndFields<'_, 'de> {
    type Value = (Option<Vec<&'de RawValue>>, Vec<Option<&'de RawValue>>);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut list, mut found) = (None, vec![None; self.names.len()]);
        while let Some(name) = map.next_key_seed(Name(self.names))? {
            match name {
                Some(0) => list = Some(map.next_value()?),
                Some(index) => found[index] = Some(map.next_value()?),
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok((list, found))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found<'a>(text: &'a str, paths: &[&str]) -> Vec<Option<&'a str>> {
        let paths: Vec<Path> = paths.iter().map(|path| Path::parse(path).unwrap()).collect();
        let found = find_all(text, &paths.iter().collect::<Vec<_>>()).unwrap();
        found.into_iter().map(|value| value.map(RawValue::get)).collect()
    }

    #[test]
    fn paths_lead_into_objects_and_lists_and_keep_bytes() {
        let text = r#" {"a":{"b":[ 1, {"c" : 1.10}]},"n":null,"a2":"x"}"#;
        assert_eq!(
            found(text, &["a.b.1.c", "a.b", "n", "a2"]),
            [Some("1.10"), Some(r#"[ 1, {"c" : 1.10}]"#), Some("null"), Some("\"x\"")]
        );
        assert_eq!(found(text, &["a.x", "x", "a.b.2", "a.b.x", "a2.x"]), [None; 5]);
        assert_eq!(found("[1,2]", &["$", "1", "a"]), [Some("[1,2]"), Some("2"), None]);
        assert_eq!(found("{}", &["$", "a"]), [Some("{}"), None]);
    }

    #[test]
    fn paths_may_begin_with_the_same_field_and_be_the_same() {
        let text = r#"{"a":{"b":1,"c":2},"d":3}"#;
        assert_eq!(
            found(text, &["a.b", "a.c", "a", "a.b", "d", "d"]),
            [Some("1"), Some("2"), Some(r#"{"b":1,"c":2}"#), Some("1"), Some("3"), Some("3")]
        );
    }

    #[test]
    fn the_last_of_duplicate_keys_wins_and_oddities_beside_it_do_no_harm() {
        let text = r#"{"a":1,"\ud800":1e400,"a":{"b":1,"\u0062":2}}"#;
        assert_eq!(found(text, &["a.b"]), [Some("2")]);
    }

    #[test]
    fn a_list_is_split_beside_other_fields_wherever_it_stands() {
        let path = |text: &str| Path::parse(text).unwrap();
        let (next, count) = (path("next"), path("meta.count"));
        for (text, list) in [
            (r#"{"items":[0],"next":"n","items":[ {"a" : 1.10} ,2],"meta":{"count":7}}"#, "items"),
            (r#"{"data":{"items":[ {"a" : 1.10} ,2]},"next":"n","meta":{"count":7}}"#, "data.items"),
            (r#"{"next":"n","meta":{"count":7,"items":[ {"a" : 1.10} ,2]}}"#, "meta.items"),
        ] {
            let (items, found) = find_list(text, &path(list), &[&next, &count]).unwrap();
            let items: Vec<&str> = items.into_iter().map(RawValue::get).collect();
            assert_eq!(items, [r#"{"a" : 1.10}"#, "2"], "{list}");
            assert_eq!(found.into_iter().map(|it| it.unwrap().get()).collect::<Vec<_>>(), ["\"n\"", "7"]);
        }
        for text in
            ["", "{}", "[]", r#"{"items":null}"#, r#"{"items":{}}"#, r#"{"items":[]} x"#, r#"{"items":[1,]}"#]
        {
            assert!(find_list(text, &path("items"), &[&next]).is_err(), "{text}");
            assert!(find_list(text, &path("items.0"), &[]).is_err(), "{text}");
        }
        assert_eq!(find_list("[1,2]", &path("$"), &[]).unwrap().0.len(), 2);
    }

    #[test]
    fn text_that_is_no_json_is_refused() {
        let path = Path::parse("a").unwrap();
        for text in ["", "{\"a\":1", "{\"a\":1} x", "{\"a\":[1,]}", "<html>"] {
            assert!(find_all(text, &[&path]).is_err(), "{text}");
        }
    }

    #[test]
    fn paths_are_refused_that_lead_nowhere() {
        for text in ["", ".", "a..b", "a.", " a"] {
            assert!(Path::parse(text).unwrap_err().contains("data.items"), "{text}");
        }
    }
}
