//! Maps: looked into, picked from, put together.
//!
//! Our own functions give a new map and leave the old one as it was; those of Rhai that change a map say so.

use rhai::{Array, Dynamic, Engine, Identifier, Map};

use super::catalogue::{Family, functions};
use super::outcome::{Outcome, fault, shown};
use super::path;

pub(super) const FAMILY: Family = Family {
    name: "map",
    summary: "Maps, which JSON calls objects: `#{ name: \"Ann\", age: 7 }`. A field is `map.name` or `map[\"name\"]`, \
              missing if it is not there. A map is copied when it is given away. Functions that change one in place \
              say so; the others give a new one.",
    functions: functions! {
        "get" "(map, name) → value": "The value of a field, missing if it is not there; as `map[name]`."
            r#"#{ "a.b": 1 }.get("a.b")"# => "1";
        "get_path" "(value, path) → value":
            "The value at a path of fields and items; missing if anything on the way is."
            r#"#{ a: [#{ b: 1 }] }.get_path("a[0].b")"# => "1";
        "get_path" "(value, path, default) → value": "The same, with a value for what is missing."
            r#"#{ a: 1 }.get_path("b.c", "none")"# => r#""none""#;
        "set_path" "(map, path, value) → map": "With a value put at a path; maps that are missing on the way are made."
            r#"#{ a: 1 }.set_path("b.c", 2)"# => r#"{"a":1,"b":{"c":2}}"#;
        "contains" "(map, name) → true or false": "Whether there is a field of that name; as `name in map`." r#"#{ a: () }.contains("a")"# => "true";
        "keys" "(map) → list": "The names of its fields, sorted." "#{ b: 1, a: 2 }.keys()" => r#"["a","b"]"#;
        "values" "(map) → list": "Its values, in the order of their names." "#{ b: 1, a: 2 }.values()" => "[2,1]";
        "entries" "(map) → list": "Its fields as maps of `key` and `value`."
            "#{ a: 1 }.entries()" => r#"[{"key":"a","value":1}]"#;
        "from_entries" "(list) → map": "A map from maps of `key` and `value`; of equal keys the last."
            r#"from_entries([#{ key: "a", value: 1 }])"# => r#"{"a":1}"#;
        "len" "(map) → integer": "How many fields." "#{ a: 1 }.len()" => "1";
        "is_empty" "(map) → true or false": "Whether there is none." "#{}.is_empty()" => "true";
        "pick" "(map, names) → map": "With these fields only." r#"#{ a: 1, b: 2, c: 3 }.pick(["a", "c", "x"])"# => r#"{"a":1,"c":3}"#;
        "omit" "(map, names) → map": "Without these fields." r#"#{ a: 1, b: 2 }.omit(["b"])"# => r#"{"a":1}"#;
        "rename_keys" "(map, names) → map": "With other names: old to new. A field that had the new name is replaced."
            r#"#{ contractId: "c1", n: 1 }.rename_keys(#{ contractId: "contract_id" })"# => r#"{"contract_id":"c1","n":1}"#;
        "merge" "(map, other) → map": "Both together; the other wins, and maps inside maps are merged too."
            "#{ a: 1, b: #{ x: 1 } }.merge(#{ b: #{ y: 2 } })" => r#"{"a":1,"b":{"x":1,"y":2}}"#;
        "compact" "(map) → map": "Without fields that are missing or null." "#{ a: 1, b: () }.compact()" => r#"{"a":1}"#;
        "map" "(map, |key, value| …) → map": "With every value replaced by what the function gives."
            "#{ a: 1, b: 2 }.map(|key, value| value * 10)" => r#"{"a":10,"b":20}"#;
        "filter" "(map, |key, value| …) → map": "With the fields for which the function gives true."
            "#{ a: 1, b: 2 }.filter(|key, value| value > 1)" => r#"{"b":2}"#;
        "set" "(map, name, value)": "Sets a field in place; as `map[name] = value`." r#"let m = #{}; m.set("a", 1); m"# => r#"{"a":1}"#;
        "remove" "(map, name) → value": "Takes a field out in place and gives its value."
            r#"let m = #{ a: 1, b: 2 }; [m.remove("a"), m]"# => r#"[1,{"b":2}]"#;
        "mixin" "(map, other)": "Puts the other's fields in, in place; the other wins."
            "let m = #{ a: 1 }; m.mixin(#{ b: 2 }); m" => r#"{"a":1,"b":2}"#;
        "fill_with" "(map, other)": "Puts in, in place, what the map does not have: defaults."
            "let m = #{ a: 1 }; m.fill_with(#{ a: 0, b: 0 }); m" => r#"{"a":1,"b":0}"#;
        "retain" "(map, |key, value| …) → map": "Keeps, in place, the fields for which the function gives true; gives the others."
            "let m = #{ a: 1, b: 2 }; [m.retain(|key, value| value > 1), m]" => r#"[{"a":1},{"b":2}]"#;
        "drain" "(map, |key, value| …) → map": "Takes out, in place, the fields for which the function gives true, and gives them."
            "let m = #{ a: 1, b: 2 }; [m.drain(|key, value| value > 1), m]" => r#"[{"b":2},{"a":1}]"#;
        "clear" "(map)": "Takes everything out, in place." "let m = #{ a: 1 }; m.clear(); m" => "{}";
    },
};

