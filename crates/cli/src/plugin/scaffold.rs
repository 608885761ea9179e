//! `plugin new`: a connector to start from, which is sound and passes its own test.

use std::path::Path;

use crate::connectors::BuiltIn;
use crate::exit::{Ended, Exit, Stop};
use crate::terminal;

/// The connector; `NAME` stands for its name, `NAME_TOKEN` for a variable.
const TEMPLATE: &str = include_str!("template.yaml");

/// Writes `DIR/NAME.yaml`; what is there already is left alone.
pub(super) fn write(name: &str, folder: &Path, built_in: &BuiltIn) -> Ended {
    let allowed = |sign: char| sign.is_ascii_lowercase() || sign.is_ascii_digit() || sign == '_';
    if !name.starts_with(|first: char| first.is_ascii_lowercase()) || !name.chars().all(allowed) {
        return Err(Stop::usage(format!("expected a name of `a-z`, `0-9` and `_`, found `{name}`")));
    }
    if built_in.has(name) {
        let message = format!("`{name}` is the name of a built-in source");
        return Err(Stop::usage(message).help("give the connector another name"));
    }
    let file = folder.join(format!("{name}.yaml"));
    if file.exists() {
        return Err(Stop::usage(format!("{} exists already", file.display())));
    }
    let write = || {
        std::fs::create_dir_all(folder)?;
        let variable = format!("{}_TOKEN", name.to_uppercase());
        std::fs::write(&file, TEMPLATE.replace("NAME_TOKEN", &variable).replace("NAME", name))
    };
    write().map_err(|error| Stop::failed(format!("cannot write {}", file.display()), &error))?;
    let file = file.display();
    terminal::print_line(&format!("{file} is written; try it: sluicebox plugin test {file}"));
    Ok(Exit::Done)
}
