//! Lists and maps as text, the way Rhai shows them, ended before the text is larger than a rule may hold.
//!
//! Rhai's own writes all of it first and measures then, and texts are shared: a map of a thousand fields can hold one
//! text a thousand times. Rhai also takes an error of this function for a reason to write it all the same; so a text
//! that grows too large is told to the budget, which ends the evaluation.

use std::fmt::Write;

use rhai::{Array, Dynamic, Engine, Map};

use crate::{budget, limits};

pub(super) fn register(engine: &mut Engine) {
    for name in ["to_string", "to_debug"] {
        engine.register_fn(name, |map: &mut Map| shown(|text| text.map(map)));
        engine.register_fn(name, |array: &mut Array| shown(|text| text.array(array)));
    }
}

fn shown(write: impl FnOnce(&mut Shown) -> std::fmt::Result) -> String {
    let mut text = Shown(String::new());
    if write(&mut text).is_err() {
        budget::end(limits::TEXT);
    }
    text.0
}

struct Shown(String);

impl Shown {
    fn value(&mut self, value: &Dynamic) -> std::fmt::Result {
        if let Ok(map) = value.as_map_ref() {
            self.map(&map)
        } else if let Ok(array) = value.as_array_ref() {
            self.array(&array)
        } else if value.is_char() {
            write!(self, "{value}")
        } else {
            write!(self, "{value:?}")
        }
    }

    fn map(&mut self, map: &Map) -> std::fmt::Result {
        self.write_str("#{")?;
        for (index, (name, value)) in map.iter().enumerate() {
            let separator = if index > 0 { ", " } else { "" };
            write!(self, "{separator}{name:?}: ")?;
            self.value(value)?;
        }
        self.write_str("}")
    }

    fn array(&mut self, array: &[Dynamic]) -> std::fmt::Result {
        self.write_str("[")?;
        for (index, value) in array.iter().enumerate() {
            self.write_str(if index > 0 { ", " } else { "" })?;
            self.value(value)?;
        }
        self.write_str("]")
    }
}

impl Write for Shown {
    fn write_str(&mut self, part: &str) -> std::fmt::Result {
        if self.0.len() + part.len() > limits::TEXT_BYTES {
            return Err(std::fmt::Error);
        }
        self.0.push_str(part);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use rhai::Scope;

    use crate::language;
    use crate::tree::read_value;

    /// As Rhai's own functions show it, which another engine still has.
    #[test]
    fn values_look_as_rhai_shows_them() {
        let json = br#"{"a":[1,2.5,1.0,null,true,"x\n\"y"],"b c":{"d":{}},"e":[]}"#;
        let value = read_value(json).unwrap();
        let shown = |engine: &rhai::Engine| {
            let mut scope = Scope::new();
            scope.push_dynamic("v", value.clone());
            engine.eval_with_scope::<String>(&mut scope, "v.a.push('c'); `${v} ${v.a} ` + v + v.a").unwrap()
        };
        assert_eq!(shown(language::engine()), shown(&rhai::Engine::new()));
        assert!(shown(language::engine()).starts_with("#{\"a\": [1, 2.5, 1.0, (), true,"));
    }
}
