//! Signs a request as a template says.
//!
//! Invariant: every attempt is signed anew, and what is signed is read back from the very request that is sent, never
//! rebuilt: an address that is encoded in another way than it was signed is refused by every API.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderValue};
use parking_lot::Mutex;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};
use sluicebox_core::{Environment, Error, Period, Result, Timestamp};
use url::{Position, Url, form_urlencoded};

use crate::Request;
use crate::credentials::Authorization;
use crate::exchange::unsendable_credential;
use crate::hmac_place::{Place, Places};
use crate::hmac_template::{
    HmacAlgorithm, HmacTemplate, NonceKind, ReadTemplate, SecretEncoding, SignatureEncoding, TimestampFormat,
};
use crate::rotating::RotatingSecret;
use crate::server_clock::ServerClock;

/// A template at work, with what is known of the server's clock.
pub(crate) struct HmacSigner {
    read: ReadTemplate,
    secret: RotatingSecret,
    key: Option<RotatingSecret>,
    passphrase: Option<RotatingSecret>,
    form: Form,
    last_nonce: AtomicI64,
    /// The signature of the last attempt, which is a credential for as long as its timestamp is believed.
    last_signature: Mutex<Option<Arc<str>>>,
    pub(crate) clock: ServerClock,
}

/// How things are written.
#[derive(Clone, Copy)]
struct Form {
    algorithm: HmacAlgorithm,
    secret: SecretEncoding,
    signature: SignatureEncoding,
    timestamp: TimestampFormat,
    nonce: NonceKind,
    expires_in: Option<Period>,
}

/// What the places of one attempt hold.
struct Values<'a> {
    request: &'a Request,
    /// The address as far as it is made.
    url: Url,
    timestamp: String,
    expires: String,
    nonce: String,
    key: Option<Arc<str>>,
    passphrase: Option<Arc<str>>,
    signature: String,
}

impl HmacSigner {
    /// # Errors
    /// `Config` if the template is wrong.
    pub(crate) fn new(template: &HmacTemplate) -> Result<Self> {
        let read = template.read().map_err(|problems| {
            let said: Vec<String> = problems
                .into_iter()
                .map(|problem| format!("`{}`: {}", problem.path, problem.message))
                .collect();
            Error::config(format!("the template of `hmac` is wrong: {}", said.join("; ")))
        })?;
        let form = Form {
            algorithm: template.algorithm,
            secret: template.secret_encoding,
            signature: template.signature_encoding,
            timestamp: template.timestamp,
            nonce: template.nonce,
            expires_in: template.expires_in,
        };
        let signer = Self {
            read,
            secret: RotatingSecret::new(&template.secret),
            key: template.key.as_ref().map(RotatingSecret::new),
            passphrase: template.passphrase.as_ref().map(RotatingSecret::new),
            form,
            last_nonce: AtomicI64::new(0),
            last_signature: Mutex::default(),
            clock: ServerClock::default(),
        };
        signer.form.decoded(&signer.secret.current().0)?;
        Ok(signer)
    }

    /// Headers and address of one attempt.
    pub(crate) fn authorize(&self, request: &Request, environment: &Environment) -> Result<Authorization> {
        let time = self.clock.corrected(environment.clock.now());
        let (secret, mut version) = self.secret.current();
        let mut current = |secret: &Option<RotatingSecret>| {
            let (text, its_version) = secret.as_ref()?.current();
            version += its_version;
            Some(text)
        };
        let (key, passphrase) = (current(&self.key), current(&self.passphrase));
        let expires = self.form.expires_in.map_or(time, |period| later(time, period));
        let mut values = Values {
            request,
            url: self.without_parameters(&request.url),
            timestamp: self.form.time(time),
            expires: self.form.time(expires),
            nonce: self.nonce(time, environment),
            key,
            passphrase,
            signature: String::new(),
        };
        values.add(&self.read.signed_query)?;
        let signed = values.filled(&self.read.sign);
        values.signature = self.form.signature(&self.form.decoded(&secret)?, &signed);
        *self.last_signature.lock() = Some(values.signature.as_str().into());
        values.add(&self.read.query)?;
        let mut headers = HeaderMap::new();
        for (name, text) in &self.read.headers {
            let mut value = HeaderValue::from_bytes(&values.filled(text))
                .map_err(|_| unsendable_credential(&format!("value of the header `{name}`")))?;
            value.set_sensitive(true);
            headers.insert(name.clone(), value);
        }
        Ok(Authorization { headers, url: Some(values.url), version })
    }

