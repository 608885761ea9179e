//! Entries of a `map` that contradict each other: what one writes another throws away, or the order would matter.

use sluicebox_core::Problem;

use super::path::FieldPath;
use super::plan::Plan;

/// Everything that contradicts something else.
pub(super) fn conflicts(plan: &Plan) -> Vec<Problem> {
    let mut problems = Vec::new();
    renames(plan, &mut problems);
    let sets: Vec<&FieldPath> = plan.sets.iter().map(|(path, _)| path).collect();
    let defaults: Vec<&FieldPath> = plan.defaults.iter().map(|(path, _)| path).collect();
    twice("set", &sets, &mut problems);
    twice("defaults", &defaults, &mut problems);
    let casts: Vec<&FieldPath> = plan.casts.iter().map(|(path, _)| path).collect();
    twice("cast", &casts, &mut problems);
    losses(plan, &mut problems);
    problems
}

/// Two paths of one step that are the same, or of which one lies within the other.
fn twice(key: &str, paths: &[&FieldPath], problems: &mut Vec<Problem>) {
    for (place, path) in paths.iter().enumerate() {
        if let Some(other) = paths[..place].iter().find(|other| other.overlaps(path)) {
            let message = format!("`{path}` and `{other}` overlap, and the order of entries does not count");
            problems.push(
                Problem::new(path.to_string(), message)
                    .under(key)
                    .with_help("write one of the two here and the other in a second `map`"),
            );
        }
    }
}

fn renames(plan: &Plan, problems: &mut Vec<Problem>) {
    for (place, (from, to)) in plan.renames.iter().enumerate() {
        let mut report = |message: String| {
            problems.push(Problem::new(from.to_string(), message).under("rename"));
        };
        if from == to {
            report(format!("`{from}` is renamed to itself"));
        }
        for (other, target) in &plan.renames[..place] {
            if other.overlaps(from) {
                report(format!("`{from}` and `{other}` overlap: which of the two moves first?"));
            }
            if target.overlaps(to) {
                report(format!("`{from}` and `{other}` are renamed to `{to}` and `{target}`, which overlap"));
            }
        }
        if let Some((set, _)) = plan.sets.iter().find(|(set, _)| to.is_within(set)) {
            report(format!("`{from}` is renamed to `{to}`, which `set` then overwrites with `{set}`"));
        }
    }
}

/// What is written and then thrown away.
fn losses(plan: &Plan, problems: &mut Vec<Problem>) {
    let renamed = plan.renames.iter().map(|(_, to)| (to, "rename"));
    let set = plan.sets.iter().map(|(path, _)| (path, "set"));
    let filled = plan.defaults.iter().map(|(path, _)| (path, "defaults"));
    let written: Vec<(&FieldPath, &str)> = renamed.chain(set).chain(filled).collect();
    for (index, removed) in plan.removes.iter().enumerate() {
        let place = format!("remove[{index}]");
        for (path, key) in written.iter().filter(|(path, _)| path.is_within(removed)) {
            let message = format!("`{removed}` is removed, and with it `{path}`, which `{key}` writes");
            problems.push(Problem::new(&place, message));
        }
        for kept in plan.keeps.iter().flatten().filter(|kept| kept.is_within(removed)) {
            problems
                .push(Problem::new(&place, format!("`{removed}` is removed, but `{kept}` is to be kept")));
        }
    }
    let Some(keeps) = &plan.keeps else { return };
    if keeps.is_empty() {
        problems.push(Problem::new("keep", "an event of which nothing is kept is empty"));
    }
    for (path, key) in written.iter().filter(|(path, _)| !keeps.iter().any(|kept| kept.overlaps(path))) {
        let message = format!("`{path}`, which `{key}` writes, is not kept");
        problems.push(
            Problem::new("keep", message).with_help(format!("add `{path}`, or remove it from `{key}`")),
        );
    }
}
