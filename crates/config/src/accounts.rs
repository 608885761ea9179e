//! The accounts of a source that has several: listed in the pipeline file, rows of a csv file, or rows of another place.
//!
//! Invariant: accounts from elsewhere come all or none: what is wrong with one row leaves everything as it is.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::Value;
use sluicebox_core::{AccountsType, AnyAccounts, AnySource, ComponentType};
use smol_str::SmolStr;

use crate::account_rows::{self, Place, Row};
use crate::component::{Checker, Header};
use crate::faults::{Fault, nearest};
use crate::form::Form;
use crate::interpolate::{Account, Field, Fields};
use crate::node::{Entry, Kind, Node, join};
use crate::options::SourceOptions;
use crate::shape::Walk;
use crate::{AccountPlan, AccountsFrom, AccountsPlace};

/// The accounts of one source, what they share, and where they came from.
pub(crate) struct Accounts {
    pub(crate) list: Vec<AccountPlan>,
    pub(crate) options: SourceOptions,
    pub(crate) from: Option<AccountsFrom>,
}

/// A source type with a component of it.
#[derive(Clone, Copy)]
pub(crate) struct Owner<'o> {
    pub(crate) component: &'o ComponentType<dyn AnySource>,
    pub(crate) header: &'o Header<'o>,
}

