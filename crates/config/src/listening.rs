//! Two sources or accounts that listen on the same address and path: a run could not start both.
//!
//! Invariant: what is told here is what the receiver of webhooks would refuse, at the option that holds the path.

use std::net::SocketAddr;

use sluicebox_core::ListensOn;
use smol_str::SmolStr;

use crate::SourcePlan;
use crate::component::Header;
use crate::faults::{Fault, Faults};
use crate::node::join;

/// Who was first to listen somewhere.
struct Owner<'s> {
    address: SocketAddr,
    path: String,
    source: &'s SmolStr,
    account: &'s SmolStr,
}

/// Reports every source that listens where another one does, and those whose accounts do so among themselves.
pub(crate) fn check(sources: &[SourcePlan], headers: &[Header<'_>], faults: &mut Faults) {
    let mut owners: Vec<Owner<'_>> = Vec::new();
    for source in sources {
        let Some(header) = headers.iter().find(|header| header.name == source.name) else { continue };
        let mut is_told = false;
        for account in &source.accounts {
            let Some(ListensOn { address, path, option }) = account.config.listens_on() else { continue };
            let owner = owners.iter().find(|owner| owner.address == address && owner.path == path);
            let Some(owner) = owner else {
                owners.push(Owner { address, path, source: &source.name, account: &account.id });
                continue;
            };
            // One fault a source: with one path for all of them, every further account would say the same.
            if !is_told {
                let range = faults.focus(header.node.find(option));
                let fault = Fault::new(range, join(&header.path(), option), told(owner, source, &account.id));
                faults.add(fault.help(help(owner, source, option)));
            }
            is_told = true;
        }
    }
}

fn told(owner: &Owner<'_>, source: &SourcePlan, account: &SmolStr) -> String {
    let Owner { address, path, .. } = owner;
    if owner.source == &source.name {
        return format!("the accounts `{}` and `{account}` both listen on {address}{path}", owner.account);
    }
    format!("the source `{}` listens on {address}{path} already", owner.source)
}

fn help(owner: &Owner<'_>, source: &SourcePlan, option: &str) -> String {
    let option = option.rsplit('.').next().unwrap_or(option);
    if owner.source == &source.name {
        return format!("give each account a `{option}` of its own, with `${{account.id}}` in it");
    }
    format!("give each a `{option}` of its own; the address may be the same")
}
