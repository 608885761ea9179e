//! Files in a bucket of an S3-compatible store: found again, and put there whole.
//!
//! Source: the Amazon S3 API reference (`HeadObject`, `PutObject`, presigned requests); `rusty-s3` writes and signs the
//! addresses, the house's HTTP client asks. Invariant: an object is there whole or not at all, which the store promises of
//! one `PUT`; its digest is written with it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method};
use rusty_s3::actions::{HeadBucket, HeadObject, PutObject, S3Action};
use rusty_s3::{Bucket as Address, Credentials, UrlStyle};
use schemars::JsonSchema;
use serde::Deserialize;
use sluicebox_core::{Context, Environment, Error, Problem, Result, Secret};
use sluicebox_http::{Answer, BaseUrl, Call, Client, ClientOptions, Limits, Rate};
use url::Url;

use super::folder::Whole;

/// What an address of a bucket begins with.
pub(super) const SCHEME: &str = "s3://";
/// The header that keeps a file's digest with it.
const DIGEST: &str = "x-amz-meta-sha256";
/// Most bytes that are read of what the store has to say.
const REFUSAL_BYTES: usize = 64 << 10;
/// How long a signed address is good for; it is used at once.
const SIGNED_FOR: Duration = Duration::from_secs(600);

/// The object store of `download: s3://<bucket>/<prefix>`, and what lets us in.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ObjectStore {
    /// Where it answers. Unset: `https://s3.<region>.amazonaws.com`.
    #[serde(default)]
    #[schemars(example = "https://s3.example.com")]
    pub endpoint: Option<String>,
    /// The region that requests are signed for.
    #[serde(default = "default_region")]
    pub region: String,
    /// The access key.
    pub key: Secret,
    /// The secret key.
    pub secret: Secret,
    /// The session token of temporary credentials.
    #[serde(default)]
    pub token: Option<Secret>,
}

fn default_region() -> String {
    "us-east-1".to_owned()
}

/// Splits `s3://<bucket>/<prefix>/…`.
fn split(path: &str) -> Option<(&str, &str)> {
    let rest = path.strip_prefix(SCHEME)?;
    let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
    let is_name = |sign: char| sign.is_ascii_lowercase() || sign.is_ascii_digit() || "-.".contains(sign);
    let climbs = key.split('/').any(|segment| matches!(segment, "." | ".."));
    (bucket.len() >= 3 && bucket.chars().all(is_name) && !climbs).then_some((bucket, key))
}

/// What is wrong with the place of a bucket.
pub(super) fn problem(download: &str) -> Option<Problem> {
    split(download).is_none().then(|| {
        let problem = Problem::new("download", "expected a bucket and a prefix, like `s3://backups/chat`");
        problem.with_help("the name of a bucket has small letters, digits, `-` and `.`")
    })
}

impl ObjectStore {
    fn endpoint(&self) -> Result<BaseUrl, String> {
        match &self.endpoint {
            Some(endpoint) => BaseUrl::parse(endpoint),
            None => BaseUrl::parse(&format!("https://s3.{}.amazonaws.com", self.region)),
        }
    }

    /// What is wrong with its address.
    pub(super) fn problem(&self) -> Option<Problem> {
        let name = if self.endpoint.is_some() { "s3.endpoint" } else { "s3.region" };
        self.endpoint().err().map(|message| Problem::new(name, message))
    }
}

/// A bucket, and what lets us in.
pub(super) struct Bucket {
    address: Address,
    credentials: Credentials,
    client: Arc<Client>,
    environment: Environment,
}

impl Bucket {
    /// The bucket of `download`; `timeout` bounds each request.
    ///
    /// # Errors
    /// `Config` for an address that is none.
    pub(super) fn new(download: &str, store: &ObjectStore, timeout: Duration, cx: &Context) -> Result<Self> {
        let base_url = store.endpoint().map_err(Error::config)?;
        let place = split(download).map(|(bucket, _)| bucket.to_owned());
        let address = place.zip(Url::parse(&base_url.to_string()).ok()).and_then(|(bucket, endpoint)| {
            Address::new(endpoint, UrlStyle::Path, bucket, store.region.clone()).ok()
        });
        let address = address.ok_or_else(|| Error::config(format!("`{download}` is no bucket")))?;
        let (key, secret) = (store.key.expose(), store.secret.expose());
        let credentials = match &store.token {
            Some(token) => Credentials::new_with_token(key, secret, token.expose()),
            None => Credentials::new(key, secret),
        };
        let limits = Limits { read: timeout, total: timeout, body_bytes: REFUSAL_BYTES };
        let options = ClientOptions { base_url, auth: None, rate: Rate::Unlimited, limits };
        let client = Client::new(options, cx)?;
        Ok(Self { address, credentials, client, environment: cx.environment.clone() })
    }

