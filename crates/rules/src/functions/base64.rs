//! Base64: bytes of text in letters, and back.

use ::base64::Engine as _;
use ::base64::alphabet::{STANDARD, URL_SAFE};
use ::base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use rhai::Engine;

use super::catalogue::{Family, functions};
use super::outcome::{Outcome, fault, quoted};

pub(super) const FAMILY: Family = Family {
    name: "base64",
    summary: "Base64 (RFC 4648) of the UTF-8 bytes of a text. What is decoded must be text again.",
    functions: functions! {
        "base64_encode" "(text) → text": "Base64 with padding."
            r#"base64_encode("a>b")"# => r#""YT5i""#;
        "base64_decode" "(text) → text": "Base64 back, with padding or without."
            r#"base64_decode("SGVsbG8")"# => r#""Hello""#;
        "base64url_encode" "(text) → text": "Base64 with the alphabet for URLs, without padding."
            r#"base64url_encode("a?>")"# => r#""YT8-""#;
        "base64url_decode" "(text) → text":
            "The same back, with padding or without: the parts of a JSON Web Token, for example."
            r#"base64url_decode("eyJzdWIiOjF9").parse_json().sub"# => "1";
    },
};

/// Takes padding or does without.
const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const PLAIN: GeneralPurpose = GeneralPurpose::new(&STANDARD, LENIENT);
const FOR_URLS: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, LENIENT.with_encode_padding(false));

pub(super) fn register(engine: &mut Engine) {
    engine.register_fn("base64_encode", |text: &str| PLAIN.encode(text));
    engine.register_fn("base64_decode", |text: &str| decode("base64_decode", &PLAIN, text));
    engine.register_fn("base64url_encode", |text: &str| FOR_URLS.encode(text));
    engine.register_fn("base64url_decode", |text: &str| decode("base64url_decode", &FOR_URLS, text));
}

fn decode(function: &str, alphabet: &GeneralPurpose, text: &str) -> Outcome<String> {
    let bytes = alphabet.decode(text).map_err(|_| fault(function, "base64", &quoted(text)))?;
    String::from_utf8(bytes).map_err(|_| fault(function, "base64 of UTF-8 text", &quoted(text)))
}
