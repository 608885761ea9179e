//! `check`: every problem of every file at once; where there is none, what each route guarantees and, if that is asked
//! for, whether the other sides are as the pipelines need them.

mod connect;

use serde::Serialize;
use sluicebox_config::{LocatedProblem, Plan, Route};
use sluicebox_core::Registry;

use crate::arguments::{CheckArguments, ReportFormat, Verb};
use crate::diagnostics::{self, Severity};
use crate::exit::{Ended, Exit, Stop};
use crate::outside::ProcessVariables;
use crate::{pipeline_files, terminal};

/// The report of `--format json`.
#[derive(Serialize)]
struct Findings<'f> {
    problems: Vec<LocatedProblem>,
    routes: Vec<Route>,
    warnings: Vec<LocatedProblem>,
    /// With `--connect`, if there was no problem.
    #[serde(skip_serializing_if = "Option::is_none")]
    probes: Option<Vec<connect::Finding<'f>>>,
}

/// Checks the files and prints what was found. Nobody is asked anything while a file is wrong.
pub(crate) async fn verb(registry: &Registry, arguments: &CheckArguments) -> Ended {
    let files = pipeline_files::expand(&arguments.files)?;
    let variables = ProcessVariables::default();
    let (mut plans, mut problems): (Vec<Plan>, Vec<LocatedProblem>) = (Vec::new(), Vec::new());
    for file in &files {
        match pipeline_files::load(file, registry, &variables, arguments.allow_missing_secrets) {
            Ok(plan) => {
                let allow = arguments.allow_missing_secrets;
                problems.extend(pipeline_files::problems_of_tests(&plan, &variables, allow));
                plans.push(plan);
            }
            Err(report) => problems.extend(report.problems),
        }
    }
    let (plans, taken) = pipeline_files::unique(plans);
    problems.extend(taken);
    let is_text = arguments.format == ReportFormat::Text;
    if is_text {
        print_text(&plans, &problems);
    }
    let routes = plans.iter().flat_map(|plan| plan.routes.clone()).collect();
    let warnings = plans.iter().flat_map(|plan| plan.warnings.clone()).collect();
    let wanted = arguments.connect && problems.is_empty();
    let allow_missing_secrets = arguments.allow_missing_secrets;
    let again = connect::Again { registry, variables: &variables, allow_missing_secrets };
    let asked = if wanted { Some(connect::ask(plans, again).await) } else { None };
    let exit = match &asked {
        _ if !problems.is_empty() => Exit::Configuration,
        Some(pipelines) if !pipelines.iter().all(connect::Pipeline::is_fine) => Exit::Failed,
        _ => Exit::Done,
    };
    if is_text {
        asked.iter().flatten().for_each(|pipeline| terminal::print(&pipeline.text()));
    } else {
        let probes = asked.as_ref().map(|all| all.iter().flat_map(connect::Pipeline::findings).collect());
        print_json(&Findings { problems, routes, warnings, probes })?;
    }
    Ok(exit)
}

/// Reports connectors that are wrong, in the form that the verb has; no pipeline is looked at.
pub(crate) fn refused(verb: &Verb, problems: Vec<LocatedProblem>) -> Ended {
    match verb {
        Verb::Check(CheckArguments { format: ReportFormat::Json, .. }) => {
            print_json(&Findings { problems, routes: Vec::new(), warnings: Vec::new(), probes: None })?;
        }
        _ => terminal::complain(&diagnostics::render(&problems, Severity::Error, terminal::colour())),
    }
    Ok(Exit::Configuration)
}

fn print_json(findings: &Findings<'_>) -> Result<(), Stop> {
    let text = serde_json::to_string_pretty(findings)
        .map_err(|error| Stop::failed("cannot write the report", &error))?;
    terminal::print_line(&text);
    Ok(())
}

fn print_text(plans: &[Plan], problems: &[LocatedProblem]) {
    let colour = terminal::colour();
    let warnings: Vec<_> = plans.iter().flat_map(|plan| plan.warnings.clone()).collect();
    terminal::complain(&diagnostics::render(&warnings, Severity::Warning, colour));
    if !problems.is_empty() && !warnings.is_empty() {
        terminal::complain("\n");
    }
    terminal::complain(&diagnostics::render(problems, Severity::Error, colour));
    if !problems.is_empty() {
        let count = problems.len();
        terminal::complain(&format!("\n{count} problem{}\n", if count == 1 { "" } else { "s" }));
    }
    for plan in plans {
        terminal::print_line(&format!("{}: {} is fine", plan.file.display(), plan.name));
        terminal::print(&routes(&plan.routes));
        terminal::print(&addresses(plan));
    }
}

/// One line a source that could ask anybody: `feed (acme) talks to https://api.example.com`.
fn addresses(plan: &Plan) -> String {
    let told = plan.sources.iter().filter_map(|source| {
        let address = source.accounts.first()?.config.talks_to()?;
        Some(format!("  {} ({}) talks to {address}\n", source.name, source.component_type))
    });
    told.collect()
}

/// One line a route: `marketplace → warehouse  exactly_once  rows and position share one SQLite transaction`.
fn routes(routes: &[Route]) -> String {
    let arrows: Vec<String> =
        routes.iter().map(|route| format!("{} → {}", route.source, route.sink)).collect();
    let width = arrows.iter().map(|arrow| arrow.chars().count()).max().unwrap_or(0);
    let lines = arrows
        .iter()
        .zip(routes)
        .map(|(arrow, route)| format!("  {arrow:width$}  {:13}  {}\n", route.guarantee.as_str(), route.why));
    lines.collect()
}
