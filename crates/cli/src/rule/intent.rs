//! What the arguments of `rule` ask for: which rule, over which events, as a filter or in a prompt.
//!
//! `FILE` is a script if its name ends in `.rhai`, else sample events as JSON lines. With `-e` or `--when` it is always
//! a filter. A script file alone is one too, unless the command has a terminal on both sides and nothing of the
//! output is asked for; then the prompt opens with it. Whatever fits neither is wrong usage.

use std::path::{Path, PathBuf};

use crate::arguments::RuleArguments;
use crate::exit::Stop;

/// The two things that `rule` does.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Intent {
    /// JSON lines in, JSON lines out.
    Filter(FilterIntent),
    /// Somebody tries rules.
    Prompt(PromptIntent),
}

/// A filter.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FilterIntent {
    pub(super) rule: RuleTexts,
    /// JSON lines; `None`: stdin.
    pub(super) events: Option<PathBuf>,
    /// Only what goes to this output.
    pub(super) output: Option<String>,
    /// Write `{"meta": …, "event": …}`.
    pub(super) envelope: bool,
}

/// Where the rule of a filter stands: at least one of the two is there.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RuleTexts {
    /// What a script remembers; without one it says nothing.
    pub(super) state: Option<String>,
    pub(super) when: Option<String>,
    pub(super) script: Option<ScriptText>,
}

/// Where a script stands.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ScriptText {
    /// In the arguments.
    Inline(String),
    /// In a file.
    File(PathBuf),
}

/// A prompt.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PromptIntent {
    /// JSON lines; `None`: made-up events.
    pub(super) events: Option<PathBuf>,
    /// A script to begin with.
    pub(super) script: Option<PathBuf>,
    /// What scripts remember.
    pub(super) state: Option<String>,
    pub(super) history: Option<String>,
}

impl Intent {
    /// What is asked for; `is_terminal`: somebody types and somebody reads.
    pub(super) fn of(arguments: RuleArguments, is_terminal: bool) -> Result<Self, Stop> {
        let (mut events, mut file) = (arguments.events, None);
        match arguments.file {
            Some(path) if is_script(&path) => file = Some(path),
            Some(path) => {
                if let Some(other) = events.replace(path) {
                    let message = format!("events are given twice: FILE and --events {}", other.display());
                    return Err(
                        Stop::usage(message).help("a file is a script only if its name ends in .rhai")
                    );
                }
            }
            None => {}
        }
        if let (Some(file), Some(_)) = (&file, &arguments.script) {
            return Err(Stop::usage(format!("a script is given twice: -e and {}", file.display()))
                .help("keep one of the two"));
        }
        let asks_for_output = arguments.output.is_some() || arguments.envelope;
        let filters = arguments.script.is_some() || arguments.when.is_some();
        if filters || (file.is_some() && (!is_terminal || asks_for_output)) {
            let script = arguments.script.map(ScriptText::Inline).or(file.map(ScriptText::File));
            return Ok(Self::Filter(FilterIntent {
                rule: RuleTexts { state: arguments.state, when: arguments.when, script },
                events: events.filter(|path| path != Path::new("-")),
                output: arguments.output,
                envelope: arguments.envelope,
            }));
        }
        if !is_terminal || asks_for_output {
            let help = "give -e SCRIPT, a file *.rhai or --when CONDITION; the prompt needs a terminal on both sides";
            return Err(Stop::usage("there is no rule to run").help(help));
        }
        if events.as_deref() == Some(Path::new("-")) {
            return Err(Stop::usage("the prompt reads what is typed, so that events cannot come from stdin")
                .help("name a file with JSON lines"));
        }
        let (state, history) = (arguments.state, arguments.history);
        Ok(Self::Prompt(PromptIntent { events, script: file, state, history }))
    }
}

/// Whether a file is a script and not events.
pub(super) fn is_script(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "rhai")
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::arguments::{Arguments, Verb};

    fn intent(line: &str, is_terminal: bool) -> Result<Intent, String> {
        let line = ["sluicebox", "rule"].into_iter().chain(line.split_whitespace());
        let Verb::Rule(arguments) = Arguments::try_parse_from(line).unwrap().verb else {
            panic!("another verb");
        };
        Intent::of(arguments, is_terminal).map_err(|stop| stop.message)
    }

    #[test]
    fn a_script_in_the_arguments_makes_a_filter_even_at_a_terminal() {
        let Ok(Intent::Filter(filter)) = intent("-e 1 --when 2 a.jsonl --output b --envelope", true) else {
            panic!("no filter");
        };
        let script = Some(ScriptText::Inline("1".into()));
        let rule = RuleTexts { state: None, when: Some("2".into()), script };
        assert_eq!(filter.rule, rule);
        assert_eq!(filter.events.as_deref(), Some(Path::new("a.jsonl")));
        assert_eq!((filter.output.as_deref(), filter.envelope), (Some("b"), true));
        let Ok(Intent::Filter(filter)) = intent("-e 1 -", true) else { panic!("no filter") };
        assert_eq!(filter.events, None);
    }

    #[test]
    fn a_script_file_is_a_filter_between_pipes_and_begins_a_prompt_at_a_terminal() {
        for (line, is_terminal) in
            [("a.rhai", false), ("a.rhai --envelope", true), ("a.rhai --output b", true)]
        {
            assert!(matches!(intent(line, is_terminal), Ok(Intent::Filter(_))), "{line}");
        }
        let Ok(Intent::Prompt(prompt)) = intent("a.rhai --events b --history off", true) else {
            panic!("no prompt");
        };
        assert_eq!((prompt.script, prompt.events), (Some("a.rhai".into()), Some("b".into())));
        assert_eq!(prompt.history.as_deref(), Some("off"));
        assert!(matches!(intent("b.jsonl", true), Ok(Intent::Prompt(prompt)) if prompt.events.is_some()));
        assert!(matches!(intent("", true), Ok(Intent::Prompt(_))));
    }

    #[test]
    fn what_fits_nothing_is_wrong_usage() {
        for (line, is_terminal, expected) in [
            ("", false, "there is no rule to run"),
            ("a.jsonl", false, "there is no rule to run"),
            ("--envelope", true, "there is no rule to run"),
            ("a.rhai -e 1", true, "a script is given twice: -e and a.rhai"),
            ("-e 1 a.jsonl --events b.jsonl", true, "events are given twice: FILE and --events b.jsonl"),
            ("-", true, "the prompt reads what is typed, so that events cannot come from stdin"),
        ] {
            assert_eq!(intent(line, is_terminal), Err(expected.to_owned()), "{line}");
        }
    }
}
