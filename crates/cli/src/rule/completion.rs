//! What Tab offers: fields of the current event and of `meta`, functions, words of the language, commands.

use serde_json::Value;
use sluicebox_core::{Event, Located};
use sluicebox_rules::Expression;

/// Commands of the prompt with what each does; `:help` lists them.
pub(super) const COMMANDS: [(&str, &str); 8] = [
    (":help", "this page; with a name, what that function does"),
    (":show", "the current event, with its meta"),
    (":events", "the sample events, one a line"),
    (":next", "the next sample event"),
    (":prev", "the one before"),
    (":reset", "the current event as it came"),
    (":load", "FILE: runs a script (*.rhai), or takes other sample events; alone: the last file again"),
    (":quit", "ends; so does Ctrl-D"),
];

/// Words of Rhai that a rule uses.
const WORDS: [&str; 17] = [
    "if", "else", "switch", "let", "const", "for", "in", "while", "loop", "do", "until", "break", "continue",
    "return", "throw", "try", "fn",
];

/// One thing to offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    /// As it is listed.
    pub(super) shown: String,
    /// What stands in the line from the start of the completion on.
    pub(super) replacement: String,
}

/// What there is to offer.
#[derive(Clone, Debug, Default)]
pub(super) struct Vocabulary {
    event: Value,
    meta: Value,
    functions: Vec<&'static str>,
}

impl Vocabulary {
    /// The words for an event.
    pub(super) fn of(event: &Event) -> Self {
        Self {
            event: serde_json::from_slice(&event.json()).unwrap_or_default(),
            meta: serde_json::to_value(event.meta()).unwrap_or_default(),
            functions: functions(),
        }
    }

    /// What can stand where `line` ends, and where in the line it begins.
    pub(super) fn complete(&self, line: &str) -> (usize, Vec<Candidate>) {
        if line.starts_with(':') {
            let names = COMMANDS.iter().map(|(name, _)| *name);
            return (0, offer(names.filter(|name| name.starts_with(line)), ""));
        }
        let path = &line[path_start(line)..];
        let Some(dot) = path.rfind('.').filter(|dot| !path[*dot..].contains(['[', ']'])) else {
            return self.words(line, path);
        };
        let start = line.len() - path.len() + dot;
        let (parent, partial) = (&path[..dot], &path[dot + 1..]);
        let fields = self.find(parent).and_then(Value::as_object);
        let names = fields.into_iter().flat_map(|fields| fields.keys());
        let names = names.filter(|name| name.starts_with(partial));
        let mut offered: Vec<_> = names.map(|name| field(name)).collect();
        // Whoever follows a map with a dot wants its fields; functions would hide them.
        if offered.is_empty() && (fields.is_none() || !partial.is_empty()) {
            let methods = self.functions.iter().filter(|name| name.starts_with(partial));
            offered.extend(offer(methods.copied(), "."));
        }
        (start, offered)
    }

    fn words(&self, line: &str, word: &str) -> (usize, Vec<Candidate>) {
        if word.is_empty() || word.contains(['[', ']']) {
            return (line.len(), Vec::new());
        }
        let functions = self.functions.iter().copied();
        let all = ["event", "meta"].into_iter().chain(functions).chain(WORDS);
        (line.len() - word.len(), offer(all.filter(|known| known.starts_with(word)), ""))
    }

    /// The value at a path like `event.data["a-b"].list[0]`.
    fn find(&self, path: &str) -> Option<&Value> {
        let end = path.find(['.', '[']).unwrap_or(path.len());
        let mut value = match &path[..end] {
            "event" => &self.event,
            "meta" => &self.meta,
            _ => return None,
        };
        let mut rest = &path[end..];
        while !rest.is_empty() {
            if let Some(named) = rest.strip_prefix('.') {
                let end = named.find(['.', '[']).unwrap_or(named.len());
                value = value.get(named[..end].trim_end_matches('?'))?;
                rest = &named[end..];
            } else {
                let (step, after) = rest.strip_prefix('[')?.split_once(']')?;
                value = match serde_json::from_str(step).ok()? {
                    Value::String(name) => value.get(name)?,
                    Value::Number(index) => value.get(usize::try_from(index.as_u64()?).ok()?)?,
                    _ => return None,
                };
                rest = after;
            }
        }
        Some(value)
    }
}

