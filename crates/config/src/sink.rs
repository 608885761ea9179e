//! Sinks: their options, and whether they can deliver as they are asked to.

use sluicebox_core::SinkType;

use crate::SinkPlan;
use crate::component::{Checker, Header, Typed};
use crate::options::SinkOptions;
use crate::routes::{Asked, check_sink};

impl Checker<'_> {
    /// Checks a sink; `None` if something is wrong with it. Its inputs are resolved later.
    pub(crate) fn sink(&mut self, component: &SinkType, header: &Header<'_>) -> Option<(SinkPlan, Asked)> {
        let typed: Typed<_, SinkOptions> = self.typed(component, header, header.node, self.scope());
        if let Some(config) = &typed.config {
            let problems = config.check(&self.context());
            self.report(problems, &typed, header, header.node);
        }
        if let Some(options) = &typed.options {
            self.condition(options.when.as_ref(), "when", header);
            self.retry(&options.retry, header);
        }
        let (options, config) = (typed.options?, typed.config?);
        let place = header.node.get("delivery").map(|node| self.faults.focus(node));
        let asked = options.delivery.zip(place);
        check_sink(&asked, config.delivery(), &header.path(), self.faults);
        let plan = SinkPlan {
            name: header.name.clone(),
            component_type: component.name,
            inputs: Vec::new(),
            when: options.when,
            batch: options.batch,
            buffer: options.buffer,
            retry: options.retry,
            delivery: options.delivery.unwrap_or(config.delivery().default),
            dead_letter: options.dead_letter,
            config,
        };
        Some((plan, asked))
    }
}
