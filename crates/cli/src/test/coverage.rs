//! The report of `--coverage`: what no test reached.

use std::collections::BTreeSet;
use std::fmt::Write;

use sluicebox_pipeline_tests::Verdict;
use sluicebox_rules::Way;
use smol_str::SmolStr;

use super::gather::Suite;
use super::{End, Ran};

/// Something that tests can reach: where or what it is, what is said if they do not, and whether they do.
type Entry = (String, &'static str, bool);

/// How much of a pipeline its tests reached, and what not.
pub(super) fn report(suite: &Suite, ran: &[Ran<'_>]) -> String {
    let is_own = |ran: &&Ran<'_>| suite.cases.iter().any(|case| std::ptr::eq(case, ran.case));
    let verdicts: Vec<&Verdict> = ran
        .iter()
        .filter(is_own)
        .filter_map(|ran| match &ran.end {
            End::Judged(verdict) => Some(verdict),
            End::Stopped(_) => None,
        })
        .collect();
    if verdicts.is_empty() {
        return String::new();
    }
    let mut entries = rules(suite);
    entries.extend(components(suite, &verdicts));
    entries.extend(lookups(suite, &verdicts));
    let reached = entries.iter().filter(|(.., reached)| *reached).count();
    let mut text = format!("coverage of {}: {reached} of {}\n", suite.file.display(), entries.len());
    let missed: Vec<&Entry> = entries.iter().filter(|(.., reached)| !reached).collect();
    let width = missed.iter().map(|(place, ..)| place.chars().count()).max().unwrap_or(0);
    for (place, said, _) in missed {
        // Writing to a text cannot fail.
        let _ = writeln!(text, "  {place:width$}  {said}");
    }
    text
}

fn rules(suite: &Suite) -> Vec<Entry> {
    let said = |way: Way| match way {
        Way::True => "this condition is never true",
        Way::False => "this condition is never false",
        Way::Branch => "this branch is never taken",
        Way::NoBranch => "this `if` is never false",
        Way::Loop => "this loop never runs",
    };
    let points = suite.observer.points().into_iter();
    points
        .map(|point| {
            let place = format!("{}:{}:{}", point.file, point.line, point.column);
            (place, said(point.way), point.reached)
        })
        .collect()
}

fn components(suite: &Suite, verdicts: &[&Verdict]) -> Vec<Entry> {
    let reached: BTreeSet<&str> =
        verdicts.iter().flat_map(|verdict| &verdict.reached).map(SmolStr::as_str).collect();
    let entry = |name: &SmolStr| {
        (name.to_string(), "no event reaches this component", reached.contains(name.as_str()))
    };
    suite.components.iter().map(entry).collect()
}

fn lookups(suite: &Suite, verdicts: &[&Verdict]) -> Vec<Entry> {
    let happened = |name: &SmolStr, well: bool| {
        verdicts.iter().any(|verdict| verdict.asked.contains(&(name.clone(), well)))
    };
    let both = |name: &SmolStr| {
        [
            (name.to_string(), "this look-up is never answered", happened(name, true)),
            (name.to_string(), "this look-up never fails", happened(name, false)),
        ]
    };
    suite.lookups.iter().flat_map(both).collect()
}
