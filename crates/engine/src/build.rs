//! From a plan to built components: sources per account, one instance of each transform, sinks opened.

use std::collections::BTreeMap;
use std::sync::Arc;

use sluicebox_config::{AccountPlan, DeadLetterPolicy, Plan, SinkPlan, SourcePlan, TransformPlan};
use sluicebox_core::{
    BuiltSink, ComponentKind, Context, Delivery, Error, Located, RetryOptions, ScriptFiles, Shared, Transform,
};
use sluicebox_rules::{Condition, Expression};
use smol_str::SmolStr;

use crate::accounts::{AccountChanges, Directory};
use crate::checkpointer::Checkpointer;
use crate::letters::Postbox;
use crate::member::{Letters, Member, SharedMember};
use crate::metrics::{Labels, Metrics};
use crate::options::RunOptions;
use crate::origins::{Origins, PartitionName};
use crate::status::Failure;
use crate::trace::Tracer;

/// A source with its accounts.
pub(crate) struct BuiltSource {
    pub(crate) member: SharedMember,
    pub(crate) key: Option<Expression>,
    pub(crate) confirms: bool,
    pub(crate) accounts_listed: bool,
    pub(crate) accounts: Vec<(SmolStr, sluicebox_core::BuiltSource)>,
}

impl BuiltSource {
    /// The partitions that are known before it runs.
    pub(crate) fn partition_names(&self, origins: &Origins) -> Vec<PartitionName> {
        let single = |(account, source): &(SmolStr, _)| {
            let single = matches!(source, sluicebox_core::BuiltSource::Single(_));
            single.then(|| (self.member.name.clone(), account.clone()))
        };
        let names: Vec<_> = self.accounts.iter().filter_map(single).collect();
        if names.len() == self.accounts.len() { names } else { origins.known_of(&self.member.name) }
    }
}

/// A transform, with what the flow needs of its plan.
pub(crate) struct BuiltTransform {
    pub(crate) member: SharedMember,
    pub(crate) transform: Arc<dyn Transform>,
    pub(crate) retry: RetryOptions,
    pub(crate) inputs: Vec<sluicebox_config::Input>,
}

/// A sink before it is opened.
pub(crate) struct UnopenedSink {
    pub(crate) member: SharedMember,
    pub(crate) sink: BuiltSink,
    pub(crate) plan: SinkSettings,
}

/// What the engine keeps of a sink's plan.
pub(crate) struct SinkSettings {
    pub(crate) inputs: Vec<sluicebox_config::Input>,
    pub(crate) batch: sluicebox_core::BatchOptions,
    pub(crate) buffer: sluicebox_core::BufferOptions,
    pub(crate) retry: RetryOptions,
    /// The sink that its dead letters go to.
    pub(crate) letters_to: Option<SmolStr>,
}

/// Everything that a plan describes.
pub(crate) struct Built {
    pub(crate) sources: Vec<BuiltSource>,
    pub(crate) transforms: Vec<BuiltTransform>,
    pub(crate) sinks: Vec<UnopenedSink>,
}

/// Builds the components of one pipeline.
pub(crate) struct Builder {
    pub(crate) pipeline: Arc<str>,
    pub(crate) folder: std::path::PathBuf,
    pub(crate) files: Arc<dyn ScriptFiles>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) checkpointer: Checkpointer,
    pub(crate) options: RunOptions,
    pub(crate) shared: Shared,
    pub(crate) tracer: Tracer,
    /// Of every sink that is there.
    pub(crate) postboxes: BTreeMap<SmolStr, Postbox>,
}

impl Builder {
    /// Sources first: transforms find what sources share.
    ///
    /// # Errors
    /// The first component that cannot be built.
    pub(crate) async fn build(&self, plan: Plan) -> Result<Built, Failure> {
        let mut built = Built { sources: Vec::new(), transforms: Vec::new(), sinks: Vec::new() };
        for source in plan.sources {
            built.sources.push(self.source(source).await?);
        }
        for transform in plan.transforms {
            built.transforms.push(self.transform(transform).await?);
        }
        for sink in plan.sinks {
            built.sinks.push(self.sink(sink).await?);
        }
        Ok(built)
    }

