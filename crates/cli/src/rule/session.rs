//! What the prompt does with an entry: a command, an expression or a script over the current event. Text in, text out.
//!
//! A script changes the session's copy of the event, so that rules can be tried one after the other, until `:reset` or
//! another event. Each entry is a rule of its own: variables and functions of one are not known to the next.

use std::path::{Path, PathBuf};

use sluicebox_core::{Event, Located, Memory, Reason, Registry, TransformOutcome};
use sluicebox_rules::Expression;

use super::complaints::{located, told};
use super::completion::{COMMANDS, Vocabulary};
use super::intent::is_script;
use super::program::{Program, Texts, script_file};
use super::sample;
use crate::diagnostics::{self, Severity};
use crate::exit::Stop;
use crate::picture;

/// What messages call an entry.
const ENTRY: &str = "input";

/// A prompt without its terminal.
pub(super) struct Session<'r> {
    registry: &'r Registry,
    /// At least one.
    samples: Vec<Event>,
    current: usize,
    /// The current sample as the scripts so far left it.
    event: Event,
    /// What scripts declare to remember, and have remembered.
    state: Option<String>,
    memory: Memory,
    /// What `:load` read last.
    loaded: Option<PathBuf>,
    colour: bool,
}

/// What an entry led to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// To be shown; ends in a line end unless it is empty.
    Text(String),
    /// `:quit`.
    End,
}

impl<'r> Session<'r> {
    /// A session over some events, of which there must be one.
    pub(super) fn new(
        registry: &'r Registry,
        samples: Vec<Event>,
        state: Option<String>,
        colour: bool,
    ) -> Self {
        let event = samples[0].clone();
        // Bounded by what the scripts declare.
        let memory = Memory::new(usize::MAX);
        Self { registry, samples, current: 0, event, state, memory, loaded: None, colour }
    }

    /// The first lines.
    pub(super) fn greeting(&self, history: Option<&Path>) -> String {
        let kept = match history {
            Some(file) => format!("what is typed is kept in {} (--history off: nowhere)", file.display()),
            None => "what is typed is kept nowhere".to_owned(),
        };
        format!(
            "An expression shows its value, a script changes the event; :help lists the commands, Tab completes.\n\
             {kept}\n{}",
            self.heading()
        )
    }

    /// What stands before an entry.
    pub(super) fn prompt(&self) -> String {
        format!("{}/{}> ", self.current + 1, self.samples.len())
    }

    /// What can be completed now.
    pub(super) fn vocabulary(&self) -> Vocabulary {
        Vocabulary::of(&self.event)
    }

    /// Does what an entry says.
    pub(super) async fn enter(&mut self, entry: &str) -> Answer {
        let entry = entry.trim_end();
        if entry.trim_start().starts_with(':') {
            return self.command(entry.trim_start()).await;
        }
        if entry.is_empty() {
            return Answer::Text(String::new());
        }
        let text = Located::whole_file(entry, ENTRY);
        match Expression::compile(&text) {
            Ok(expression) => Answer::Text(self.value(&expression, text).await),
            Err(_) => Answer::Text(self.script(text).await),
        }
    }

    async fn command(&mut self, entry: &str) -> Answer {
        let (name, argument) = entry.split_once(char::is_whitespace).unwrap_or((entry, ""));
        let argument = argument.trim();
        Answer::Text(match name {
            ":help" | ":h" if !argument.is_empty() => function(argument),
            ":help" | ":h" => help(),
            ":show" => self.show(),
            ":events" => self.list(),
            ":next" | ":n" => self.go(self.current.checked_add(1)),
            ":prev" | ":p" => self.go(self.current.checked_sub(1)),
            ":reset" => {
                self.event = self.samples[self.current].clone();
                format!("{}as it came\n", self.heading())
            }
            ":load" | ":l" => match (argument, self.loaded.clone()) {
                ("", None) => "give a script (*.rhai) or a file of JSON lines: :load FILE\n".to_owned(),
                ("", Some(path)) => self.load(&path).await,
                (path, _) => self.load(Path::new(path)).await,
            },
            ":quit" | ":q" => return Answer::End,
            _ => unknown(name),
        })
    }

    /// Runs a script file, or takes the events of another file in place of the samples.
    pub(super) async fn load(&mut self, path: &Path) -> String {
        self.loaded = Some(path.to_owned());
        if is_script(path) {
            return match script_file(path) {
                Ok(text) => self.script(text).await,
                Err(stop) => stop.to_string(),
            };
        }
        match sample::of_file(path) {
            Ok(samples) => {
                self.samples = samples;
                let count = self.samples.len();
                format!("{count} event{}\n{}", if count == 1 { "" } else { "s" }, self.go(Some(0)))
            }
            Err(stop) => stop.to_string(),
        }
    }

    fn go(&mut self, index: Option<usize>) -> String {
        let Some((index, event)) = index.and_then(|index| Some((index, self.samples.get(index)?))) else {
            return format!(
                "there is no other event that way: this is {} of {}\n",
                self.current + 1,
                self.samples.len()
            );
        };
        (self.current, self.event) = (index, event.clone());
        self.heading()
    }

    /// `opentrain:opentrain:1 payment.pending`
    fn heading(&self) -> String {
        one_line(&self.event)
    }

    fn list(&self) -> String {
        let line = |(index, event): (usize, &Event)| {
            let mark = if index == self.current { '>' } else { ' ' };
            format!("{mark} {:>4} {}", index + 1, one_line(event))
        };
        self.samples.iter().enumerate().map(line).collect()
    }

    fn show(&self) -> String {
        let meta = serde_json::to_string(self.event.meta()).unwrap_or_default();
        let before = &self.samples[self.current];
        format!("meta\n{}event\n{}", picture::plain(&meta), self.changes(before, &self.event))
    }

