//! What a `redact` was told, checked and ready: paths parsed, expressions compiled, the key of the hashes at hand.

use regex::Regex;
use sluicebox_core::Problem;

use super::Redact;
use super::disguise::{How, Wardrobe};
use super::finder::Finder;
use super::path::Path;

/// Why a value is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// It is hidden.
    Hide(How),
    /// Texts in it are searched.
    Search,
}

/// What holds for every event.
pub(super) struct Plan {
    /// Paths, and what they are for; the first one that leads to a value wins.
    pub(super) targets: Vec<(Path, Role)>,
    /// What is looked for in texts.
    pub(super) finder: Finder,
    /// Whether texts are searched everywhere.
    pub(super) search_all: bool,
    /// Whether keys are searched too.
    pub(super) keys: bool,
    /// Makes what stands in the place of what is hidden.
    pub(super) wardrobe: Wardrobe,
}

impl Plan {
    /// Checks and prepares everything.
    ///
    /// # Errors
    /// Every fault, at its place in the options.
    pub(super) fn compile(options: &Redact) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut targets = Vec::new();
        for (index, rule) in options.paths.iter().enumerate() {
            let role = Role::Hide(options.how_of(rule.how.as_ref()));
            match Path::parse(&rule.subject.0) {
                Ok(path) => targets.push((path, role)),
                Err(problem) => problems.push(rule.problem(&format!("paths[{index}]"), problem)),
            }
        }
        for (index, path) in options.within.iter().enumerate() {
            match Path::parse(path) {
                Ok(path) => targets.push((path, Role::Search)),
                Err(problem) => problems.push(problem.under(&format!("within[{index}]"))),
            }
        }
        let finder = options.finder(&mut problems);
        problems.extend(options.contradictions());
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            targets,
            search_all: options.within.is_empty() && !finder.is_empty(),
            keys: options.keys,
            finder,
            wardrobe: Wardrobe::new(options.salt.as_ref()),
        })
    }
}

impl Redact {
    fn how_of(&self, own: Option<&How>) -> How {
        own.unwrap_or(&self.how).clone()
    }

    fn finder(&self, problems: &mut Vec<Problem>) -> Finder {
        let mut finder = Finder::default();
        for (name, rule) in &self.patterns {
            let problem = match Regex::new(&rule.subject.0) {
                Ok(regex) if regex.is_match("") => Problem::new("", "this expression fits nothing at all")
                    .with_help("ask for at least one character: `+` instead of `*`"),
                Ok(regex) => {
                    finder.patterns.push((regex, self.how_of(rule.how.as_ref())));
                    continue;
                }
                Err(error) => Problem::new("", format!("this is no regular expression: {}", reason(&error))),
            };
            problems.push(rule.problem(&format!("patterns.{name}"), problem));
        }
        for rule in &self.detect {
            finder.sorts.push((rule.subject, self.how_of(rule.how.as_ref())));
        }
        finder
    }

    /// Options that make no sense together.
    fn contradictions(&self) -> Vec<Problem> {
        let searches = !self.detect.is_empty() || !self.patterns.is_empty();
        let mut problems = Vec::new();
        if !searches && self.paths.is_empty() {
            let help = "add `paths: [data.email]`, or `detect: [email, phone, card]`";
            problems.push(Problem::new("", "there is nothing to hide").with_help(help));
        }
        let without_search = [("within", !self.within.is_empty()), ("keys", self.keys)];
        for (option, _) in without_search.iter().filter(|(_, is_set)| *is_set && !searches) {
            let message = "this is about `detect` and `patterns`, and there is neither";
            problems.push(Problem::new(*option, message));
        }
        let own = self.paths.iter().map(|rule| &rule.how);
        let own = own.chain(self.detect.iter().map(|rule| &rule.how));
        let own = own.chain(self.patterns.values().map(|rule| &rule.how));
        let mut hows = own.map(|own| own.as_ref().unwrap_or(&self.how)).chain([&self.how]);
        if hows.any(|how| *how == How::Hash) && self.salt.is_none() {
            let help =
                "add `salt: ${REDACT_SALT}`: without a secret key, short values can be found out by trying";
            problems.push(Problem::new("salt", "hashes need a `salt`").with_help(help));
        }
        if self.salt.as_ref().is_some_and(|salt| salt.expose().is_empty()) {
            problems.push(Problem::new("salt", "the salt is empty"));
        }
        problems
    }
}

/// The last line of the report: what is wrong.
fn reason(error: &regex::Error) -> String {
    let report = error.to_string();
    let last = report.lines().last().unwrap_or_default();
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}
