//! The `postgres` sink at work, at least once: the same transactions, without positions in them.

use std::sync::Arc;

use async_trait::async_trait;
use sluicebox_core::{Event, Rejected, Result, Sink, Written};

use crate::link::{Destination, Link};
use crate::load::Loaded;
use crate::window::Entries;

/// Writes rows in one transaction for each batch.
pub(crate) struct PlainPostgres {
    destination: Arc<Destination>,
    link: Option<Link>,
    was_open: bool,
}

impl PlainPostgres {
    pub(crate) fn new(destination: Arc<Destination>) -> Self {
        Self { destination, link: None, was_open: false }
    }

    async fn link(&mut self) -> Result<Link> {
        if let Some(mut link) = self.link.take()
            && !link.session.is_gone().await
        {
            return Ok(link);
        }
        let link = Link::plain(&self.destination, !self.was_open).await?;
        self.was_open = true;
        Ok(link)
    }
}

#[async_trait]
impl Sink for PlainPostgres {
    async fn write(&mut self, events: &[Event]) -> Result<Written> {
        let mut link = self.link().await?;
        let mut rest = events.to_vec();
        let mut places: Vec<usize> = (0..events.len()).collect();
        let mut written = Written::default();
        // Each round is without the rows that the last one found, so the rounds come to an end.
        while let Loaded::Nothing(found) = link.load(&self.destination, &rest, Entries::default()).await? {
            let bad: Vec<usize> = found.iter().map(|rejected| rejected.index).collect();
            let rejected = found.into_iter().map(|it| Rejected { index: places[it.index], ..it });
            written.rejected.extend(rejected);
            rest = without(&rest, &bad);
            places = without(&places, &bad);
            if rest.is_empty() {
                break;
            }
        }
        self.link = Some(link);
        Ok(written)
    }

    async fn close(&mut self) -> Result<()> {
        if let Some(link) = self.link.take() {
            link.session.close().await;
        }
        Ok(())
    }
}

fn without<T: Clone>(all: &[T], places: &[usize]) -> Vec<T> {
    all.iter().enumerate().filter(|(place, _)| !places.contains(place)).map(|(_, one)| one.clone()).collect()
}
