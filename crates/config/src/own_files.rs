//! Two sinks that write to the same file: in a run, the second would wait for the first for ever.
//!
//! Invariant: what is told here are paths that are the same for every event; of others nobody knows before they come.

use std::path::{Component, Path, PathBuf};

use smol_str::SmolStr;

use crate::SinkPlan;
use crate::component::Header;
use crate::faults::{Fault, Faults};
use crate::node::join;

/// Reports every sink whose own file is that of one before it.
pub(crate) fn check<'s>(
    sinks: impl Iterator<Item = &'s SinkPlan>,
    headers: &[Header<'_>],
    faults: &mut Faults,
) {
    let mut owners: Vec<(PathBuf, &SmolStr)> = Vec::new();
    for sink in sinks {
        let Some(header) = headers.iter().find(|header| header.name == sink.name) else { continue };
        let Some(path) = sink.config.own_file().map(|path| plain(&path)) else { continue };
        let Some((_, owner)) = owners.iter().find(|(owned, _)| *owned == path) else {
            owners.push((path, &sink.name));
            continue;
        };
        let range = faults.focus(header.node.find("path"));
        let message = format!("the sink `{owner}` writes to {} already", path.display());
        let fault = Fault::new(range, join(&header.path(), "path"), message);
        faults.add(fault.help("give each sink a file of its own, or let one sink have the `inputs` of both"));
    }
}

/// Without what leads nowhere: `./a//b` is `a/b`.
fn plain(path: &Path) -> PathBuf {
    path.components().filter(|component| *component != Component::CurDir).collect()
}
