//! Where a source listens: its options, and what can be wrong with them.
//!
//! Invariant: what cannot be listened on or verified with is refused when the file is checked.

use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::Deserialize;
use sluicebox_core::{ByteSize, Error, ListensOn, Problem, Result, Secret};

use crate::{Scheme, Verifier};

/// Listens for webhooks that only say "look now": each wakes the poll at once, and `interval` may be long. Nothing
/// depends on them: what a webhook does not tell, the next poll brings.
///
/// The receiver speaks plain HTTP; put what terminates TLS in front of it. Sources of one pipeline may share an address
/// if their paths differ.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BellOptions {
    /// Address and port to listen on.
    #[schemars(example = "127.0.0.1:8080")]
    pub listen: String,
    /// The path that deliveries are posted to.
    #[schemars(example = "/hooks/opentrain")]
    pub path: String,
    /// The secrets that may sign; several while one replaces another.
    pub secrets: Vec<Secret>,
    /// Most bytes of one delivery, unpacked.
    #[serde(default = "default_body_limit")]
    pub max_body: ByteSize,
}

/// The default of `max_body`.
pub fn default_body_limit() -> ByteSize {
    ByteSize(1 << 20)
}

/// The largest `max_body`: a delivery is held in memory whole.
const LARGEST_BODY: u64 = 64 << 20;

impl BellOptions {
    /// The endpoint of a bell.
    pub fn endpoint(&self, scheme: Scheme) -> Endpoint<'_> {
        let Self { listen, path, secrets, max_body } = self;
        Endpoint { listen, path, scheme, secrets, max_body: *max_body }
    }
}

/// An endpoint as a source was asked for it.
#[derive(Clone, Copy, Debug)]
pub struct Endpoint<'o> {
    /// Address and port.
    pub listen: &'o str,
    /// The path.
    pub path: &'o str,
    /// How the sender signs.
    pub scheme: Scheme,
    /// Any of these may sign.
    pub secrets: &'o [Secret],
    /// Most bytes of one delivery, unpacked.
    pub max_body: ByteSize,
}

/// Everything wrong with an endpoint; paths are relative to its options.
pub fn check_endpoint(endpoint: &Endpoint<'_>) -> Vec<Problem> {
    let mut problems = Vec::new();
    if endpoint.listen.parse::<SocketAddr>().is_err() {
        let message = format!("expected an address and a port, found `{}`", endpoint.listen);
        problems.push(Problem::new("listen", message).with_help("write it like `127.0.0.1:8080`"));
    }
    problems.extend(check_path(endpoint.path));
    if endpoint.secrets.is_empty() {
        let help =
            "add the secret that the sender shows when the webhook is made: `secrets: [\"${SECRET}\"]`";
        problems.push(Problem::new("secrets", "at least one secret is needed").with_help(help));
    }
    if let Err((index, why)) = Verifier::new(endpoint.scheme, endpoint.secrets) {
        problems.push(Problem::new(format!("secrets[{index}]"), why));
    }
    if !(1..=LARGEST_BODY).contains(&endpoint.max_body.0) {
        problems.push(Problem::new("max_body", format!("expected 1B to 64MiB, found {}", endpoint.max_body)));
    }
    problems
}

/// A request names its path in visible ASCII characters, and a query or fragment is no part of it (RFC 9112, section 3).
fn check_path(path: &str) -> Option<Problem> {
    if !path.starts_with('/') {
        let message = format!("expected a path that begins with `/`, found `{path}`");
        return Some(Problem::new("path", message));
    }
    let wrong = path.chars().find(|sign| !sign.is_ascii_graphic() || matches!(sign, '?' | '#'))?;
    let message =
        format!("expected a path without `{}`, found `{}`", wrong.escape_debug(), path.escape_debug());
    Some(Problem::new("path", message).with_help(match wrong {
        '?' => "leave out the query: a delivery may have one, and its path alone is compared",
        '#' => "leave out the fragment: senders do not send it",
        _ => "write it as it is sent, percent-encoded: a space is `%20`",
    }))
}

impl Endpoint<'_> {
    /// Where it listens, for [`SourceSpec::listens_on`](sluicebox_core::SourceSpec::listens_on); `option` holds the path.
    pub fn listens_on(&self, option: &'static str) -> Option<ListensOn> {
        let address = self.listen.parse().ok()?;
        Some(ListensOn { address, path: self.path.to_owned(), option })
    }

    pub(crate) fn address(&self) -> Result<SocketAddr> {
        let wrong = |_| Error::config(format!("`{}` is not an address and a port", self.listen));
        self.listen.parse().map_err(wrong)
    }

    pub(crate) fn verifier(&self) -> Result<Verifier> {
        Verifier::new(self.scheme, self.secrets)
            .map_err(|(index, why)| Error::config(format!("secrets[{index}]: {why}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_that_cannot_stand_in_a_path_is_named() {
        let told = |path| check_path(path).map(|problem| problem.message);
        assert_eq!(told("/hooks/a"), None);
        assert_eq!(told("hooks").unwrap(), "expected a path that begins with `/`, found `hooks`");
        assert_eq!(told("/a b?c").unwrap(), "expected a path without ` `, found `/a b?c`");
        assert_eq!(told("/a?c").unwrap(), "expected a path without `?`, found `/a?c`");
        assert_eq!(told("/ä").unwrap(), "expected a path without `ä`, found `/ä`");
        assert_eq!(told("/\t").unwrap(), "expected a path without `\\t`, found `/\\t`");
    }

    #[test]
    fn every_fault_is_told_at_its_place() {
        let options: BellOptions =
            serde_json::from_value(serde_json::json!({ "listen": "8080", "path": "hooks?x", "secrets": [] }))
                .unwrap();
        let problems = check_endpoint(&options.endpoint(Scheme::Opentrain));
        let paths: Vec<_> = problems.iter().map(|problem| problem.path.as_str()).collect();
        assert_eq!(paths, ["listen", "path", "secrets"]);
        let good = BellOptions {
            listen: "127.0.0.1:0".into(),
            path: "/hooks/a".into(),
            secrets: vec![Secret::new("s")],
            ..options
        };
        assert_eq!(check_endpoint(&good.endpoint(Scheme::Opentrain)), []);
        let huge = BellOptions { max_body: ByteSize(65 << 20), ..good };
        assert_eq!(
            check_endpoint(&huge.endpoint(Scheme::Standard)).len(),
            2,
            "the secret is no base64 either"
        );
    }
}
