//! The request of a poll: its declaration, and the call that it makes of a cursor.
//!
//! Invariant: what a value puts into a path or a query is percent-encoded, so that a cursor arrives as it was given; a
//! parameter whose value is not there is left out, never sent empty.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use serde_json::{Map, Value};
use sluicebox_core::{Error, Problem, Result};
use sluicebox_http::Call;

use super::template::{Template, Variables};

/// What may stand in a path or query unencoded (RFC 3986, section 2.3); `+`, `/` and `=` of a cursor may not.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What is asked. Texts may hold `{{ cursor }}`, `{{ page }}`, `{{ limit }}` and `{{ timeout }}`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestOptions {
    /// How it is asked.
    #[serde(default)]
    pub method: PollMethod,
    /// The path, put after `base_url`; values in it are percent-encoded.
    #[serde(default)]
    #[schemars(example = "/v1/events")]
    pub path: String,
    /// The parameters after the `?`; values are percent-encoded.
    #[serde(default, deserialize_with = "texts")]
    #[schemars(example = serde_json::json!({ "after": "{{ cursor }}", "limit": "{{ limit }}" }))]
    pub query: BTreeMap<String, String>,
    /// Headers beside those of `auth`.
    #[serde(default, deserialize_with = "texts")]
    pub headers: BTreeMap<String, String>,
    /// The JSON body, with `POST`. A text that is `{{ limit }}`, `{{ timeout }}` or `{{ cursor + 1 }}` and nothing else
    /// is sent as a number.
    #[serde(default)]
    pub body: Option<Map<String, Value>>,
}

/// A method that reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum PollMethod {
    /// Everything is in the address and the headers.
    #[default]
    Get,
    /// With a body, of an API that reads by `POST`.
    Post,
}

/// Texts by name, where a number or a switch stands for its text.
fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    let values = BTreeMap::<String, Value>::deserialize(deserializer)?;
    let text = |(name, value)| match value {
        Value::String(text) => Ok((name, text)),
        Value::Number(number) => Ok((name, number.to_string())),
        Value::Bool(switch) => Ok((name, switch.to_string())),
        _ => Err(D::Error::custom(format!("expected a text for `{name}`"))),
    };
    values.into_iter().map(text).collect()
}

/// A request that is ready to be made with any cursor.
#[derive(Debug)]
pub(super) struct Request {
    method: Method,
    path: Template,
    query: Vec<(String, Template)>,
    headers: Vec<(HeaderName, Template)>,
    body: Option<Body>,
}

#[derive(Debug)]
enum Body {
    Fixed(Value),
    Text(Template),
    List(Vec<Body>),
    Object(Vec<(String, Body)>),
}

impl Request {
    /// Reads the declaration; everything wrong with it goes to `problems`.
    pub(super) fn compile(options: &RequestOptions, problems: &mut Vec<Problem>) -> Self {
        let mut template = |path: String, text: &str| match Template::parse(text) {
            Ok(template) => Some(template),
            Err(message) => {
                problems.push(Problem::new(path, message).with_help(
                    "write `{{ cursor }}` where the API takes the position, and literal text for all else",
                ));
                None
            }
        };
        let path = template("request.path".to_owned(), &options.path);
        let mut query = Vec::new();
        for (name, text) in &options.query {
            query.extend(template(format!("request.query.{name}"), text).map(|text| (name.clone(), text)));
        }
        let mut headers = Vec::new();
        for (name, text) in &options.headers {
            let text = template(format!("request.headers.{name}"), text);
            headers.extend(HeaderName::try_from(name).ok().zip(text));
        }
        let body = options.body.as_ref().map(|body| {
            let fields = body.iter();
            Body::Object(
                fields
                    .map(|(name, value)| {
                        (name.clone(), Body::compile(value, &format!("request.body.{name}"), &mut template))
                    })
                    .collect(),
            )
        });
        check_shape(options, problems);
        let path = path.unwrap_or_else(Template::empty);
        let method = if options.method == PollMethod::Post { Method::POST } else { Method::GET };
        Self { method, path, query, headers, body }
    }

    /// Whether any part of it names a value, as `names` asks.
    pub(super) fn names(&self, names: fn(&Template) -> bool) -> bool {
        names(&self.path)
            || self.query.iter().any(|(_, text)| names(text))
            || self.headers.iter().any(|(_, text)| names(text))
            || self.body.as_ref().is_some_and(|body| body.names(names))
    }

