//! `test`: the tests of pipelines, in their files and beside them.
//!
//! Every problem of every file is told first; what is wrong is not run. Invariant: the tests see neither the
//! environment nor the network of this machine, so they end the same way everywhere.

mod coverage;
mod gather;
mod junit;
mod picture;

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sluicebox_config::{Report, TestCase};
use sluicebox_core::{Clock, Registry};
use sluicebox_pipeline_tests::Verdict;

use crate::arguments::TestArguments;
use crate::diagnostics::{self, Severity};
use crate::exit::{Ended, Exit, Stop};
use crate::terminal;
use gather::Suite;

/// How one test ended.
pub(crate) struct Ran<'s> {
    case: &'s TestCase,
    end: End,
    /// By the clock of the machine.
    took: Duration,
}

/// What became of a test.
enum End {
    /// It ran.
    Judged(Verdict),
    /// It could not be run.
    Stopped(String),
}

impl Ran<'_> {
    fn passed(&self) -> bool {
        matches!(&self.end, End::Judged(verdict) if verdict.mismatches.is_empty())
    }
}

/// Runs the tests of the files.
pub(crate) fn verb(registry: &Registry, arguments: &TestArguments, verbose: bool) -> Ended {
    let clock = sluicebox_engine::system().clock;
    let (suites, problems) = gather::suites(registry, &arguments.files)?;
    let all = problems.iter().flat_map(|report: &Report| report.problems.clone()).collect::<Vec<_>>();
    terminal::complain(&diagnostics::render(&all, Severity::Error, terminal::colour()));
    let wanted = |case: &TestCase| arguments.name.as_ref().is_none_or(|name| case.name.contains(name));
    let jobs: Vec<(&Suite, &TestCase)> = suites
        .iter()
        .flat_map(|suite| suite.cases.iter().map(move |case| (suite, case)))
        .filter(|(_, case)| wanted(case))
        .collect();
    if let Some(name) = arguments.name.as_ref().filter(|_| jobs.is_empty() && problems.is_empty()) {
        return Err(Stop::usage(format!("no test has `{name}` in its name")));
    }
    let ran = Job { registry, verbose, clock: &*clock, observes: arguments.coverage }.all(&jobs);
    let colour = terminal::colour_of_report();
    for suite in &suites {
        let own = ran.iter().filter(|ran| suite.cases.iter().any(|case| std::ptr::eq(case, ran.case)));
        terminal::print(&picture::suite(suite, &own.collect::<Vec<_>>(), colour));
    }
    let failed = ran.iter().filter(|ran| !ran.passed()).count();
    if arguments.coverage {
        for suite in &suites {
            terminal::print(&coverage::report(suite, &ran));
        }
    }
    if problems.is_empty() || !ran.is_empty() {
        terminal::print_line(&picture::summary(ran.len() - failed, failed, clock.elapsed()));
    }
    if let Some(file) = &arguments.junit {
        let text = junit::report(&suites, &ran);
        std::fs::write(file, text)
            .map_err(|error| Stop::failed(format!("cannot write {}", file.display()), &error))?;
    }
    Ok(match (problems.is_empty(), failed) {
        (false, _) => Exit::Configuration,
        (true, 0) => Exit::Done,
        (true, _) => Exit::Failed,
    })
}

/// What every test is run with.
struct Job<'a> {
    registry: &'a Registry,
    verbose: bool,
    clock: &'a dyn Clock,
    /// Whether the rules are observed.
    observes: bool,
}

impl Job<'_> {
    /// Runs all, as many at once as there are processors; in the order in which they were given.
    fn all<'s>(&self, jobs: &[(&'s Suite, &'s TestCase)]) -> Vec<Ran<'s>> {
        let next = AtomicUsize::new(0);
        let done: Mutex<Vec<(usize, Ran<'s>)>> = Mutex::new(Vec::with_capacity(jobs.len()));
        let workers = std::thread::available_parallelism().map_or(1, usize::from).min(jobs.len());
        let work = || {
            while let Some((at, (suite, case))) = {
                let at = next.fetch_add(1, Ordering::Relaxed);
                jobs.get(at).map(|job| (at, *job))
            } {
                let ran = self.one(suite, case);
                done.lock().unwrap_or_else(PoisonError::into_inner).push((at, ran));
            }
        };
        std::thread::scope(|scope| (0..workers).for_each(|_| drop(scope.spawn(work))));
        let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        done.sort_by_key(|(at, _)| *at);
        done.into_iter().map(|(_, ran)| ran).collect()
    }

    fn one<'s>(&self, suite: &Suite, case: &'s TestCase) -> Ran<'s> {
        let started = self.clock.elapsed();
        let perform = || match suite.plan(self.registry, case) {
            Ok(plan) => match sluicebox_pipeline_tests::run(case, plan, suite.files()) {
                Ok(verdict) => End::Judged(verdict),
                Err(error) => End::Stopped(match error.help() {
                    Some(help) => format!("{} ({help})", error.chain()),
                    None => error.chain(),
                }),
            },
            Err(report) => End::Stopped(report.to_string()),
        };
        let run = || if self.observes { suite.observer.during(perform) } else { perform() };
        let end = if self.verbose {
            run()
        } else {
            // What goes wrong on purpose is no news.
            tracing::subscriber::with_default(tracing::subscriber::NoSubscriber::new(), run)
        };
        Ran { case, end, took: self.clock.elapsed().saturating_sub(started) }
    }
}

/// The file of tests beside a pipeline file, whether it exists or not.
pub(crate) fn beside(file: &std::path::Path) -> PathBuf {
    file.with_extension("test.yaml")
}
