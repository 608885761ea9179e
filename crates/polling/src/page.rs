//! Splits a page of an API into raw items without building a tree.
//!
//! Invariant: every item keeps its bytes; of duplicate keys the last wins; text inside an item that no parser could
//! turn into a tree (lone surrogates, `1e400`, deep nesting) does not harm the page.

use std::borrow::Cow;
use std::marker::PhantomData;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// A page: its items, and the raw values of the other fields that were asked for.
pub struct Page<'a, const N: usize> {
    /// The items, each as it stands in the page.
    pub items: Vec<&'a RawValue>,
    /// The other fields, in the order in which they were asked for.
    pub fields: [Option<&'a RawValue>; N],
}

/// Splits `body`, an object with an array `items` and `fields` beside it.
///
/// # Errors
/// The body is no JSON, no object, or has no such array.
pub fn split<'a, const N: usize>(
    body: &'a [u8],
    items: &'static str,
    fields: [&'static str; N],
) -> serde_json::Result<Page<'a, N>> {
    // The whole page is checked at once: values that are skipped would not be looked at.
    let text = std::str::from_utf8(body).map_err(serde_json::Error::custom)?;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let page = deserializer.deserialize_map(PageVisitor { items, fields })?;
    deserializer.end()?;
    Ok(page)
}

/// The raw values of some fields of an object; `None` for the whole if `text` is not an object.
pub fn fields<'a, const N: usize>(
    text: &'a RawValue,
    names: [&'static str; N],
) -> Option<[Option<&'a RawValue>; N]> {
    fields_of(text.get(), names)
}

/// The raw values of some fields of an item that was split off a page.
pub fn item_fields<'a, const N: usize>(
    item: &'a [u8],
    names: [&'static str; N],
) -> Option<[Option<&'a RawValue>; N]> {
    fields_of(std::str::from_utf8(item).ok()?, names)
}

fn fields_of<'a, const N: usize>(
    text: &'a str,
    names: [&'static str; N],
) -> Option<[Option<&'a RawValue>; N]> {
    let visitor = FieldsVisitor { names, lifetime: PhantomData };
    serde_json::Deserializer::from_str(text).deserialize_map(visitor).ok()
}

/// The text of a JSON string; `None` for anything else, text that is not Unicode included.
pub fn text(value: Option<&RawValue>) -> Option<Cow<'_, str>> {
    let raw = value?.get();
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        serde_json::from_str(raw).ok().map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(inner))
    }
}

/// The text of a JSON string, or the digits of a JSON integer that is not negative.
pub fn text_or_integer(value: Option<&RawValue>) -> Option<Cow<'_, str>> {
    let raw = value?.get();
    if raw.bytes().all(|byte| byte.is_ascii_digit()) { Some(Cow::Borrowed(raw)) } else { text(value) }
}

/// Whether the value is missing or `null`.
pub fn is_null(value: Option<&RawValue>) -> bool {
    value.is_none_or(|value| value.get() == "null")
}

/// Finds a key among names. Reads bytes, because a key may hold text that is not Unicode.
pub(crate) struct Name<'n>(pub(crate) &'n [&'n str]);

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_bytes(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a key")
    }

    fn visit_bytes<E: Error>(self, key: &[u8]) -> Result<Self::Value, E> {
        Ok(self.0.iter().position(|name| name.as_bytes() == key))
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Self::Value, E> {
        self.visit_bytes(key.as_bytes())
    }
}

struct FieldsVisitor<'a, const N: usize> {
    names: [&'static str; N],
    lifetime: PhantomData<&'a RawValue>,
}

impl<'de, const N: usize> Visitor<'de> for FieldsVisitor<'de, N> {
    type Value = [Option<&'de RawValue>; N];

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = [None; N];
        while let Some(name) = map.next_key_seed(Name(&self.names))? {
            match name {
                Some(index) => found[index] = Some(map.next_value()?),
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(found)
    }
}

struct PageVisitor<const N: usize> {
    items: &'static str,
    fields: [&'static str; N],
}

impl<'de, const N: usize> Visitor<'de> for PageVisitor<N> {
    type Value = Page<'de, N>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let names: Vec<&str> = self.fields.into_iter().chain([self.items]).collect();
        let (mut items, mut fields) = (None, [None; N]);
        while let Some(name) = map.next_key_seed(Name(&names))? {
            match name {
                Some(index) if index == N => items = Some(map.next_value()?),
                Some(index) => fields[index] = Some(map.next_value()?),
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        let items = items.ok_or_else(|| A::Error::missing_field(self.items))?;
        Ok(Page { items, fields })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> &RawValue {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn items_keep_their_bytes_and_the_last_of_duplicate_keys_wins() {
        let body =
            br#"{"next":"1","items":[9],"x":{"\ud800":1e400},"items":[ {"a" : 1.10} , 2],"next":null}"#;
        let page = split(body, "items", ["next", "more"]).unwrap();
        let items: Vec<&str> = page.items.iter().map(|item| item.get()).collect();
        assert_eq!(items, [r#"{"a" : 1.10}"#, "2"]);
        assert_eq!(page.fields[0].unwrap().get(), "null");
        assert!(page.fields[1].is_none());
    }

    #[test]
    fn what_is_not_a_page_is_refused() {
        for body in [
            "",
            "[]",
            "{}",
            r#"{"items":null}"#,
            r#"{"items":{}}"#,
            r#"{"items":[]} x"#,
            r#"{"items":[1,]}"#,
            "\u{feff}{\"items\":[]}",
        ] {
            assert!(split(body.as_bytes(), "items", []).is_err(), "{body}");
        }
        assert!(split(b"{\"items\":[\"\xff\"]}", "items", []).is_err());
        assert!(split(b"{\"items\":[],\"x\":\"\xff\"}", "items", []).is_err());
    }

    #[test]
    fn hostile_items_do_not_harm_the_page() {
        let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
        let body = format!(r#"{{"items":[{{"\ud800":"\udfff","n":1e400,"deep":{deep},"id":"7"}}]}}"#);
        let page = split(body.as_bytes(), "items", []).unwrap();
        let [id, n] = fields(page.items[0], ["id", "n"]).unwrap();
        assert_eq!(text(id).unwrap(), "7");
        assert_eq!(n.unwrap().get(), "1e400");
    }

    #[test]
    fn fields_are_found_behind_escapes_and_only_in_objects() {
        let [id] = fields(raw(r#"{"id":"1","\u0069d":"2"}"#), ["id"]).unwrap();
        assert_eq!(text(id).unwrap(), "2");
        assert!(fields(raw("[1]"), ["id"]).is_none());
        assert!(fields(raw("null"), ["id"]).is_none());
    }

    #[test]
    fn text_is_decoded_and_integers_may_stand_for_it() {
        assert_eq!(text(Some(raw(r#""a\u0062\"""#))).unwrap(), "ab\"");
        assert_eq!(text(Some(raw(r#""\ud800""#))), None);
        assert_eq!(text(Some(raw("1"))), None);
        assert_eq!(text_or_integer(Some(raw("18446744073709551617"))).unwrap(), "18446744073709551617");
        assert_eq!(text_or_integer(Some(raw("1.5"))), None);
        assert_eq!(text_or_integer(Some(raw("-1"))), None);
        assert!(is_null(None) && is_null(Some(raw("null"))) && !is_null(Some(raw(r#""""#))));
    }
}
