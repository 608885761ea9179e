//! `probe`: every source, account and sink is asked, and neither a panic nor silence keeps the others from it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where something unexpected happens")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sluicebox_core::{
    AnySink, AnySource, BuiltSink, BuiltSource, CheckContext, ComponentKind, Context, Delivery,
    DeliverySupport, Error, Probe, Problem, Result, Shared, SourceClass, Standing,
};
use sluicebox_engine::{Probed, probe, system};
use support::{Destination, Feed, Piped};

/// How a component answers.
#[derive(Clone, Copy)]
enum Manner {
    Fine,
    Wrong,
    Panic,
    Silent,
    Nothing,
}

impl Manner {
    async fn answer(self, cx: &Context) -> Probe {
        let mut probe = Probe::new();
        match self {
            Self::Fine => {
                let Context { pipeline, component, account, delivery, .. } = cx;
                probe.fine("context", format!("{pipeline} {component} {account} {}", delivery.as_str()));
            }
            Self::Wrong => probe.wrong("credentials", Error::auth("refused")),
            Self::Panic => panic!("a probe that panics, as this test wants"),
            Self::Silent => std::future::pending().await,
            Self::Nothing => {}
        }
        probe
    }
}

#[async_trait]
impl AnySource for Manner {
    fn class(&self) -> SourceClass {
        SourceClass::RetainedFeed
    }

    fn check(&self, _: &CheckContext<'_>) -> Vec<Problem> {
        Vec::new()
    }

    async fn build(self: Box<Self>, _: &Context) -> Result<BuiltSource> {
        panic!("a probe builds nothing")
    }

    async fn probe(&self, cx: &Context) -> Probe {
        self.answer(cx).await
    }
}

#[async_trait]
impl AnySink for Manner {
    fn delivery(&self) -> DeliverySupport {
        DeliverySupport { default: Delivery::AtLeastOnce, exactly_once: true, why: "it is a test" }
    }

    fn check(&self, _: &CheckContext<'_>) -> Vec<Problem> {
        Vec::new()
    }

    async fn build(self: Box<Self>, _: &Context) -> Result<BuiltSink> {
        panic!("a probe builds nothing")
    }

    async fn probe(&self, cx: &Context) -> Probe {
        self.answer(cx).await
    }
}

/// Asks a pipeline whose sources and sinks have these names and manners.
async fn ask(
    sources: &[(&str, &'static [(&'static str, Manner)])],
    sinks: &[(&str, Delivery, Manner)],
    limit: Duration,
) -> Vec<Probed> {
    let mut piped = Piped::new();
    for (name, accounts) in sources {
        let feeds = accounts.iter().map(|(id, _)| (*id, Feed::new("feed", 1, 1)));
        piped = piped.accounts(name, feeds.collect());
        for (account, (_, manner)) in piped.0.sources.last_mut().unwrap().accounts.iter_mut().zip(*accounts) {
            account.config = Box::new(*manner);
        }
    }
    for (name, delivery, manner) in sinks {
        piped = piped.sink(name, &[sources[0].0], &Arc::new(Destination::default()), false);
        let sink = piped.0.sinks.last_mut().unwrap();
        (sink.delivery, sink.config) = (*delivery, Box::new(*manner));
    }
    probe(piped.0, &system(), &Shared::default(), limit).await
}

/// `component account subject: message`.
fn line(probed: &Probed) -> String {
    let account = probed.account.as_deref().unwrap_or("-");
    let findings = probed.probe.findings().iter().map(|finding| match &finding.standing {
        Standing::Fine(message) => format!("{}: {message}", finding.subject),
        Standing::Wrong(error) => format!("{} is wrong: {error}", finding.subject),
        Standing::Doubtful { message, .. } => format!("{} is doubtful: {message}", finding.subject),
    });
    format!("{} {account} {}", probed.component, findings.collect::<Vec<_>>().join(", "))
}

#[tokio::test]
async fn everybody_is_asked_with_a_context_of_its_own() {
    let many: &[_] = &[("one", Manner::Fine), ("two", Manner::Fine)];
    let sinks =
        [("exact", Delivery::ExactlyOnce, Manner::Fine), ("quiet", Delivery::AtLeastOnce, Manner::Nothing)];
    let probed =
        ask(&[("many", many), ("bad", &[("bad", Manner::Wrong)])], &sinks, Duration::from_secs(60)).await;
    assert_eq!(
        probed.iter().map(line).collect::<Vec<_>>(),
        [
            "many one context: test many one at_least_once",
            "many two context: test many two at_least_once",
            "bad bad credentials is wrong: refused",
            "exact - context: test exact  exactly_once",
            "quiet - ",
        ]
    );
    let kinds: Vec<_> = probed.iter().map(|probed| probed.kind).collect();
    assert_eq!(kinds[2..4], [ComponentKind::Source, ComponentKind::Sink]);
}

#[tokio::test]
async fn a_panic_and_silence_are_findings_and_the_others_are_heard() {
    let all: &[_] = &[("a", Manner::Panic), ("b", Manner::Silent), ("c", Manner::Fine)];
    let sinks = [("d", Delivery::AtLeastOnce, Manner::Fine)];
    let probed = ask(&[("source", all)], &sinks, Duration::from_secs(2)).await;
    assert_eq!(
        probed.iter().map(line).collect::<Vec<_>>(),
        [
            "source a answer is wrong: the question itself failed",
            "source b answer is wrong: no answer within 2 s",
            "source c context: test source c at_least_once",
            "d - context: test d  at_least_once",
        ]
    );
}
