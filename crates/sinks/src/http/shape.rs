//! The request of an event: address, headers and body, compiled from the options.
//!
//! Invariant: the client alone decides about framing and credentials: headers that belong to it cannot be set.

use http::{HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::Deserialize;
use sluicebox_core::{Error, Event, Located, Problem, Result};
use sluicebox_http::{Auth, BaseUrl};
use sluicebox_rules::{Template, TemplateKind};

use super::HttpSpec;
use super::body::{Batching, Body, Frame, Writer};

/// The header with the id that a webhook's signature covers (Standard Webhooks).
const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");

/// Headers that frame a message or speak of the connection (RFC 9110 section 7, RFC 9112 section 6).
const RESERVED: [HeaderName; 11] = [
    http::header::HOST,
    http::header::CONTENT_LENGTH,
    http::header::TRANSFER_ENCODING,
    http::header::CONNECTION,
    http::header::UPGRADE,
    http::header::TE,
    http::header::TRAILER,
    http::header::EXPECT,
    http::header::ACCEPT_ENCODING,
    http::header::USER_AGENT,
    WEBHOOK_ID,
];

/// The method of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// `POST`
    #[default]
    Post,
    /// `PUT`
    Put,
    /// `PATCH`
    Patch,
    /// `DELETE`
    Delete,
}

impl From<Method> for http::Method {
    fn from(method: Method) -> Self {
        match method {
            Method::Post => Self::POST,
            Method::Put => Self::PUT,
            Method::Patch => Self::PATCH,
            Method::Delete => Self::DELETE,
        }
    }
}

/// Where a request goes. Events with equal targets may share a request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Target {
    pub(super) url: String,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    /// The account whose credentials are used; empty unless they are a source's.
    pub(super) account: String,
}

/// The compiled options of a request.
pub(super) struct Shape {
    pub(super) method: http::Method,
    pub(super) frame: Option<Frame>,
    /// The headers that carry the idempotency key.
    pub(super) id_headers: Vec<HeaderName>,
    url: Template,
    headers: Vec<(HeaderName, Template)>,
    content_type: Option<HeaderValue>,
    writer: Writer,
    per_account: bool,
}

impl Shape {
    pub(super) fn new(spec: &HttpSpec) -> Result<Self, Problem> {
        let mut headers = Vec::new();
        for (name, text) in &spec.headers {
            headers.push(header(name, text).map_err(|p| p.under(&format!("headers.{name}")))?);
        }
        let names_type = headers.iter().any(|(name, _)| *name == http::header::CONTENT_TYPE);
        let content_type = match (&spec.body, &spec.batching) {
            _ if names_type => None,
            (Body::None, _) => None,
            (_, Batching::JsonLines) => Some(HeaderValue::from_static("application/x-ndjson")),
            _ => Some(HeaderValue::from_static("application/json")),
        };
        let signed = matches!(spec.auth, Some(Auth::Webhook(_))).then_some(WEBHOOK_ID);
        let id_header = spec.idempotency_header.as_deref().map(id_header).transpose()?;
        Ok(Self {
            method: spec.method.into(),
            frame: spec.batching.frame(),
            id_headers: id_header.into_iter().chain(signed).collect(),
            url: url(&spec.url)?,
            headers,
            content_type,
            writer: Writer::new(&spec.body, &spec.batching)?,
            per_account: matches!(spec.auth, Some(Auth::SameAs(_))),
        })
    }

    /// Whether every event goes to the same address.
    pub(super) fn url_is_fixed(&self) -> bool {
        self.url.is_fixed()
    }

    /// Where an event goes.
    ///
    /// # Errors
    /// A dead letter.
    pub(super) fn target(&self, event: &Event) -> Result<Target> {
        let url = self.url.render(event).map_err(|error| error.to_error("the URL"))?;
        let mut headers = Vec::with_capacity(self.headers.len() + 1);
        for (name, template) in &self.headers {
            let what = || format!("the header `{name}`");
            let text = template.render(event).map_err(|error| error.to_error(&what()))?;
            let value = HeaderValue::from_bytes(text.trim().as_bytes()).map_err(|_| {
                Error::permanent(format!("{} would hold characters that a header cannot carry", what()))
            })?;
            headers.push((name.clone(), value));
        }
        headers.extend(self.content_type.iter().map(|value| (http::header::CONTENT_TYPE, value.clone())));
        let account = if self.per_account { event.meta().account.to_string() } else { String::new() };
        Ok(Target { url, headers, account })
    }

    /// The body for an event.
    ///
    /// # Errors
    /// A dead letter.
    pub(super) fn body(&self, event: &Event) -> Result<bytes::Bytes> {
        self.writer.write(event)
    }
}

/// Everything that is wrong with the request that the options describe.
pub(super) fn problems(spec: &HttpSpec) -> Vec<Problem> {
    let mut problems: Vec<Problem> = url(&spec.url).err().into_iter().collect();
    if problems.is_empty() {
        problems.extend(origin(&spec.url).err());
    }
    for (name, text) in &spec.headers {
        problems.extend(header(name, text).err().map(|p| p.under(&format!("headers.{name}"))));
    }
    if spec.auth.is_some() {
        let twice = spec.headers.keys().find(|name| name.eq_ignore_ascii_case("authorization"));
        problems.extend(twice.map(|name| {
            Problem::new(format!("headers.{name}"), "`auth` makes this header")
                .with_help("leave one of them out")
        }));
    }
    problems.extend(Writer::new(&spec.body, &spec.batching).err());
    problems.extend(spec.idempotency_header.as_deref().and_then(|name| id_header(name).err()));
    if spec.body == Body::None && spec.batching != Batching::One {
        problems.push(Problem::new("batching", "without a body there is nothing to join"));
    }
    problems
}

/// The one origin that requests go to. Its paths are kept secret.
pub(super) fn origin(text: &Located) -> Result<BaseUrl, Problem> {
    let template = url(text)?;
    let origin = BaseUrl::origin_of(template.literal_prefix()).map_err(|text| Problem::new("url", text))?;
    Ok(origin.kept_secret())
}

fn url(text: &Located) -> Result<Template, Problem> {
    Template::compile(text, TemplateKind::Url).map_err(|problem| problem.under("url"))
}

fn header(name: &str, text: &Located) -> Result<(HeaderName, Template), Problem> {
    let parsed =
        HeaderName::try_from(name).map_err(|_| Problem::new("", "this is not the name of a header"))?;
    if RESERVED.contains(&parsed) {
        return Err(Problem::new("", "this header is set by Sluicebox itself"));
    }
    Ok((parsed, Template::compile(text, TemplateKind::Text)?))
}

fn id_header(name: &str) -> Result<HeaderName, Problem> {
    let parsed = HeaderName::try_from(name).ok().filter(|parsed| !RESERVED.contains(parsed));
    parsed.ok_or_else(|| {
        Problem::new("idempotency_header", "this is not the name of a header that can be set")
            .with_help("like `Idempotency-Key`; `null` for none")
    })
}