impl Checker<'_> {
    /// Every account of `accounts:`; what they share is checked for each, and each fault reported once.
    pub(crate) fn several(&mut self, owner: Owner<'_>, list: &Node) -> Option<Accounts> {
        let path = join(&owner.header.path(), "accounts");
        if let Some(account) = owner.header.node.get("account") {
            let message = "`account` and `accounts` exclude each other";
            self.faults.add(Fault::new(
                account.label.clone(),
                join(&owner.header.path(), "account"),
                message,
            ));
        }
        match &list.kind {
            Kind::List(items) if !items.is_empty() => self.listed(owner, items, &path),
            Kind::Map(entries) if entries.len() == 1 => self.elsewhere(owner, &entries[0], &path),
            _ => {
                let places =
                    self.registry.account_places().keys().map(|name| format!(" or `{{ {name}: … }}`"));
                let others: String = places.collect();
                let message =
                    format!("expected a list of maps, each with an `id`, or `{{ file: x.csv }}`{others}");
                self.faults.add(Fault::new(self.faults.focus(list), path, message));
                None
            }
        }
    }

    fn listed(&mut self, owner: Owner<'_>, items: &[Node], path: &str) -> Option<Accounts> {
        let shared = without_accounts(owner.header.node);
        let (mut seen, mut list, mut options) = (HashSet::new(), Vec::new(), None);
        for (index, item) in items.iter().enumerate() {
            let fields = self.fields(item, &format!("{path}[{index}]"));
            let id = fields.as_ref().and_then(|fields| self.id(fields, item, path, &mut seen));
            let (Some(fields), Some(id)) = (fields, id) else { continue };
            let typed = self.account(owner, &shared, Account::Known(&fields));
            options = options.or(typed.options);
            list.extend(typed.config.map(|config| AccountPlan { id, config }));
        }
        // An account that is wrong is missing here, and has been reported.
        options.map(|options| Accounts { list, options, from: None })
    }

    /// `{ file: x.csv }`, or the place of rows that the key names.
    fn elsewhere(&mut self, owner: Owner<'_>, entry: &Entry, path: &str) -> Option<Accounts> {
        let path = join(path, &entry.key);
        if entry.key == "file" {
            return self.in_file(owner, &entry.value, &path);
        }
        let registry = self.registry;
        if let Some(place) = registry.account_places().get(entry.key.as_str()) {
            return self.in_rows(owner, place, &entry.value, &path);
        }
        let names: Vec<&str> =
            ["file"].into_iter().chain(registry.account_places().keys().copied()).collect();
        let known: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        let fault = Fault::new(entry.key_range.clone(), path, format!("unknown key `{}`", entry.key));
        self.faults.add(match nearest(&entry.key, names) {
            Some(name) => fault.help(format!("did you mean `{name}`?")),
            None => fault.help(format!("known here, beside a list of maps: {}", known.join(", "))),
        });
        None
    }

    /// Every account of `accounts: {file: x.csv}`, one a row.
    fn in_file(&mut self, owner: Owner<'_>, node: &Node, path: &str) -> Option<Accounts> {
        let range = self.faults.focus(node);
        let Some(file) = node.text().filter(|file| !file.is_empty()) else {
            self.faults.add(Fault::new(range, path, "expected the path of a csv file"));
            return None;
        };
        let text = match self.inputs.files.read(file) {
            Ok(text) => text,
            Err(why) => {
                let looked_for = self.folder.join(file).display().to_string();
                let fault = Fault::new(range, path, format!("cannot read {looked_for}: {why}"));
                self.faults.add(fault.help("the path is relative to the folder of the pipeline file"));
                return None;
            }
        };
        let place = Place { named: file, range, path };
        let rows = match account_rows::of_csv(&text, &place, self.scope()) {
            Ok(rows) => rows,
            Err(faults) => return self.refuse(faults),
        };
        let from = AccountsPlace::File(self.folder.join(file));
        self.of_rows(owner, &place, (&rows, from))
    }

    /// Every account of a place that rows are read from; one that stands for all of them until they have been read.
    fn in_rows(
        &mut self,
        owner: Owner<'_>,
        place: &AccountsType,
        node: &Node,
        path: &str,
    ) -> Option<Accounts> {
        let reader = self.reader(place, node, path);
        let range = self.faults.focus(node);
        let named = format!("the rows of `{}`", place.name);
        let place = Place { named: &named, range, path };
        if let Some(rows) = self.inputs.variables.account_rows(&owner.header.name) {
            return match account_rows::of_rows(rows, &place) {
                Ok(rows) => self.of_rows(owner, &place, (&rows, AccountsPlace::Rows(reader?))),
                Err(faults) => self.refuse(faults),
            };
        }
        let typed = self.account(owner, &without_accounts(owner.header.node), Account::Any);
        let config = typed.config?;
        if !self.may_come_and_go(owner, config.as_ref(), &place) {
            return None;
        }
        let from =
            AccountsFrom { place: AccountsPlace::Rows(reader?), fingerprints: vec![0], is_read: false };
        let list = vec![AccountPlan { id: SmolStr::new_static("account"), config }];
        Some(Accounts { list, options: typed.options?, from: Some(from) })
    }

    /// No accounts, and why.
    fn refuse(&mut self, faults: Vec<Fault>) -> Option<Accounts> {
        for fault in faults {
            self.faults.add(fault);
        }
        None
    }

    /// The options of a place of rows.
    fn reader(&mut self, place: &AccountsType, node: &Node, path: &str) -> Option<Arc<dyn AnyAccounts>> {
        let schema: &Value = place.schema.as_value();
        let scope = self.scope();
        let mut walk = Walk { root: schema, scope, faults: self.faults };
        if !matches!(node.kind, Kind::Map(_)) {
            return walk.value(schema, node, path).and(None);
        }
        let properties = walk.properties(Form(schema), node, path);
        if !properties.failed.is_empty() {
            return None;
        }
        match place.parse(Value::Object(properties.values)) {
            Ok(reader) => {
                for problem in reader.check() {
                    let range = self.faults.focus(node.find(&problem.path));
                    let fault = Fault::new(range, join(path, &problem.path), problem.message);
                    self.faults.add(problem.help.into_iter().fold(fault, Fault::help));
                }
                Some(Arc::from(reader))
            }
            Err(problem) => {
                let range = self.faults.focus(node.find(&problem.path));
                self.faults.add(Fault::new(range, join(path, &problem.path), problem.message));
                None
            }
        }
    }

    /// An account for each row.
    fn of_rows(
        &mut self,
        owner: Owner<'_>,
        place: &Place<'_>,
        (rows, from): (&[Row], AccountsPlace),
    ) -> Option<Accounts> {
        let shared = without_accounts(owner.header.node);
        let (mut seen, mut list, mut options, mut unfit) = (HashSet::new(), Vec::new(), None, Vec::new());
        for row in rows {
            let id = row.fields.get("id").map(|id| id.filled.text.clone()).unwrap_or_default();
            if let Some(message) = refused(&id, &mut seen) {
                self.faults.add(place.fault(row.line, &message));
                continue;
            }
            let before = self.faults.count();
            let typed = self.account(owner, &shared, Account::Known(&row.fields));
            if self.faults.any_since(before) {
                unfit.push(id.clone());
            }
            options = options.or(typed.options);
            list.extend(typed.config.map(|config| AccountPlan { id: SmolStr::new(id), config }));
        }
        if unfit.len() < rows.len()
            && let Some((first, others)) = unfit.split_first()
        {
            let others = match others.len() {
                0 => String::new(),
                1 => " and one other".to_owned(),
                more => format!(" and {more} others"),
            };
            let message = format!("the row of the account `{first}`{others} does not fit the options");
            self.faults.add(Fault::new(place.range.clone(), place.path, message));
        }
        if !list.first().is_some_and(|account| self.may_come_and_go(owner, account.config.as_ref(), place)) {
            return None;
        }
        let fingerprints = rows.iter().map(Row::fingerprint).collect();
        let from = Some(AccountsFrom { place: from, fingerprints, is_read: true });
        options.map(|options| Accounts { list, options, from })
    }

    /// Reports a source whose accounts cannot come and go.
    fn may_come_and_go(&mut self, owner: Owner<'_>, config: &dyn AnySource, place: &Place<'_>) -> bool {
        let may = !config.has_own_partitions();
        if !may {
            let message = format!(
                "the accounts of `{}` cannot come and go: what it reads has partitions of its own, or is sent to it",
                owner.component.name
            );
            let help = "list its accounts here; rows are for sources that ask an API";
            self.faults.add(Fault::new(place.range.clone(), place.path, message).help(help));
        }
        may
    }

    /// The fields of one account, filled in.
    fn fields(&mut self, item: &Node, path: &str) -> Option<Fields> {
        let Kind::Map(entries) = &item.kind else {
            if !matches!(item.kind, Kind::Broken) {
                let fault = Fault::new(self.faults.focus(item), path, "expected a map with an `id`");
                self.faults.add(fault);
            }
            return None;
        };
        let nothing = Value::Null;
        let scope = self.scope();
        let mut fields = Some(Fields::new());
        for entry in entries {
            let mut walk = Walk { root: &nothing, scope, faults: self.faults };
            let filled = walk.text(&entry.value, &join(path, &entry.key));
            match (filled, &mut fields) {
                (Some(filled), Some(fields)) => {
                    let range = Some(entry.value.range.clone());
                    let field = Field { filled, range, is_null: false };
                    fields.insert(entry.key.clone(), field);
                }
                _ => fields = None,
            }
        }
        fields
    }

    fn id(
        &mut self,
        fields: &Fields,
        item: &Node,
        path: &str,
        seen: &mut HashSet<String>,
    ) -> Option<SmolStr> {
        let Some(field) = fields.get("id").filter(|field| !field.filled.text.is_empty()) else {
            let range = item.get("id").map_or(item.label.clone(), |id| self.faults.focus(id));
            self.faults.add(Fault::new(range, path, "an account needs an `id`"));
            return None;
        };
        if !seen.insert(field.filled.text.clone()) {
            let message = format!("two accounts have the id `{}`", field.filled.text);
            let range = field.range.clone().unwrap_or_else(|| item.label.clone());
            self.faults.add(Fault::new(range, path, message));
        }
        Some(SmolStr::new(&field.filled.text))
    }
}

/// What is wrong with the id of a row.
fn refused(id: &str, seen: &mut HashSet<String>) -> Option<String> {
    if id.is_empty() {
        Some("an account needs an `id`".to_owned())
    } else if id.contains(char::is_control) {
        // It would be a part of log lines.
        Some(format!("expected an `id` without control characters, found {id:?}"))
    } else if seen.insert(id.to_owned()) {
        None
    } else {
        Some(format!("two accounts have the id `{id}`"))
    }
}

/// The component's map without `accounts`, which is not the source's to see.
fn without_accounts(node: &Node) -> Node {
    let entries = node.entries().iter().filter(|entry| entry.key != "accounts").cloned().collect();
    Node { kind: Kind::Map(entries), ..node.clone() }
}
