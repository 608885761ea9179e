//! Asks every component of a plan that has another side whether a run would work, all at once.
//!
//! Invariant: nothing is built, started or written, and no component can keep the others from being asked: one that
//! panics or does not answer in time is a finding like any other.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use sluicebox_config::Plan;
use sluicebox_core::{ComponentKind, Context, Delivery, Environment, Error, Probe, RetryOptions, Shared};
use smol_str::SmolStr;
use tokio::task::{Id, JoinError, JoinSet};

/// What one component found out.
#[derive(Debug)]
pub struct Probed {
    /// The component's name.
    pub component: SmolStr,
    /// A source, a transform that looks something up, or a sink.
    pub kind: ComponentKind,
    /// The account that was asked for; `None` but for a source.
    pub account: Option<SmolStr>,
    /// The findings; none if there was nothing to ask.
    pub probe: Probe,
}

/// Probes the sources (each account by itself), the transforms and then the sinks of a plan, in the order of the file but
/// all at once. Most transforms have nothing to ask; of those there is no word.
///
/// What has not answered after `limit` is reported as wrong, with whatever it was waiting for abandoned. `shared` is
/// what the components find as [`Context::shared`].
pub async fn probe(plan: Plan, environment: &Environment, shared: &Shared, limit: Duration) -> Vec<Probed> {
    let mut panel = Panel { tasks: JoinSet::new(), asked: Vec::new() };
    let context = |component: &str, account: &str| Context {
        pipeline: plan.name.as_str().into(),
        component: component.into(),
        account: account.into(),
        folder: plan.folder.clone(),
        delivery: Delivery::AtLeastOnce,
        retry: RetryOptions::default(),
        environment: environment.clone(),
        shared: shared.clone(),
    };
    for source in plan.sources {
        for account in source.accounts {
            let cx = context(&source.name, &account.id);
            let asked = (source.name.clone(), ComponentKind::Source, Some(account.id));
            panel.ask(asked, async move { account.config.probe(&cx).await });
        }
    }
    for transform in plan.transforms {
        let cx = Context { retry: transform.retry.clone(), ..context(&transform.name, "") };
        let asked = (transform.name, ComponentKind::Transform, None);
        panel.ask(asked, async move { transform.config.probe(&cx).await });
    }
    for sink in plan.sinks {
        let cx = Context { delivery: sink.delivery, retry: sink.retry.clone(), ..context(&sink.name, "") };
        panel.ask((sink.name, ComponentKind::Sink, None), async move { sink.config.probe(&cx).await });
    }
    let clock = Arc::clone(&environment.clock);
    let mut probed = panel.answers(clock.sleep(limit), limit).await;
    probed.retain(|one| one.kind != ComponentKind::Transform || !one.probe.findings().is_empty());
    probed
}

/// Who is asked: name, kind, account.
type Asked = (SmolStr, ComponentKind, Option<SmolStr>);

/// Everybody who is being asked.
struct Panel {
    tasks: JoinSet<Probe>,
    asked: Vec<(Id, Asked)>,
}

impl Panel {
    fn ask(&mut self, asked: Asked, answer: impl Future<Output = Probe> + Send + 'static) {
        let task = self.tasks.spawn(answer);
        self.asked.push((task.id(), asked));
    }

    /// Everybody's answers in the order of asking, with what became of those who gave none until `end`.
    async fn answers(mut self, end: impl Future<Output = ()>, limit: Duration) -> Vec<Probed> {
        let mut answers = HashMap::new();
        tokio::pin!(end);
        loop {
            let answer = tokio::select! {
                biased;
                answer = self.tasks.join_next_with_id() => answer,
                () = &mut end => break,
            };
            match answer {
                Some(Ok((id, probe))) => answers.insert(id, probe),
                Some(Err(error)) => answers.insert(error.id(), broken(error)),
                None => break,
            };
        }
        self.tasks.abort_all();
        let probed = |(id, (component, kind, account))| {
            let probe = answers.remove(&id).unwrap_or_else(|| silent(limit));
            Probed { component, kind, account, probe }
        };
        self.asked.into_iter().map(probed).collect()
    }
}

fn silent(limit: Duration) -> Probe {
    let mut probe = Probe::new();
    let error = Error::transient(format!("no answer within {} s", limit.as_secs_f64()));
    probe.wrong("answer", error.with_help("check that the other side is up and lets this machine in"));
    probe
}

fn broken(error: JoinError) -> Probe {
    let mut probe = Probe::new();
    let error = Error::permanent("the question itself failed").with_cause(error);
    probe.wrong("answer", error.with_help("this is a fault in the component: report it"));
    probe
}
