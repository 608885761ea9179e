//! The `url:` of a broker: who and where, read once and never printed with its password.

use std::net::IpAddr;

use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo};
use percent_encoding::percent_decode_str;
use sluicebox_core::{Period, Problem, Secret, TlsOptions};
use url::{Host, Url};

/// Longest name that the protocol can carry, in bytes.
const LONGEST_NAME: usize = 255;

/// A broker, a virtual host and a user.
#[derive(Clone)]
pub(crate) struct Address {
    uri: AMQPUri,
    is_loopback: bool,
}

impl Address {
    /// Reads a `url:`.
    ///
    /// # Errors
    /// What is wrong with it; the text never shows the URL, which may hold a password.
    pub(crate) fn parse(url: &Secret) -> Result<Self, Problem> {
        let wrong = |message: &str| {
            Problem::new("url", message).with_help("like `amqps://user:${PASSWORD}@broker.example.com/vhost`")
        };
        let parsed = Url::parse(url.expose()).map_err(|_| wrong("expected the URL of an AMQP broker"))?;
        let scheme = match parsed.scheme() {
            "amqp" => AMQPScheme::AMQP,
            "amqps" => AMQPScheme::AMQPS,
            _ => return Err(wrong("expected a URL that begins with `amqp://` or `amqps://`")),
        };
        let (host, is_loopback) = match parsed.host() {
            // The scheme is not one of the web's, so an IPv4 address arrives as a name.
            Some(Host::Domain(name)) if !name.is_empty() => (decoded(name), is_loopback(name)),
            Some(Host::Ipv4(address)) => (Some(address.to_string()), address.is_loopback()),
            Some(Host::Ipv6(address)) => (Some(address.to_string()), address.is_loopback()),
            _ => (None, false),
        };
        let host = host.ok_or_else(|| wrong("expected a host"))?;
        if parsed.query().is_some() || parsed.fragment().is_some() {
            return Err(wrong("expected nothing after the virtual host: options have keys of their own"));
        }
        let unreadable = || wrong("expected names whose `%..` are UTF-8");
        let part = |text: &str| decoded(text).ok_or_else(unreadable);
        let userinfo = AMQPUserInfo {
            username: if parsed.username().is_empty() {
                "guest".to_owned()
            } else {
                part(parsed.username())?
            },
            password: parsed.password().map_or_else(|| Ok("guest".to_owned()), part)?,
        };
        // `amqp://host` and `amqp://host/` both mean the virtual host `/`; what a slash alone would name is never meant.
        let vhost = match parsed.path().trim_start_matches('/') {
            "" => "/".to_owned(),
            path => part(path)?,
        };
        if vhost.len() > LONGEST_NAME {
            return Err(wrong("expected a virtual host of at most 255 bytes"));
        }
        let authority =
            AMQPAuthority { userinfo, host, port: parsed.port().unwrap_or_else(|| scheme.default_port()) };
        let uri = AMQPUri { scheme, authority, vhost, query: AMQPQueryString::default() };
        Ok(Self { uri, is_loopback })
    }

    /// Everything wrong with the address together with its TLS options.
    pub(crate) fn problems(url: &Secret, tls: &TlsOptions) -> Vec<Problem> {
        let address = match Self::parse(url) {
            Ok(address) => address,
            Err(problem) => return vec![problem],
        };
        let mut problems = tls.problems();
        if !address.is_encrypted() && (tls.ca_file.is_some() || tls.certificate_file.is_some()) {
            problems.push(
                Problem::new("tls", "the connection is not TLS, so these files would never be used")
                    .with_help("begin `url` with `amqps://`"),
            );
        }
        if !address.is_encrypted() && !address.is_loopback && !tls.insecure_skip_verify {
            let message =
                "a plain connection to another machine shows credentials and events to everyone between";
            problems.push(Problem::new("url", message).with_help(
                "use `amqps://`, or say `tls: {insecure_skip_verify: true}` in a network you trust",
            ));
        }
        problems
    }

