//! Where an API lives, and which requests stay inside it.
//!
//! Invariant: a request made with credentials never leaves the origin that they were given for, and a path made from
//! data never climbs out of its folder.

use sluicebox_core::{Error, Result};
use url::{Host, Url};

/// An API's address: `https://host[:port][/path]`, without query, fragment or user name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl(Url);

impl BaseUrl {
    /// Reads an address. Plain http is accepted for hosts of this machine only (`localhost`, `127.0.0.0/8`, `::1`).
    ///
    /// # Errors
    /// A sentence for the user, without the address: it may hold a password.
    pub fn parse(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|_| {
            "expected an address like `https://api.example.com`, with its scheme and host".to_owned()
        })?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err("an address must not hold a user name or password: use `auth`".to_owned());
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err("an address must not hold `?` or `#`".to_owned());
        }
        match (url.scheme(), url.host()) {
            ("https", Some(_)) => Ok(Self(url)),
            ("http", Some(host)) if is_loopback(&host) => Ok(Self(url)),
            ("http", Some(_)) => {
                Err("plain http is accepted for hosts of this machine only: use `https://`".to_owned())
            }
            _ => Err("expected an address that begins with `https://`".to_owned()),
        }
    }

    /// The origin of an absolute URL or of the literal beginning of one, for a client that serves it.
    ///
    /// # Errors
    /// As [`BaseUrl::parse`].
    pub fn origin_of(url: &str) -> Result<Self, String> {
        let authority_at = url.find("://").map_or(0, |at| at + 3);
        let end = url[authority_at..].find(['/', '?', '#']).map_or(url.len(), |at| authority_at + at);
        Self::parse(&url[..end])
    }

    /// Whether there is a path after the host.
    pub fn has_path(&self) -> bool {
        self.0.path() != "/"
    }

    /// Scheme, host and port, as shown to people.
    pub fn origin(&self) -> String {
        self.0.origin().ascii_serialization()
    }

    /// The URL of a request: `target` is a path with its query (`/updates?limit=5`, encoded), put after the base, or
    /// an absolute URL of the same origin.
    ///
    /// # Errors
    /// `Permanent` if it is neither, or has `.` or `..` as a path segment.
    pub fn resolve(&self, target: &str) -> Result<Url> {
        let refuse = |message: &str| Err(Error::permanent(message));
        if target.contains(|c: char| c.is_ascii_control() || c == '\\' || c == '#') {
            return refuse("a request path holds a character that must be percent-encoded");
        }
        let path = target.split('?').next().unwrap_or_default();
        let climbs = path
            .split('/')
            .any(|segment| matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | ".."));
        if climbs {
            return refuse("a request path holds `.` or `..` as a segment");
        }
        let absolute = if target.starts_with('/') {
            format!("{}{target}", self.0.as_str().trim_end_matches('/'))
        } else {
            target.to_owned()
        };
        match Url::parse(&absolute) {
            Ok(url) if url.origin() == self.0.origin() && url.username().is_empty() => Ok(url),
            Ok(_) => Err(Error::permanent(format!("a request would leave {}", self.origin()))
                .with_help("credentials are only sent to the host that they were given for")),
            Err(error) => Err(Error::permanent("a request has no valid URL").with_cause(error)),
        }
    }
}

impl std::fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

/// A URL as messages show it: never with its query, which may hold a signature or a cursor.
pub(crate) fn shown(url: &Url) -> &str {
    &url[..url::Position::AfterPath]
}

/// The origin of a `Location` header, the only part of it that a message may show.
pub(crate) fn location_origin(from: &Url, location: &str) -> Option<String> {
    from.join(location).ok().map(|url| url.origin().ascii_serialization())
}

fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost" || name.ends_with(".localhost"),
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_this_machine_and_private_hosts_may_be_written_out() {
        for text in [
            "https://api.zenzap.co",
            "http://127.0.0.1:8080/x",
            "http://[::1]:1",
            "http://localhost",
            "https://10.0.0.7",
        ] {
            assert!(BaseUrl::parse(text).is_ok(), "{text}");
        }
        for text in [
            "http://api.zenzap.co",
            "http://127.0.0.1.evil.example",
            "ftp://localhost",
            "api.zenzap.co",
            "https://user:hunter2@api.zenzap.co",
            "https://api.zenzap.co?x=1",
            "",
        ] {
            let message = BaseUrl::parse(text).unwrap_err();
            assert!(!message.contains("hunter2"), "{message}");
        }
    }

    #[test]
    fn targets_are_put_after_the_base_and_keep_their_encoding() {
        let base = BaseUrl::parse("https://app.opentrain.ai/api/public/v1/").unwrap();
        let url = base.resolve("/updates?cursor=1&x=a%2Bb%2F%3D").unwrap();
        assert_eq!(url.as_str(), "https://app.opentrain.ai/api/public/v1/updates?cursor=1&x=a%2Bb%2F%3D");
        let absolute = "https://app.opentrain.ai/api/public/v1/contracts/c%2F1";
        assert_eq!(base.resolve(absolute).unwrap().as_str(), absolute);
        assert!(base.has_path());
        let origin = BaseUrl::origin_of("https://app.opentrain.ai/api/contracts/").unwrap();
        assert_eq!(origin.to_string(), "https://app.opentrain.ai");
        assert!(!origin.has_path());
    }

    #[test]
    fn a_request_never_leaves_the_origin_or_climbs_out_of_its_path() {
        let base = BaseUrl::parse("https://api.zenzap.co").unwrap();
        for target in [
            "https://api.zenzap.co.evil.example/v2",
            "https://user@api.zenzap.co/v2",
            "https://api.zenzap.co:444/v2",
            "//evil.example/v2/../x",
            "/v2/topics/..",
            "/v2/topics/%2E%2e/members",
            "/v2/topics/..\\members",
            "/v2/a#b",
            "@evil.example/x",
        ] {
            assert!(base.resolve(target).is_err(), "{target}");
        }
        let kept = base.resolve("//evil.example/v2").unwrap();
        assert_eq!(kept.host_str(), Some("api.zenzap.co"));
    }
}
