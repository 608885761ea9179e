//! Who may print, read the environment, spawn: calls that belong to a few crates.
//!
//! Clippy's `disallowed-methods` cannot see macros and judges tests like production; these rules look at the masked
//! text instead. Tests may print and spawn; nothing may be left unfinished anywhere.

use super::rust_file::is_word;
use super::{Finding, RustFile};

/// Calls that only some folders may make.
struct Rule {
    calls: &'static [&'static str],
    /// Folders, as [`folder`] names them; empty: none may.
    allowed: &'static [&'static str],
    /// Whether tests are judged too.
    in_tests: bool,
    why: &'static str,
}

// What must not be written is spelled in two halves, so that this file obeys its own rules.
const RULES: &[Rule] = &[
    Rule {
        calls: &["println!", "print!", "eprintln!", "eprint!"],
        allowed: &["cli", "xtask", "examples", "benches"],
        in_tests: false,
        why: "only the command line prints; return it, or log it with tracing",
    },
    Rule { calls: &["dbg!"], allowed: &[], in_tests: true, why: "a debugging aid was left behind" },
    Rule {
        calls: &["env::var", "env::vars", "env::var_os", "env::vars_os"],
        allowed: &["cli", "xtask", "services", "examples", "benches"],
        in_tests: false,
        why: "only the command line reads the environment; take the value as an argument",
    },
    Rule {
        calls: &["tokio::spawn", "task::spawn", "task::spawn_local", "JoinSet", "JoinSet::new"],
        allowed: &["engine", "emulator", "cli", "testkit", "examples", "benches"],
        in_tests: false,
        why: "only the engine spawns tasks, so that each is supervised and drained",
    },
    Rule {
        calls: &[concat!("to", "do!"), concat!("unimple", "mented!"), concat!("#[ig", "nore")],
        allowed: &[],
        in_tests: true,
        why: "nothing is left unfinished or switched off: finish it or leave it out",
    },
];

/// Findings of one source.
pub(crate) fn check(file: &RustFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    for rule in RULES.iter().filter(|rule| !rule.allowed.contains(&folder(&file.path))) {
        let judged = if rule.in_tests { usize::MAX } else { file.production_lines };
        for (index, line) in file.code.lines().take(judged).enumerate() {
            let call = rule.calls.iter().find(|call| occurs(line, call));
            if let Some(call) = call.filter(|_| !is_child_process(file.text.lines().nth(index))) {
                findings.push(Finding::at(&file.path, index, format!("`{call}`: {}", rule.why)));
            }
        }
    }
    findings
}

/// Whether a test is kept out of the run because others start it, by name, as a process of its own.
fn is_child_process(line: Option<&str>) -> bool {
    line.is_some_and(|line| line.contains(concat!("#[ig", "nore = \"the child process of the test")))
}

/// The crate's folder, or `examples` and `benches` wherever they lie.
fn folder(path: &str) -> &str {
    let parts: Vec<&str> = path.split('/').collect();
    match parts.as_slice() {
        [.., aside @ ("examples" | "benches"), _] | [aside @ ("examples" | "benches"), ..] => aside,
        ["crates", name, ..] => name,
        [first, ..] => first,
        [] => path,
    }
}

/// Whether `needle` stands in the line as whole words.
pub(crate) fn occurs(line: &str, needle: &str) -> bool {
    let joins =
        |letter: Option<char>, edge: Option<char>| letter.is_some_and(is_word) && edge.is_some_and(is_word);
    line.match_indices(needle).any(|(place, _)| {
        let before = line[..place].chars().next_back();
        let after = line[place + needle.len()..].chars().next();
        !joins(before, needle.chars().next()) && !joins(after, needle.chars().next_back())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        check(&RustFile::new(path, text)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_call_is_caught_outside_the_crates_that_may_make_it() {
        for rule in RULES {
            for call in rule.calls {
                let text = format!("//! A file.\nfn f() {{ {call}(1); }}\n");
                let findings = found("crates/core/src/f.rs", &text);
                assert_eq!(findings.len(), 1, "{call}: {findings:?}");
                assert!(findings[0].starts_with("crates/core/src/f.rs:2: `"), "{findings:?}");
                for folder in rule.allowed {
                    assert_eq!(
                        found(&format!("crates/{folder}/src/f.rs"), &text),
                        [""; 0],
                        "{call} in {folder}"
                    );
                }
            }
        }
    }

    #[test]
    fn tests_may_print_but_not_be_switched_off() {
        let printing = "//! A file.\n#[cfg(test)]\nmod tests {\n    fn f() { println!(); }\n}\n";
        assert_eq!(found("crates/core/src/f.rs", printing), [""; 0]);
        assert_eq!(found("crates/core/tests/f.rs", "fn f() { tokio::spawn(g()); }"), [""; 0]);
        let switched_off = concat!("#[ig", "nore = \"slow\"]\nfn f() {}\n");
        assert_eq!(found("crates/core/tests/f.rs", switched_off).len(), 1);
        let child = concat!("#[ig", "nore = \"the child process of the tests in this file\"]\nfn f() {}\n");
        assert_eq!(found("crates/core/tests/f.rs", child), [""; 0]);
    }

    #[test]
    fn mentions_and_longer_names_are_no_calls() {
        let text = "/// Not `println!`.\nfn f() { writeln!(o, \"dbg!\"); my_dbg!(); env::variables(); }\n";
        assert_eq!(found("crates/core/src/f.rs", text), [""; 0]);
    }

    #[test]
    fn examples_and_benches_are_known_wherever_they_lie() {
        assert_eq!(folder("examples/custom-sink/src/main.rs"), "examples");
        assert_eq!(folder("crates/engine/benches/throughput.rs"), "benches");
        assert_eq!(folder("crates/engine/src/run.rs"), "engine");
        assert_eq!(folder("xtask/src/main.rs"), "xtask");
    }
}