    /// The address without the parameters that are added to it: an address that an answer gave may repeat those of the
    /// request before.
    fn without_parameters(&self, url: &Url) -> Url {
        let mut url = url.clone();
        if let Some(kept) = url.query().and_then(|query| self.kept(query)) {
            url.set_query(Some(kept.as_str()).filter(|kept| !kept.is_empty()));
        }
        url
    }

    /// The same of an address as text, absolute or not.
    pub(crate) fn cut(&self, address: &str) -> String {
        let Some((before, query)) = address.split_once('?') else { return address.to_owned() };
        let (query, fragment) = query.split_at(query.find('#').unwrap_or(query.len()));
        match self.kept(query) {
            None => address.to_owned(),
            Some(kept) if kept.is_empty() => format!("{before}{fragment}"),
            Some(kept) => format!("{before}?{kept}{fragment}"),
        }
    }

    /// What is left of a query without the parameters that are added to it; nothing if it has none of them.
    fn kept(&self, query: &str) -> Option<String> {
        let ours = || self.read.signed_query.iter().chain(&self.read.query);
        // A server may write a name in another way than it came.
        let is_ours = |pair: &&str| {
            let name = form_urlencoded::parse(pair.as_bytes()).next().map(|(name, _)| name);
            name.is_some_and(|name| ours().any(|(our, _)| *our == name))
        };
        let kept: Vec<&str> = query.split('&').filter(|pair| !is_ours(pair)).collect();
        (kept.len() < query.split('&').count()).then(|| kept.join("&"))
    }

    fn nonce(&self, time: Timestamp, environment: &Environment) -> String {
        if self.form.nonce == NonceKind::Number {
            let next = |last: i64| Some(time.as_millis().max(last.saturating_add(1)));
            let last =
                self.last_nonce.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).unwrap_or_default();
            return time.as_millis().max(last.saturating_add(1)).to_string();
        }
        let (high, low) = (environment.chance.next_u64(), environment.chance.next_u64());
        // Version 4, variant 1 (RFC 9562, section 5.4).
        let (third, fourth) = (high & 0xfff | 0x4000, low >> 48 & 0x3fff | 0x8000);
        let (first, second, last) = (high >> 32, high >> 16 & 0xffff, low & 0xffff_ffff_ffff);
        format!("{first:08x}-{second:04x}-{third:04x}-{fourth:04x}-{last:012x}")
    }

    /// Reads all files again and says whether a secret has changed since `version`.
    pub(crate) async fn renewed_since(&self, version: u64) -> bool {
        // Versions only grow, so their sum tells whether any has changed.
        let mut sum = self.secret.read_again().await;
        for secret in [&self.key, &self.passphrase].into_iter().flatten() {
            sum += secret.read_again().await;
        }
        sum > version
    }

    /// The secrets that messages must not show.
    pub(crate) fn secrets(&self) -> Vec<Arc<str>> {
        let others = [&self.key, &self.passphrase].into_iter().flatten().map(|secret| secret.current().0);
        let mut secrets: Vec<Arc<str>> = others.collect();
        secrets.push(self.secret.current().0);
        secrets.extend(self.last_signature.lock().clone());
        secrets
    }
}

