//! The `webhook` source: its options, which are its reference page.
//!
//! Invariant: a delivery is answered 2xx only after it is durable in the inbox beside the pipeline's state.

mod deliveries;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use schemars::JsonSchema;
use serde::Deserialize;
use sluicebox_core::{
    BuiltSource, ByteSize, CheckContext, Context, Error, Event, ListensOn, Period, Problem, Reject, Result,
    Secret, SourceClass, SourceSpec,
};
use sluicebox_webhooks::{
    Endpoint, Inbox, InboxOptions, Kept, Scheme, check_endpoint, default_body_limit, listen,
};

use crate::item::Origin;
pub(crate) use deliveries::Deliveries;

/// Takes signed webhooks: Standard Webhooks, Stripe, GitHub, OpenTrain, Zenzap.
///
/// Listens for `POST` on one path, over plain HTTP; put what terminates TLS in front of it. A delivery is verified over
/// its raw bytes, written to an inbox beside the pipeline's state, and only then answered 200. So what was answered 200
/// reaches every sink, whatever is killed when: at least once, and once for each id of a delivery where the sink commits
/// the position with its data. A delivery that comes again is answered 200 and not taken twice. A full inbox answers 503
/// with `Retry-After`, a wrong or old signature 401.
///
/// Each body becomes one event, byte for byte; one that is no JSON object becomes a dead letter. `meta.id` is
/// `webhook:<account>:<id of the delivery>`, `meta.type` and `meta.time` are what the sender states (the header
/// `X-GitHub-Event` and the time of receipt for GitHub), `meta.key` the account.
///
/// Sources of one pipeline may share an address if their paths differ. GitHub signs neither a time nor the id of the
/// delivery: who has got hold of a delivery can send it again under another id.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({
    "listen": "127.0.0.1:8080", "path": "/hooks/stripe", "scheme": "stripe", "secrets": ["${STRIPE_WEBHOOK_SECRET}"]
}))]
pub struct Webhook {
    /// Address and port to listen on.
    #[schemars(example = "127.0.0.1:8080")]
    pub listen: String,
    /// The path that deliveries are posted to.
    #[schemars(example = "/hooks/stripe")]
    pub path: String,
    /// How the sender signs: `standard`, `stripe`, `github`, `opentrain` or `zenzap`.
    pub scheme: Scheme,
    /// The secrets that may sign; several while one replaces another.
    #[schemars(example = ["${STRIPE_WEBHOOK_SECRET}"])]
    pub secrets: Vec<Secret>,
    /// Most bytes of one delivery, unpacked.
    #[serde(default = "default_body_limit")]
    pub max_body: ByteSize,
    /// Most bytes of deliveries that are not yet durable in every sink; beyond, senders are answered 503.
    #[serde(default = "default_inbox")]
    pub inbox: ByteSize,
    /// How long the ids of deliveries are remembered, so that one that comes again is known.
    #[serde(default = "default_remember_for")]
    pub remember_for: Period,
    /// How many ids are remembered at most.
    #[serde(default = "default_remember_most")]
    #[schemars(range(min = 1000, max = 100_000_000))]
    pub remember_most: u64,
}

pub(crate) fn default_inbox() -> ByteSize {
    ByteSize(256 << 20)
}

pub(crate) fn default_remember_for() -> Period {
    Period::from_secs(7 * 24 * 3600)
}

pub(crate) fn default_remember_most() -> u64 {
    1_000_000
}

impl Webhook {
    fn endpoint(&self) -> Endpoint<'_> {
        let Self { listen, path, scheme, secrets, max_body, .. } = self;
        Endpoint { listen, path, scheme: *scheme, secrets, max_body: *max_body }
    }

    fn inbox_options(&self) -> InboxOptions {
        InboxOptions {
            bytes: self.inbox.0,
            remember_for: self.remember_for.0,
            remember_most: self.remember_most,
        }
    }
}

