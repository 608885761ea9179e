//! The guide to rules, its exercises, and the page for those who come from VRL and Bloblang: every rule in them is run,
//! and what the pages and files say of it must be what the program does.
//!
//! `SLUICEBOX_BLESS=1` writes the results anew instead of comparing.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

mod guide;
mod page;
mod pipeline;
mod rule;
mod table;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use self::rule::{Kind, run_in};

/// The repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Compares a text with a file, or writes it; nothing is no file.
fn assert_is(path: &Path, text: &str) {
    if std::env::var_os("SLUICEBOX_BLESS").is_some() {
        if text.is_empty() {
            drop(std::fs::remove_file(path));
        } else {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
    }
    let expected = std::fs::read_to_string(path).unwrap_or_default();
    assert!(text == expected, "{} says\n{expected}\nbut it is\n{text}", path.display());
}

/// The folders of the exercises, in order.
fn exercises() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root().join("docs/exercises")).unwrap();
    let mut found: Vec<PathBuf> =
        entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    found.sort();
    found
}

/// Runs a rule of an exercise over its input: what leaves by each output, `main` first, and what was said.
fn run_rule(folder: &Path, name: &str) -> (BTreeMap<String, String>, String) {
    let text = std::fs::read_to_string(folder.join(name)).unwrap();
    // A condition is text; a script is a file, so that errors name it.
    let rule: &[&str] = if name.contains("condition") { &["rule", "--when", &text] } else { &["rule", name] };
    let with = |more: &[&str]| run_in(folder, &[rule, more, &["--events", "input.jsonl"]].concat());
    let named = text.split("to(\"").skip(1).filter_map(|rest| rest.split('"').next());
    let finished = with(&["--output", "main"]);
    let mut outputs = BTreeMap::from([(String::new(), finished.stdout)]);
    outputs.extend(named.map(|name| (format!(".{name}"), with(&["--output", name]).stdout)));
    assert_eq!(finished.code == 0, !finished.stderr.contains("error: "), "{}", finished.stderr);
    // A line of the log begins with the time of day.
    let said = finished.stderr.lines().map(|line| match line.split_once(" info ") {
        Some((_, line)) => line.trim_start(),
        None => line,
    });
    (outputs, said.flat_map(|line| [line, "\n"]).collect())
}

#[test]
fn every_solution_gives_what_is_expected() {
    let all = exercises();
    assert!((12..=16).contains(&all.len()), "{all:?}");
    for folder in all {
        let rule = ["solution.rhai", "condition.rhai"].into_iter().find(|name| folder.join(name).is_file());
        let Some(rule) = rule else {
            let (left, served) = pipeline::run_file(&folder.join("solution.yaml"));
            assert_is(&folder.join("input.jsonl"), &served);
            for (name, text) in &left.files {
                assert_is(&folder.join("expected").join(name), text);
            }
            let expected = std::fs::read_dir(folder.join("expected")).unwrap().count();
            assert_eq!(expected, left.files.len(), "{}: files that nobody writes", folder.display());
            let letters = left.letters.iter().flat_map(|letter| [letter, "\n"]);
            assert_is(&folder.join("dead-letters.txt"), &letters.collect::<String>());
            continue;
        };
        let (outputs, said) = run_rule(&folder, rule);
        for (output, events) in outputs {
            assert_is(&folder.join(format!("expected{output}.jsonl")), &events);
        }
        assert_is(&folder.join("said.txt"), &said);
    }
}

#[test]
fn every_pipeline_has_tests_and_passes_them() {
    let folders = exercises().into_iter().filter(|folder| folder.join("solution.yaml").is_file());
    let mut count = 0;
    for folder in folders {
        run_in(&folder, &["test", "solution.yaml"]).expect(0);
        assert!(folder.join("solution.test.yaml").is_file(), "{}", folder.display());
        count += 1;
    }
    assert!(count >= 3, "{count}");
}

#[test]
fn every_common_mistake_is_told_or_seen() {
    let mut count = 0;
    for folder in exercises() {
        for name in ["wrong.rhai", "wrong-condition.rhai"] {
            if folder.join(name).is_file() {
                let (outputs, said) = run_rule(&folder, name);
                let right = std::fs::read_to_string(folder.join("expected.jsonl")).unwrap();
                assert!(!said.is_empty() || outputs[""] != right, "{} is right", folder.display());
                assert_is(&folder.join("wrong.jsonl"), &outputs[""]);
                assert_is(&folder.join("wrong.txt"), &said);
                count += 1;
            }
        }
    }
    assert!(count >= 6, "{count}");
}

#[test]
fn the_guide_says_what_the_program_does() {
    let path = root().join("docs/rules-guide.md");
    let page = std::fs::read_to_string(&path).unwrap();
    assert_is(&path, &guide::rendered(&page));
    for folder in exercises() {
        let link = format!("exercises/{}", folder.file_name().unwrap().to_string_lossy());
        assert!(page.contains(&link), "the guide does not set {link}");
    }
}

#[test]
fn the_words_of_other_languages_are_words_of_rules() {
    let page = std::fs::read_to_string(root().join("docs/rules-guide.md")).unwrap();
    let rows = page::rows(&page, "In a rule");
    assert!(rows.len() >= 10, "{rows:?}");
    for cell in rows.iter().filter_map(|row| row.last()) {
        let [word] = page::spans(cell)[..] else { panic!("not one word: {cell}") };
        let known = "let a = true; let b = false; let x = 1; let y = 2; let d = #{}; let l = [1];";
        let is_statement = word.starts_with("for ") || word.ends_with(';');
        let script = if is_statement { word.to_owned() } else { format!("let word = {word}\n;") };
        let lines = rule::outcome(Kind::Script, &format!("{known} {script} true"), "{}");
        assert_eq!(lines, ["{}"], "{word}");
    }
}

#[test]
fn every_link_leads_somewhere() {
    let docs = root().join("docs");
    let anchor = |heading: &str| -> String {
        // A heading that is a link is named by what is seen of it.
        let seen = heading.replace(['[', '`'], "").split("](").next().unwrap().to_lowercase();
        let kept = seen.chars().filter(|sign| sign.is_alphanumeric() || " -_".contains(*sign));
        kept.collect::<String>().trim().replace(' ', "-")
    };
    for name in ["rules-guide.md", "from-vrl-and-bloblang.md"] {
        let page = std::fs::read_to_string(docs.join(name)).unwrap();
        let links = page.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for link in links.filter(|link| !link.starts_with("http")) {
            let (file, place) = link.split_once('#').unwrap_or((link, ""));
            let file = if file.is_empty() { name } else { file };
            assert!(docs.join(file).exists(), "{name} leads to {file}");
            let target = std::fs::read_to_string(docs.join(file)).unwrap_or_default();
            let mut headings = target.lines().filter(|line| line.starts_with('#'));
            assert!(place.is_empty() || headings.any(|line| anchor(line) == place), "{name} leads to {link}");
        }
    }
}

#[test]
fn the_page_for_other_languages_says_what_the_program_does() {
    let path = root().join("docs/from-vrl-and-bloblang.md");
    assert_is(&path, &guide::rendered(&std::fs::read_to_string(&path).unwrap()));
}

#[test]
fn every_cell_for_other_languages_is_run() {
    let read = |name: &str| std::fs::read_to_string(root().join("docs").join(name)).unwrap();
    table::assert_right(&read("from-vrl-and-bloblang.md"), &read("from-vrl-and-bloblang.jsonl"));
}
