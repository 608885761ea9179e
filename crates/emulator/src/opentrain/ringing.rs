//! Delivers events to their subscribers: signed, ten seconds for an answer, five attempts.
//!
//! Source: section 10 of the contract. A delivery keeps its id over its attempts; each attempt is signed anew, with the
//! time of the server. Redirects are not followed: any status but 2xx is a failure.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use url::Url;

use super::webhooks::{WebhookAttempt, address, all_types};
use crate::account::Account;
use crate::connection::wait_for_close;
use crate::server::Server;

/// Waits between attempts, in minutes.
const WAITS: [u32; 4] = [1, 5, 30, 120];
const ANSWER_TIME: Duration = Duration::from_secs(10);
/// Attempts under way at a time.
const MOST_ATTEMPTS: usize = 64;

/// One event on its way to one subscriber.
struct Delivery {
    account: u32,
    subscription: String,
    url: Url,
    secret: String,
    id: String,
    event: String,
    kind: String,
    body: Vec<u8>,
}

/// Delivers until the emulator stops.
pub(crate) async fn ring(server: Arc<Server>) {
    let mut changed = server.changed.subscribe();
    let free = Arc::new(Semaphore::new(MOST_ATTEMPTS));
    let closed = wait_for_close(&server.closing);
    tokio::pin!(closed);
    loop {
        changed.borrow_and_update();
        for delivery in server.accounts.iter().flat_map(|account| due(&server, account)) {
            let (server, free) = (Arc::clone(&server), Arc::clone(&free));
            tokio::spawn(async move {
                tokio::select! {
                    () = deliver(&server, &delivery, &free) => {}
                    () = wait_for_close(&server.closing) => {}
                }
            });
        }
        let subscribed = server.accounts.iter().filter(|account| is_subscribed(account));
        let next = subscribed.filter_map(|account| account.feed.read().next_visible(server.clock.elapsed()));
        let wait = next.min().map_or(Duration::MAX, |at| at.saturating_sub(server.clock.elapsed()));
        tokio::select! {
            changed = changed.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(wait) => {}
            () = &mut closed => return,
        }
    }
}

/// Subscribes account 0 as [`Options::webhook`](crate::Options::webhook) wishes, from the first event on.
pub(crate) fn subscribe_from_start(server: &Server) {
    let url = server.options.webhook.as_deref().and_then(address);
    if let (Some(url), Some(account)) = (url, server.account(0)) {
        account.webhooks.lock().subscribe(url, all_types(), (0, server.clock.now(0)));
    }
}

fn is_subscribed(account: &Account) -> bool {
    account.webhooks.lock().subscriptions.iter().any(super::webhooks::Subscription::is_active)
}

/// The deliveries of events that became visible since the last time.
fn due(server: &Server, account: &Account) -> Vec<Delivery> {
    if !is_subscribed(account) {
        return Vec::new();
    }
    let visible = account.feed.read().visible(server.clock.elapsed());
    let feed = account.feed_with(visible);
    let mut webhooks = account.webhooks.lock();
    let mut due = Vec::new();
    for index in 0..webhooks.subscriptions.len() {
        let first = std::mem::replace(&mut webhooks.subscriptions[index].next, visible);
        for place in first..visible {
            let body = feed.event(place).to_vec();
            let event: Value = serde_json::from_slice(&body).unwrap_or_default();
            let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
            let found = &webhooks.subscriptions[index];
            if !found.is_active() || !found.types.contains(&text("type")) {
                continue;
            }
            let (subscription, url, secret) = (found.id.clone(), found.url.clone(), found.secret.clone());
            let (id, account, kind) = (webhooks.delivery_id(), account.number, text("type"));
            due.push(Delivery { account, subscription, url, secret, id, event: text("id"), kind, body });
        }
    }
    due
}

/// Tries until it is answered 2xx, at most five times, while the subscription is on.
async fn deliver(server: &Server, delivery: &Delivery, free: &Semaphore) {
    for attempt in 1..=WAITS.len() + 1 {
        let Some(account) = server.account(delivery.account) else { return };
        let status = {
            let _permit = free.acquire().await;
            let is_on = account
                .webhooks
                .lock()
                .subscriptions
                .iter()
                .any(|it| it.id == delivery.subscription && it.is_active());
            if !is_on {
                return;
            }
            let head = head(server, delivery);
            let posted = post(&delivery.url, &head, &delivery.body);
            tokio::time::timeout(ANSWER_TIME, posted).await.ok().and_then(Result::ok)
        };
        let (id, event) = (delivery.id.clone(), delivery.event.clone());
        let record = WebhookAttempt { delivery: id, event, attempt, status };
        account.webhooks.lock().attempted(&delivery.subscription, record, server.clock.now(0));
        if status.is_some_and(|status| (200..300).contains(&status)) {
            return;
        }
        if let Some(minutes) = WAITS.get(attempt - 1) {
            tokio::time::sleep(server.options.webhook_minute * *minutes).await;
        }
    }
}

/// The headers of an attempt.
fn head(server: &Server, delivery: &Delivery) -> String {
    let seconds = server.clock.now(0).div_euclid(1000);
    let mut mac = Hmac::<Sha256>::new_from_slice(delivery.secret.as_bytes()).expect("any key will do");
    mac.update(format!("{seconds}.").as_bytes());
    mac.update(&delivery.body);
    let signature = mac.finalize().into_bytes();
    let hex: Vec<String> = signature.iter().map(|byte| format!("{byte:02x}")).collect();
    format!(
        "Content-Type: application/json\r\nUser-Agent: OpenTrain-Webhooks/1.0\r\nX-OpenTrain-Event: {}\r\n\
         X-OpenTrain-Delivery: {}\r\nX-OpenTrain-Signature: t={seconds},v1={}\r\n",
        delivery.kind,
        delivery.id,
        hex.concat()
    )
}

/// Posts over a connection of its own; the status of the answer.
async fn post(url: &Url, head: &str, body: &[u8]) -> io::Result<u16> {
    let malformed = || io::Error::from(io::ErrorKind::InvalidData);
    let host = url.host_str().ok_or_else(malformed)?;
    let port = url.port_or_known_default().ok_or_else(malformed)?;
    let target = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let mut stream = TcpStream::connect((host.trim_matches(['[', ']']), port)).await?;
    let request = format!(
        "POST {target} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n{head}Content-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(&[request.as_bytes(), body].concat()).await?;
    let mut answer = Vec::new();
    stream.take(4096).read_to_end(&mut answer).await?;
    let line = String::from_utf8_lossy(&answer);
    line.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(malformed)
}
