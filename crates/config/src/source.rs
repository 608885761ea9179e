//! Sources: one configuration for each account.

use sluicebox_core::{AnySource, ComponentType, SourceClass};
use smol_str::SmolStr;

use crate::accounts::{Accounts, Owner};
use crate::component::{Checker, Header, Typed};
use crate::faults::Fault;
use crate::interpolate::{Account, Scope};
use crate::node::{Node, join};
use crate::options::SourceOptions;
use crate::{AccountPlan, SourcePlan};

impl Checker<'_> {
    /// Checks a source; `None` if something is wrong with it.
    pub(crate) fn source(
        &mut self,
        component: &ComponentType<dyn AnySource>,
        header: &Header<'_>,
    ) -> Option<SourcePlan> {
        let listed = header.node.get("accounts");
        let owner = Owner { component, header };
        let Accounts { list: accounts, options, from } = match listed {
            Some(list) => self.several(owner, list)?,
            None => self.single(owner)?,
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
            accounts_from: from,
            when: options.when,
            key: options.key,
            prefetch,
            dead_letter: options.dead_letter,
        })
    }

    /// The one account of a source that lists none.
    fn single(&mut self, owner: Owner<'_>) -> Option<Accounts> {
        let typed = self.account(owner, owner.header.node, Account::None);
        let options = typed.options?;
        let id = options.account.as_deref().map_or_else(|| owner.header.name.clone(), SmolStr::new);
        let account = typed.config.map(|config| AccountPlan { id, config });
        Some(Accounts { list: account.into_iter().collect(), options, from: None })
    }

    /// Types and checks the options of one account.
    pub(crate) fn account(
        &mut self,
        Owner { component, header }: Owner<'_>,
        node: &Node,
        account: Account<'_>,
    ) -> Typed<dyn AnySource, SourceOptions> {
        let scope = Scope { inputs: self.inputs, account };
        let typed: Typed<dyn AnySource, SourceOptions> = self.typed(component, header, node, scope);
        if let Some(config) = &typed.config {
            let problems = config.check(&self.context());
            self.report(problems, &typed, header, node);
        }
        typed
    }
}
