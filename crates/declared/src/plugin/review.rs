//! What is wrong with the file of a connector, beyond its form.
//!
//! Invariant: it is told at its place in the file, as far as that can be found, and before any pipeline is looked at.

use serde_json::{Map, Value};
use sluicebox_config::LocatedProblem;
use sluicebox_core::{ComponentKind, Problem, Registry};

use super::{Plugin, Refusal, fill, options};

impl Plugin {
    /// What to say of its name, at its place: that it is taken.
    pub fn misnamed(&self, message: &str, help: &str) -> LocatedProblem {
        self.at("name", message, Some(help))
    }

    /// Everything that is wrong with it beyond its form.
    pub(super) fn problems(&self) -> Vec<LocatedProblem> {
        let declaration = &self.declaration;
        let mut problems = Vec::new();
        let stem = std::path::Path::new(&self.file).file_stem().unwrap_or_default().to_string_lossy();
        if stem != declaration.name {
            let message =
                format!("the connector calls itself `{}`, and its file `{stem}.yaml`", declaration.name);
            problems.push(self.at("name", &message, None));
        }
        let source = Value::Object(declaration.source.clone());
        let used = fill::names(&source);
        for name in used.iter().filter(|name| !declaration.parameters.contains_key(**name)) {
            let message = format!("the source names the parameter `{name}`, and there is none");
            problems.push(self.at("source", &message, Some("declare it under `parameters`")));
        }
        let common = sluicebox_config::common_options(ComponentKind::Source, &Registry::new());
        for (name, parameter) in &declaration.parameters {
            if common["properties"].get(name).is_some() {
                let message = format!("every source has an option `{name}`, which this one would never see");
                problems.push(self.at(&format!("parameters.{name}"), &message, Some("give it another name")));
            }
            if !used.contains(name.as_str()) {
                let message = "the source never says `{{ parameters.NAME }}` of this one";
                problems.push(self.at(&format!("parameters.{name}"), message, None));
            }
            if parameter.required && !parameter.default.is_null() {
                let message = "it is required, so its default is never used";
                problems.push(self.at(&format!("parameters.{name}"), message, None));
            }
        }
        problems.extend(self.problems_of_choice());
        if problems.is_empty() {
            problems.extend(self.problems_of_source());
        }
        problems
    }

    /// What is wrong with the groups of parameters.
    fn problems_of_choice(&self) -> Vec<LocatedProblem> {
        let mut messages = Vec::new();
        for group in &self.declaration.either {
            for (index, name) in group.iter().enumerate() {
                match self.declaration.parameters.get(name) {
                    None => messages.push(format!("a group names the parameter `{name}`, and there is none")),
                    Some(it) if it.required || !it.default.is_null() => {
                        messages.push(format!("`{name}` always has a value, so nobody could choose"));
                    }
                    Some(_) if group[..index].contains(name) => {
                        messages.push(format!("a group names the parameter `{name}` twice"));
                    }
                    Some(_) => {}
                }
            }
        }
        messages.iter().map(|message| self.at("either", message, None)).collect()
    }

    /// What is wrong with the source when it is filled in with samples, for the first group of a choice that shows any.
    fn problems_of_source(&self) -> Vec<LocatedProblem> {
        let found = options::samples(&self.declaration).into_iter().map(|sample| self.problems_with(&sample));
        found.into_iter().find(|problems| !problems.is_empty()).unwrap_or_default()
    }

    /// What is wrong with the source when these options are filled in.
    fn problems_with(&self, given: &Map<String, Value>) -> Vec<LocatedProblem> {
        let found = match self.connector(given) {
            Ok(connector) => connector.source.problems(&connector.family),
            Err(Refusal { inside: Some(problem), .. }) => {
                let mut found = Problem::new(problem.path, &problem.message);
                found.help = field_meant(&problem.message);
                vec![found]
            }
            Err(Refusal { told, inside: None }) => {
                return vec![self.at(&format!("parameters.{}", told.path), &told.message, None)];
            }
        };
        let located = |it: Problem| self.at(&format!("source.{}", it.path), &it.message, it.help.as_deref());
        found.into_iter().map(located).collect()
    }

    /// A problem where a dotted path stands in the file, as far as it can be followed.
    fn at(&self, path: &str, message: &str, help: Option<&str>) -> LocatedProblem {
        let mut line = 0;
        let path = path.trim_end_matches('.');
        for key in path.split(['.', '[']).filter(|key| !key.ends_with(']')) {
            let of_key = |text: &str| {
                let rest = text.trim_start_matches(['-', '{', ' ']).strip_prefix(key);
                rest.is_some_and(|rest| rest.starts_with(':'))
            };
            let found = self.text.lines().enumerate().skip(line).find(|(_, text)| of_key(text));
            line = found.map_or(line, |(number, _)| number);
        }
        let indent = self.text.lines().nth(line).map_or(0, |text| text.len() - text.trim_start().len());
        let mut problem = LocatedProblem::in_text(&self.file, &self.text, (line + 1, indent + 1), message);
        path.clone_into(&mut problem.path);
        problem.help = help.map(str::to_owned);
        problem
    }
}

/// The field that was meant, where serde says that one is unknown and names those that there are.
fn field_meant(message: &str) -> Option<String> {
    let (wrong, rest) = message.strip_prefix("unknown field `")?.split_once('`')?;
    let distance = |name: &&str| strsim::damerau_levenshtein(wrong, name);
    let near = rest.split('`').skip(1).step_by(2).min_by_key(distance)?;
    (distance(&near) <= (wrong.len() / 3).max(1)).then(|| format!("did you mean `{near}`?"))
}
