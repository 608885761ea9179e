//! The items of an answer that is a list, each with its key.
//!
//! Invariant: items keep their bytes (line breaks between tokens become spaces).

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use serde_json::value::RawValue;
use sluicebox_core::{LookupStatus, Problem, object_fields};
use sluicebox_lookups::{Found, key_text, select};

/// RFC 3986, section 2.3: all but the unreserved characters.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Where the items are, and their keys.
#[derive(Clone, Debug)]
pub(super) struct Listing {
    items: Option<String>,
    key: String,
    /// If there is no list at `items`, the first whose items have this field is taken.
    mark: Option<&'static str>,
    /// What some keys begin with and others do not.
    prefix: Option<&'static str>,
}

impl Listing {
    /// # Errors
    /// A path that is none, below `option`.
    pub(super) fn new(items: Option<&str>, key: &str, option: &str) -> Result<Self, Problem> {
        for (path, name) in [(items.unwrap_or("items"), "items"), (key, "key")] {
            if path.split('.').any(str::is_empty) {
                let message = "expected a path like `id` or `data.contracts`";
                return Err(Problem::new(format!("{option}.{name}"), message));
            }
        }
        Ok(Self { items: items.map(ToOwned::to_owned), key: key.to_owned(), mark: None, prefix: None })
    }

    /// The list at `items`, whose items have their key at `id`.
    pub(super) fn at(items: &str) -> Self {
        Self { items: Some(items.to_owned()), key: "id".to_owned(), mark: None, prefix: None }
    }

    /// Takes the first list whose items have the field `mark` where there is none at `items`.
    pub(super) fn or_marked_by(self, mark: Option<&'static str>) -> Self {
        Self { mark, ..self }
    }

    /// Leaves out what some keys begin with.
    pub(super) fn without_prefix(self, prefix: Option<&'static str>) -> Self {
        Self { prefix, ..self }
    }

    /// A key as items are found by it.
    pub(super) fn bare<'k>(&self, key: &'k str) -> &'k str {
        self.prefix.and_then(|prefix| key.strip_prefix(prefix)).unwrap_or(key)
    }

    /// The items with their keys; `None`: there is no list.
    ///
    /// # Errors
    /// The text is not JSON.
    pub(super) fn of(&self, body: &[u8]) -> Result<Option<Vec<(String, Bytes)>>, serde_json::Error> {
        let found = select(body, self.items.as_deref())?;
        let is_list = |json: &Bytes| json.first() == Some(&b'[');
        let at = match (found, self.mark) {
            (found, Some(mark)) if !found.as_ref().is_some_and(is_list) => marked(body, mark)?,
            (found, _) => found,
        };
        let Some(at) = at else { return Ok(None) };
        let whole: &RawValue = serde_json::from_slice(&at)?;
        match whole.get().as_bytes().first() {
            Some(b'[') => self.elements(whole).map(Some),
            Some(b'{') if self.items.is_some() => {
                let named: BTreeMap<String, &RawValue> = serde_json::from_str(whole.get())?;
                Ok(Some(named.into_iter().map(|(name, item)| (name, copied(item))).collect()))
            }
            Some(b'{') => {
                let members: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_str(whole.get())?;
                let lists = members.values().filter(|member| member.get().starts_with('['));
                let lists: Vec<_> = lists.map(|list| self.elements(list)).collect::<Result<_, _>>()?;
                // An empty list shows no keys, but it is a list.
                let is_empty = !lists.is_empty();
                let first = lists.into_iter().find(|items| !items.is_empty());
                Ok(first.or(is_empty.then(Vec::new)))
            }
            _ => Ok(None),
        }
    }

    /// There are no items, and why: final, because an API does not change its answers within minutes.
    pub(super) fn absence(&self) -> Found {
        let reason = match &self.items {
            Some(items) => format!("the answer has no list at `{items}`"),
            None => "the answer has no list".to_owned(),
        };
        Found::nothing(LookupStatus::Unavailable, &reason)
    }

    /// Those that have a key.
    fn elements(&self, list: &RawValue) -> Result<Vec<(String, Bytes)>, serde_json::Error> {
        let mut items = Vec::new();
        for item in serde_json::from_str::<Vec<&RawValue>>(list.get())? {
            let Some(key) = select(item.get().as_bytes(), Some(&self.key))? else { continue };
            let key: Value = serde_json::from_slice(&key)?;
            if let Some(key) = key_text(&key) {
                items.push((self.bare(&key).to_owned(), copied(item)));
            }
        }
        Ok(items)
    }
}

/// The first list in an answer, or the answer itself, whose first item has this field.
fn marked(body: &[u8], mark: &str) -> Result<Option<Bytes>, serde_json::Error> {
    let whole: &RawValue = serde_json::from_slice(body)?;
    let places = match whole.get().as_bytes().first() {
        Some(b'{') => object_fields(whole.get())?.into_iter().map(|(_, member)| member).collect(),
        _ => vec![whole],
    };
    let mut lists = places.into_iter().filter(|place| place.get().starts_with('['));
    let is_marked = |list: &&RawValue| {
        let path = format!("0.{mark}");
        select(list.get().as_bytes(), Some(&path)).is_ok_and(|found| found.is_some())
    };
    Ok(lists.find(is_marked).map(copied))
}

fn copied(item: &RawValue) -> Bytes {
    Bytes::copy_from_slice(item.get().as_bytes())
}

/// A value for a URL: it cannot leave its place.
pub(super) fn encoded(value: &str) -> String {
    utf8_percent_encode(value, RESERVED).to_string()
}
