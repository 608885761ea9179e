//! Where dead letters go: `dead_letter: <sink>` names a sink of the same file.

use sluicebox_core::ComponentKind;

use crate::component::Header;
use crate::faults::{Fault, Faults, nearest};
use crate::node::{Node, join};

/// Words that are no names.
const POLICIES: [&str; 2] = ["store", "drop"];

/// Reports letters that would go nowhere or round in a circle, and sinks that nothing reaches.
pub(crate) fn check(headers: &[Header<'_>], faults: &mut Faults) {
    for header in headers {
        if let Some((node, name)) = target(header) {
            check_target(header, (node, name), headers, faults);
        }
        let is_sink = header.kind == ComponentKind::Sink;
        let takes_letters =
            headers.iter().any(|other| target(other).is_some_and(|(_, name)| name == header.name.as_str()));
        // Misspelt, which has been said.
        let is_meant = || header.node.entries().iter().any(|entry| nearest(&entry.key, ["inputs"]).is_some());
        if is_sink && !takes_letters && header.node.get("inputs").is_none() && !is_meant() {
            let fault = Fault::new(header.node.label.clone(), header.path(), "`inputs` is missing");
            let help = "`inputs`: what it reads: names of sources and transforms, `name.output`, globs like `chat_*`";
            faults.add(fault.help(help));
        }
    }
}

/// The sink that a component names, with the place of the name.
fn target<'n>(header: &Header<'n>) -> Option<(&'n Node, &'n str)> {
    let node = header.node.get("dead_letter")?;
    let name = node.text().filter(|name| !POLICIES.contains(name))?;
    Some((node, name))
}

fn check_target(
    header: &Header<'_>,
    (node, name): (&Node, &str),
    headers: &[Header<'_>],
    faults: &mut Faults,
) {
    let path = join(&header.path(), "dead_letter");
    let range = faults.focus(node);
    let fault = |message: String| Fault::new(range.clone(), path.clone(), message);
    let found = headers.iter().find(|other| other.name == name);
    match found {
        Some(other) if other.name == header.name => {
            let message = "a sink cannot take its own dead letters".to_owned();
            faults.add(fault(message).help("`store` keeps them in the state; or name another sink"));
        }
        Some(other) if other.kind != ComponentKind::Sink => {
            let kind = other.kind.as_str();
            let message = format!("`{name}` is a {kind}: dead letters go to a sink");
            faults.add(fault(message).help("`store`, `drop`, or the name of a sink"));
        }
        Some(_) => {
            if let Some(circle) = circle(header, headers) {
                let message = format!("dead letters would run in a circle: {}", circle.join(" → "));
                faults.add(fault(message).help("let the last one `store` its own"));
            }
        }
        None => {
            let sinks = headers.iter().filter(|other| other.kind == ComponentKind::Sink);
            let names: Vec<&str> = sinks.map(|sink| sink.name.as_str()).chain(POLICIES).collect();
            let fault = fault(format!("there is no sink `{name}`"));
            faults.add(match nearest(name, names) {
                Some(near) => fault.help(format!("did you mean `{near}`?")),
                None => fault.help("`store`, `drop`, or the name of a sink"),
            });
        }
    }
}

/// The way of a sink's letters, if it leads back to that sink.
fn circle<'n>(start: &Header<'n>, headers: &[Header<'n>]) -> Option<Vec<&'n str>> {
    let mut way: Vec<&str> = Vec::new();
    let mut at = start.clone();
    while let Some((_, name)) = target(&at) {
        if way.contains(&name) {
            return None;
        }
        way.push(name);
        if start.name == name {
            way.insert(0, name);
            return Some(way);
        }
        at = headers.iter().find(|header| header.name == name)?.clone();
    }
    None
}
