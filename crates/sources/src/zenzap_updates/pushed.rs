//! A bot in webhook mode: deliveries out of the inbox, in the form that polling would have brought.
//!
//! Source: the Zenzap contract, section 10. Invariant: a pipeline cannot tell the two apart by an event; every value is
//! the sender's, byte for byte, only the names of the envelope change.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use bytes::Bytes;
use schemars::JsonSchema;
use serde::Deserialize;
use sluicebox_core::{
    Batch, BuiltSource, ByteSize, Committer, Context, Cursor, ListensOn, Problem, Result, Secret, Source,
    object_fields,
};
use sluicebox_http::Client;
use sluicebox_webhooks::{Endpoint, InboxOptions, Scheme, check_endpoint, default_body_limit, listen};

use super::attachments::Attachments;
use super::{ZenzapUpdates, decode, own};
use crate::item::Origin;
use crate::webhook::{Deliveries, default_inbox, default_remember_for, default_remember_most, open_inbox};

/// Takes the webhooks of a bot that is set to *webhook* in the Zenzap console, in place of polling.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ZenzapWebhook {
    /// Address and port to listen on.
    #[schemars(example = "127.0.0.1:8080")]
    pub listen: String,
    /// The path that deliveries are posted to.
    #[schemars(example = "/hooks/zenzap")]
    pub path: String,
    /// The secrets that may sign; several while one replaces another.
    pub secrets: Vec<Secret>,
    /// Most bytes of one delivery, unpacked.
    #[serde(default = "default_body_limit")]
    pub max_body: ByteSize,
    /// Most bytes of deliveries that are not yet durable in every sink; beyond, Zenzap is answered 503.
    #[serde(default = "default_inbox")]
    pub inbox: ByteSize,
}

impl ZenzapWebhook {
    fn endpoint(&self) -> Endpoint<'_> {
        let Self { listen, path, secrets, max_body, .. } = self;
        Endpoint { listen, path, scheme: Scheme::Zenzap, secrets, max_body: *max_body }
    }

    pub(super) fn listens_on(&self) -> Option<ListensOn> {
        self.endpoint().listens_on("webhook.path")
    }

    pub(super) fn problems(&self) -> impl Iterator<Item = Problem> {
        let mut problems = check_endpoint(&self.endpoint());
        if self.inbox.0 < self.max_body.0 {
            let message = format!("smaller than one delivery may be (`max_body`: {})", self.max_body);
            problems.push(Problem::new("inbox", message));
        }
        problems.into_iter().map(|problem| problem.under("webhook"))
    }
}

/// The deliveries of one bot.
struct Pushed {
    deliveries: Deliveries,
    client: Arc<Client>,
    drop_own: bool,
    own_id: Arc<OnceLock<String>>,
    attachments: Option<Attachments>,
    /// A page that was read and whose files are not all there.
    pending: Option<Batch>,
}

/// Builds the source that listens.
pub(super) async fn build(
    options: &ZenzapUpdates,
    webhook: &ZenzapWebhook,
    cx: &Context,
) -> Result<BuiltSource> {
    let client = options.client(cx)?;
    let kept = InboxOptions {
        bytes: webhook.inbox.0,
        remember_for: default_remember_for().0,
        remember_most: default_remember_most(),
    };
    let inbox = open_inbox(kept, cx).await?;
    let listening = listen(cx, &webhook.endpoint(), Arc::new(inbox.clone())).await?;
    let own_id = Arc::<OnceLock<String>>::default();
    let (origin, own) = (Origin::new("zenzap", cx), Arc::clone(&own_id));
    let deliveries = Deliveries::new((inbox, listening), move |kept| {
        let polled = polled_form(&kept.body).unwrap_or_else(|| kept.body.clone());
        let own_id = own.get().map(String::as_str);
        decode::update(&polled, &origin, kept.received, own_id).map(|update| update.event)
    });
    let attachments = options.attachments(&client, cx)?;
    let drop_own = options.drop_own;
    Ok(BuiltSource::single(Pushed { deliveries, client, drop_own, own_id, attachments, pending: None }))
}

/// `{id, type, timestamp, data, …}` as `{updateId, eventType, createdAt, data, …}`; `None` if it is no object.
fn polled_form(body: &Bytes) -> Option<Bytes> {
    let fields = object_fields(std::str::from_utf8(body).ok()?).ok()?;
    let mut text = String::with_capacity(body.len() + 32);
    for (name, value) in fields {
        let name = match &*name {
            "id" => "updateId",
            "type" => "eventType",
            "timestamp" => "createdAt",
            other => other,
        };
        text.push(if text.is_empty() { '{' } else { ',' });
        text.push_str(&serde_json::Value::from(name).to_string());
        text.push(':');
        text.push_str(value.get());
    }
    text.push_str(if text.is_empty() { "{}" } else { "}" });
    Some(text.into())
}

#[async_trait]
impl Source for Pushed {
    async fn open(&mut self, saved: Option<&Cursor>) -> Result<()> {
        if self.drop_own && self.own_id.get().is_none() {
            let id = own::id(&self.client).await?;
            // Nobody else sets it.
            let _ = self.own_id.set(id);
        }
        self.pending = None;
        self.deliveries.open(saved).await
    }

    async fn next(&mut self) -> Result<Option<Batch>> {
        let Some(attachments) = &mut self.attachments else { return self.deliveries.next().await };
        // The inbox stands behind a page once it is read, so the page is kept until it can be handed on.
        if self.pending.is_none() {
            self.pending = self.deliveries.next().await?;
        }
        if let Some(batch) = &mut self.pending {
            attachments.download(&mut batch.events).await?;
        }
        Ok(self.pending.take())
    }

    async fn woken(&mut self) {
        self.deliveries.woken().await;
    }

    fn committer(&self) -> Option<Box<dyn Committer>> {
        self.deliveries.committer()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_envelope_is_renamed_and_nothing_else_changes() {
        let body = r#"{ "id":"evt_1","type":"message.created","eventVersion":1, "timestamp":1699564800000,
            "data":{ "message": {"id":"m","type":"text","topicId":"t"} } }"#;
        let polled = polled_form(&Bytes::from_static(body.as_bytes())).unwrap();
        assert_eq!(
            polled,
            r#"{"updateId":"evt_1","eventType":"message.created","eventVersion":1,"createdAt":1699564800000,"data":{ "message": {"id":"m","type":"text","topicId":"t"} }}"#
        );
        assert_eq!(polled_form(&Bytes::from_static(b"{}")).unwrap(), "{}");
        assert!(polled_form(&Bytes::from_static(b"[1]")).is_none());
    }
}
