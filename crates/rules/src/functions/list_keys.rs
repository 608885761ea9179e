//! Lists by a key: sorted, grouped, counted, looked up by what a function gives for each item.

use std::collections::HashSet;

use rhai::{Array, Dynamic, Engine, FnPtr, Identifier, Map, NativeCallContext};

use super::order::order;
use super::outcome::{Outcome, fault, plain, shown, too_large};
use crate::write::Unwritable;
use crate::{limits, write};

pub(super) fn register(engine: &mut Engine) {
    engine.register_fn("unique_by", |context: NativeCallContext<'_>, list: Array, key: FnPtr| {
        let keyed = keyed(&context, list, &key)?.into_iter();
        unique("unique_by", keyed.map(|(key, item)| (Some(key), item)))
    });
    engine.register_fn("order_by_key", |context: NativeCallContext<'_>, list: Array, key: FnPtr| {
        ordered(keyed(&context, list, &key)?)
    });
    engine.register_fn("group_by", |context: NativeCallContext<'_>, list: Array, key: FnPtr| {
        let mut groups: std::collections::BTreeMap<Identifier, Array> = std::collections::BTreeMap::new();
        for (key, item) in keyed(&context, list, &key)? {
            groups.entry(name("group_by", &key)?).or_default().push(item);
        }
        let groups = groups.into_iter().map(|(key, items)| (key, Dynamic::from_array(items)));
        Outcome::Ok(groups.collect::<Map>())
    });
    engine.register_fn("count_by", |context: NativeCallContext<'_>, list: Array, key: FnPtr| {
        let mut counts: std::collections::BTreeMap<Identifier, i64> = std::collections::BTreeMap::new();
        for (key, _) in keyed(&context, list, &key)? {
            *counts.entry(name("count_by", &key)?).or_default() += 1;
        }
        Outcome::Ok(counts.into_iter().map(|(key, count)| (key, count.into())).collect::<Map>())
    });
    engine.register_fn("index_by", |context: NativeCallContext<'_>, list: Array, key: FnPtr| {
        let named = |(key, item): (Dynamic, Dynamic)| Ok((name("index_by", &key)?, item));
        keyed(&context, list, &key)?.into_iter().map(named).collect::<Outcome<Map>>()
    });
}

/// Each item with what the function gives for it.
fn keyed(context: &NativeCallContext<'_>, list: Array, key: &FnPtr) -> Outcome<Vec<(Dynamic, Dynamic)>> {
    let keyed = |item: Dynamic| {
        let key: Dynamic = key.call_within_context(context, (item.clone(),))?;
        Ok((key.flatten(), item))
    };
    list.into_iter().map(keyed).collect()
}

/// A key as the name of a field.
fn name(function: &str, key: &Dynamic) -> Outcome<Identifier> {
    Ok(plain(function, key)?.into())
}

/// Of items whose keys have the same JSON, the first; without a key, the item is its own.
///
/// # Errors
/// JSON cannot hold a key, or the keys are larger together than a text may be.
pub(super) fn unique(
    function: &str,
    keyed: impl Iterator<Item = (Option<Dynamic>, Dynamic)>,
) -> Outcome<Array> {
    let mut left = limits::TEXT_BYTES;
    let mut seen = HashSet::new();
    let mut kept = Array::new();
    for (key, item) in keyed {
        let json = write::json_within(key.as_ref().unwrap_or(&item), left).map_err(|error| match error {
            Unwritable::Size(_) => too_large(limits::TEXT),
            error => format!("`{function}`: {error}").into(),
        })?;
        let bytes = json.len();
        if seen.insert(json) {
            left = left.checked_sub(bytes).ok_or_else(|| too_large(limits::TEXT))?;
            kept.push(item);
        }
    }
    Ok(kept)
}

fn ordered(keyed: Vec<(Dynamic, Dynamic)>) -> Outcome<Array> {
    let (missing, mut keyed): (Vec<_>, Vec<_>) = keyed.into_iter().partition(|(key, _)| key.is_unit());
    let first = keyed.first().map(|(key, _)| key.clone()).unwrap_or_default();
    if let Some((odd, _)) = keyed.iter().find(|(key, _)| order(key, &first).is_none()) {
        return Err(fault("order_by_key", "keys that are all numbers or all texts", &shown(odd)));
    }
    keyed.sort_by(|(left, _), (right, _)| order(left, right).unwrap_or(std::cmp::Ordering::Equal));
    Ok(keyed.into_iter().chain(missing).map(|(_, item)| item).collect())
}
