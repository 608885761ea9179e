//! Where an API lives, and which requests stay inside it.
//!
//! Invariant: a request made with credentials never leaves the origin that they were given for, and a path made from
//! data never climbs out of its folder.

use std::net::Ipv4Addr;

use sluicebox_core::{Error, Result};
use url::{Host, Position, Url};

/// Parts of a secret address that are shorter than this are words, not secrets.
const LEAST_SECRET_CHARACTERS: usize = 8;

/// An API's address: `https://host[:port][/path]`, without query, fragment or user name.
#[derive(Clone, PartialEq, Eq)]
pub struct BaseUrl {
    url: Url,
    secret: bool,
}

impl BaseUrl {
    /// Reads an address. Plain http is accepted for hosts of this machine only (`localhost`, `127.0.0.0/8`, `::1`).
    ///
    /// # Errors
    /// A sentence for the user, without the address: it may hold a password.
    pub fn parse(text: &str) -> Result<Self, String> {
        let url = Self::read(text)?;
        if url.query().is_some() {
            return Err("an address must not hold `?` or `#`".to_owned());
        }
        Ok(Self { url, secret: false })
    }

    /// Reads an address whose path is a credential, as those of incoming webhooks are; it may hold a query. Of it, and
    /// of every request under it, messages show scheme, host and port only: `https://hooks.slack.com/…`.
    ///
    /// # Errors
    /// As [`BaseUrl::parse`].
    pub fn secret(text: &str) -> Result<Self, String> {
        Ok(Self { url: Self::read(text)?, secret: true })
    }

    /// The same address as one whose paths are credentials; see [`BaseUrl::secret`].
    #[must_use]
    pub fn kept_secret(self) -> Self {
        Self { secret: true, ..self }
    }

    fn read(text: &str) -> Result<Url, String> {
        let url = Url::parse(text).map_err(|_| {
            "expected an address like `https://api.example.com`, with its scheme and host".to_owned()
        })?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err("an address must not hold a user name or password: use `auth`".to_owned());
        }
        if url.fragment().is_some() {
            return Err("an address must not hold `?` or `#`".to_owned());
        }
        match (url.scheme(), url.host()) {
            ("https", Some(_)) => Ok(url),
            ("http", Some(host)) if is_loopback(&host) => Ok(url),
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
        self.url.path() != "/"
    }

    /// Scheme, host and port, as shown to people.
    pub fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// Whether the host is this machine.
    pub fn is_loopback(&self) -> bool {
        self.url.host().is_some_and(|host| is_loopback(&host))
    }

    /// Whether the host is written as an address that only this machine's own network knows: loopback, private, of a
    /// link, shared by a carrier, or none. What a name stands for is not looked up.
    pub fn is_private_address(&self) -> bool {
        match self.url.host() {
            Some(Host::Ipv4(address)) => is_private(address),
            Some(Host::Ipv6(address)) => match address.to_ipv4() {
                Some(mapped) => is_private(mapped),
                None => address.is_unique_local() || address.is_unicast_link_local(),
            },
            Some(Host::Domain(_)) | None => false,
        }
    }

    /// The URL of a request: `target` is a path with its query (`/updates?limit=5`, encoded), put after the base, an
    /// absolute URL of the same origin, or nothing for the base itself.
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
        let absolute = if target.is_empty() {
            return Ok(self.url.clone());
        } else if target.starts_with('/') {
            format!("{}{target}", self.url[..Position::AfterPath].trim_end_matches('/'))
        } else {
            target.to_owned()
        };
        match Url::parse(&absolute) {
            Ok(url) if url.origin() == self.url.origin() && url.username().is_empty() => Ok(url),
            Ok(_) => Err(Error::permanent(format!("a request would leave {}", self.origin()))
                .with_help("credentials are only sent to the host that they were given for")),
            Err(error) => Err(Error::permanent("a request has no valid URL").with_cause(error)),
        }
    }
}

impl BaseUrl {
    /// A URL under this one as messages show it: never with its query, which may hold a signature or a cursor.
    pub(crate) fn shown(&self, url: &Url) -> String {
        if self.secret {
            return format!("{}/…", url.origin().ascii_serialization());
        }
        url[..Position::AfterPath].to_owned()
    }

    /// What messages must not repeat, longest first: nothing unless the address is secret.
    pub(crate) fn secrets(&self) -> Vec<&str> {
        if !self.secret {
            return Vec::new();
        }
        let whole = &self.url[Position::BeforePath..];
        let last = self.url.path_segments().into_iter().flatten().next_back().unwrap_or_default();
        let parts = [whole, self.url.path(), self.url.query().unwrap_or_default(), last];
        parts.into_iter().filter(|part| part.len() >= LEAST_SECRET_CHARACTERS).collect()
    }
}

impl std::fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.secret {
            return f.write_str(&self.shown(&self.url));
        }
        f.write_str(self.url.as_str().trim_end_matches('/'))
    }
}

impl std::fmt::Debug for BaseUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "BaseUrl({self})")
    }
}

/// The origin of a `Location` header, the only part of it that a message may show.
pub(crate) fn location_origin(from: &Url, location: &str) -> Option<String> {
    from.join(location).ok().map(|url| url.origin().ascii_serialization())
}

fn is_private(address: Ipv4Addr) -> bool {
    // 100.64.0.0/10 (RFC 6598) is shared by a carrier's customers.
    let is_shared = address.octets()[0] == 100 && address.octets()[1] & 0xC0 == 64;
    let is_none = address.octets()[0] == 0 || address.is_broadcast();
    is_shared || is_none || address.is_loopback() || address.is_private() || address.is_link_local()
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
    fn a_secret_address_shows_its_origin_only() {
        let base = BaseUrl::secret("https://hooks.slack.com/services/T0/B0/hunter2hunter2").unwrap();
        let url = base.resolve("").unwrap();
        assert_eq!(url.as_str(), "https://hooks.slack.com/services/T0/B0/hunter2hunter2");
        for shown in [base.to_string(), base.shown(&url)] {
            assert_eq!(shown, "https://hooks.slack.com/…");
        }
        assert_eq!(format!("{base:?}"), "BaseUrl(https://hooks.slack.com/…)");
        assert!(base.secrets().contains(&"hunter2hunter2"));
        let signed = BaseUrl::secret("https://h.example/hook?sig=hunter2hunter2").unwrap();
        assert_eq!(signed.resolve("").unwrap().query(), Some("sig=hunter2hunter2"));
        let origin = BaseUrl::origin_of("https://h.example/hook/").unwrap().kept_secret();
        assert_eq!(origin.shown(&origin.resolve("/hook/hunter2").unwrap()), "https://h.example/…");
        assert_eq!(signed.resolve("/x").unwrap().as_str(), "https://h.example/hook/x");
        assert!(BaseUrl::secret("https://user:hunter2@h.example/").is_err());
        assert!(BaseUrl::secret("http://h.example/hook").is_err());
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
