//! Who is asking: a key with a signature, or an OAuth access token. Section 2 of the contract.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use std::collections::HashMap;
use std::time::Duration;

use super::SCOPES;
use crate::account::{Account, holds};
use crate::answer::Answer;
use crate::call::Call;
use crate::credentials::Credentials;
use crate::log::Credential;
use crate::server::Server;

/// Requests signed longer ago than this are refused.
const WINDOW: i64 = 5 * 60 * 1000;

/// The access tokens that were issued.
#[derive(Debug, Default)]
pub(crate) struct AccessTokens {
    issued: HashMap<String, AccessToken>,
    count: u64,
}

#[derive(Clone, Debug)]
struct AccessToken {
    account: u32,
    /// Since the start of the emulator.
    expires: Duration,
    scopes: Vec<String>,
}

impl AccessTokens {
    /// Lets every token of an account expire now.
    pub(crate) fn expire(&mut self, account: u32) {
        let tokens = self.issued.values_mut().filter(|token| token.account == account);
        tokens.for_each(|token| token.expires = Duration::ZERO);
    }
}

/// Whose credential a request carries, valid or not.
pub(crate) fn identify(server: &Server, call: &Call) -> (Credential, Option<u32>) {
    if call.path == super::TOKEN {
        return match client(call) {
            Some((id, _)) => (Credential::Client, server.owner(&id).map(|account| account.number)),
            None => (Credential::Missing, None),
        };
    }
    match call.bearer() {
        Some(token) if is_access_token(token) => {
            let tokens = server.access_tokens.lock();
            (Credential::AccessToken, tokens.issued.get(token).map(|token| token.account))
        }
        Some(key) => (Credential::ApiKey, server.owner(key).map(|account| account.number)),
        None => (Credential::Missing, None),
    }
}

fn is_access_token(token: &str) -> bool {
    token.split('.').count() == 3
}

fn unauthorized() -> Answer {
    Answer::text(401, "unauthorized")
}

/// The account that a request may read something of, if it also holds the scope for it.
pub(super) fn authenticate<'a>(server: &'a Server, call: &Call, scope: &str) -> Result<&'a Account, Answer> {
    let bearer = call.bearer().ok_or_else(unauthorized)?;
    let signed = call.header("x-signature").is_some() || call.header("x-timestamp").is_some();
    let (account, scopes) = if is_access_token(bearer) {
        if signed {
            return Err(unauthorized());
        }
        let tokens = server.access_tokens.lock();
        let token = tokens.issued.get(bearer).ok_or_else(unauthorized)?;
        if token.expires <= server.clock.elapsed() {
            return Err(unauthorized());
        }
        (server.account(token.account).ok_or_else(unauthorized)?, token.scopes.clone())
    } else {
        let account = server.owner(bearer).ok_or_else(unauthorized)?;
        check_signature(server, account, call, bearer).ok_or_else(unauthorized)?;
        let scopes = account.access.read().scopes.clone();
        (account, scopes)
    };
    if account.access.read().revoked {
        return Err(unauthorized());
    }
    server.admit(account).map_err(|seconds| Answer::text(429, "rate limit exceeded").retry_after(seconds))?;
    if holds(&scopes, scope) { Ok(account) } else { Err(Answer::text(403, "forbidden")) }
}

fn check_signature(server: &Server, account: &Account, call: &Call, given: &str) -> Option<()> {
    let access = account.access.read();
    let Credentials::Zenzap { key, secret, .. } = &access.credentials else {
        return None;
    };
    let timestamp = call.header("x-timestamp")?;
    let signature = call.header("x-signature")?;
    let signed_at: i64 = timestamp.parse().ok()?;
    let fresh = server.clock.now(call.skew()).saturating_sub(signed_at) <= WINDOW;
    (key == given && fresh && verify(secret, timestamp, &call.uri(), signature)).then_some(())
}

/// Compares in constant time; only 64 lower-case hex digits are a signature.
fn verify(secret: &str, timestamp: &str, message: &str, signature: &str) -> bool {
    let Some(signature) = hex(signature) else {
        return false;
    };
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(timestamp.as_bytes());
    mac.update(b".");
    mac.update(message.as_bytes());
    mac.verify_slice(&signature).is_ok()
}

