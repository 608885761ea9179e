//! Where the server is: the `url` taken apart, and whether the way there is encrypted.
//!
//! Invariant: what leaves this machine is encrypted unless the URL says `sslmode=disable` in so many words.

use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

/// Longest wait for one address of the server to accept.
const CONNECT_WAIT: Duration = Duration::from_secs(10);

/// Sent data that nobody acknowledges for this long means that the connection is gone.
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);

/// Silence after which the other end is asked whether it is still there.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);

/// A server, a database and credentials.
#[derive(Clone)]
pub struct Address {
    /// What to connect with; holds the password.
    pub config: Config,
    /// Whether the connection is encrypted.
    pub encrypted: bool,
    /// How messages name it: never with credentials.
    pub shown: String,
}

/// Why a `url` cannot be used, and what to do about it; never quotes the URL.
#[derive(Debug, PartialEq, Eq)]
pub struct Unusable {
    /// A clause.
    pub message: String,
    /// What to do about it.
    pub help: &'static str,
}

/// What `sslmode` asks for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wish {
    /// Nothing is said.
    Unsaid,
    /// `disable`.
    Plain,
    /// `allow` and `prefer`: encrypted only if the server feels like it.
    Perhaps,
    /// `require`, `verify-ca` and `verify-full`: here the certificate is always verified.
    Encrypted,
}

impl Address {
    /// Takes a `postgres://…` apart. `tls` says whether the `tls` option is given, which asks for encryption too.
    ///
    /// # Errors
    /// It is no such URL, or it may end up unencrypted.
    pub fn parse(url: &str, tls: bool) -> Result<Self, Unusable> {
        let unusable = |message: &str, help| Unusable { message: message.to_owned(), help };
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            let message = "expected a URL that begins with `postgres://`";
            return Err(unusable(message, "like `postgres://user:password@host:5432/database`"));
        }
        let (url, wish) = without_sslmode(url)?;
        let mut config: Config = url.parse().map_err(|error: tokio_postgres::Error| {
            let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            let message = format!("this is not a URL of PostgreSQL: {cause}");
            unusable(&message, "like `postgres://user:password@host:5432/database`")
        })?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(unusable(
                "the URL names no host",
                "like `postgres://user:password@host:5432/database`",
            ));
        }
        if config.get_user().is_none() {
            return Err(unusable(
                "the URL names no user",
                "like `postgres://user:password@host:5432/database`",
            ));
        }
        let encrypted = encryption(wish, tls, is_on_this_machine(&config))?;
        config.ssl_mode(if encrypted { SslMode::Require } else { SslMode::Disable });
        set_patience(&mut config);
        let shown = shown(&config);
        Ok(Self { config, encrypted, shown })
    }
}

/// The URL without `sslmode`, which this client's parser knows only in part, and what it asked for.
fn without_sslmode(url: &str) -> Result<(String, Wish), Unusable> {
    // A password may hold a question mark as it is, so the query is looked for behind the credentials.
    let credentials = url.find('@').map_or(0, |at| at + 1);
    let Some(query) = url[credentials..].find('?').map(|at| credentials + at) else {
        return Ok((url.to_owned(), Wish::Unsaid));
    };
    let mut wish = Wish::Unsaid;
    let mut kept = Vec::new();
    for pair in url[query + 1..].split('&') {
        match pair.split_once('=') {
            Some(("sslmode", mode)) => wish = wish_of(mode)?,
            _ => kept.push(pair),
        }
    }
    let separator = if kept.is_empty() { "" } else { "?" };
    Ok((format!("{}{separator}{}", &url[..query], kept.join("&")), wish))
}

fn wish_of(mode: &str) -> Result<Wish, Unusable> {
    match mode {
        "disable" => Ok(Wish::Plain),
        "allow" | "prefer" => Ok(Wish::Perhaps),
        "require" | "verify-ca" | "verify-full" => Ok(Wish::Encrypted),
        _ => Err(Unusable {
            message: format!("`sslmode={mode}` is unknown"),
            help: "write `sslmode=require`, or `sslmode=disable`",
        }),
    }
}

