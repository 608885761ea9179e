//! Fingerprints of text: for comparing, for pseudonyms, for spreading events over buckets.

use std::fmt::Write as _;

use ::sha1::Sha1;
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use rhai::Engine;
use sha2::digest::Digest;
use sha2::{Sha256, Sha512};

use super::catalogue::{Family, functions};
use super::outcome::{Outcome, fault};
use crate::budget;

pub(super) const FAMILY: Family = Family {
    name: "hash",
    summary: "Fingerprints of the UTF-8 bytes of a text, in lower-case hex.",
    functions: functions! {
        "sha256" "(text) → text": "SHA-256."
            r#"sha256("ann@example.com")"#
            => r#""71d4f55f72fa128dfb468a1a3901507c804b74316488744d769d7f4b16696476""#;
        "sha512" "(text) → text": "SHA-512." r#"sha512("a").len()"# => "128";
        "sha1" "(text) → text":
            "SHA-1. For what other systems ask for: it no longer keeps forgers out."
            r#"sha1("a")"# => r#""86f7e437faa5a7fce15d1ddcb9eaeaea377667b8""#;
        "md5" "(text) → text":
            "MD5. For what other systems ask for: it has not kept forgers out for decades."
            r#"md5("a")"# => r#""0cc175b9c0f1b6a831c399e269772661""#;
        "hmac_sha256" "(text, key) → text":
            "HMAC with SHA-256 (RFC 2104): a fingerprint that only those with the key can make. A pseudonym that \
             nobody can guess by trying all e-mail addresses is made this way."
            r#"hmac_sha256("what do ya want for nothing?", "Jefe")"#
            => r#""5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843""#;
        "crc32" "(text) → integer": "CRC-32 (IEEE), 0 to 4294967295. Fast; not for security."
            r#"crc32("123456789")"# => "3421780262";
        "bucket" "(text, count) → integer":
            "A number from 0 to `count` - 1 that is always the same for the same text: for sampling and for spreading."
            r#"bucket("account-17", 100) < 100"# => "true";
    },
};

pub(super) fn register(engine: &mut Engine) {
    engine.register_fn("sha256", |text: &str| hashed::<Sha256>(text));
    engine.register_fn("sha512", |text: &str| hashed::<Sha512>(text));
    engine.register_fn("sha1", |text: &str| hashed::<Sha1>(text));
    engine.register_fn("md5", |text: &str| hashed::<Md5>(text));
    engine.register_fn("hmac_sha256", |text: &str, key: &str| -> Outcome<String> {
        budget::work(text.len() + key.len())?;
        let mut mac =
            Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("HMAC takes keys of any length (RFC 2104)");
        mac.update(text.as_bytes());
        Ok(hex(&mac.finalize().into_bytes()))
    });
    engine.register_fn("crc32", |text: &str| i64::from(crc32fast::hash(text.as_bytes())));
    engine.register_fn("bucket", bucket);
}

fn hashed<D: Digest>(text: &str) -> Outcome<String> {
    budget::work(text.len())?;
    Ok(hex(&D::digest(text)))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to memory cannot fail");
        text
    })
}

/// Seven bytes of a SHA-256: as even as can be, and within an `i64` on every machine.
fn bucket(text: &str, count: i64) -> Outcome<i64> {
    if count < 1 {
        return Err(fault("bucket", "a count of 1 or more", &count.to_string()));
    }
    budget::work(text.len())?;
    let number =
        Sha256::digest(text)[..7].iter().fold(0_i64, |number, byte| (number << 8) | i64::from(*byte));
    Ok(number % count)
}
