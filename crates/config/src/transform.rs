//! Transforms: their options, their outputs, and the condition that some cannot do without.

use sluicebox_core::TransformType;
use smol_str::SmolStr;

use crate::TransformPlan;
use crate::component::{Checker, Header, Typed};
use crate::faults::Fault;
use crate::options::TransformOptions;
use crate::review::Rule;

impl Checker<'_> {
    /// Checks a transform; `None` if something is wrong with it. Its inputs are resolved later.
    pub(crate) fn transform(
        &mut self,
        component: &TransformType,
        header: &Header<'_>,
    ) -> Option<TransformPlan> {
        let typed: Typed<_, TransformOptions> =
            self.typed(&component.component, header, header.node, self.scope());
        let mut outputs = Vec::new();
        if let Some(config) = &typed.config {
            let problems = config.check(&self.context());
            self.report(problems, &typed, header, header.node);
            outputs = config.outputs(&self.context()).into_iter().map(SmolStr::from).collect();
            let scripts = config.scripts(&self.context());
            self.rules.extend(scripts.into_iter().map(|script| Rule::of_script(&header.name, script)));
        }
        if let Some(options) = &typed.options {
            self.condition(options.when.as_ref(), "when", header);
            self.retry(&options.retry, header);
        }
        if component.when_discards && header.node.get("when").is_none() {
            let message = format!("`when` is missing: it is the condition of `{}`", component.component.name);
            self.faults.add(Fault::new(header.node.label.clone(), header.path(), message));
        }
        let (options, config) = (typed.options?, typed.config?);
        Some(TransformPlan {
            name: header.name.clone(),
            component_type: component.component.name,
            inputs: Vec::new(),
            when: options.when,
            when_discards: component.when_discards,
            outputs,
            retry: options.retry,
            dead_letter: options.dead_letter,
            config,
        })
    }
}
