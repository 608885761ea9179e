//! `check --connect` for the source: reach, credentials, and the queue.

use sluicebox_core::{Probe, Result};

use super::spec::AmqpSourceSpec;
use crate::link::{Client, Look, enter, look_for_queue};

/// Looks, consumes nothing and makes nothing.
pub(crate) async fn look(client: Result<Client>, spec: &AmqpSourceSpec) -> Probe {
    let mut probe = Probe::new();
    let Some(link) = enter(client, &mut probe).await else { return probe };
    let subject = format!("queue `{}`", spec.queue);
    let is_declared = spec.declare.as_ref().is_some_and(|declare| declare.queue.is_some());
    match look_for_queue(&link, &spec.queue).await {
        Ok(Look::There { messages, consumers: 0 }) => {
            probe.fine(subject, format!("{messages} messages wait, nobody consumes it"));
        }
        Ok(Look::There { messages, consumers }) => probe.doubtful(
            subject,
            format!("{messages} messages wait, and {consumers} others consume it"),
            "consumers share the messages of a queue: each gets a part, and the order between them is lost",
        ),
        Ok(Look::Missing(_)) if is_declared => {
            probe.doubtful(subject, "it is not there yet", "it is made at the first start");
        }
        Ok(Look::Missing(error)) | Err(error) => probe.wrong(subject, error),
    }
    link.close().await;
    probe
}