    /// The call for a position.
    ///
    /// # Errors
    /// `Config` if the position cannot be put into it.
    pub(super) fn call(&self, variables: &Variables<'_>) -> Result<Call> {
        let mut target = self.path.render(variables, encoded)?.ok_or_else(|| {
            Error::config("the path needs a cursor, and there is none yet")
                .with_help("give the first one: `cursor: { initial: … }`, or `start: { cursor: … }`")
        })?;
        let mut separator = '?';
        for (name, text) in &self.query {
            // Literal parts are values too, and are encoded like them.
            let Some(value) = text.render(variables, str::to_owned)? else { continue };
            target.push(separator);
            target.extend([encoded(name).as_str(), "=", encoded(&value).as_str()]);
            separator = '&';
        }
        if separator == '&' && !target.starts_with('/') {
            target.insert(0, '/');
        }
        self.to(target, variables)
    }

    /// The call for a position that is an address itself: path and query are those of the address.
    ///
    /// # Errors
    /// As [`Request::call`].
    pub(super) fn to(&self, target: String, variables: &Variables<'_>) -> Result<Call> {
        let mut call = Call::new(self.method.clone(), target);
        call.headers = self.filled_headers(variables)?;
        if let Some(body) = &self.body {
            let body = body.render(variables)?.unwrap_or_default();
            call = call.with_body("application/json", Bytes::from(body.to_string()));
        }
        Ok(call)
    }

    fn filled_headers(&self, variables: &Variables<'_>) -> Result<HeaderMap> {
        let mut headers = HeaderMap::new();
        for (name, text) in &self.headers {
            let Some(text) = text.render(variables, str::to_owned)? else { continue };
            let value = HeaderValue::try_from(text).map_err(|_| {
                Error::config(format!("the header `{name}` holds characters that a header cannot carry"))
            })?;
            headers.insert(name.clone(), value);
        }
        Ok(headers)
    }
}

impl Body {
    fn compile(
        value: &Value,
        path: &str,
        template: &mut impl FnMut(String, &str) -> Option<Template>,
    ) -> Self {
        match value {
            Value::String(text) => match template(path.to_owned(), text) {
                Some(text) if !text.is_fixed() => Self::Text(text),
                _ => Self::Fixed(value.clone()),
            },
            Value::Array(items) => {
                let each = items.iter().enumerate();
                Self::List(
                    each.map(|(index, item)| Self::compile(item, &format!("{path}[{index}]"), template))
                        .collect(),
                )
            }
            Value::Object(fields) => {
                let each = fields.iter();
                Self::Object(
                    each.map(|(name, item)| {
                        (name.clone(), Self::compile(item, &format!("{path}.{name}"), template))
                    })
                    .collect(),
                )
            }
            other => Self::Fixed(other.clone()),
        }
    }

    fn names(&self, names: fn(&Template) -> bool) -> bool {
        match self {
            Self::Fixed(_) => false,
            Self::Text(text) => names(text),
            Self::List(items) => items.iter().any(|item| item.names(names)),
            Self::Object(fields) => fields.iter().any(|(_, field)| field.names(names)),
        }
    }

    /// The value; `None` if it is to be left out.
    fn render(&self, variables: &Variables<'_>) -> Result<Option<Value>> {
        Ok(match self {
            Self::Fixed(value) => Some(value.clone()),
            Self::Text(text) => text.render(variables, str::to_owned)?.map(|rendered| {
                let number = rendered.parse().ok().filter(|_| text.is_number());
                number.map_or(Value::String(rendered), Value::Number)
            }),
            Self::List(items) => {
                let items: Result<Vec<_>> = items.iter().map(|item| item.render(variables)).collect();
                Some(Value::Array(items?.into_iter().flatten().collect()))
            }
            Self::Object(fields) => {
                let mut object = Map::new();
                for (name, field) in fields {
                    object.extend(field.render(variables)?.map(|value| (name.clone(), value)));
                }
                Some(Value::Object(object))
            }
        })
    }
}