    /// The file at a path, if there is one that we put there.
    ///
    /// # Errors
    /// The store cannot be asked, or does not let us in.
    pub(super) async fn found(&self, path: &str) -> Result<Option<Whole>> {
        let head = HeadObject::new(&self.address, Some(&self.credentials), key_of(path));
        // The length that it declares is not that of its own body.
        let limits = Limits { body_bytes: usize::MAX, ..*self.client.limits() };
        let call = Call { limits: Some(limits), ..Call::new(Method::HEAD, self.signed(&head)) };
        let answer = self.client.send(call).await?;
        let header = |name: &str| answer.headers.get(name).and_then(|value| value.to_str().ok());
        match answer.status.as_u16() {
            200..=299 => {
                let bytes = header("content-length").and_then(|length| length.parse().ok());
                Ok(bytes
                    .zip(header(DIGEST))
                    .map(|(bytes, sha256)| Whole { bytes, sha256: sha256.to_owned() }))
            }
            // Who may not list a bucket is answered 403 for what is not there.
            403 | 404 => Ok(None),
            _ => Err(self.refusal(&answer)),
        }
    }

    /// Whether the bucket is there. `false`: it does not tell, as it does not those who may not list it.
    ///
    /// # Errors
    /// The store cannot be asked, or there is no such bucket.
    pub(super) async fn is_there(&self) -> Result<bool> {
        let head = HeadBucket::new(&self.address, Some(&self.credentials));
        let answer = self.client.send(Call::new(Method::HEAD, self.signed(&head))).await?;
        match answer.status.as_u16() {
            200..=299 => Ok(true),
            403 => Ok(false),
            _ => Err(self.refusal(&answer)),
        }
    }

    /// Puts a file there.
    ///
    /// # Errors
    /// The store does not take it, classified by whether another attempt may help.
    pub(super) async fn put(&self, path: &str, bytes: Bytes, sha256: &str) -> Result<()> {
        let mut put = PutObject::new(&self.address, Some(&self.credentials), key_of(path));
        put.headers_mut().insert(DIGEST, sha256.to_owned());
        let mut call = Call::new(Method::PUT, self.signed(&put));
        call = call.with_body("application/octet-stream", bytes);
        let digest =
            HeaderValue::try_from(sha256).map_err(|_| Error::permanent("a digest has hex digits only"))?;
        call.headers.insert(HeaderName::from_static(DIGEST), digest);
        let answer = self.client.send(call).await?;
        if answer.status.is_success() { Ok(()) } else { Err(self.refusal(&answer)) }
    }

    /// The address of an action, signed now.
    fn signed<'a>(&self, action: &impl S3Action<'a>) -> String {
        let now = self.environment.clock.now().as_millis();
        let now = jiff::Timestamp::from_millisecond(now).unwrap_or_default();
        action.sign_with_time(SIGNED_FOR, &now).into()
    }

    fn refusal(&self, answer: &Answer) -> Error {
        let (bucket, status) = (self.address.name(), answer.status.as_u16());
        // The store's word for it; the rest of its answer repeats what was signed.
        let body = String::from_utf8_lossy(&answer.body);
        let code = body.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>"));
        let said = code.map_or_else(
            || format!("status {status}"),
            |(code, _)| format!("status {status}: {}", self.client.quote(code)),
        );
        match status {
            401 | 403 => Error::auth(format!("the bucket `{bucket}` does not let us in ({said})"))
                .with_help("check `attachments.s3`: key, secret, region; the key needs the rights to get and put objects"),
            404 => Error::config(format!("there is no bucket `{bucket}` ({said})"))
                .with_help("make it, or check `attachments.download` and `attachments.s3.endpoint`"),
            408 | 425 | 429 | 500.. => {
                Error::transient(format!("the bucket `{bucket}` does not take an attachment ({said})"))
            }
            _ => Error::config(format!("the bucket `{bucket}` refuses an attachment ({said})"))
                .with_help("check `attachments.s3`: endpoint and region"),
        }
    }
}

/// The key of the object at `s3://<bucket>/<key>`.
fn key_of(path: &str) -> &str {
    split(path).map_or("", |(_, key)| key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_has_a_name_and_keys_do_not_climb() {
        assert_eq!(split("s3://backups/chat/a%2Fb/x.png"), Some(("backups", "chat/a%2Fb/x.png")));
        assert_eq!(split("s3://backups"), Some(("backups", "")));
        for wrong in
            ["s3://", "s3:///x", "s3://Backups/x", "s3://b", "s3://backups/../x", "data/x", "s3://a_b_c/x"]
        {
            assert!(split(wrong).is_none(), "{wrong}");
            assert!(problem(wrong).is_some(), "{wrong}");
        }
    }
}
