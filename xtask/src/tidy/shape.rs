//! How a file begins, what it is called, and what a `lib.rs` may hold.

use super::{Finding, RustFile};

/// Names that say where code was put instead of what it is.
const VAGUE: &[&str] = &["util", "utils", "common", "helper", "helpers", "manager", "misc"];

/// Findings of one source.
pub(crate) fn check(file: &RustFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !file.text.starts_with("//!") {
        let message = "begin with `//!`: what the file is, why it exists, its invariant";
        findings.push(Finding::whole(&file.path, message));
    }
    if VAGUE.contains(&file.module()) {
        let message = format!("`{}` says nothing; name it after what it holds", file.module());
        findings.push(Finding::whole(&file.path, message));
    }
    if file.path.ends_with("src/lib.rs") {
        findings.extend(foreign_items(file));
    }
    findings
}

/// What stands in a `lib.rs` besides docs, attributes, `mod`, `use`, `register` and a test module.
fn foreign_items(file: &RustFile) -> Vec<Finding> {
    let production: Vec<&str> = file.production().collect();
    let items = top_level_items(&production.join("\n"));
    let foreign = items.iter().filter(|(_, item)| !may_stand_in_lib(item));
    foreign
        .map(|(line, item)| {
            let start = item.split(['{', '(', '\n']).next().unwrap_or(item).trim();
            let message =
                format!("`{start}`: a lib.rs holds docs, `mod`, `pub use` and `register`; give it a file");
            Finding::at(&file.path, *line, message)
        })
        .collect()
}

fn may_stand_in_lib(item: &str) -> bool {
    let item = item.strip_prefix("pub(crate) ").or_else(|| item.strip_prefix("pub ")).unwrap_or(item);
    let declares_module = item.starts_with("mod ") && item.ends_with(';');
    item.starts_with('#') || item.starts_with("use ") || declares_module || item.starts_with("fn register(")
}

/// Items outside every bracket, each with its line from 0. An attribute is an item of its own.
fn top_level_items(code: &str) -> Vec<(usize, String)> {
    let mut items = Vec::new();
    let (mut item, mut begin, mut line, mut depth) = (String::new(), 0, 0, 0_usize);
    for letter in code.chars() {
        if item.is_empty() && !letter.is_whitespace() {
            begin = line;
        }
        if !item.is_empty() || !letter.is_whitespace() {
            item.push(letter);
        }
        match letter {
            '\n' => line += 1,
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        let is_use =
            item.starts_with("use ") || item.starts_with("pub use ") || item.starts_with("pub(crate) use ");
        let is_complete = match letter {
            ';' => true,
            '}' => !is_use,
            ']' => item.starts_with('#'),
            _ => false,
        };
        if depth == 0 && is_complete {
            items.push((begin, std::mem::take(&mut item)));
        }
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        check(&RustFile::new(path, text)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_file_without_its_first_sentence_is_caught() {
        assert_eq!(found("crates/core/src/a.rs", "//! A.\n"), [""; 0]);
        assert_eq!(found("crates/core/src/a.rs", "use b;\n//! A.\n").len(), 1);
    }

    #[test]
    fn vague_names_are_caught_as_files_and_as_folders() {
        for name in VAGUE {
            assert_eq!(found(&format!("crates/core/src/{name}.rs"), "//! A.\n").len(), 1, "{name}");
            assert_eq!(found(&format!("crates/core/tests/{name}/mod.rs"), "//! A.\n").len(), 1, "{name}");
        }
    }

    #[test]
    fn a_lib_of_docs_modules_and_register_passes() {
        let text = "//! A crate.\n#![warn(missing_docs)]\n\nmod a;\npub mod b;\n#[cfg(test)]\nmod tests;\n\n\
            use core::Registry;\npub use a::{B, c::{D, E}};\n\n/// All.\n\
            pub fn register(registry: &mut Registry) {\n    registry.source::<B>();\n}\n";
        assert_eq!(found("crates/sinks/src/lib.rs", text), [""; 0]);
    }

    #[test]
    fn other_items_in_a_lib_are_caught_with_their_line() {
        for item in [
            "pub struct A;",
            "fn helper() {}",
            "impl A {}",
            "mod inner { fn a() {} }",
            "const A: [u8; 2] = X;",
        ] {
            let findings = found("crates/sinks/src/lib.rs", &format!("//! A crate.\nmod a;\n\n{item}\n"));
            assert_eq!(findings.len(), 1, "{item}: {findings:?}");
            assert!(findings[0].starts_with("crates/sinks/src/lib.rs:4: "), "{findings:?}");
        }
        assert_eq!(found("crates/sinks/src/a.rs", "//! A.\npub struct A;\n"), [""; 0]);
    }
}
