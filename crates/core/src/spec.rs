//! Specs: the configuration struct of a component is its only declaration.

use std::path::PathBuf;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::{
    BuiltSink, BuiltSource, CheckContext, Context, DeliverySupport, Effect, Event, ListensOn, LookupUrl,
    Probe, Problem, Reject, Rendering, Result, ScriptText, SourceClass, Transform,
};

/// Declares a source: its doc comment is the reference page, its fields the option table.
///
/// Derive `Deserialize` with `deny_unknown_fields` and `JsonSchema`; give defaults with `serde(default = …)` and
/// examples with `schemars(example = …)`. No `flatten`, `untagged` or internal `tag`: each loses the place of an error.
#[async_trait]
pub trait SourceSpec: DeserializeOwned + JsonSchema + Send + Sync + 'static {
    /// The `type:` in a pipeline file.
    const TYPE: &'static str;

    /// How it may be polled.
    fn class(&self) -> SourceClass;

    /// The API whose events it brings, as the event catalogue names it; `None`: nobody knows their shape.
    fn api(&self) -> Option<&'static str> {
        None
    }

    /// Whether it only takes what others send it, so that nothing says when it has everything (a webhook): alone, it
    /// cannot be run `--once`. Repeats are known by the id of the delivery.
    fn listens(&self) -> bool {
        false
    }

    /// The address and path that it listens on, also if that only wakes it; no other source or account of the pipeline
    /// can have the same. `None` if it listens on none, or its options do not say a sound one.
    fn listens_on(&self) -> Option<ListensOn> {
        None
    }

    /// Whether what it reads has an end (standard input): a pipeline all of whose sources end ends with them, as if it
    /// were run `--once`.
    fn ends(&self) -> bool {
        false
    }

    /// Whether what it reads is in parts that are not accounts (the partitions of a topic, a queue, the files of a folder,
    /// an inbox): then its accounts cannot come and go while it runs, as those of a source that asks an API can. What
    /// listens, and what has an end, is so by itself.
    fn has_own_partitions(&self) -> bool {
        self.listens() || self.ends()
    }

    /// The address of the API that it asks over HTTP, for sources that can ask any: `check` shows it.
    fn talks_to(&self) -> Option<String> {
        None
    }

    /// Everything wrong with the values that the types cannot say. Pure.
    fn check(&self, _cx: &CheckContext<'_>) -> Vec<Problem> {
        Vec::new()
    }

    /// The event that this source makes of one item of a page, for tests of a pipeline; `None`: items of this source
    /// say nothing about themselves.
    ///
    /// # Errors
    /// The item is no event: the reject that the source would make of it.
    fn item(&self, _item: &bytes::Bytes, _cx: &Context) -> Option<Result<Event, Box<Reject>>> {
        None
    }

    /// Builds the source of one account.
    ///
    /// # Errors
    /// `Config` if it cannot be built as configured.
    async fn build(self, cx: &Context) -> Result<BuiltSource>;

    /// Asks the other side, for `check --connect`, whether a run would work: reach, credentials, permissions, and that
    /// what the configuration names is there. Writes nothing. One short attempt for each question.
    async fn probe(&self, _cx: &Context) -> Probe {
        Probe::new()
    }
}

/// Declares a transform; see [`SourceSpec`].
#[async_trait]
pub trait TransformSpec: DeserializeOwned + JsonSchema + Send + Sync + 'static {
    /// The `type:` in a pipeline file.
    const TYPE: &'static str;

    /// Everything wrong with the values that the types cannot say. Pure.
    fn check(&self, _cx: &CheckContext<'_>) -> Vec<Problem> {
        Vec::new()
    }

    /// Names of outputs beside the main one.
    fn outputs(&self, _cx: &CheckContext<'_>) -> Vec<String> {
        Vec::new()
    }

    /// Whether any event can leave by the main output; if not, nobody needs to read it.
    fn has_main_output(&self) -> bool {
        true
    }

    /// What it does to the shape of events, `component` being its name in the pipeline.
    fn effect(&self, _component: &str) -> Effect {
        Effect::Unknown
    }

    /// The same where its scripts decide it, which `cx` reads.
    fn effect_of_scripts(&self, component: &str, _cx: &CheckContext<'_>) -> Effect {
        self.effect(component)
    }

    /// Its scripts that are judged by what is known of the events; those that do not compile may be left out.
    fn scripts(&self, _cx: &CheckContext<'_>) -> Vec<ScriptText> {
        Vec::new()
    }

    /// The URLs that a look-up asks over HTTP: a test of a pipeline finds the answers that it gives by the values in them.
    fn lookup_urls(&self) -> Vec<LookupUrl> {
        Vec::new()
    }

    /// Whether it asks a database for rows: a test of a pipeline gives them by its parameters.
    fn looks_up_rows(&self) -> bool {
        false
    }

    /// Whether `when:` is this transform's own condition (`filter`): what does not match is discarded instead of
    /// passed on unchanged.
    fn when_discards() -> bool {
        false
    }

    /// Whether it makes the same of an event that comes again after a crash: not so where others are asked.
    fn is_repeatable(&self) -> bool {
        true
    }

    /// Whether it remembers events, as [`Transform::stateful`] says of what is built.
    fn remembers(&self) -> bool {
        false
    }

    /// Builds the one instance that serves every partition. `files` reads scripts.
    ///
    /// # Errors
    /// `Config` if it cannot be built as configured.
    async fn build(self, cx: &Context, files: &dyn crate::ScriptFiles) -> Result<Box<dyn Transform>>;

    /// See [`SourceSpec::probe`].
    async fn probe(&self, _cx: &Context) -> Probe {
        Probe::new()
    }
}

