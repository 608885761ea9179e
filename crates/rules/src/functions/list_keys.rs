//! Lists by a key: sorted, grouped, counted, looked up by what a function gives for each item.

use std::collections::HashSet;

use rhai::{Array, Dynamic, Engine, FnPtr, Identifier, Map, NativeCallContext};

use super::order::order;
use super::outcome::{Outcome, fault, plain, shown};
use crate::write;

pub(super) fn register(engine: &mut Engine) {
    engine.register_fn("unique_by", |context: NativeCallContext<'_>, list: Array, key: FnPtr| {
        unique_by(keyed(&context, list, &key)?)
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

fn unique_by(keyed: Vec<(Dynamic, Dynamic)>) -> Outcome<Array> {
    let mut seen = HashSet::new();
    let mut kept = Array::new();
    for (key, item) in keyed {
        let json = write::json(&key).map_err(|error| format!("`unique_by`: {error}"))?;
        if seen.insert(json) {
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
