//! Sources: their accounts, one configuration each.

use std::collections::HashSet;

use sluicebox_core::{AnySource, ComponentType, SourceClass};
use smol_str::SmolStr;

use crate::account_rows::{self, Place, Row};
use crate::component::{Checker, Header, Typed};
use crate::faults::Fault;
use crate::interpolate::{Field, Fields, Scope};
use crate::node::{Kind, Node, join};
use crate::options::SourceOptions;
use crate::shape::Walk;
use crate::{AccountPlan, AccountsFile, SourcePlan};

/// The accounts of one source, what they share, and the file that they came from.
struct Accounts {
    list: Vec<AccountPlan>,
    options: SourceOptions,
    file: Option<AccountsFile>,
}

impl Checker<'_> {
    /// Checks a source; `None` if something is wrong with it.
    pub(crate) fn source(
        &mut self,
        component: &ComponentType<dyn AnySource>,
        header: &Header<'_>,
    ) -> Option<SourcePlan> {
        let listed = header.node.get("accounts");
        let Accounts { list: accounts, options, file } = if let Some(list) = listed {
            self.listed(component, header, list)?
        } else {
            self.single(component, header)?
        };
        self.condition(options.when.as_ref(), "when", header);
        self.condition(options.key.as_ref(), "key", header);
        let class = accounts.first()?.config.class();
        let api = accounts.first()?.config.api();
        if options.schema.is_some() || component.events.is_empty() {
            self.schemas(header, options.schema.as_ref(), api);
        } else {
            self.known_by_type(header, &component.events, api);
        }
        let prefetch = options.prefetch.unwrap_or(class != SourceClass::ConfirmOnRead);
        if prefetch && class == SourceClass::ConfirmOnRead {
            let range =
                header.node.get("prefetch").map_or(header.node.label.clone(), |node| node.label.clone());
            let message = "asking for the next page may discard this one: with `prefetch`, a crash loses what is \
                           in flight";
            self.faults.warn(Fault::new(range, join(&header.path(), "prefetch"), message));
        }
        Some(SourcePlan {
            name: header.name.clone(),
            component_type: component.name,
            class,
            accounts,
            accounts_listed: listed.is_some(),
            accounts_file: file,
            when: options.when,
            key: options.key,
            prefetch,
            dead_letter: options.dead_letter,
        })
    }

    /// The one account of a source that lists none.
    fn single(&mut self, component: &ComponentType<dyn AnySource>, header: &Header<'_>) -> Option<Accounts> {
        let typed = self.account(component, header, header.node, None);
        let options = typed.options?;
        let id = options.account.as_deref().map_or_else(|| header.name.clone(), SmolStr::new);
        let account = typed.config.map(|config| AccountPlan { id, config });
        Some(Accounts { list: account.into_iter().collect(), options, file: None })
    }

    /// Types and checks the options of one account.
    fn account(
        &mut self,
        component: &ComponentType<dyn AnySource>,
        header: &Header<'_>,
        node: &Node,
        fields: Option<&Fields>,
    ) -> Typed<dyn AnySource, SourceOptions> {
        let scope = Scope { inputs: self.inputs, account: fields };
        let typed: Typed<dyn AnySource, SourceOptions> = self.typed(component, header, node, scope);
        if let Some(config) = &typed.config {
            let problems = config.check(&self.context());
            self.report(problems, &typed, header, node);
        }
        typed
    }

    /// Every account of `accounts:`; what they share is checked for each, and each fault reported once.
    fn listed(
        &mut self,
        component: &ComponentType<dyn AnySource>,
        header: &Header<'_>,
        list: &Node,
    ) -> Option<Accounts> {
        let path = join(&header.path(), "accounts");
        if let Some(account) = header.node.get("account") {
            let message = "`account` and `accounts` exclude each other";
            self.faults.add(Fault::new(account.label.clone(), join(&header.path(), "account"), message));
        }
        let items = match &list.kind {
            Kind::List(items) if !items.is_empty() => items,
            Kind::Map(entries) if matches!(&entries[..], [one] if one.key == "file") => {
                return self.in_file(component, header, list);
            }
            _ => {
                let message = "expected a list of maps, each with an `id`, or `{ file: x.csv }`";
                self.faults.add(Fault::new(self.faults.focus(list), path, message));
                return None;
            }
        };
        let shared = without_accounts(header.node);
        let (mut seen, mut accounts, mut options) = (HashSet::new(), Vec::new(), None);
        for (index, item) in items.iter().enumerate() {
            let fields = self.fields(item, &format!("{path}[{index}]"));
            let id = fields.as_ref().and_then(|fields| self.id(fields, item, &path, &mut seen));
            let (Some(fields), Some(id)) = (fields, id) else { continue };
            let typed = self.account(component, header, &shared, Some(&fields));
            options = options.or(typed.options);
            accounts.extend(typed.config.map(|config| AccountPlan { id, config }));
        }
        // An account that is wrong is missing here, and has been reported.
        options.map(|options| Accounts { list: accounts, options, file: None })
    }

    /// Every account of `accounts: {file: x.csv}`, one a row.
    fn in_file(
        &mut self,
        component: &ComponentType<dyn AnySource>,
        header: &Header<'_>,
        list: &Node,
    ) -> Option<Accounts> {
        let path = join(&join(&header.path(), "accounts"), "file");
        let node = list.get("file")?;
        let range = self.faults.focus(node);
        let Some(file) = node.text().filter(|file| !file.is_empty()) else {
            self.faults.add(Fault::new(range, path, "expected the path of a csv file"));
            return None;
        };
        let text = match self.inputs.files.read(file) {
            Ok(text) => text,
            Err(why) => {
                self.faults.add(Fault::new(range, path, why));
                return None;
            }
        };
        let place = Place { file, range, path: &path };
        let rows = match account_rows::read(&text, &place, self.scope()) {
            Ok(rows) => rows,
            Err(faults) => {
                for fault in faults {
                    self.faults.add(fault);
                }
                return None;
            }
        };
        let shared = without_accounts(header.node);
        let (mut seen, mut accounts, mut options) = (HashSet::new(), Vec::new(), None);
        for row in &rows {
            let id = row.fields.get("id").map(|id| id.filled.text.clone()).unwrap_or_default();
            if id.is_empty() || !seen.insert(id.clone()) {
                let twice = format!("two accounts have the id `{id}`");
                let message = if id.is_empty() { "an account needs an `id`" } else { &twice };
                self.faults.add(place.fault(row.line, message));
                continue;
            }
            let typed = self.account(component, header, &shared, Some(&row.fields));
            options = options.or(typed.options);
            accounts.extend(typed.config.map(|config| AccountPlan { id: SmolStr::new(id), config }));
        }
        let fingerprints = rows.iter().map(Row::fingerprint).collect();
        let file = Some(AccountsFile { path: self.folder.join(file), fingerprints });
        options.map(|options| Accounts { list: accounts, options, file })
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
        let nothing = serde_json::Value::Null;
        let scope = self.scope();
        let mut fields = Some(Fields::new());
        for entry in entries {
            let mut walk = Walk { root: &nothing, scope, faults: self.faults };
            let filled = walk.text(&entry.value, &join(path, &entry.key));
            match (filled, &mut fields) {
                (Some(filled), Some(fields)) => {
                    fields.insert(entry.key.clone(), Field { filled, range: entry.value.range.clone() });
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
            self.faults.add(Fault::new(field.range.clone(), path, message));
        }
        Some(SmolStr::new(&field.filled.text))
    }
}

/// The component's map without `accounts`, which is not the source's to see.
fn without_accounts(node: &Node) -> Node {
    let entries = node.entries().iter().filter(|entry| entry.key != "accounts").cloned().collect();
    Node { kind: Kind::Map(entries), ..node.clone() }
}
