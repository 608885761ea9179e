//! The packs that ship, for `list` and `explain`.

use serde_json::Value;

use super::pack::Pack;

/// A pack that ships with the program.
#[derive(Clone, Debug)]
pub struct ShippedPack {
    /// Its name.
    pub name: String,
    /// What it is for, in a sentence.
    pub summary: String,
    /// Its scripts, by name.
    pub scripts: Vec<PackScript>,
}

/// A script of a shipped pack.
#[derive(Clone, Debug)]
pub struct PackScript {
    /// Its name; used as `<pack>/<script>`.
    pub name: String,
    /// What it does, in a sentence.
    pub summary: String,
    /// What it can be given, by name.
    pub parameters: Vec<PackParameter>,
    /// The arguments of its first example.
    pub example: Value,
    /// The `state:` that a pipeline declares for it; empty if it remembers nothing.
    pub state: String,
}

/// A parameter of a script of a shipped pack.
#[derive(Clone, Debug)]
pub struct PackParameter {
    /// Its name.
    pub name: String,
    /// The kind of value: `text`, `a list`.
    pub kind: &'static str,
    /// What it is for, in a sentence.
    pub doc: String,
    /// Whether it must be given.
    pub required: bool,
    /// Its value where it is not given; null: none.
    pub default: Value,
}

/// Every pack that ships, by name.
pub fn shipped_packs() -> Vec<ShippedPack> {
    Pack::shipped().into_iter().map(|pack| shipped(&pack)).collect()
}

fn shipped(pack: &Pack<'_>) -> ShippedPack {
    let scripts = pack.declaration.scripts.iter().map(|(name, script)| PackScript {
        name: name.clone(),
        summary: script.summary.clone(),
        parameters: script
            .parameters
            .iter()
            .map(|(name, parameter)| PackParameter {
                name: name.clone(),
                kind: parameter.kind.in_words(),
                doc: parameter.doc.clone(),
                required: parameter.required,
                default: parameter.default.clone(),
            })
            .collect(),
        example: script.examples.first().map_or(Value::Null, |example| Value::Object(example.with.clone())),
        state: super::state::in_words(&script.state),
    });
    ShippedPack {
        name: pack.name.clone(),
        summary: pack.declaration.summary.clone(),
        scripts: scripts.collect(),
    }
}
