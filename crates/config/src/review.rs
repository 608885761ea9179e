//! The review of rules: each is judged by what is known of the events that reach it.
//!
//! This page follows the graph: sources say whose events they bring, transforms what they do to them. Which fields
//! those events have is the registry's to know. Invariant: where anything above a rule is unknown, nothing is said of
//! the events there.

use std::collections::BTreeSet;

use serde_json::Value;
use sluicebox_core::{
    CheckContext, ComponentKind, DeclaredEvents, Effect, KnownEvents, Located, RuleForm, ScriptText,
};
use smol_str::SmolStr;

use crate::component::{Checker, Header};
use crate::faults::Fault;
use crate::graph::Graph;
use crate::load::Drafts;
use crate::node::join;
use crate::{DeadLetterPolicy, Input};

/// A text of a component that reads events.
pub(crate) struct Rule {
    pub(crate) component: SmolStr,
    /// The path to it within the component.
    pub(crate) path: String,
    pub(crate) located: Located,
    pub(crate) form: RuleForm,
    /// Whether the option names a file that holds it.
    pub(crate) is_file: bool,
}

impl Rule {
    /// A script of a component.
    pub(crate) fn of_script(component: &SmolStr, script: ScriptText) -> Self {
        Self {
            component: component.clone(),
            path: script.path.to_owned(),
            located: script.text,
            form: RuleForm::Script,
            is_file: script.is_file,
        }
    }
}

/// What a review looks at.
pub(crate) struct Reviewed<'a, 'n> {
    pub(crate) headers: &'a [Header<'n>],
    pub(crate) graph: &'a Graph,
    pub(crate) drafts: &'a Drafts,
    /// What the pipeline declares of the events of its sources.
    pub(crate) declared: &'a [DeclaredEvents],
    /// Whether what is found is an error.
    pub(crate) strict: bool,
}

impl Checker<'_> {
    /// Reports what the rules of a whole pipeline ask of its events that cannot be.
    pub(crate) fn review(&mut self, reviewed: &Reviewed<'_, '_>) {
        let known = reviewed.known(&self.context());
        let rules = std::mem::take(&mut self.rules);
        for rule in reviewed.conditions().into_iter().chain(rules) {
            let Some(index) = reviewed.index(&rule.component) else { continue };
            let header = &reviewed.headers[index];
            let node = header.node.find(&rule.path);
            let focus = self.faults.focus(node);
            for problem in self.registry.review(&rule.located.text, rule.form, known[index].as_ref()) {
                let path = join(&header.path(), &rule.path);
                let mut fault = Fault::new(focus.clone(), path, problem.message);
                fault.help = problem.help;
                fault = match problem.inside {
                    Some(place) if rule.is_file => {
                        let file = self.folder.join(&rule.located.file).display().to_string();
                        fault.elsewhere(file, rule.located.text.clone(), place)
                    }
                    Some(place) => {
                        let range = self.inside(&rule.located, place, &focus);
                        fault.at(range)
                    }
                    None => fault,
                };
                if reviewed.strict { self.faults.add(fault) } else { self.faults.warn(fault) }
            }
        }
    }
}

impl Reviewed<'_, '_> {
    fn index(&self, name: &SmolStr) -> Option<usize> {
        self.headers.iter().position(|header| header.name == *name)
    }

    /// Every `when:` and `key:`.
    fn conditions(&self) -> Vec<Rule> {
        let sources = self.drafts.sources.iter();
        let sources = sources.flat_map(|it| [(&it.name, "when", &it.when), (&it.name, "key", &it.key)]);
        let transforms = self.drafts.transforms.iter().map(|it| (&it.name, "when", &it.when));
        let sinks = self.drafts.sinks.iter().map(|(it, _)| (&it.name, "when", &it.when));
        let rule = |(name, key, located): (&SmolStr, &str, &Option<Located>)| {
            let (component, path) = (name.clone(), key.to_owned());
            located.clone().map(|located| {
                let form = RuleForm::Expression;
                Rule { component, path, located, form, is_file: false }
            })
        };
        sources.chain(transforms).chain(sinks).filter_map(rule).collect()
    }

    /// What is known of the events that reach each component; of a source, of those that it brings.
    fn known(&self, cx: &CheckContext<'_>) -> Vec<Option<KnownEvents>> {
        let mut above: Vec<Option<KnownEvents>> = vec![None; self.headers.len()];
        let mut below = above.clone();
        let letters = self.letter_sinks();
        for &index in &self.graph.order {
            let header = &self.headers[index];
            above[index] = match header.kind {
                ComponentKind::Source => self.brought(&header.name),
                _ if letters.contains(&header.name) => None,
                _ => self.joined(&self.graph.inputs[index], &below),
            };
            below[index] = match header.kind {
                ComponentKind::Transform => self.changed(&header.name, above[index].clone(), cx),
                _ => self.let_through(&header.name, above[index].clone()),
            };
        }
        above
    }

