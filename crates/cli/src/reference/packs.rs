//! The packs of scripts that ship, as `list` and `explain` show them, from what the packs declare.

use std::fmt::Write as _;

use serde_json::Value;
use sluicebox_bundle::{PackScript, ShippedPack, shipped_packs};

use super::text::wrapped;

/// Scripts with their summaries.
pub(super) fn list() -> String {
    let packs = shipped_packs();
    let named = |pack: &ShippedPack, script: &PackScript| format!("{}/{}", pack.name, script.name);
    let scripts = packs.iter().flat_map(|pack| pack.scripts.iter().map(move |script| (pack, script)));
    let width = scripts.clone().map(|(pack, script)| named(pack, script).len()).max().unwrap_or(0);
    let mut text = "\nPacks of scripts (`type: rhai` with `pack:`)\n".to_owned();
    for (pack, script) in scripts {
        let _ = writeln!(text, "  {:width$}  {}", named(pack, script), script.summary);
    }
    text
}

/// The page of a pack (`money`) or of one of its scripts (`money/convert`); `None` if none ships by that name.
pub(super) fn page(name: &str) -> Option<String> {
    let (name, script) = name.split_once('/').map_or((name, None), |(name, script)| (name, Some(script)));
    let pack = shipped_packs().into_iter().find(|pack| pack.name == name)?;
    let is_meant = |known: &&PackScript| script.is_none_or(|script| script == known.name);
    let scripts: Vec<&PackScript> = pack.scripts.iter().filter(is_meant).collect();
    if scripts.is_empty() {
        return None;
    }
    let mut text = format!("{} (pack of scripts)\n\n{}\n", pack.name, wrapped(&pack.summary, 0));
    for script in scripts {
        let _ = writeln!(text, "\n{}/{}\n{}\n", pack.name, script.name, wrapped(&script.summary, 2));
        for parameter in &script.parameters {
            let default = match &parameter.default {
                _ if parameter.required => ", required".to_owned(),
                Value::Null => String::new(),
                default => format!(", default {default}"),
            };
            let _ = writeln!(text, "  {}: {}{default}", parameter.name, parameter.kind);
            let _ = writeln!(text, "{}", wrapped(&parameter.doc, 6));
        }
        let _ = writeln!(text, "\n  type: rhai\n  pack: {}/{}", pack.name, script.name);
        if script.example.as_object().is_some_and(|with| !with.is_empty()) {
            let _ = writeln!(text, "  with: {}", script.example);
        }
        if !script.state.is_empty() {
            let _ = writeln!(text, "  state: {}", script.state);
        }
    }
    Some(text)
}

/// The names that [`page`] knows.
pub(super) fn names() -> Vec<String> {
    shipped_packs().into_iter().map(|pack| pack.name).collect()
}