impl Values<'_> {
    fn filled(&self, text: &Places) -> Vec<u8> {
        text.filled(|place| self.of(place))
    }

    fn of(&self, place: Place) -> Vec<u8> {
        let body = &self.request.body;
        let url = &self.url;
        let given = |secret: &Option<Arc<str>>| secret.as_deref().unwrap_or_default().to_owned();
        let text = match place {
            Place::Body => return body.to_vec(),
            Place::Method => self.request.method.to_string(),
            Place::Host => url[Position::BeforeHost..Position::AfterPort].to_owned(),
            Place::Path => url.path().to_owned(),
            Place::Query => url.query().unwrap_or_default().to_owned(),
            Place::PathAndQuery => url[Position::BeforePath..Position::AfterQuery].to_owned(),
            Place::BodySha256 => hex(&Sha256::digest(body)),
            Place::BodySha256Base64 => STANDARD.encode(Sha256::digest(body)),
            Place::BodySha512 => hex(&Sha512::digest(body)),
            Place::Timestamp => self.timestamp.clone(),
            Place::Expires => self.expires.clone(),
            Place::Nonce => self.nonce.clone(),
            Place::Key => given(&self.key),
            Place::Passphrase => given(&self.passphrase),
            Place::Signature => self.signature.clone(),
        };
        text.into_bytes()
    }

    /// Adds parameters at the end of the query, and leaves what is there as it is.
    fn add(&mut self, parameters: &[(String, Places)]) -> Result<()> {
        for (name, text) in parameters {
            let separator = match self.url.query() {
                None => "?",
                Some("") => "",
                Some(_) => "&",
            };
            let pair = format!("{}={}", encoded(name.as_bytes()), encoded(&self.filled(text)));
            self.url = Url::parse(&format!("{}{separator}{pair}", self.url))
                .map_err(|error| Error::permanent("a signed request has no valid URL").with_cause(error))?;
        }
        Ok(())
    }
}

impl Form {
    fn time(self, time: Timestamp) -> String {
        match self.timestamp {
            TimestampFormat::Seconds => time.as_millis().div_euclid(1000).to_string(),
            TimestampFormat::Milliseconds => time.as_millis().to_string(),
            TimestampFormat::Rfc3339 => time.to_string(),
        }
    }

    /// The bytes of a secret.
    ///
    /// # Errors
    /// `Config` if it is not written as it should be.
    fn decoded(self, secret: &str) -> Result<Vec<u8>> {
        let (decoded, name) = match self.secret {
            SecretEncoding::Text => return Ok(secret.as_bytes().to_vec()),
            SecretEncoding::Base64 => (STANDARD.decode(secret).ok(), "base64"),
            SecretEncoding::Hex => (unhex(secret), "hex"),
        };
        decoded.ok_or_else(|| {
            Error::config(format!("the secret of `hmac` is not {name}"))
                .with_help("check `secret_encoding`, and the secret for line breaks and quotes around it")
        })
    }

    fn signature(self, secret: &[u8], signed: &[u8]) -> String {
        let mac = match self.algorithm {
            HmacAlgorithm::Sha256 => mac::<Hmac<Sha256>>(secret, signed),
            HmacAlgorithm::Sha512 => mac::<Hmac<Sha512>>(secret, signed),
            HmacAlgorithm::Sha1 => mac::<Hmac<Sha1>>(secret, signed),
        };
        match self.signature {
            SignatureEncoding::Hex => hex(&mac),
            SignatureEncoding::Base64 => STANDARD.encode(mac),
        }
    }
}

fn mac<M: Mac + KeyInit>(secret: &[u8], signed: &[u8]) -> Vec<u8> {
    let mut mac = <M as KeyInit>::new_from_slice(secret).expect("HMAC takes keys of any length (RFC 2104)");
    mac.update(signed);
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = text.chars().map(|digit| digit.to_digit(16)).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    digits.chunks(2).map(|pair| u8::try_from(pair[0] << 4 | pair[1]).ok()).collect()
}

fn encoded(bytes: &[u8]) -> String {
    form_urlencoded::byte_serialize(bytes).collect()
}

fn later(time: Timestamp, period: Period) -> Timestamp {
    let milliseconds = i64::try_from(period.0.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(time.as_millis().saturating_add(milliseconds))
}

#[cfg(test)]
#[path = "hmac_signer/tests.rs"]
mod tests;
