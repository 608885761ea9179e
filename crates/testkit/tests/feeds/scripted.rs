//! Sources over scripted answers, and the pages that they are given.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use sluicebox_core::{Batch, Context, Cursor, Source};
use sluicebox_emulator::Api;
use sluicebox_http::Request;
use sluicebox_testkit::Login;
pub(crate) use sluicebox_testkit::scripted::{
    Reply, Scripted, context, opentrain_event, opentrain_page, update,
};

use crate::{FORM, registry};

/// What nothing may show.
pub(crate) const SECRET: &str = "hunter2";

/// Made-up credentials.
fn credential(name: &str) -> Value {
    let value = match name {
        "key" => "key-1",
        "client_id" => "b@1",
        _ => SECRET,
    };
    value.into()
}

/// Builds the source of an API with more options.
pub(crate) async fn source(api: Api, login: Login, more: &Value, cx: &Context) -> Box<dyn Source> {
    let mut options = FORM.access(api, login, credential);
    options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let registry = registry();
    let config = registry.sources()[FORM.source_type(api)].parse(options).unwrap();
    config.build(cx).await.unwrap().into_single().unwrap()
}

/// The source with its key, and its polls answered in turn, the last answer for ever; whatever else it asks is not there.
pub(crate) async fn polled(api: Api, more: Value, replies: Vec<Reply>) -> (Box<dyn Source>, Arc<Scripted>) {
    let polls = AtomicUsize::new(0);
    let answer = move |_: usize, request: &Request| {
        if !request.url.path().ends_with("/updates") {
            return Reply::new(404, "");
        }
        let number = polls.fetch_add(1, Ordering::Relaxed);
        replies[number.min(replies.len() - 1)].clone()
    };
    let (cx, transport) = context(answer);
    (source(api, Login::Key, &more, &cx).await, transport)
}

/// The polls, each as its path with its parameters in the order of their names.
pub(crate) fn polls(transport: &Scripted) -> Vec<String> {
    let asked = transport.targets().into_iter().filter(|target| target.contains("/updates"));
    asked.map(|target| in_order(&target)).collect()
}

fn in_order(target: &str) -> String {
    let Some((path, query)) = target.split_once('?') else { return target.to_owned() };
    let mut parameters: Vec<&str> = query.split('&').collect();
    parameters.sort_unstable();
    format!("{path}?{}", parameters.join("&"))
}

/// The requests that were polls.
pub(crate) fn poll_requests(transport: &Scripted) -> Vec<Request> {
    let requests = transport.requests.lock();
    requests.iter().filter(|request| request.url.path().ends_with("/updates")).cloned().collect()
}

/// The next page.
pub(crate) async fn page(feed: &mut Box<dyn Source>) -> Batch {
    feed.next().await.unwrap().unwrap().read()
}

/// The ids of its events.
pub(crate) fn ids(batch: &Batch) -> Vec<&str> {
    batch.events.iter().map(|event| event.meta().id.as_str()).collect()
}

/// The cursor after it.
pub(crate) fn cursor(batch: &Batch) -> Option<String> {
    batch.cursor.as_ref().map(Cursor::to_text)
}

/// A page of Zenzap.
pub(crate) fn zenzap_page(ids: &[&str], next: &str) -> Reply {
    let data = json!({ "topicId": "t", "emoji": "+1" });
    let updates: Vec<Value> = ids.iter().map(|id| update(id, "reaction.added", &data)).collect();
    Reply::json(&json!({ "updates": updates, "nextOffset": next }))
}