/// Declares a sink; see [`SourceSpec`].
#[async_trait]
pub trait SinkSpec: DeserializeOwned + JsonSchema + Send + Sync + 'static {
    /// The `type:` in a pipeline file.
    const TYPE: &'static str;

    /// What it can promise as configured.
    fn delivery(&self) -> DeliverySupport;

    /// The file that its option `path` names and that it alone may write: no other sink of the pipeline can have the
    /// same. `None` if it has none, or if events choose it.
    fn own_file(&self) -> Option<PathBuf> {
        None
    }

    /// Everything wrong with the values that the types cannot say. Pure.
    fn check(&self, _cx: &CheckContext<'_>) -> Vec<Problem> {
        Vec::new()
    }

    /// How it puts events into messages, for tests of a pipeline; `None`: the events go as they are.
    ///
    /// # Errors
    /// `Config` as in [`SinkSpec::build`]. What only the destination needs (addresses, credentials) is not looked at.
    fn rendering(&self) -> Result<Option<Box<dyn Rendering>>> {
        Ok(None)
    }

    /// Connects and builds.
    ///
    /// # Errors
    /// `Config` if it cannot be built as configured.
    async fn build(self, cx: &Context) -> Result<BuiltSink>;

    /// See [`SourceSpec::probe`].
    async fn probe(&self, _cx: &Context) -> Probe {
        Probe::new()
    }
}

/// A parsed source configuration of any type.
#[async_trait]
pub trait AnySource: Send + Sync {
    /// See [`SourceSpec::class`].
    fn class(&self) -> SourceClass;
    /// See [`SourceSpec::api`].
    fn api(&self) -> Option<&'static str> {
        None
    }
    /// See [`SourceSpec::listens`].
    fn listens(&self) -> bool {
        false
    }
    /// See [`SourceSpec::listens_on`].
    fn listens_on(&self) -> Option<ListensOn> {
        None
    }
    /// See [`SourceSpec::ends`].
    fn ends(&self) -> bool {
        false
    }
    /// See [`SourceSpec::has_own_partitions`].
    fn has_own_partitions(&self) -> bool {
        self.listens() || self.ends()
    }
    /// See [`SourceSpec::talks_to`].
    fn talks_to(&self) -> Option<String> {
        None
    }
    /// See [`SourceSpec::check`].
    fn check(&self, cx: &CheckContext<'_>) -> Vec<Problem>;
    /// See [`SourceSpec::item`].
    ///
    /// # Errors
    /// As there.
    fn item(&self, _item: &bytes::Bytes, _cx: &Context) -> Option<Result<Event, Box<Reject>>> {
        None
    }
    /// See [`SourceSpec::build`].
    ///
    /// # Errors
    /// As there.
    async fn build(self: Box<Self>, cx: &Context) -> Result<BuiltSource>;
    /// See [`SourceSpec::probe`].
    async fn probe(&self, _cx: &Context) -> Probe {
        Probe::new()
    }
}

