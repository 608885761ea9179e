//! Accounts that come and go while a source runs.
//!
//! Invariant: what happens to one account changes nothing for the others; an account that is gone keeps its position, and
//! goes on there when it comes back.

use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use sluicebox_config::AccountPlan;
use sluicebox_core::{
    AnySource, Batch, BuiltSource, Committer, Context, Cursor, Discovered, Error, PartitionedSource, Result,
    Source,
};
use smol_str::SmolStr;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// A change of the accounts of one source.
pub enum AccountChange {
    /// A new account, one that is back, or one with other options.
    Come(AccountPlan),
    /// It is polled no more.
    Go(SmolStr),
}

/// What a source hears of the changes of its accounts. Published for it in [`Surroundings`](crate::Surroundings) before
/// the start; without it the accounts stay what they are.
pub struct AccountChanges(Mutex<Option<UnboundedReceiver<AccountChange>>>);

impl AccountChanges {
    /// The two ends.
    pub fn channel() -> (UnboundedSender<AccountChange>, Arc<Self>) {
        let (sender, receiver) = unbounded_channel();
        (sender, Arc::new(Self(Mutex::new(Some(receiver)))))
    }

    pub(crate) fn take(&self) -> Option<UnboundedReceiver<AccountChange>> {
        self.0.lock().take()
    }
}

/// What an account is told.
enum Order {
    Poll(Box<dyn Source>),
    Rest,
}

/// Hands out the accounts as partitions, and tells them when they change.
pub(crate) struct Directory {
    /// Of any account; the account itself is put in.
    context: Context,
    coming: VecDeque<AccountChange>,
    changes: UnboundedReceiver<AccountChange>,
    /// Whether those that were there at the start have been handed out.
    has_told: bool,
    known: HashMap<SmolStr, UnboundedSender<Order>>,
    building: Option<Building>,
}

/// An account whose source is being built.
type Building = Pin<Box<dyn Future<Output = (SmolStr, Box<dyn Source>)> + Send>>;

impl Directory {
    pub(crate) fn new(
        context: Context,
        accounts: Vec<AccountPlan>,
        changes: UnboundedReceiver<AccountChange>,
    ) -> Self {
        let coming = accounts.into_iter().map(AccountChange::Come).collect();
        Self { context, coming, changes, has_told: false, known: HashMap::new(), building: None }
    }

    /// What a source that was built is: a new partition, or another one for a partition that is there.
    fn settle(&mut self, id: SmolStr, source: Box<dyn Source>) -> Option<Discovered> {
        if let Some(orders) = self.known.get(&id) {
            tracing::info!(account = %id, "the account is polled with its new options");
            let _ended = orders.send(Order::Poll(source));
            return None;
        }
        let (orders, told) = unbounded_channel();
        self.known.insert(id.clone(), orders);
        Some(Discovered::Partition(id, Box::new(Tenant::new(source, told))))
    }

    fn begin(&mut self, change: AccountChange) {
        match change {
            AccountChange::Go(id) => {
                if let Some(orders) = self.known.get(&id) {
                    tracing::info!(account = %id, "the account is gone; its position is kept");
                    let _ended = orders.send(Order::Rest);
                }
            }
            AccountChange::Come(AccountPlan { id, config }) => {
                let context = Context { account: id.as_str().into(), ..self.context.clone() };
                self.building = Some(Box::pin(async move { (id, build(config, &context).await) }));
            }
        }
    }
}

/// The source of an account; one that says what is wrong, if it cannot be built.
async fn build(config: Box<dyn AnySource>, context: &Context) -> Box<dyn Source> {
    match config.build(context).await {
        Ok(BuiltSource::Single(source)) => source,
        Ok(BuiltSource::Partitioned(_)) => {
            let message = "the accounts of a source with partitions of its own cannot come and go";
            let error = Error::config(message).with_help("list them in the pipeline file");
            Box::new(Refused(Some(error)))
        }
        Err(error) => Box::new(Refused(Some(error))),
    }
}

#[async_trait]
impl PartitionedSource for Directory {
    async fn discover(&mut self) -> Result<Discovered> {
        loop {
            // Kept until it is done: the caller may stop waiting at any moment.
            if let Some(building) = &mut self.building {
                let (id, source) = building.await;
                self.building = None;
                if let Some(found) = self.settle(id, source) {
                    return Ok(found);
                }
            } else if let Some(change) = self.coming.pop_front() {
                self.begin(change);
            } else if !self.has_told {
                self.has_told = true;
                return Ok(Discovered::AllForNow);
            } else if let Some(change) = self.changes.recv().await {
                self.coming.push_back(change);
            } else {
                std::future::pending::<()>().await;
            }
        }
    }
}

/// An account that cannot be polled, which its own partition shall say.
struct Refused(Option<Error>);

#[async_trait]
impl Source for Refused {
    async fn open(&mut self, _saved: Option<&Cursor>) -> Result<()> {
        Ok(())
    }

    async fn next(&mut self) -> Result<Option<Batch>> {
        Err(self.0.take().unwrap_or_else(|| Error::config("the account cannot be polled")))
    }
}

/// The source of one account, which may be replaced or sent to rest.
struct Tenant {
    source: Option<Box<dyn Source>>,
    is_open: bool,
    /// Behind the last page.
    cursor: Option<Cursor>,
    orders: UnboundedReceiver<Order>,
}

impl Tenant {
    fn new(source: Box<dyn Source>, orders: UnboundedReceiver<Order>) -> Self {
        Self { source: Some(source), is_open: false, cursor: None, orders }
    }

    fn obey(&mut self, order: Order) {
        self.is_open = false;
        self.source = match order {
            Order::Poll(source) => Some(source),
            Order::Rest => None,
        };
    }
}

/// The next order; without an end where nobody gives any.
async fn order(orders: &mut UnboundedReceiver<Order>) -> Order {
    match orders.recv().await {
        Some(order) => order,
        None => std::future::pending().await,
    }
}

#[async_trait]
impl Source for Tenant {
    async fn open(&mut self, saved: Option<&Cursor>) -> Result<()> {
        self.cursor = saved.cloned();
        self.is_open = false;
        if let Some(source) = &mut self.source {
            source.open(saved).await?;
            self.is_open = true;
        }
        Ok(())
    }

    async fn next(&mut self) -> Result<Option<Batch>> {
        loop {
            while let Ok(order) = self.orders.try_recv() {
                self.obey(order);
            }
            let Some(source) = &mut self.source else {
                let order = order(&mut self.orders).await;
                self.obey(order);
                continue;
            };
            if !self.is_open {
                source.open(self.cursor.as_ref()).await?;
                self.is_open = true;
            }
            tokio::select! {
                biased;
                order = order(&mut self.orders) => self.obey(order),
                page = source.next() => {
                    let page = page?;
                    if let Some(page) = &page {
                        self.cursor.clone_from(&page.cursor);
                    }
                    return Ok(page);
                }
            }
        }
    }

    async fn woken(&mut self) {
        let Self { source, orders, .. } = self;
        let bell = async {
            match source {
                Some(source) => source.woken().await,
                None => std::future::pending().await,
            }
        };
        let order = tokio::select! {
            order = order(orders) => Some(order),
            () = bell => None,
        };
        if let Some(order) = order {
            self.obey(order);
        }
    }

    async fn mended(&mut self) {
        let order = order(&mut self.orders).await;
        self.obey(order);
    }

    fn committer(&self) -> Option<Box<dyn Committer>> {
        self.source.as_ref().and_then(|source| source.committer())
    }
}
