//! Every pipeline that this repository shows is checked by `sluicebox check`: the files under `pipelines/`, the YAML in
//! all Markdown pages, and whole pipelines in the comments of Rust sources.
//!
//! A block that is no whole pipeline is marked ```` ```yaml fragment ````, or stands in the generated reference. It holds
//! whole sections (`sources:`, `transforms:`, `sinks:`) and is completed here: names that it only mentions become
//! generated sources, and what it lets flow nowhere flows into a `blackhole`. All are held to the event catalogue: a
//! warning in a pipeline file is a failure, and a block is checked strictly.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// How the sink begins that takes what a fragment lets flow nowhere.
const REST: &str = "  rest: { type: blackhole, inputs: [";

/// Makes what is not in the event catalogue an error.
const STRICT: &str = "catalogue: { strict: true }\n";

/// One piece of YAML.
#[derive(Debug, PartialEq, Eq)]
struct Block {
    /// File and line, for the message.
    place: String,
    text: String,
    is_fragment: bool,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Files with one of these endings, without what is built and what is hidden.
fn files(endings: &[&str]) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![root()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                folders.push(path);
            } else if path.is_file() && endings.iter().any(|ending| name.ends_with(ending)) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The fenced YAML of a page.
fn blocks(place: &str, page: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut lines = page.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let bare = line.trim_start();
        let Some(info) = bare.strip_prefix("```").filter(|info| info.starts_with("yaml")) else { continue };
        let indent = line.len() - bare.len();
        let inside = lines.by_ref().map(|(_, line)| line).take_while(|line| line.trim() != "```");
        let text: String =
            inside.map(|line| line.get(indent..).unwrap_or_default().to_owned() + "\n").collect();
        let is_fragment = info.split_whitespace().nth(1) == Some("fragment");
        found.push(Block { place: format!("{place}:{}", number + 1), text, is_fragment });
    }
    found
}

/// The comments of a Rust source, as a page.
fn comments(source: &str) -> String {
    let comment = |line: &str| {
        let line = line.trim_start();
        let text = line.strip_prefix("///").or_else(|| line.strip_prefix("//!")).unwrap_or_default();
        text.strip_prefix(' ').unwrap_or(text).to_owned()
    };
    source.lines().map(comment).collect::<Vec<_>>().join("\n")
}

fn is_whole(text: &str) -> bool {
    ["sources:", "sinks:"].iter().all(|section| text.lines().any(|line| line.starts_with(section)))
}

/// The names of the components that a fragment declares, and of those that it mentions.
fn names(text: &str) -> (BTreeSet<&str>, BTreeSet<&str>) {
    let (mut declared, mut mentioned) = (BTreeSet::new(), BTreeSet::new());
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("  ").filter(|rest| !rest.starts_with([' ', '#'])) {
            declared.extend(name.split_once(':').map(|(name, _)| name));
        }
        if let Some((_, list)) = line.split_once("inputs: [") {
            let list = list.split(']').next().unwrap_or_default();
            mentioned.extend(list.split(',').map(|name| name.trim().split('.').next().unwrap_or_default()));
        }
        if let Some((_, name)) = line.split_once("same_as: ") {
            mentioned.extend(name.split([' ', '}']).next());
        }
    }
    (declared, mentioned)
}

/// A whole pipeline around a fragment.
fn completed(text: &str) -> String {
    let (declared, mentioned) = names(text);
    let strangers: Vec<&str> = mentioned.difference(&declared).copied().collect();
    let generated = strangers.iter().map(|name| format!("  {name}: {{ type: generate }}\n"));
    let generated = generated.collect::<Vec<_>>().concat();
    let mut whole = match text.strip_prefix("sources:\n") {
        _ if strangers.is_empty() => text.to_owned(),
        Some(rest) => format!("sources:\n{generated}{rest}"),
        None => format!("sources:\n{generated}{text}"),
    };
    if !text.lines().any(|line| line.starts_with("sinks:")) {
        let all: Vec<&str> = declared.union(&mentioned).copied().collect();
        whole.extend(["sinks:\n", REST, &all.join(", "), "] }\n"]);
    }
    whole
}

/// What `sluicebox check` says against a file; nothing if it is fine.
fn complaint(file: &Path) -> Option<String> {
    let (is_fine, said) = said_of(file);
    (!is_fine).then_some(said)
}

/// Whether `sluicebox check` lets a file pass, and what it says besides.
fn said_of(file: &Path) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_sluicebox"))
        .args(["check", "--allow-missing-secrets"])
        .arg(file)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// The same with the named outputs that nobody reads, as the complaint names them, in the sink that takes the rest.
