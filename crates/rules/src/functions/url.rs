//! URLs: taken apart, and values put into them.

use ::url::{Url, form_urlencoded};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use rhai::{Dynamic, Engine, Map};

use super::catalogue::{Family, functions};
use super::outcome::{Outcome, Text, fault, plain, quoted, too_large};
use crate::limits;

/// Everything but the unreserved characters of RFC 3986 section 2.3.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

pub(super) const FAMILY: Family = Family {
    name: "url",
    summary: "URLs taken apart, and values made fit to stand in one.",
    functions: functions! {
        "parse_url" "(text) → map":
            "The parts of an absolute URL: `scheme`, `host`, `port` (or the usual one of its scheme), `path`, \
             `query` (a map), `fragment`. What it does not have is missing; a user and password are left out."
            r#"parse_url("https://shop.example:8443/a/b?page=2#top")"#
            => r#"{"fragment":"top","host":"shop.example","path":"/a/b","port":8443,"query":{"page":"2"},"scheme":"https"}"#;
        "parse_query" "(text) → map":
            "The names and values of a query (`a=1&b=x+y`); of a repeated name the last value."
            r#"parse_query("a=1&b=x+y")"# => r#"{"a":"1","b":"x y"}"#;
        "to_query" "(map) → text":
            "A query from a map of texts and numbers, sorted by name; what is missing is left out."
            r#"to_query(#{ page: 2, q: "a b&c" })"# => r#""page=2&q=a+b%26c""#;
        "url_encode" "(text) → text":
            "Percent-encoded, all but letters, digits and `-._~`. (`{{ }}` in a URL does this by itself.)"
            r#"url_encode("a b/ü")"# => r#""a%20b%2F%C3%BC""#;
        "url_decode" "(text) → text":
            "Percent-encoding taken back; `+` stays as it is."
            r#"url_decode("a%20b%2F%C3%BC")"# => r#""a b/ü""#;
    },
};

pub(super) fn register(engine: &mut Engine) {
    engine.register_fn("parse_url", parse);
    engine.register_fn("parse_query", |text: &str| query(text.strip_prefix('?').unwrap_or(text)));
    engine.register_fn("to_query", |map: Map| to_query(&map));
    engine.register_fn("url_encode", |text: &str| -> Outcome<String> {
        let mut encoded = Text::default();
        utf8_percent_encode(text, RESERVED).try_for_each(|part| encoded.push(part))?;
        Ok(encoded.done())
    });
    engine.register_fn("url_decode", |text: &str| -> Outcome<String> {
        let decoded = percent_decode_str(text).decode_utf8();
        decoded
            .map(std::borrow::Cow::into_owned)
            .map_err(|_| fault("url_decode", "percent-encoded UTF-8 text", &quoted(text)))
    });
}

fn parse(text: &str) -> Outcome<Map> {
    let url = Url::parse(text)
        .map_err(|error| format!("`parse_url` expected an absolute URL, found {}: {error}", quoted(text)))?;
    let present = [
        ("scheme", Some(url.scheme().into())),
        ("host", url.host_str().map(Into::into)),
        ("port", url.port_or_known_default().map(|port| i64::from(port).into())),
        ("path", Some(url.path().into())),
        ("query", Some(Dynamic::from_map(query(url.query().unwrap_or_default())?))),
        ("fragment", url.fragment().map(Into::into)),
    ];
    Ok(present.into_iter().filter_map(|(name, part)| Some((name.into(), part?))).collect())
}

fn query(text: &str) -> Outcome<Map> {
    let mut map = Map::new();
    for (name, value) in form_urlencoded::parse(text.as_bytes()) {
        map.insert(name.as_ref().into(), value.into_owned().into());
        if map.len() > limits::MAP_ENTRIES {
            return Err(too_large(limits::MAP));
        }
    }
    Ok(map)
}

fn to_query(map: &Map) -> Outcome<String> {
    let mut bytes = 0;
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in map.iter().filter(|(_, value)| !value.is_unit()) {
        let value = plain("to_query", value)?;
        bytes += name.len() + value.len();
        if bytes > limits::TEXT_BYTES {
            return Err(too_large(limits::TEXT));
        }
        query.append_pair(name, &value);
    }
    Ok(query.finish())
}
