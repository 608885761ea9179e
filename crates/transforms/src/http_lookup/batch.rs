//! One request for the keys of many events.

use std::borrow::Cow;
use std::collections::HashMap;

use http::Method;
use serde_json::Value;
use sluicebox_core::{Event, Located, Problem};
use sluicebox_http::{Call, Client};
use sluicebox_lookups::{Found, Gate, Unavailable, key_text};
use sluicebox_rules::{Expression, RuleError};

use super::extract::Extract;
use super::fetch::Fetcher;
use super::listing::{Listing, encoded};
use super::options::HttpBatch;

/// What stands for the keys.
const KEYS: &str = "{{ keys }}";

/// How keys are asked for, and what comes back.
pub(super) struct Batch {
    by: Expression,
    /// Before and after the keys; the whole URL if they are in the body.
    url: (String, Option<String>),
    options: HttpBatch,
    listing: Listing,
    extract: Extract,
}

impl Batch {
    /// # Errors
    /// What is wrong with the options.
    pub(super) fn new(options: &HttpBatch, url: &Located, extract: Extract) -> Result<Self, Problem> {
        let by = Expression::compile(&options.by).map_err(|problem| problem.under("batch.by"))?;
        let listing = Listing::new(options.items.as_deref(), &options.key, "batch")?;
        if !(1..=1000).contains(&options.max_keys) {
            let message = format!("expected 1 to 1000, found {}", options.max_keys);
            return Err(Problem::new("batch.max_keys", message));
        }
        if !options.separator.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
            return Err(Problem::new("batch.separator", "expected characters that can stand in a URL"));
        }
        let text = url.text.replace("{{keys}}", KEYS);
        let mut parts = text.splitn(2, KEYS).map(ToOwned::to_owned);
        let url = (parts.next().unwrap_or_default(), parts.next());
        let in_body = options.body.as_ref().is_some_and(holds_keys);
        if url.0.contains("{{") || url.1.as_deref().is_some_and(|rest| rest.contains("{{")) {
            let message = "with `batch` nothing but `{{ keys }}`, once, can stand in the URL";
            return Err(Problem::new("url", message));
        }
        match (url.1.is_some(), in_body) {
            (true, true) => {
                Err(Problem::new("batch.body", "`{{ keys }}` stands in `url` and in `batch.body`"))
            }
            (false, false) => {
                let help = "like `https://api.example.com/things?ids={{ keys }}`, or `body: { ids: \"{{ keys }}\" }`";
                Err(Problem::new("url", "`{{ keys }}` stands neither in the URL nor in `batch.body`")
                    .with_help(help))
            }
            _ => Ok(Self { by, url, options: options.clone(), listing, extract }),
        }
    }

    pub(super) fn literal_prefix(&self) -> &str {
        &self.url.0
    }

    pub(super) fn max_keys(&self) -> usize {
        self.options.max_keys
    }

    /// The key of an event with its value; `None` if there is none.
    ///
    /// # Errors
    /// The expression failed.
    pub(super) fn key(&self, event: &Event) -> Result<Option<(String, Value)>, RuleError> {
        let value = self.by.evaluate(event)?;
        let key = key_text(&value).map(Cow::into_owned);
        Ok(key.map(|key| (key, value)))
    }

    /// Asks for keys. What refuses the request stands for all of them.
    pub(super) async fn fetch(
        &self,
        fetcher: &Fetcher,
        (client, gate): (&Client, &Gate),
        keys: &[(String, Value)],
    ) -> Vec<(String, Result<Found, Unavailable>)> {
        let for_all = |end: Result<Found, Unavailable>| {
            keys.iter().map(|(key, _)| (key.clone(), end.clone())).collect::<Vec<_>>()
        };
        let items = match fetcher.ask(client, gate, &self.call(keys), |body| self.listing.of(body)).await {
            Err(unavailable) => return for_all(Err(unavailable)),
            Ok(Err(refused)) => return for_all(Ok(refused)),
            Ok(Ok(None)) => return for_all(Ok(self.listing.absence())),
            Ok(Ok(Some(items))) => items,
        };
        let asked: HashMap<&str, &Value> = keys.iter().map(|(key, value)| (key.as_str(), value)).collect();
        let wanted = items.into_iter().filter(|(key, _)| asked.contains_key(key.as_str()));
        let end = |json: &[u8]| self.extract.read(json).map_err(|error| Unavailable(error.to_string()));
        wanted.map(|(key, item)| (key, end(&item))).collect()
    }

    fn call(&self, keys: &[(String, Value)]) -> Call {
        let (before, after) = &self.url;
        let url = match after {
            Some(after) => {
                let keys: Vec<String> = keys.iter().map(|(key, _)| encoded(key)).collect();
                format!("{before}{}{after}", keys.join(&self.options.separator))
            }
            None => before.clone(),
        };
        match &self.options.body {
            Some(body) => {
                let keys: Vec<Value> = keys.iter().map(|(_, value)| value.clone()).collect();
                Call::new(Method::POST, url).with_body("application/json", filled(body, &keys).to_string())
            }
            None => Call::new(Method::GET, url),
        }
    }
}

fn is_keys(text: &str) -> bool {
    text == KEYS || text == "{{keys}}"
}

fn holds_keys(body: &Value) -> bool {
    match body {
        Value::String(text) => is_keys(text),
        Value::Array(elements) => elements.iter().any(holds_keys),
        Value::Object(members) => members.values().any(holds_keys),
        _ => false,
    }
}

/// The body with the keys in it.
fn filled(body: &Value, keys: &[Value]) -> Value {
    match body {
        Value::String(text) if is_keys(text) => Value::Array(keys.to_vec()),
        Value::Array(elements) => elements.iter().map(|element| filled(element, keys)).collect(),
        Value::Object(members) => {
            members.iter().map(|(name, member)| (name.clone(), filled(member, keys))).collect()
        }
        other => other.clone(),
    }
}