fn with_outputs(text: &str, complaint: &str) -> Option<String> {
    let named = complaint.split("nobody reads `").skip(1).filter_map(|rest| rest.split('`').next());
    let outputs: String = named.filter(|name| name.contains('.')).flat_map(|name| [name, ", "]).collect();
    let (before, after) = text.split_once(REST).filter(|_| !outputs.is_empty())?;
    Some(format!("{before}{REST}{outputs}{after}"))
}

/// What a file holds that a block names: an empty script, or a table without rows that has every column (with one row
/// where it may be one of accounts, of which there must be some).
fn stand_in(path: &Path, text: &str) -> Option<String> {
    let is_name = |sign: char| sign.is_alphanumeric() || sign == '_';
    match path.extension()?.to_str()? {
        "rhai" => Some("true".to_owned()),
        "csv" => {
            let mut words: BTreeSet<&str> =
                text.split(|sign| !is_name(sign)).filter(|word| !word.is_empty()).collect();
            let is_of_accounts = text.contains("accounts:") && words.insert("id");
            let row = words.into_iter().collect::<Vec<_>>().join(",");
            Some(if is_of_accounts { format!("{row}\n{row}\n") } else { row })
        }
        _ => None,
    }
}

/// Checks a block in a folder of its own, with stand-ins for the scripts and tables that it names.
fn complaint_about(block: &Block) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let words = block.text.split(|sign: char| sign.is_whitespace() || "{},\"".contains(sign));
    let named = words.map(Path::new).filter(|path| path.is_relative());
    for (name, text) in named.filter_map(|path| Some((path, stand_in(path, &block.text)?))) {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let text = if block.is_fragment { completed(&block.text) } else { block.text.clone() };
    let text = format!("{STRICT}{text}");
    let file = folder.path().join("pipeline.yaml");
    std::fs::write(&file, &text).unwrap();
    let complaint = complaint(&file)?;
    // A fragment without sinks has named outputs that flow nowhere either.
    let (text, complaint) = match with_outputs(&text, &complaint).filter(|_| block.is_fragment) {
        Some(text) => {
            std::fs::write(&file, &text).unwrap();
            (text, self::complaint(&file)?)
        }
        None => (text, complaint),
    };
    Some(format!("{}\n{complaint}\n{text}", block.place))
}

#[test]
fn every_pipeline_file_is_fine() {
    let pipelines = root().join("pipelines");
    let all = files(&[".yaml", ".yml"]).into_iter();
    let ours: Vec<PathBuf> = all
        .filter(|path| path.starts_with(&pipelines) && !path.to_string_lossy().ends_with(".test.yaml"))
        .collect();
    assert!(ours.len() >= 2, "{ours:?}");
    let said = ours.iter().map(|file| said_of(file).1);
    let complaints: Vec<String> = said.filter(|said| !said.is_empty()).collect();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn every_pipeline_in_the_documentation_is_fine() {
    let mut all = Vec::new();
    for path in files(&[".md"]) {
        let place = path.strip_prefix(root()).unwrap().display().to_string();
        let is_reference = place.starts_with("docs/reference");
        let found = blocks(&place, &std::fs::read_to_string(&path).unwrap()).into_iter();
        all.extend(found.map(|block| {
            let is_fragment = block.is_fragment || (is_reference && !is_whole(&block.text));
            Block { is_fragment, ..block }
        }));
    }
    assert!(all.len() >= 10, "the pages hold only {} blocks", all.len());
    let complaints: Vec<String> = all.iter().filter_map(complaint_about).collect();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn every_whole_pipeline_in_comments_is_fine() {
    let mut complaints = Vec::new();
    for path in files(&[".rs"]) {
        let page = comments(&std::fs::read_to_string(&path).unwrap());
        let found = blocks(&path.display().to_string(), &page);
        complaints.extend(found.iter().filter(|block| is_whole(&block.text)).filter_map(complaint_about));
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn wrong_yaml_is_found_wherever_it_stands() {
    let page =
        "text\n\n  ```yaml fragment\n  sinks:\n    a: { type: fiel, inputs: [x], path: a.jsonl }\n  ```\n";
    let found = blocks("page.md", page);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].place.as_str(), found[0].is_fragment), ("page.md:3", true));
    assert!(complaint_about(&found[0]).unwrap().contains("fiel"));
    let right = Block { text: found[0].text.replace("fiel", "file"), ..blocks("page.md", page).remove(0) };
    assert_eq!(complaint_about(&right), None);
    let source = "//! ```yaml\n//! sources:\n//!   a: { type: generate, cuont: 1 }\n//! sinks:\n//!   b: { type: blackhole, inputs: [a] }\n//! ```\n";
    let found = blocks("lib.rs", &comments(source));
    assert!(is_whole(&found[0].text));
    assert!(complaint_about(&found[0]).unwrap().contains("cuont"));
}