    fn changes(&self, before: &Event, after: &Event) -> String {
        picture::changes(&json(before), &json(after), self.colour)
    }

    /// The value of an expression, and what it would do as a whole script if that is more than nothing.
    async fn value(&mut self, expression: &Expression, text: Located) -> String {
        let value = match expression.evaluate(&self.event) {
            Ok(serde_json::Value::Null) => "()   nothing: a missing field, or null\n".to_owned(),
            Ok(value) => without_gutter(&picture::plain(&value.to_string())),
            Err(error) => return self.error(&text.text, error.reason(), error.details()),
        };
        // What is a value and no script has been shown as a value.
        let Ok(Ok(outcomes)) = self.outcomes(text).await else { return value };
        let as_script = match outcomes.as_slice() {
            [TransformOutcome::Discard(_)] => "drops the event".to_owned(),
            [TransformOutcome::Emit(_, event)] if self.is_own(event) && event.json() == self.event.json() => {
                return value;
            }
            [TransformOutcome::Emit(_, event)] if self.is_own(event) => "replaces the event".to_owned(),
            [TransformOutcome::DeadLetter(..)] => return value,
            several => format!("makes {} of the event", count(several.len())),
        };
        format!("{value}(the last value of a script: it {as_script})\n")
    }

    /// What a script makes of the event, which is changed with it.
    async fn script(&mut self, text: Located) -> String {
        let source = text.text.clone();
        let outcomes = match self.outcomes(text).await {
            Ok(Ok(outcomes)) => outcomes,
            Ok(Err(problems)) => return problems,
            Err(stop) => return stop.to_string(),
        };
        let shown: String = outcomes.iter().map(|outcome| self.outcome(outcome, &source)).collect();
        let own = outcomes.into_iter().find_map(|outcome| match outcome {
            TransformOutcome::Emit(_, event) if self.is_own(&event) => Some(event),
            _ => None,
        });
        if let Some(event) = own {
            self.event = event;
        }
        shown
    }

    /// Runs a script; the inner error is what is wrong with it, ready to be shown.
    async fn outcomes(&mut self, text: Located) -> Result<Result<Vec<TransformOutcome>, String>, Stop> {
        match Program::build(self.registry, &Texts::script(text, self.state.as_deref())).await? {
            Ok(program) => Ok(Ok(program.apply(self.event.clone(), &mut self.memory).await?)),
            Err(problems) => Ok(Err(diagnostics::render(&problems, Severity::Error, self.colour))),
        }
    }

    fn outcome(&self, outcome: &TransformOutcome, source: &str) -> String {
        match outcome {
            TransformOutcome::Emit(output, event) => {
                let to = output.as_ref().map(|output| format!("to {output}: ")).unwrap_or_default();
                if !self.is_own(event) {
                    return format!("{to}{}\n{}", event.meta().id, picture::plain(&json(event)));
                }
                if event.json() == self.event.json() {
                    return format!("{to}the event, unchanged\n");
                }
                let changes = self.changes(&self.event, event);
                if to.is_empty() { changes } else { format!("{to}the event\n{changes}") }
            }
            TransformOutcome::Discard(_) => "dropped\n".to_owned(),
            TransformOutcome::Absorb => "remembered\n".to_owned(),
            TransformOutcome::DeadLetter(_, reason, error) => self.error(source, *reason, error),
        }
    }

    fn error(&self, source: &str, reason: Reason, error: &sluicebox_core::DeadLetterError) -> String {
        let message = told(reason, error);
        match located(error, source, &message) {
            Some(problem) => diagnostics::render(&[problem], Severity::Error, self.colour),
            None => format!("error: {message}\n"),
        }
    }

    /// Whether it is the event itself and not a further one.
    fn is_own(&self, event: &Event) -> bool {
        event.meta().id == self.event.meta().id
    }
}

fn json(event: &Event) -> String {
    String::from_utf8_lossy(&event.json()).into_owned()
}

fn one_line(event: &Event) -> String {
    format!("{} {}\n", event.meta().id, event.meta().event_type)
}

/// A value alone has nothing to mark.
fn without_gutter(picture: &str) -> String {
    let lines: Vec<_> = picture.lines().map(|line| line.strip_prefix("  ").unwrap_or(line)).collect();
    lines.join("\n") + "\n"
}

fn count(events: usize) -> String {
    if events == 1 { "another event".to_owned() } else { format!("{events} events") }
}

fn help() -> String {
    let commands = COMMANDS.iter().map(|(name, what)| format!("  {name:9}{what}\n"));
    let rest = "Anything else is a rule: an expression over `event` and `meta`, or a script. Brackets that are open go on\n\
                in the next line. Marks: + added, - removed, ~ changed.\n";
    commands.collect::<String>() + rest
}

fn function(name: &str) -> String {
    let known = sluicebox_rules::functions().filter(|function| function.name == name);
    let pages = known.map(|function| {
        format!(
            "{}\n  {}\n  {} is {}\n",
            function.signature, function.summary, function.example, function.gives
        )
    });
    let page: String = pages.collect();
    if page.is_empty() {
        format!("there is no function `{name}`; Tab lists those that begin so\n")
    } else {
        page
    }
}

fn unknown(name: &str) -> String {
    let distance = |known: &str| strsim::levenshtein(name, known);
    let nearest = COMMANDS.iter().map(|(known, _)| *known).min_by_key(|known| distance(known));
    let help = match nearest.filter(|known| distance(known) <= 2) {
        Some(known) => format!("did you mean {known}?"),
        None => ":help lists them".to_owned(),
    };
    format!("there is no command {name}; {help}\n")
}

#[cfg(test)]
mod tests;
