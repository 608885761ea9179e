//! Texts with named places of a request in them: `{{ timestamp }}{{ method }}{{ path_and_query }}`.
//!
//! Invariant: a place stands for the bytes that go on the wire, and nothing is done to them but to put them one after
//! the other; a name that is not known is told with the one that was meant.

use std::fmt;

/// A place that a text can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Method,
    Host,
    Path,
    Query,
    PathAndQuery,
    Body,
    BodySha256,
    BodySha256Base64,
    BodySha512,
    Timestamp,
    Expires,
    Nonce,
    Key,
    Passphrase,
    Signature,
}

use Place::{
    Body, BodySha256, BodySha256Base64, BodySha512, Expires, Host, Key, Method, Nonce, Passphrase, Path,
    PathAndQuery, Query, Signature, Timestamp,
};

/// What may be signed.
pub(crate) const SIGNED: &[Place] = &[
    Method,
    Host,
    Path,
    Query,
    PathAndQuery,
    Body,
    BodySha256,
    BodySha256Base64,
    BodySha512,
    Timestamp,
    Expires,
    Nonce,
    Key,
    Passphrase,
];
/// What may be put into a header.
pub(crate) const IN_HEADERS: &[Place] =
    &[Signature, Timestamp, Expires, Nonce, Key, Passphrase, BodySha256, BodySha256Base64, BodySha512];
/// What may be put into the query.
pub(crate) const IN_QUERY: &[Place] = &[Signature, Timestamp, Expires, Nonce, Key, Passphrase];

impl Place {
    fn name(self) -> &'static str {
        match self {
            Method => "method",
            Host => "host",
            Path => "path",
            Query => "query",
            PathAndQuery => "path_and_query",
            Body => "body",
            BodySha256 => "body_sha256",
            BodySha256Base64 => "body_sha256_base64",
            BodySha512 => "body_sha512",
            Timestamp => "timestamp",
            Expires => "expires",
            Nonce => "nonce",
            Key => "key",
            Passphrase => "passphrase",
            Signature => "signature",
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text with places in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Places {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    Place(Place),
}

impl Places {
    /// Reads a text that may name `known` places.
    ///
    /// # Errors
    /// What is wrong, and what helps, as sentences for the user.
    pub(crate) fn parse(text: &str, known: &[Place]) -> Result<Self, (String, String)> {
        let (mut parts, mut rest) = (Vec::new(), text);
        while let Some(start) = rest.find("{{") {
            let Some(end) = rest[start..].find("}}").map(|end| end + start) else {
                return Err(("`{{` is not closed by `}}`".to_owned(), "write `{{ timestamp }}`".to_owned()));
            };
            if start > 0 {
                parts.push(Part::Literal(rest[..start].to_owned()));
            }
            parts.push(Part::Place(place(rest[start + 2..end].trim(), known)?));
            rest = &rest[end + 2..];
        }
        if !rest.is_empty() {
            parts.push(Part::Literal(rest.to_owned()));
        }
        Ok(Self { parts })
    }

    /// Whether it names a place.
    pub(crate) fn names(&self, place: Place) -> bool {
        self.parts.contains(&Part::Place(place))
    }

    /// The bytes, `value` being asked for what each place holds.
    pub(crate) fn filled(&self, mut value: impl FnMut(Place) -> Vec<u8>) -> Vec<u8> {
        let mut bytes = Vec::new();
        for part in &self.parts {
            match part {
                Part::Literal(literal) => bytes.extend_from_slice(literal.as_bytes()),
                Part::Place(place) => bytes.extend(value(*place)),
            }
        }
        bytes
    }
}

/// The place of a name.
fn place(name: &str, known: &[Place]) -> Result<Place, (String, String)> {
    if let Some(place) = known.iter().find(|place| place.name() == name) {
        return Ok(*place);
    }
    let distance = |place: &&Place| strsim::damerau_levenshtein(name, place.name());
    let near = known.iter().min_by_key(distance).filter(|near| distance(near) <= (name.len() / 3).max(1));
    let names = || known.iter().map(|place| format!("`{place}`")).collect::<Vec<_>>().join(", ");
    let help =
        near.map_or_else(|| format!("there are {}", names()), |near| format!("did you mean `{near}`?"));
    Err((format!("`{name}` is not known here"), help))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_put_one_after_the_other() {
        let text = Places::parse("{{timestamp}}\n{{ method }}-{{ body }}", SIGNED).unwrap();
        let filled = text.filled(|place| match place {
            Body => vec![0xff, b'x'],
            other => other.name().to_uppercase().into_bytes(),
        });
        assert_eq!(filled, b"TIMESTAMP\nMETHOD-\xffx");
        assert!(text.names(Method) && !text.names(Key));
        assert_eq!(Places::parse("", SIGNED).unwrap().filled(|_| Vec::new()), b"");
    }

    #[test]
    fn names_that_are_not_known_are_told_with_the_one_that_was_meant() {
        for (text, known, message, help) in [
            ("{{ timestmp }}", SIGNED, "`timestmp`", "did you mean `timestamp`?"),
            ("{{ pathandquery }}", SIGNED, "`pathandquery`", "did you mean `path_and_query`?"),
            ("{{ signature }}", SIGNED, "`signature`", "there are `method`"),
            ("{{ body }}", IN_HEADERS, "`body`", "there are `signature`"),
            ("{{ method", SIGNED, "not closed", "{{ timestamp }}"),
            ("{{}}", IN_QUERY, "``", "there are"),
        ] {
            let (said, helped) = Places::parse(text, known).unwrap_err();
            assert!(said.contains(message) && helped.contains(help), "{text}: {said} / {helped}");
        }
    }
}