/// A parsed transform configuration of any type.
#[async_trait]
pub trait AnyTransform: Send + Sync {
    /// See [`TransformSpec::check`].
    fn check(&self, cx: &CheckContext<'_>) -> Vec<Problem>;
    /// See [`TransformSpec::outputs`].
    fn outputs(&self, cx: &CheckContext<'_>) -> Vec<String>;
    /// See [`TransformSpec::has_main_output`].
    fn has_main_output(&self) -> bool {
        true
    }
    /// See [`TransformSpec::effect_of_scripts`].
    fn effect(&self, _component: &str, _cx: &CheckContext<'_>) -> Effect {
        Effect::Unknown
    }
    /// See [`TransformSpec::scripts`].
    fn scripts(&self, _cx: &CheckContext<'_>) -> Vec<ScriptText> {
        Vec::new()
    }
    /// See [`TransformSpec::lookup_urls`].
    fn lookup_urls(&self) -> Vec<LookupUrl> {
        Vec::new()
    }
    /// See [`TransformSpec::looks_up_rows`].
    fn looks_up_rows(&self) -> bool {
        false
    }
    /// See [`TransformSpec::is_repeatable`].
    fn is_repeatable(&self) -> bool {
        true
    }
    /// See [`TransformSpec::remembers`].
    fn remembers(&self) -> bool {
        false
    }
    /// See [`TransformSpec::build`].
    ///
    /// # Errors
    /// As there.
    async fn build(
        self: Box<Self>,
        cx: &Context,
        files: &dyn crate::ScriptFiles,
    ) -> Result<Box<dyn Transform>>;
    /// See [`TransformSpec::probe`].
    async fn probe(&self, _cx: &Context) -> Probe {
        Probe::new()
    }
}

/// A parsed sink configuration of any type.
#[async_trait]
pub trait AnySink: Send + Sync {
    /// See [`SinkSpec::delivery`].
    fn delivery(&self) -> DeliverySupport;
    /// See [`SinkSpec::own_file`].
    fn own_file(&self) -> Option<PathBuf> {
        None
    }
    /// See [`SinkSpec::check`].
    fn check(&self, cx: &CheckContext<'_>) -> Vec<Problem>;
    /// See [`SinkSpec::rendering`].
    ///
    /// # Errors
    /// As there.
    fn rendering(&self) -> Result<Option<Box<dyn Rendering>>> {
        Ok(None)
    }
    /// See [`SinkSpec::build`].
    ///
    /// # Errors
    /// As there.
    async fn build(self: Box<Self>, cx: &Context) -> Result<BuiltSink>;
    /// See [`SinkSpec::probe`].
    async fn probe(&self, _cx: &Context) -> Probe {
        Probe::new()
    }
}

#[async_trait]
impl<S: SourceSpec> AnySource for S {
    fn class(&self) -> SourceClass {
        SourceSpec::class(self)
    }
    fn api(&self) -> Option<&'static str> {
        SourceSpec::api(self)
    }
    fn listens(&self) -> bool {
        SourceSpec::listens(self)
    }
    fn listens_on(&self) -> Option<ListensOn> {
        SourceSpec::listens_on(self)
    }
    fn ends(&self) -> bool {
        SourceSpec::ends(self)
    }
    fn has_own_partitions(&self) -> bool {
        SourceSpec::has_own_partitions(self)
    }
    fn talks_to(&self) -> Option<String> {
        SourceSpec::talks_to(self)
    }
    fn check(&self, cx: &CheckContext<'_>) -> Vec<Problem> {
        SourceSpec::check(self, cx)
    }
    fn item(&self, item: &bytes::Bytes, cx: &Context) -> Option<Result<Event, Box<Reject>>> {
        SourceSpec::item(self, item, cx)
    }
    async fn build(self: Box<Self>, cx: &Context) -> Result<BuiltSource> {
        SourceSpec::build(*self, cx).await
    }
    async fn probe(&self, cx: &Context) -> Probe {
        SourceSpec::probe(self, cx).await
    }
}

#[async_trait]
impl<T: TransformSpec> AnyTransform for T {
    fn check(&self, cx: &CheckContext<'_>) -> Vec<Problem> {
        TransformSpec::check(self, cx)
    }
    fn outputs(&self, cx: &CheckContext<'_>) -> Vec<String> {
        TransformSpec::outputs(self, cx)
    }
    fn has_main_output(&self) -> bool {
        TransformSpec::has_main_output(self)
    }
    fn effect(&self, component: &str, cx: &CheckContext<'_>) -> Effect {
        TransformSpec::effect_of_scripts(self, component, cx)
    }
    fn scripts(&self, cx: &CheckContext<'_>) -> Vec<ScriptText> {
        TransformSpec::scripts(self, cx)
    }
    fn lookup_urls(&self) -> Vec<LookupUrl> {
        TransformSpec::lookup_urls(self)
    }
    fn looks_up_rows(&self) -> bool {
        TransformSpec::looks_up_rows(self)
    }
    fn is_repeatable(&self) -> bool {
        TransformSpec::is_repeatable(self)
    }
    fn remembers(&self) -> bool {
        TransformSpec::remembers(self)
    }
    async fn build(
        self: Box<Self>,
        cx: &Context,
        files: &dyn crate::ScriptFiles,
    ) -> Result<Box<dyn Transform>> {
        TransformSpec::build(*self, cx, files).await
    }
    async fn probe(&self, cx: &Context) -> Probe {
        TransformSpec::probe(self, cx).await
    }
}

#[async_trait]
impl<K: SinkSpec> AnySink for K {
    fn delivery(&self) -> DeliverySupport {
        SinkSpec::delivery(self)
    }
    fn own_file(&self) -> Option<PathBuf> {
        SinkSpec::own_file(self)
    }
    fn check(&self, cx: &CheckContext<'_>) -> Vec<Problem> {
        SinkSpec::check(self, cx)
    }
    fn rendering(&self) -> Result<Option<Box<dyn Rendering>>> {
        SinkSpec::rendering(self)
    }
    async fn build(self: Box<Self>, cx: &Context) -> Result<BuiltSink> {
        SinkSpec::build(*self, cx).await
    }
    async fn probe(&self, cx: &Context) -> Probe {
        SinkSpec::probe(self, cx).await
    }
}