fn check_shape(options: &RequestOptions, problems: &mut Vec<Problem>) {
    if !options.path.is_empty() && !options.path.starts_with('/') {
        let message = format!("expected a path that begins with `/`, found `{}`", options.path);
        problems.push(Problem::new("request.path", message));
    }
    if options.path.contains(['?', '#']) {
        problems.push(
            Problem::new("request.path", "a path must not hold `?` or `#`")
                .with_help("put parameters under `request.query`"),
        );
    }
    if options.body.is_some() && options.method == PollMethod::Get {
        problems.push(
            Problem::new("request.body", "a `GET` has no body").with_help("set `request.method: POST`"),
        );
    }
    for name in options.headers.keys().filter(|name| HeaderName::try_from(name.as_str()).is_err()) {
        let message = format!("`{}` is not the name of a header", name.escape_debug());
        problems.push(Problem::new(format!("request.headers.{name}"), message));
    }
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, UNRESERVED).to_string()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    fn compiled(options: Value) -> (Request, Vec<Problem>) {
        let mut problems = Vec::new();
        let options: RequestOptions = serde_json::from_value(options).unwrap();
        let request = Request::compile(&options, &mut problems);
        (request, problems)
    }

    fn variables(cursor: Option<&str>) -> Variables<'_> {
        Variables { cursor, page: None, limit: Some(20), timeout: Some(Duration::from_secs(5)) }
    }

    #[test]
    fn the_cursor_is_encoded_and_left_out_while_there_is_none() {
        let (request, problems) = compiled(json!({
            "path": "/v2/updates", "query": { "offset": "{{ cursor }}", "limit": "{{ limit }}", "kind": "a b" },
            "headers": { "X-After": "{{ cursor }}" }
        }));
        assert!(problems.is_empty());
        let first = request.call(&variables(None)).unwrap();
        assert_eq!(first.target, "/v2/updates?kind=a%20b&limit=20");
        assert!(first.headers.is_empty());
        let next = request.call(&variables(Some("a+b/c=="))).unwrap();
        assert_eq!(next.target, "/v2/updates?kind=a%20b&limit=20&offset=a%2Bb%2Fc%3D%3D");
        assert_eq!(next.headers["x-after"], "a+b/c==");
    }

    #[test]
    fn a_body_keeps_numbers_and_leaves_out_what_is_not_there() {
        let (request, problems) = compiled(json!({
            "method": "POST",
            "body": { "page": { "size": "{{ limit }}", "after": "{{ cursor }}" }, "list": ["{{ cursor }}", 1], "x": "1" }
        }));
        assert!(problems.is_empty());
        let body = |cursor| {
            let call = request.call(&variables(cursor)).unwrap();
            assert_eq!(call.headers["content-type"], "application/json");
            serde_json::from_slice::<Value>(&call.body).unwrap()
        };
        assert_eq!(body(None), json!({ "page": { "size": 20 }, "list": [1], "x": "1" }));
        let full = json!({ "page": { "size": 20, "after": "7" }, "list": ["7", 1], "x": "1" });
        assert_eq!(body(Some("7")), full);
    }

    #[test]
    fn a_path_that_needs_a_cursor_says_so_when_there_is_none() {
        let (request, _) = compiled(json!({ "path": "/after/{{ cursor }}" }));
        assert_eq!(request.call(&variables(Some("a/b"))).unwrap().target, "/after/a%2Fb");
        assert!(request.call(&variables(None)).unwrap_err().help().unwrap().contains("initial"));
    }

    #[test]
    fn every_fault_has_its_place() {
        let paths = |options| {
            let problems = compiled(options).1;
            problems.into_iter().map(|problem| problem.path).collect::<Vec<_>>()
        };
        assert_eq!(paths(json!({ "path": "v1" })), ["request.path"]);
        assert_eq!(paths(json!({ "path": "/v1?a=b" })), ["request.path"]);
        assert_eq!(paths(json!({ "query": { "a": "{{ x }}" } })), ["request.query.a"]);
        assert_eq!(paths(json!({ "headers": { "a b": "x" } })), ["request.headers.a b"]);
        assert_eq!(paths(json!({ "body": {} })), ["request.body"]);
        assert_eq!(
            paths(json!({ "method": "POST", "body": { "a": { "b": ["{{ x }}"] } } })),
            ["request.body.a.b[0]"]
        );
    }
}
