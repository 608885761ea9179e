//! The network of a test: look-ups are answered with what the test gives, everything else is refused and noted.
//!
//! An answer is found by the look-up's own URL template: the values that a request's URL holds, joined by `/`.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use parking_lot::Mutex;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use sluicebox_config::{FaultWord, GivenFault, Reply};
use sluicebox_core::{Error, Located, LookupUrl, RowSource};
use sluicebox_http::{Fault, Request, Response, Transport, TransportError};
use sluicebox_rules::{Template, TemplateKind};
use smol_str::SmolStr;

use crate::fault;
use crate::ledger::Ledger;

/// The answers that a test gives, by look-up and values.
type Replies = BTreeMap<SmolStr, BTreeMap<String, Vec<Reply>>>;

/// Where the templates of URLs that lie below the address of an API are taken to lie.
const ANYWHERE: &str = "https://api.invalid";

/// A URL that a look-up asks.
pub(crate) struct Asking {
    component: SmolStr,
    /// What stands before its values where the look-up asks several.
    name: Option<&'static str>,
    template: Template,
}

impl Asking {
    /// # Errors
    /// The URL holds a variable that the test gives no value.
    pub(crate) fn new(component: SmolStr, url: &LookupUrl) -> sluicebox_core::Result<Self> {
        // Where the keys of many events are asked for at once, they stand in the URL as one value.
        let mut text = url.template.text.replace("{{ keys }}", "{{ event.keys }}");
        if text.starts_with('/') {
            text.insert_str(0, ANYWHERE);
        }
        let one = Located { text, ..url.template.clone() };
        let template = Template::compile(&one, TemplateKind::Url).map_err(|problem| {
            let message = problem.message;
            Error::config(format!("the URL of the look-up `{component}` cannot be used: {message}"))
                .with_help("give the variables in it a value under `variables:` of the test")
        })?;
        Ok(Self { component, name: url.name, template })
    }

    /// What a test calls a URL that this made; `None` if it did not.
    fn key(&self, url: &str) -> Option<String> {
        let values = self.template.values_in(url).map(|values| key(self.name, &values));
        values.or_else(|| {
            let path = url.find("://").and_then(|at| url[at + 3..].find('/').map(|slash| at + 3 + slash))?;
            let mut below =
                url[path..].match_indices('/').map(|(at, _)| format!("{ANYWHERE}{}", &url[path + at..]));
            below.find_map(|url| self.template.values_in(&url).map(|values| key(self.name, &values)))
        })
    }
}

/// Answers instead of the network.
pub(crate) struct Wire {
    lookups: Vec<Asking>,
    answers: Mutex<BTreeMap<SmolStr, BTreeMap<String, Answers>>>,
    ledger: Ledger,
}

/// What is still to be answered, in order; the last stays unless it says how often.
struct Answers(VecDeque<(Reply, u32)>);

impl Answers {
    fn new(replies: Vec<Reply>) -> Self {
        let last = replies.len().saturating_sub(1);
        let often = |(index, reply): (usize, Reply)| {
            let times = match &reply {
                Reply::Fault(GivenFault { times: Some(times), .. }) => *times,
                _ if index == last => u32::MAX,
                _ => 1,
            };
            (reply, times)
        };
        Self(replies.into_iter().enumerate().map(often).collect())
    }

    fn next(&mut self) -> Option<Reply> {
        let (reply, left) = self.0.front_mut()?;
        let reply = reply.clone();
        *left -= 1;
        if *left == 0 {
            self.0.pop_front();
        }
        Some(reply)
    }
}

impl Wire {
    /// A network that knows these look-ups.
    pub(crate) fn new(lookups: Vec<Asking>, replies: &Replies, ledger: Ledger) -> Self {
        let answers = replies.iter().map(|(name, replies)| {
            let answers = replies.iter().map(|(key, all)| (key.clone(), Answers::new(all.clone())));
            (name.clone(), answers.collect())
        });
        Self { lookups, answers: Mutex::new(answers.collect()), ledger }
    }

    fn answer(&self, request: &Request) -> Option<Reply> {
        if request.method == http::Method::POST && request.url.path().ends_with("/oauth/token") {
            let token = json!({ "access_token": "of-a-test", "token_type": "Bearer", "expires_in": 86_400 });
            return Some(Reply::Body(token));
        }
        let mut asked = self.asked(request.url.as_str());
        if asked.is_empty()
            && let Some((first_page, _)) = request.url.as_str().rsplit_once(['?', '&'])
        {
            // A page further on has one parameter more: its cursor.
            asked = self.asked(first_page);
        }
        if asked.is_empty() {
            let (method, host) = (&request.method, request.url.host_str().unwrap_or_default());
            let path = request.url.path();
            let said = format!("{method} {host}{path} was asked, and no look-up of this pipeline asks there");
            self.ledger.unanswered(said);
            return None;
        }
        self.given(&asked)
    }