    async fn source(&self, plan: SourcePlan) -> Result<BuiltSource, Failure> {
        let member = self.member(
            (&plan.name, ComponentKind::Source, plan.component_type),
            plan.when.as_ref(),
            true,
            &plan.dead_letter,
        )?;
        let key = plan.key.as_ref().map(Expression::compile).transpose();
        let key = key.map_err(|problem| config(&plan.name, problem.message))?;
        if plan.accounts_from.as_ref().is_some_and(|from| !from.is_read) {
            let message = "the rows of its accounts have not been read; `sluicebox run` does";
            return Err(config(&plan.name, message.to_owned()));
        }
        let confirms = plan.class == sluicebox_core::SourceClass::ConfirmOnRead && !plan.prefetch;
        let changes = self.shared.find::<AccountChanges>(&plan.name, "").and_then(|changes| changes.take());
        if let Some(changes) = changes {
            let context = self.context(&plan.name, "", &RetryOptions::default(), Delivery::AtLeastOnce);
            let directory = Directory::new(context, plan.accounts, changes);
            let source = sluicebox_core::BuiltSource::Partitioned(Box::new(directory));
            let accounts = vec![(plan.name, source)];
            return Ok(BuiltSource { member, key, confirms, accounts_listed: false, accounts });
        }
        let mut accounts = Vec::with_capacity(plan.accounts.len());
        for AccountPlan { id, config: spec } in plan.accounts {
            let context = self.context(&plan.name, &id, &RetryOptions::default(), Delivery::AtLeastOnce);
            let source = spec.build(&context).await.map_err(|error| failure(&plan.name, &error))?;
            accounts.push((id, source));
        }
        Ok(BuiltSource { member, key, confirms, accounts_listed: plan.accounts_listed, accounts })
    }

    async fn transform(&self, plan: TransformPlan) -> Result<BuiltTransform, Failure> {
        let member = self.member(
            (&plan.name, ComponentKind::Transform, plan.component_type),
            plan.when.as_ref(),
            plan.when_discards,
            &plan.dead_letter,
        )?;
        let context = self.context(&plan.name, "", &plan.retry, Delivery::AtLeastOnce);
        let transform = plan.config.build(&context, self.files.as_ref()).await;
        let transform = Arc::from(transform.map_err(|error| failure(&plan.name, &error))?);
        Ok(BuiltTransform { member, transform, retry: plan.retry, inputs: plan.inputs })
    }

    async fn sink(&self, plan: SinkPlan) -> Result<UnopenedSink, Failure> {
        let member = self.member(
            (&plan.name, ComponentKind::Sink, plan.component_type),
            plan.when.as_ref(),
            true,
            &plan.dead_letter,
        )?;
        let context = self.context(&plan.name, "", &plan.retry, plan.delivery);
        let sink = plan.config.build(&context).await.map_err(|error| failure(&plan.name, &error))?;
        let letters_to = match plan.dead_letter {
            DeadLetterPolicy::Sink(sink) => Some(sink),
            DeadLetterPolicy::Store | DeadLetterPolicy::Drop => None,
        };
        let plan = SinkSettings {
            inputs: plan.inputs,
            batch: plan.batch,
            buffer: plan.buffer,
            retry: plan.retry,
            letters_to,
        };
        Ok(UnopenedSink { member, sink, plan })
    }

    fn member(
        &self,
        (name, kind, component_type): (&SmolStr, ComponentKind, &'static str),
        when: Option<&Located>,
        when_discards: bool,
        policy: &DeadLetterPolicy,
    ) -> Result<SharedMember, Failure> {
        let when =
            when.map(Condition::compile).transpose().map_err(|problem| config(name, problem.message))?;
        if let Some(when) = &when {
            tracing::debug!(component = %name, tier = %when.tier(), "when");
        }
        let letters = match policy {
            DeadLetterPolicy::Store => Letters::Store,
            DeadLetterPolicy::Drop => Letters::Drop,
            DeadLetterPolicy::Sink(sink) => {
                let unknown = || config(name, format!("there is no sink `{sink}` for its dead letters"));
                Letters::Post(self.postboxes.get(sink).ok_or_else(unknown)?.address())
            }
        };
        let labels = Labels {
            pipeline: &self.pipeline,
            component: name,
            kind: kind.as_str(),
            component_type,
            account: "",
        };
        Ok(Arc::new(Member {
            name: name.clone(),
            kind,
            component_type,
            when,
            when_discards,
            letters,
            metrics: self.metrics.component(&labels),
            checkpointer: self.checkpointer.clone(),
            environment: self.options.environment.clone(),
            paused: parking_lot::Mutex::default(),
            warnings: parking_lot::Mutex::default(),
            tracer: self.tracer.clone(),
        }))
    }

    fn context(&self, component: &str, account: &str, retry: &RetryOptions, delivery: Delivery) -> Context {
        Context {
            pipeline: Arc::clone(&self.pipeline),
            component: component.into(),
            account: account.into(),
            folder: self.folder.clone(),
            delivery,
            retry: retry.clone(),
            environment: self.options.environment.clone(),
            shared: self.shared.clone(),
        }
    }
}

fn config(component: &SmolStr, message: String) -> Failure {
    Failure::Config { component: component.clone(), message }
}

fn failure(component: &SmolStr, error: &Error) -> Failure {
    let help = error.help().map(|help| format!(" ({help})")).unwrap_or_default();
    config(component, format!("{}{help}", error.chain()))
}