/// The inboxes that are open: an account that is built anew goes on with the one that it had.
#[derive(Default)]
struct Inboxes(tokio::sync::Mutex<BTreeMap<PathBuf, Inbox>>);

/// Opens the inbox of a source and an account, and publishes how full it is.
pub(crate) async fn open_inbox(options: InboxOptions, cx: &Context) -> Result<Inbox> {
    let inbox = find_inbox(options, cx).await?;
    cx.shared.publish(&cx.component, &cx.account, inbox.fill());
    Ok(inbox)
}

async fn find_inbox(options: InboxOptions, cx: &Context) -> Result<Inbox> {
    let folder = cx.state_folder().ok_or_else(|| {
        Error::config("deliveries are kept beside the state, and nothing is kept here")
            .with_help("use `sluicebox run`")
    })?;
    let path = folder.join("inbox").join(format!("{}.db", file_name(&cx.component, &cx.account)));
    let inboxes = cx.shared.find::<Inboxes>("", "").unwrap_or_else(|| {
        let made = Arc::new(Inboxes::default());
        cx.shared.publish("", "", Arc::clone(&made));
        made
    });
    let mut open = inboxes.0.lock().await;
    if let Some(found) = open.get(&path) {
        return Ok(found.clone());
    }
    let place = path.clone();
    let opened = tokio::task::spawn_blocking(move || Inbox::open(&place, options)).await;
    let opened = opened.unwrap_or_else(|error| {
        Err(Error::transient("opening the inbox was interrupted").with_cause(error))
    })?;
    open.insert(path, opened.clone());
    Ok(opened)
}

/// A name for the file that no other source and account has; an account may be any text.
fn file_name(component: &str, account: &str) -> String {
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    let plain = |text| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    if component == account { plain(component) } else { format!("{}.{}", plain(component), plain(account)) }
}

#[async_trait]
impl SourceSpec for Webhook {
    const TYPE: &'static str = "webhook";

    fn class(&self) -> SourceClass {
        SourceClass::Push
    }

    fn listens(&self) -> bool {
        true
    }

    fn listens_on(&self) -> Option<ListensOn> {
        self.endpoint().listens_on("path")
    }

    fn check(&self, _cx: &CheckContext<'_>) -> Vec<Problem> {
        let mut problems = check_endpoint(&self.endpoint());
        if self.inbox.0 < self.max_body.0 {
            let message = format!("smaller than one delivery may be (`max_body`: {})", self.max_body);
            problems.push(Problem::new("inbox", message));
        }
        if !(1000..=100_000_000).contains(&self.remember_most) {
            let message = format!("expected 1000 to 100000000, found {}", self.remember_most);
            problems.push(Problem::new("remember_most", message));
        }
        problems
    }

    fn item(&self, item: &Bytes, cx: &Context) -> Option<Result<Event, Box<Reject>>> {
        let kept = Kept::without_headers(self.scheme, item, cx.environment.clock.now());
        Some(deliveries::event(&kept, &Origin::new("webhook", cx)))
    }

    async fn build(self, cx: &Context) -> Result<BuiltSource> {
        let inbox = open_inbox(self.inbox_options(), cx).await?;
        let listening = listen(cx, &self.endpoint(), Arc::new(inbox.clone())).await?;
        let (kept, origin) = ((inbox, listening), Origin::new("webhook", cx));
        Ok(BuiltSource::single(Deliveries::new(kept, move |kept| deliveries::event(kept, &origin).map(Some))))
    }
}

#[cfg(test)]
mod tests {
    use super::file_name;

    #[test]
    fn names_of_files_never_meet_and_never_leave_the_folder() {
        assert_eq!(file_name("hooks", "hooks"), "hooks");
        assert_eq!(file_name("hooks", "../acme"), "hooks.%2E%2E%2Facme");
        assert_ne!(file_name("a.b", "c"), file_name("a", "b.c"));
    }
}
