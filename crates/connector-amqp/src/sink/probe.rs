//! `check --connect` for the sink: reach, credentials, and that there is something to publish to.

use sluicebox_core::{Probe, Result};

use super::flight::place;
use super::spec::AmqpSinkSpec;
use crate::link::{Client, Look, enter, look_for_exchange, look_for_queue};

/// Looks, and makes nothing.
pub(crate) async fn look(
    client: Result<Client>,
    spec: &AmqpSinkSpec,
    fixed_routing_key: Option<&str>,
) -> Probe {
    let mut probe = Probe::new();
    let Some(link) = enter(client, &mut probe).await else { return probe };
    let (subject, found, is_declared) = match fixed_routing_key {
        Some(queue) if spec.exchange.is_empty() => {
            let declared = spec.declared().and_then(|declare| declare.queue).and_then(|queue| queue.name);
            (
                format!("queue `{queue}`"),
                look_for_queue(&link, queue).await,
                declared.as_deref() == Some(queue),
            )
        }
        _ if spec.exchange.is_empty() => {
            link.close().await;
            return probe;
        }
        _ => {
            let is_declared = spec.declare.as_ref().is_some_and(|declare| declare.exchange.is_some());
            (place(&spec.exchange), look_for_exchange(&link, &spec.exchange).await, is_declared)
        }
    };
    match found {
        Ok(Look::There { .. }) => probe.fine(subject, "it is there"),
        Ok(Look::Missing(_)) if is_declared => {
            probe.doubtful(subject, "it is not there yet", "it is made at the first start");
        }
        Ok(Look::Missing(error)) | Err(error) => probe.wrong(subject, error),
    }
    link.close().await;
    probe
}