    /// The look-ups that may have made a URL, each with the values in it.
    fn asked(&self, url: &str) -> Vec<(SmolStr, String)> {
        let made = |asking: &Asking| Some((asking.component.clone(), asking.key(url)?));
        self.lookups.iter().filter_map(made).collect()
    }

    /// The next answer of the first look-up that has one.
    fn given(&self, asked: &[(SmolStr, String)]) -> Option<Reply> {
        let mut answers = self.answers.lock();
        for (name, key) in asked {
            let given = answers.get_mut(name).and_then(|answers| answers.get_mut(key));
            if let Some(reply) = given.and_then(Answers::next) {
                self.ledger.asked(name, is_good(&reply));
                return Some(reply);
            }
        }
        if let Some((name, key)) = asked.first() {
            let given = answers.get(name).into_iter().flat_map(BTreeMap::keys);
            self.ledger.unanswered(question(name, key, &given.map(String::as_str).collect::<Vec<_>>()));
        }
        None
    }
}

#[async_trait]
impl RowSource for Wire {
    async fn rows(&self, component: &str, parameters: &[Value]) -> Result<Vec<Value>, Error> {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let key = parameters.iter().map(text).collect::<Vec<_>>().join("/");
        let fault = match self.given(&[(component.into(), key)]) {
            Some(Reply::Body(row)) => return Ok(vec![row]),
            Some(Reply::Fault(fault)) => fault,
            None => return Ok(Vec::new()),
        };
        match (fault.status, fault.fault, &fault.body) {
            (Some(404), ..) => Ok(Vec::new()),
            (Some(200..300), _, Some(Value::Array(rows))) => Ok(rows.clone()),
            (Some(200..300), _, body) => Ok(body.iter().cloned().collect()),
            (None, Some(FaultWord::Timeout), _) => std::future::pending().await,
            _ => Err(fault::error(&fault, "the database")),
        }
    }
}

/// Whether it is an answer as a look-up wants one.
fn is_good(reply: &Reply) -> bool {
    match reply {
        Reply::Body(_) => true,
        Reply::Fault(fault) => fault.status.is_some_and(|status| (200..300).contains(&status)),
    }
}

/// What is said of a question without an answer.
fn question(name: &str, key: &str, given: &[&str]) -> String {
    if given.contains(&key) {
        return format!("the look-up `{name}` asked for `{key}` more often than the test has answers");
    }
    let known = match given {
        [] => String::new(),
        given => format!(" (there are answers for: {})", given.join(", ")),
    };
    format!("the look-up `{name}` asked for `{key}`, to which the test gives no answer{known}")
}

/// The values of a URL as a test writes them, behind the name of the URL if it has one.
fn key(name: Option<&str>, values: &[&str]) -> String {
    let decoded = values.iter().map(|value| percent_decode_str(value).decode_utf8_lossy());
    name.map(Cow::Borrowed).into_iter().chain(decoded).collect::<Vec<_>>().join("/")
}

#[async_trait]
impl Transport for Wire {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let reply = self.answer(&request);
        let fault = match reply {
            Some(Reply::Body(body)) => return Ok(response(StatusCode::OK, HeaderMap::new(), &body)),
            Some(Reply::Fault(fault)) => fault,
            // The test fails anyway; the pipeline is to go on.
            None => return Ok(response(StatusCode::NOT_FOUND, HeaderMap::new(), &json!({}))),
        };
        match (fault.status, fault.fault) {
            (Some(status), _) => {
                let mut headers = HeaderMap::new();
                let seconds = fault.retry_after.map(|after| after.0.as_secs().to_string());
                let seconds = seconds.and_then(|seconds| HeaderValue::from_str(&seconds).ok());
                headers.extend(seconds.map(|seconds| (header::RETRY_AFTER, seconds)));
                let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                Ok(response(status, headers, &fault.body.unwrap_or_else(|| json!({}))))
            }
            (None, Some(FaultWord::Timeout)) => std::future::pending().await,
            (None, Some(FaultWord::Broken) | None) => Err(TransportError::new(Fault::Broken)),
        }
    }
}

fn response(status: StatusCode, headers: HeaderMap, body: &Value) -> Response {
    let body = Bytes::from(body.to_string());
    let body = futures::stream::once(async move { Ok(body) }).boxed();
    Response { status, headers, body }
}