    fn brought(&self, source: &SmolStr) -> Option<KnownEvents> {
        if let Some(declared) = self.declared.iter().find(|declared| declared.source == *source) {
            return Some(KnownEvents { declared: vec![declared.clone()], ..KnownEvents::default() });
        }
        let plan = self.drafts.sources.iter().find(|plan| plan.name == *source)?;
        let api = plan.accounts.first()?.config.api()?;
        Some(KnownEvents { apis: BTreeSet::from([api]), ..KnownEvents::default() })
    }

    /// What is known of the events of a source that match its `when:`.
    fn let_through(&self, source: &SmolStr, known: Option<KnownEvents>) -> Option<KnownEvents> {
        let plan = self.drafts.sources.iter().find(|plan| plan.name == *source);
        let mut known = known?;
        known.matched.extend(plan.and_then(|plan| plan.when.as_ref()).map(|when| when.text.clone()));
        Some(known)
    }

    /// What is known of events that come from several components: nothing, as soon as it is so of one.
    fn joined(&self, inputs: &[Input], below: &[Option<KnownEvents>]) -> Option<KnownEvents> {
        let mut all: Option<KnownEvents> = None;
        for input in inputs {
            let known = below[self.index(&input.component)?].as_ref()?;
            all = Some(match all {
                None => known.clone(),
                Some(all) => KnownEvents {
                    apis: &all.apis | &known.apis,
                    declared: united(&all.declared, &known.declared),
                    added: &all.added | &known.added,
                    matched: &all.matched & &known.matched,
                },
            });
        }
        all
    }

    fn changed(
        &self,
        transform: &SmolStr,
        known: Option<KnownEvents>,
        cx: &CheckContext<'_>,
    ) -> Option<KnownEvents> {
        let plan = self.drafts.transforms.iter().find(|plan| plan.name == *transform)?;
        let mut known = known?;
        match plan.config.effect(transform, cx) {
            Effect::Unknown => return None,
            Effect::None => {}
            Effect::Adds(field) => drop(known.added.insert(vec![field])),
            Effect::Writes(fields) => known.added.extend(fields),
        }
        if plan.when_discards {
            known.matched.extend(plan.when.as_ref().map(|when| when.text.clone()));
        }
        Some(known)
    }

    /// Sinks that take dead letters, which are events of another shape.
    fn letter_sinks(&self) -> BTreeSet<SmolStr> {
        let sources = self.drafts.sources.iter().map(|plan| &plan.dead_letter);
        let transforms = self.drafts.transforms.iter().map(|plan| &plan.dead_letter);
        let sinks = self.drafts.sinks.iter().map(|(plan, _)| &plan.dead_letter);
        let name = |policy: &DeadLetterPolicy| match policy {
            DeadLetterPolicy::Sink(name) => Some(name.clone()),
            DeadLetterPolicy::Store | DeadLetterPolicy::Drop => None,
        };
        sources.chain(transforms).chain(sinks).filter_map(name).collect()
    }
}

fn united(own: &[DeclaredEvents], others: &[DeclaredEvents]) -> Vec<DeclaredEvents> {
    let more = others.iter().filter(|other| !own.contains(other));
    own.iter().chain(more).cloned().collect()
}

/// The rules among a component's own options. Its declaration marks them with `x-rule`: `expression` or `template`, for
/// every text under that option; a text without a mark may be about something else than the events.
pub(crate) fn rules(component: &SmolStr, schema: &Value, options: &Value) -> Vec<Rule> {
    let mut found = Vec::new();
    for (key, value) in options.as_object().into_iter().flatten() {
        let Some(form) = mark(&schema["properties"][key]) else { continue };
        collect(value, key.clone(), &mut |path, located| {
            found.push(Rule { component: component.clone(), path, located, form, is_file: false });
        });
    }
    found
}

/// The mark of an option, or of one of the forms that it can take.
fn mark(schema: &Value) -> Option<RuleForm> {
    match schema["x-rule"].as_str() {
        Some("expression") => Some(RuleForm::Expression),
        Some("template") => Some(RuleForm::Template),
        _ => schema["anyOf"].as_array().into_iter().flatten().find_map(mark),
    }
}

fn collect(value: &Value, path: String, on_text: &mut dyn FnMut(String, Located)) {
    match value {
        Value::Object(object) if object.contains_key(Located::KEYS[0]) => {
            if let Ok(located) = serde_json::from_value::<Located>(value.clone()) {
                on_text(path, located);
            }
        }
        Value::Object(object) => {
            object.iter().for_each(|(key, inner)| collect(inner, join(&path, key), on_text));
        }
        Value::Array(items) => {
            let items = items.iter().enumerate();
            items.for_each(|(index, item)| collect(item, format!("{path}[{index}]"), on_text));
        }
        _ => {}
    }
}