fn hex(text: &str) -> Option<[u8; 32]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; 32];
    if text.len() != 64 {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

/// The id and secret of the client that asks for an access token, from the form or by HTTP Basic.
fn client(call: &Call) -> Option<(String, String)> {
    if let Some(basic) = call.authorization("Basic") {
        let text = String::from_utf8(STANDARD.decode(basic).ok()?).ok()?;
        let (id, secret) = text.split_once(':')?;
        return Some((id.to_owned(), secret.to_owned()));
    }
    Some((field(call, "client_id")?, field(call, "client_secret")?))
}

fn field(call: &Call, name: &str) -> Option<String> {
    let mut pairs = url::form_urlencoded::parse(&call.body);
    pairs.find_map(|(key, value)| (key == name).then(|| value.into_owned()))
}

fn oauth_error(status: u16, error: &str, description: &str) -> Answer {
    Answer::json(status, &json!({ "error": error, "error_description": description }))
}

/// `POST /oauth/token`, section 2b of the contract.
pub(super) fn mint(server: &Server, call: &Call) -> Answer {
    issue(server, call).unwrap_or_else(|refusal| refusal)
}

fn issue(server: &Server, call: &Call) -> Result<Answer, Answer> {
    let form =
        call.header("content-type").is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
    if !form {
        return Err(oauth_error(400, "invalid_request", "the body must be a form"));
    }
    match field(call, "grant_type").as_deref() {
        Some("client_credentials") => {}
        None => return Err(oauth_error(400, "invalid_request", "grant_type is required")),
        Some(_) => {
            return Err(oauth_error(400, "unsupported_grant_type", "only client_credentials is supported"));
        }
    }
    let unknown = || oauth_error(401, "invalid_client", "unknown client or wrong secret");
    let (id, secret) = client(call).ok_or_else(unknown)?;
    let account = server.owner(&id).ok_or_else(unknown)?;
    let access = account.access.read();
    let right = matches!(&access.credentials, Credentials::Zenzap { client_id, client_secret, .. }
        if *client_id == id && *client_secret == secret);
    if !right || access.revoked {
        return Err(unknown());
    }
    let scopes = match field(call, "scope") {
        None => access.scopes.clone(),
        Some(text) => text.split_ascii_whitespace().map(ToOwned::to_owned).collect(),
    };
    for scope in &scopes {
        if !SCOPES.contains(&scope.as_str()) {
            return Err(oauth_error(400, "invalid_scope", "there is no such scope"));
        }
        if !access.scopes.contains(scope) {
            return Err(oauth_error(400, "invalid_grant", "the scope is not granted to this client"));
        }
    }
    Ok(grant(server, account, &id, scopes))
}

fn grant(server: &Server, account: &Account, client: &str, scopes: Vec<String>) -> Answer {
    let lifetime = server.options.token_lifetime;
    let now = server.clock.now(0) / 1000;
    let scope = scopes.join(" ");
    let mut tokens = server.access_tokens.lock();
    tokens.count += 1;
    let claims = json!({ "sub": client, "scope": scope, "iat": now, "jti": tokens.count });
    let signed = format!("{}.{}", encode(&json!({ "alg": "HS256", "typ": "JWT" })), encode(&claims));
    let mut mac = Hmac::<Sha256>::new_from_slice(&server.options.seed.to_be_bytes())
        .expect("HMAC takes keys of any length");
    mac.update(signed.as_bytes());
    let text = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()));
    let elapsed = server.clock.elapsed();
    // Expired tokens stay a while, so that the log can still say whose they were.
    tokens.issued.retain(|_, token| token.expires + Duration::from_secs(3600) > elapsed);
    let token = AccessToken { account: account.number, expires: elapsed + lifetime, scopes };
    tokens.issued.insert(text.clone(), token);
    Answer::json(
        200,
        &json!({
            "access_token": text, "token_type": "Bearer", "expires_in": lifetime.as_secs(), "scope": scope,
        }),
    )
}

fn encode(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

#[cfg(test)]
mod tests {
    use super::verify;

    /// The vectors of section 2a of the contract.
    const VECTORS: [(&str, &str); 5] = [
        ("/v2/members?limit=10", "abbaecbac521e93291e97e24e7bb5485a732c5e0e93310832aaa5d761a44fb4c"),
        (
            "/v2/updates?limit=50&timeout=20",
            "cfa8506941abfa29568e6bd5fb83957a6be31a253b5d3d5448897b97212ca49b",
        ),
        (
            "/v2/updates?offset=AAAAAAABAAAAAAAAAAABAA%3D%3D&limit=50&timeout=20",
            "e627cd88a1a342ae0921116e6e8fb035983de1407a41a8fc4e1b6676bfb55f7b",
        ),
        (
            "/v2/updates?offset=AAAAAAABAAAAAAAAAAABAA==&limit=50&timeout=20",
            "1811e121cdfa6bde427381091272fa5f50eb6c7e574a88e6ec510cac56a27950",
        ),
        (
            "{\"topicId\":\"123\",\"text\":\"Hello\"}",
            "7a0cb10722ea6e0555047e9b1a6bcb579fe4a4cf5ea6e14ecdaf88bae36ccddc",
        ),
    ];

    #[test]
    fn the_vectors_of_the_contract_are_signatures() {
        for (message, signature) in VECTORS {
            assert!(verify("test-secret", "1699564800000", message, signature), "{message}");
            assert!(!verify("test-secret", "1699564800001", message, signature), "another time");
            assert!(!verify("other-secret", "1699564800000", message, signature), "another key");
            assert!(
                !verify("test-secret", "1699564800000", message, &signature.to_uppercase()),
                "upper case"
            );
            assert!(!verify("test-secret", "1699564800000", message, &signature[2..]), "too short");
        }
    }
}
