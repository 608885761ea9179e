//! `--connect`: what every source and sink found out at its other side, for people and as data.
//!
//! Invariant: an error is shown with its whole chain and what to do about it, and never with the query of a link.

mod accounts;

use std::time::Duration;

use serde::Serialize;
use sluicebox_config::Plan;
use sluicebox_core::{Registry, Shared, Standing};
use sluicebox_engine::{Probed, probe, system};

use crate::outside::ProcessVariables;
use crate::redact;

/// How long a component may take for all of its questions.
const PATIENCE: Duration = Duration::from_secs(20);

/// The findings of one pipeline.
pub(super) struct Pipeline {
    name: String,
    probed: Vec<Probed>,
}

/// What a pipeline is loaded with again once its accounts have been read.
#[derive(Clone, Copy)]
pub(super) struct Again<'a> {
    pub(super) registry: &'a Registry,
    pub(super) variables: &'a ProcessVariables,
    pub(super) allow_missing_secrets: bool,
}

/// Asks every pipeline at once.
pub(super) async fn ask(plans: Vec<Plan>, again: Again<'_>) -> Vec<Pipeline> {
    let environment = system();
    let asked = plans.into_iter().map(async |plan| {
        let name = plan.name.to_string();
        let (plan, mut probed) = accounts::read(plan, again).await;
        probed.extend(probe(plan, &environment, &Shared::default(), PATIENCE).await);
        Pipeline { name, probed }
    });
    futures::future::join_all(asked).await
}

/// One finding of `--format json`.
#[derive(Serialize)]
pub(super) struct Finding<'f> {
    pipeline: &'f str,
    component: &'f str,
    /// The account of a source.
    account: Option<&'f str>,
    /// What was looked at; `null` if there was nothing to ask.
    subject: Option<&'f str>,
    standing: &'static str,
    message: String,
    help: Option<String>,
}

impl Pipeline {
    /// Whether every answer lets the pipeline run.
    pub(super) fn is_fine(&self) -> bool {
        self.probed.iter().all(|probed| probed.probe.is_fine())
    }

    /// What was found, in the order of the file.
    pub(super) fn findings(&self) -> Vec<Finding<'_>> {
        self.probed.iter().flat_map(|probed| self.of(probed)).collect()
    }

    fn of<'f>(&'f self, probed: &'f Probed) -> Vec<Finding<'f>> {
        let finding = |subject, standing, message: &str, help: Option<&str>| Finding {
            pipeline: &self.name,
            component: &probed.component,
            account: probed.account.as_deref(),
            subject,
            standing,
            message: redact::text(message),
            help: help.map(redact::text),
        };
        if probed.probe.findings().is_empty() {
            return vec![finding(None, "fine", "nothing to ask", None)];
        }
        let found = probed.probe.findings().iter().map(|found| {
            let subject = Some(found.subject.as_str());
            match &found.standing {
                Standing::Fine(message) => finding(subject, "fine", message, None),
                Standing::Doubtful { message, help } => finding(subject, "doubtful", message, Some(help)),
                Standing::Wrong(error) => finding(subject, "wrong", &error.chain(), error.help()),
            }
        });
        found.collect()
    }

    /// The pipeline's name, then one line a finding, `✓ warehouse  table  public.events fits (9 columns)`, and its help below.
    pub(super) fn text(&self) -> String {
        let findings = self.findings();
        let names: Vec<String> = findings.iter().map(Finding::name).collect();
        let widest = |lengths: &mut dyn Iterator<Item = usize>| lengths.max().unwrap_or(0);
        let name_width = widest(&mut names.iter().map(|name| name.chars().count()));
        let subjects = findings.iter().filter_map(|finding| finding.subject);
        let subject_width = widest(&mut subjects.map(|subject| subject.chars().count()));
        let lines = findings.iter().zip(&names).map(|(finding, name)| {
            let sign = match finding.standing {
                "fine" => '✓',
                "doubtful" => '!',
                _ => '✗',
            };
            let message = &finding.message;
            let said = match finding.subject {
                Some(subject) => format!("{subject:subject_width$}  {message}"),
                None => message.clone(),
            };
            let help = finding.help.iter().map(|help| format!("    help: {help}\n"));
            format!("  {sign} {name:name_width$}  {said}\n{}", help.collect::<String>())
        });
        format!("{}: connections\n{}", self.name, lines.collect::<String>())
    }
}

impl Finding<'_> {
    /// The component, with its account where that has a name of its own.
    fn name(&self) -> String {
        match self.account.filter(|account| *account != self.component) {
            Some(account) => format!("{}/{account}", self.component),
            None => self.component.to_owned(),
        }
    }
}