/// A field after a dot, or in brackets where its name is no word or one of the language.
fn field(name: &str) -> Candidate {
    let is_word = name.chars().all(|sign| sign.is_ascii_alphanumeric() || sign == '_')
        && !name.starts_with(|sign: char| sign.is_ascii_digit());
    let compiles = || Expression::compile(&Located::from(format!("event.{name}").as_str())).is_ok();
    let replacement = if !name.is_empty() && is_word && compiles() {
        format!(".{name}")
    } else {
        format!("[{}]", Value::from(name))
    };
    Candidate { shown: name.to_owned(), replacement }
}

fn offer<'a>(names: impl Iterator<Item = &'a str>, before: &str) -> Vec<Candidate> {
    names.map(|name| Candidate { shown: name.to_owned(), replacement: format!("{before}{name}") }).collect()
}

/// The names of all documented functions, each once.
fn functions() -> Vec<&'static str> {
    let mut names: Vec<_> = sluicebox_rules::functions().map(|function| function.name).collect();
    // Those of `state` are no names of their own.
    names.retain(|name| !name.contains('.'));
    names.sort_unstable();
    names.dedup();
    names
}

/// Where the path that ends the line begins.
fn path_start(line: &str) -> usize {
    let mut start = line.len();
    let mut in_brackets = false;
    for (at, sign) in line.char_indices().rev() {
        match sign {
            ']' if !in_brackets => in_brackets = true,
            '[' if in_brackets => in_brackets = false,
            _ if in_brackets => {}
            '.' | '_' => {}
            sign if sign.is_alphanumeric() => {}
            _ => break,
        }
        start = at;
    }
    start
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::sample;
    use sluicebox_core::Timestamp;

    fn offered(line: &str) -> (usize, Vec<String>) {
        let event = br#"{"data":{"amountUsd":5,"agent":{"a-b":[{"deep":1}]},"default":1},"day":"x","list":[{"inner":0}]}"#;
        let event = sample::read(event, 1, Timestamp::default()).unwrap();
        let (start, candidates) = Vocabulary::of(&event).complete(line);
        (start, candidates.into_iter().map(|candidate| candidate.replacement).collect())
    }

    #[test]
    fn fields_of_the_event_and_of_meta_follow_a_dot() {
        assert_eq!(offered("event.da"), (5, vec![".data".to_owned(), ".day".to_owned()]));
        assert_eq!(offered("let x = event.data.am"), (18, vec![".amountUsd".to_owned()]));
        assert_eq!(offered("if meta.acc"), (7, vec![".account".to_owned()]));
        assert_eq!(offered("event.list[0].in"), (13, vec![".inner".to_owned()]));
        assert_eq!(offered("event.data.agent[\"a-b\"][0].").1, [".deep"]);
    }

    #[test]
    fn names_that_cannot_follow_a_dot_are_written_in_brackets() {
        assert_eq!(offered("event.data.de"), (10, vec!["[\"default\"]".to_owned()]));
        assert_eq!(offered("event.data.agent."), (16, vec!["[\"a-b\"]".to_owned()]));
    }

    #[test]
    fn functions_words_and_commands_are_known() {
        assert_eq!(offered("event.day.starts_w"), (9, vec![".starts_with".to_owned()]));
        assert_eq!(offered("x = parse_js"), (4, vec!["parse_json".to_owned()]));
        assert_eq!(offered("ev").1, ["event"]);
        assert_eq!(offered("retu").1, ["return"]);
        assert_eq!(offered(":ne"), (0, vec![":next".to_owned()]));
        assert_eq!(offered("1 + "), (4, vec![]));
        assert_eq!(offered(""), (0, vec![]));
    }
}