    /// Whether the connection is TLS.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.uri.scheme == AMQPScheme::AMQPS
    }

    /// Whether nothing leaves this machine.
    pub(crate) fn is_loopback(&self) -> bool {
        self.is_loopback
    }

    /// The host, as TLS verifies it.
    pub(crate) fn host(&self) -> &str {
        &self.uri.authority.host
    }

    /// What the client library connects with.
    pub(crate) fn with_heartbeat(&self, heartbeat: Period) -> AMQPUri {
        let mut uri = self.uri.clone();
        uri.query.heartbeat = Some(u16::try_from(heartbeat.0.as_secs()).unwrap_or(u16::MAX));
        uri
    }
}

impl std::fmt::Display for Address {
    /// Host, port and virtual host: never the user or the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let AMQPUri { authority, vhost, .. } = &self.uri;
        write!(f, "{}:{} (virtual host `{vhost}`)", authority.host, authority.port)
    }
}

fn decoded(text: &str) -> Option<String> {
    percent_decode_str(text).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(url: &str) -> Result<Address, Problem> {
        Address::parse(&Secret::new(url))
    }

    #[test]
    fn a_url_names_broker_user_and_virtual_host() {
        let uri = address("amqps://us%40er:p%2Fw@broker.example.com/team%2Fa").unwrap().uri;
        assert_eq!(uri.authority.host, "broker.example.com");
        assert_eq!(uri.authority.port, 5671);
        assert_eq!(uri.authority.userinfo.username, "us@er");
        assert_eq!(uri.authority.userinfo.password, "p/w");
        assert_eq!(uri.vhost, "team/a");
        for url in ["amqp://localhost", "amqp://localhost/", "amqp://localhost/%2f"] {
            assert_eq!(address(url).unwrap().uri.vhost, "/", "{url}");
        }
        assert_eq!(address("amqp://[::1]:5000").unwrap().uri.authority.host, "::1");
    }

    #[test]
    fn what_is_no_broker_is_refused_without_showing_it() {
        for url in
            ["", "amqp", "http://u:hunter2@x", "amqp://", "amqp://u:hunter2@h/v?heartbeat=3", "amqp:///v"]
        {
            let problem = address(url).err().unwrap_or_else(|| panic!("{url} is taken"));
            assert!(!format!("{problem:?}").contains("hunter2"), "{problem:?}");
        }
        let long = format!("amqp://localhost/{}", "v".repeat(256));
        assert!(address(&long).is_err());
        assert_eq!(
            address("amqp://u:hunter2@localhost:7000/v").unwrap().to_string(),
            "localhost:7000 (virtual host `v`)"
        );
    }

    #[test]
    fn plain_connections_stay_on_this_machine_unless_somebody_says_otherwise() {
        let problems = |url: &str, tls: &TlsOptions| Address::problems(&Secret::new(url), tls).len();
        let tls = TlsOptions::default();
        for url in ["amqp://localhost", "amqp://127.0.0.1:5672", "amqp://[::1]", "amqps://broker"] {
            assert_eq!(problems(url, &tls), 0, "{url}");
        }
        for url in ["amqp://broker", "amqp://10.0.0.7", "amqp://localhost.example.com"] {
            assert_eq!(problems(url, &tls), 1, "{url}");
            let open = TlsOptions { insecure_skip_verify: true, ..TlsOptions::default() };
            assert_eq!(problems(url, &open), 0, "{url}");
        }
    }

    #[test]
    fn files_for_tls_are_for_tls_connections() {
        let tls = TlsOptions { ca_file: Some("ca.pem".into()), ..TlsOptions::default() };
        let problems = |url: &str| Address::problems(&Secret::new(url), &tls);
        assert_eq!(problems("amqps://broker"), []);
        let found = problems("amqp://localhost");
        assert_eq!(found.len(), 1);
        assert!(found[0].path == "tls" && found[0].message.contains("not TLS"), "{found:?}");
        let half = TlsOptions { key_file: Some("key.pem".into()), ..TlsOptions::default() };
        assert_eq!(Address::problems(&Secret::new("amqps://broker"), &half).len(), 1);
    }
}