fn encryption(wish: Wish, tls: bool, on_this_machine: bool) -> Result<bool, Unusable> {
    match wish {
        Wish::Plain if tls => Err(Unusable {
            message: "`tls` is given, and the URL says `sslmode=disable`".to_owned(),
            help: "leave out one of them",
        }),
        Wish::Plain => Ok(false),
        Wish::Encrypted => Ok(true),
        Wish::Unsaid | Wish::Perhaps if tls => Ok(true),
        Wish::Perhaps if !on_this_machine => Err(Unusable {
            message: "`sslmode=prefer` and `allow` may end up unencrypted".to_owned(),
            help: "write `sslmode=require`, or `sslmode=disable` if the network is trusted",
        }),
        Wish::Unsaid | Wish::Perhaps => Ok(!on_this_machine),
    }
}

/// Whether every host of the URL is this machine: nothing travels then.
fn is_on_this_machine(config: &Config) -> bool {
    let local_name = |host: &Host| match host {
        Host::Tcp(name) => {
            name == "localhost"
                || name.ends_with(".localhost")
                || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
        }
        Host::Unix(_) => true,
    };
    match config.get_hostaddrs() {
        [] => config.get_hosts().iter().all(local_name),
        addresses => addresses.iter().all(std::net::IpAddr::is_loopback),
    }
}

/// Bounds on waiting for a network that is gone, where the URL does not set its own.
fn set_patience(config: &mut Config) {
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT_WAIT);
    }
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(UNACKNOWLEDGED);
    }
    // The client's own default is two hours, which nobody writes on purpose.
    if config.get_keepalives_idle() >= Duration::from_secs(2 * 60 * 60) {
        config.keepalives_idle(KEEPALIVE_IDLE);
        config.keepalives_interval(Duration::from_secs(10));
        config.keepalives_retries(3);
    }
}

fn shown(config: &Config) -> String {
    let hosts: Vec<String> = config
        .get_hosts()
        .iter()
        .enumerate()
        .map(|(index, host)| {
            let ports = config.get_ports();
            let port = ports.get(index).or(ports.first()).copied().unwrap_or(5432);
            match host {
                Host::Tcp(name) => format!("{name}:{port}"),
                Host::Unix(path) => path.display().to_string(),
            }
        })
        .collect();
    let database = config.get_dbname().or(config.get_user()).unwrap_or_default();
    format!("{database} on {}", hosts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<(bool, String), String> {
        let address = Address::parse(url, false).map_err(|unusable| unusable.message)?;
        Ok((address.encrypted, address.shown))
    }

    #[test]
    fn what_leaves_this_machine_is_encrypted() {
        for (url, encrypted) in [
            ("postgres://u:p@127.0.0.1:5433/d", false),
            ("postgres://u:p@[::1]:5433/d", false),
            ("postgres://u@localhost/d?sslmode=prefer", false),
            ("postgres://u@localhost/d?sslmode=verify-full", true),
            ("postgres://u@%2Frun%2Fpostgresql/d", false),
            ("postgresql://u:p@db.example.com/d", true),
            ("postgres://u:p@localhost,db.example.com/d", true),
            ("postgres://u:p@localhost/d?hostaddr=10.0.0.1", true),
            ("postgres://u:p@db.example.com/d?application_name=x&sslmode=disable", false),
            ("postgres://u:p?x@db.example.com/d?sslmode=require&connect_timeout=3", true),
        ] {
            assert_eq!(parse(url).map(|(encrypted, _)| encrypted), Ok(encrypted), "{url}");
        }
        let refused = parse("postgres://u:p@db.example.com/d?sslmode=prefer").unwrap_err();
        assert!(refused.contains("unencrypted"), "{refused}");
        assert!(Address::parse("postgres://u:p@localhost/d", true).unwrap().encrypted);
        assert!(Address::parse("postgres://u:p@localhost/d?sslmode=disable", true).is_err());
    }

    #[test]
    fn a_url_is_shown_without_its_credentials_and_refused_without_being_quoted() {
        let (_, shown) = parse("postgres://user:hunter2@127.0.0.1:5433/d").unwrap();
        assert_eq!(shown, "d on 127.0.0.1:5433");
        for url in [
            "mysql://user:hunter2@h/d",
            "postgres://user:hunter2@h:port/d",
            "postgres://user:hunter2@h/d?sslmode=maybe",
            "postgres://user:hunter2@h/d?hunter=1",
            "postgres:///d",
            "postgres://localhost/d",
        ] {
            let message = parse(url).unwrap_err();
            assert!(!message.contains("hunter2"), "{message}");
        }
    }
}