pub(super) fn register(engine: &mut Engine) {
    engine.register_fn("get_path", |value: Dynamic, path: &str| found(&value, path));
    engine.register_fn("get_path", |value: Dynamic, path: &str, default: Dynamic| -> Outcome<Dynamic> {
        Ok(Some(found(&value, path)?).filter(|value| !value.is_unit()).unwrap_or(default))
    });
    engine.register_fn("set_path", |map: Map, path: &str, value: Dynamic| -> Outcome<Dynamic> {
        let mut changed = Dynamic::from_map(map);
        let is_set = path::set(&mut changed, &path::parse("set_path", path)?, value);
        is_set.then_some(changed).ok_or_else(|| {
            fault(
                "set_path",
                "maps, or long enough lists, on the way",
                &format!("something else in the way of `{path}`"),
            )
        })
    });
    engine.register_fn("entries", |map: Map| -> Array {
        map.into_iter()
            .map(|(key, value)| {
                Dynamic::from_map(Map::from([("key".into(), key.into()), ("value".into(), value)]))
            })
            .collect()
    });
    engine.register_fn("from_entries", |entries: Array| from_entries(&entries));
    engine.register_fn("pick", |map: Map, wanted: Array| -> Outcome<Map> {
        let wanted = names("pick", &wanted)?;
        Ok(wanted.into_iter().filter_map(|name| map.get(&name).cloned().map(|value| (name, value))).collect())
    });
    engine.register_fn("omit", |mut map: Map, unwanted: Array| -> Outcome<Map> {
        for name in names("omit", &unwanted)? {
            map.remove(&name);
        }
        Ok(map)
    });
    engine.register_fn("rename_keys", |map: Map, names: Map| renamed(map, &names));
    engine.register_fn("merge", merged);
    engine.register_fn("compact", |map: Map| -> Map {
        map.into_iter().filter(|(_, value)| !value.is_unit()).collect()
    });
}

fn found(value: &Dynamic, path: &str) -> Outcome<Dynamic> {
    Ok(path::get(value, &path::parse("get_path", path)?))
}

fn from_entries(entries: &[Dynamic]) -> Outcome<Map> {
    let entry = |entry: &Dynamic| {
        let map = entry.as_map_ref().ok()?;
        let key: Identifier = map.get("key")?.as_immutable_string_ref().ok()?.as_str().into();
        Some((key, map.get("value").cloned().unwrap_or_default()))
    };
    let read = |it: &Dynamic| {
        entry(it).ok_or_else(|| fault("from_entries", "maps of `key` and `value`", &shown(it)))
    };
    entries.iter().map(read).collect()
}

/// A list of names.
fn names(function: &str, list: &[Dynamic]) -> Outcome<Vec<Identifier>> {
    let name = |name: &Dynamic| match name.as_immutable_string_ref() {
        Ok(name) => Ok(name.as_str().into()),
        Err(_) => Err(fault(function, "a list of names", &shown(name))),
    };
    list.iter().map(name).collect()
}

fn renamed(mut map: Map, names: &Map) -> Outcome<Map> {
    let mut moved = Vec::new();
    for (old, new) in names {
        let Ok(new) = new.as_immutable_string_ref() else {
            return Err(fault("rename_keys", "a map of old names to new ones", &shown(new)));
        };
        if let Some(value) = map.remove(old) {
            moved.push((Identifier::from(new.as_str()), value));
        }
    }
    map.extend(moved);
    Ok(map)
}

fn merged(mut map: Map, other: Map) -> Map {
    for (name, theirs) in other {
        let merges = theirs.is_map() && map.get(&name).is_some_and(Dynamic::is_map);
        let value = if merges {
            let ours = map.remove(&name).and_then(Dynamic::try_cast::<Map>).unwrap_or_default();
            Dynamic::from_map(merged(ours, theirs.try_cast::<Map>().unwrap_or_default()))
        } else {
            theirs
        };
        map.insert(name, value);
    }
    map
}
