//! Pages whose blocks are run: the text of a page with what the program says today.
//!
//! | Block | Is |
//! |---|---|
//! | `rhai`, `rhai condition`, `yaml fragment`, and a `text` right behind it | a rule or transforms; events, and behind `→` what becomes of them |
//! | `json event` | the event for the `rhai values` behind it |
//! | `rhai values` | one expression a line, and behind `// →` its value |
//! | `console` | commands after `$`, and what they print |
//! | `sh`, `vrl`, `bloblang` | not run |
//! | any with a path as its last word | that file |

use crate::page::{Piece, pieces, whole};
use crate::pipeline;
use crate::root;
use crate::rule::{Kind, outcome, run_in};

/// Between an expression and its value.
const GIVES: &str = " // →";

/// The page as it has to be.
pub(crate) fn rendered(page: &str) -> String {
    let mut pieces = pieces(page);
    let (mut event, mut rule) = (String::new(), None);
    for piece in &mut pieces {
        let (info, body) = match piece {
            Piece::Text(text) => {
                assert!(rule.is_none() || text.trim().is_empty(), "a rule shows no result: {rule:?}");
                continue;
            }
            Piece::Fence { info, body } => (info, body),
        };
        let words: Vec<&str> = info.split_whitespace().collect();
        match words[..] {
            [_, path] if path.contains('/') => {
                *body = std::fs::read_to_string(root().join("docs").join(path)).unwrap();
            }
            ["json", "event"] => event.clone_from(body),
            ["rhai", "values"] => *body = values(body, &event),
            ["rhai"] => rule = Some((Some(Kind::Script), body.clone())),
            ["rhai", "condition"] => rule = Some((Some(Kind::Condition), body.clone())),
            ["yaml", "fragment"] => rule = Some((None, body.clone())),
            ["text"] => {
                let (kind, text) = rule.take().expect("a result follows a rule");
                *body = kind.map_or_else(|| flowed(&text, body), |kind| results(kind, &text, body));
            }
            ["console"] => *body = console(body),
            ["sh" | "vrl" | "bloblang"] => {}
            _ => panic!("nothing runs ```{info}"),
        }
    }
    assert!(rule.is_none(), "a rule shows no result: {rule:?}");
    whole(&pieces)
}

/// Each event and what becomes of it.
fn results(kind: Kind, rule: &str, body: &str) -> String {
    let events = body.lines().filter(|line| !line.starts_with('→'));
    let result = |event: &str| {
        let lines = outcome(kind, rule, event).into_iter().map(|line| format!("→ {line}\n"));
        format!("{event}\n{}", lines.collect::<String>())
    };
    events.map(result).collect()
}

/// The events and what becomes of all of them.
fn flowed(transforms: &str, body: &str) -> String {
    let events: Vec<&str> = body.lines().filter(|line| !line.starts_with('→')).collect();
    let lines = pipeline::outcome(transforms, &events).into_iter().map(|line| format!("→ {line}\n"));
    format!("{}\n{}", events.join("\n"), lines.collect::<String>())
}

/// Each expression and its value, or the first words of the error. Other lines are remarks.
fn values(body: &str, event: &str) -> String {
    let value = |line: &str| {
        let Some((expression, _)) = line.rsplit_once(GIVES) else {
            assert!(line.is_empty() || line.starts_with("//"), "no `{GIVES}` in {line}");
            return format!("{line}\n");
        };
        let lines = outcome(Kind::Value, expression, event);
        let value = lines[0].split("; there is ").next().unwrap();
        format!("{expression}{GIVES} {value}\n")
    };
    body.lines().map(value).collect()
}

/// Each command and what it prints, run in the folder of the exercises.
fn console(body: &str) -> String {
    let commands = body.lines().filter_map(|line| line.strip_prefix("$ "));
    let printed = |line: &str| {
        let arguments = line.strip_prefix("sluicebox ").unwrap_or_else(|| panic!("not our command: {line}"));
        let arguments = words(arguments);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let finished = run_in(&root().join("docs/exercises"), &arguments);
        format!("$ {line}\n{}{}", finished.stdout, finished.stderr)
    };
    commands.map(printed).collect()
}

/// Words as a shell splits them; only single quotes count.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (at, part) in line.split('\'').enumerate() {
        match at % 2 {
            0 => words.extend(part.split_whitespace().map(str::to_owned)),
            _ => words.push(part.to_owned()),
        }
    }
    words
}
