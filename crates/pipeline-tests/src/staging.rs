//! A plan with its ends replaced: scripted sources, recording sinks, and of all transforms, or of one alone, the real
//! thing.

use std::collections::BTreeMap;

use sluicebox_config::{
    AccountPlan, DeadLetterPolicy, Given, GivenPage, Input, Plan, SinkPlan, SourcePlan, TestCase,
    TransformPlan,
};
use sluicebox_core::{BatchOptions, BufferOptions, Delivery, Error, Result, RetryOptions, SourceClass};
use smol_str::SmolStr;

use crate::ledger::Ledger;
use crate::sink::RecordingSpec;
use crate::source::ScriptedSpec;
use crate::wire::Asking;

/// The name of the output that has none.
const MAIN: &str = "main";

/// The look-ups of a plan with the templates of their URLs.
///
/// # Errors
/// A URL holds a variable that the test gives no value.
pub(crate) fn lookups(plan: &Plan) -> Result<Vec<Asking>> {
    let urls = |transform: &TransformPlan| {
        let component = transform.name.clone();
        let urls = transform.config.lookup_urls().into_iter();
        urls.map(move |url| Asking::new(component.clone(), &url)).collect::<Vec<_>>()
    };
    plan.transforms.iter().flat_map(urls).collect()
}

/// The sinks that dead letters are sent to.
pub(crate) fn letter_sinks(plan: &Plan) -> Vec<SmolStr> {
    let policies = plan.sources.iter().map(|source| &source.dead_letter);
    let policies = policies.chain(plan.transforms.iter().map(|transform| &transform.dead_letter));
    let policies = policies.chain(plan.sinks.iter().map(|sink| &sink.dead_letter));
    let named = |policy: &DeadLetterPolicy| match policy {
        DeadLetterPolicy::Sink(sink) => Some(sink.clone()),
        DeadLetterPolicy::Store | DeadLetterPolicy::Drop => None,
    };
    policies.filter_map(named).collect()
}

/// The plan for a test.
///
/// # Errors
/// The transform that it is about is not there.
pub(crate) fn staged(case: &TestCase, plan: Plan, ledger: &Ledger) -> Result<Plan> {
    match &case.given {
        Given::Sources(pages) => Ok(whole(plan, pages, case, ledger)),
        Given::Transform(name, input) => {
            let page = GivenPage::Events(input.clone(), None);
            alone(plan, name, &[page], ledger)
        }
    }
}

fn whole(plan: Plan, pages: &BTreeMap<SmolStr, Vec<GivenPage>>, case: &TestCase, ledger: &Ledger) -> Plan {
    let sources = plan.sources.into_iter().map(|source| {
        let name = source.name.clone();
        let of = |index: usize, account: &SmolStr| {
            let named = pages.get(format!("{name}/{account}").as_str());
            named.or(pages.get(&name).filter(|_| index == 0)).cloned().unwrap_or_default()
        };
        SourcePlan { dead_letter: kept(source.dead_letter.clone()), ..scripted(source, false, of) }
    });
    let sinks = plan.sinks.into_iter().map(|sink| {
        let faults = case.sinks.get(&sink.name).cloned().unwrap_or_default();
        let spec = RecordingSpec { inner: Some(sink.config), faults, ledger: ledger.clone() };
        SinkPlan { config: Box::new(spec), dead_letter: kept(sink.dead_letter), ..sink }
    });
    let transforms = plan
        .transforms
        .into_iter()
        .map(|transform| TransformPlan { dead_letter: kept(transform.dead_letter.clone()), ..transform });
    Plan { sources: sources.collect(), sinks: sinks.collect(), transforms: transforms.collect(), ..plan }
}

/// The source with pages instead of an upstream, for each account.
fn scripted(
    source: SourcePlan,
    have_passed: bool,
    pages: impl Fn(usize, &SmolStr) -> Vec<GivenPage>,
) -> SourcePlan {
    let accounts = source.accounts.into_iter().enumerate().map(|(index, account)| {
        let pages = pages(index, &account.id);
        let spec = ScriptedSpec { inner: account.config, pages, have_passed };
        AccountPlan { id: account.id, config: Box::new(spec) }
    });
    // Nobody is asked for the rows of accounts: one stands for all of them, and they do not come and go.
    SourcePlan { accounts: accounts.collect(), accounts_from: None, ..source }
}

/// Letters that would only be counted are kept, to be looked at.
fn kept(policy: DeadLetterPolicy) -> DeadLetterPolicy {
    match policy {
        DeadLetterPolicy::Drop => DeadLetterPolicy::Store,
        other => other,
    }
}

/// One transform between a source above it and a sink for each of its outputs.
fn alone(plan: Plan, name: &SmolStr, pages: &[GivenPage], ledger: &Ledger) -> Result<Plan> {
    let missing = || Error::config(format!("there is no transform `{name}`"));
    let above = source_above(&plan, name).ok_or_else(missing)?;
    let transform = plan.transforms.into_iter().find(|transform| transform.name == *name);
    let transform = transform.ok_or_else(missing)?;
    let outputs = std::iter::once(None).chain(transform.outputs.iter().cloned().map(Some));
    let sinks = outputs.map(|output| gathering(name, output, ledger)).collect();
    let transform = TransformPlan {
        inputs: vec![Input { component: above.clone(), output: None }],
        dead_letter: DeadLetterPolicy::Store,
        ..transform
    };
    // The others bring nothing, but their credentials may be asked for.
    let sources = plan.sources.into_iter().map(|source| {
        let is_above = source.name == above;
        let of = |index: usize, _: &SmolStr| if is_above && index == 0 { pages.to_vec() } else { Vec::new() };
        // What reaches the transform is given: it has passed its source.
        let source = SourcePlan { when: None, dead_letter: DeadLetterPolicy::Store, ..source };
        let source = SourcePlan { class: SourceClass::RetainedFeed, prefetch: true, ..source };
        scripted(source, true, of)
    });
    Ok(Plan { sources: sources.collect(), transforms: vec![transform], sinks, ..plan })
}

/// The first source whose events reach a component.
fn source_above(plan: &Plan, name: &SmolStr) -> Option<SmolStr> {
    let mut above = vec![name.clone()];
    let mut at = 0;
    while let Some(name) = above.get(at).cloned() {
        at += 1;
        if plan.sources.iter().any(|source| source.name == name) {
            return Some(name);
        }
        let transform = plan.transforms.iter().find(|transform| transform.name == name)?;
        let inputs = transform.inputs.iter().map(|input| input.component.clone());
        let new: Vec<SmolStr> = inputs.filter(|input| !above.contains(input)).collect();
        above.extend(new);
    }
    None
}

/// What gathers an output of a transform.
fn gathering(transform: &SmolStr, output: Option<SmolStr>, ledger: &Ledger) -> SinkPlan {
    SinkPlan {
        name: output.clone().unwrap_or(SmolStr::new_static(MAIN)),
        component_type: "output",
        inputs: vec![Input { component: transform.clone(), output }],
        when: None,
        batch: BatchOptions::default(),
        buffer: BufferOptions::default(),
        retry: RetryOptions::default(),
        delivery: Delivery::AtLeastOnce,
        dead_letter: DeadLetterPolicy::Store,
        config: Box::new(RecordingSpec { inner: None, faults: Vec::new(), ledger: ledger.clone() }),
    }
}
