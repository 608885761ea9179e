//! Signatures as vendors publish them, and what must hold for every template.

use http::Method;
use serde_json::{Value, json};
use sluicebox_core::{Chance, Clock};

use super::*;

struct At(Timestamp);

#[async_trait::async_trait]
impl Clock for At {
    fn now(&self) -> Timestamp {
        self.0
    }
    fn elapsed(&self) -> std::time::Duration {
        std::time::Duration::ZERO
    }
    async fn sleep(&self, _duration: std::time::Duration) {}
}

struct Always(u64);

impl Chance for Always {
    fn next_u64(&self) -> u64 {
        self.0
    }
}

fn at(milliseconds: i64) -> Environment {
    Environment {
        clock: Arc::new(At(Timestamp::from_millis(milliseconds))),
        chance: Arc::new(Always(u64::MAX)),
    }
}

fn request(method: Method, url: &str, body: &'static str) -> Request {
    Request { method, url: url.parse().unwrap(), headers: HeaderMap::new(), body: body.into() }
}

fn signer(template: Value) -> HmacSigner {
    HmacSigner::new(&serde_json::from_value(template).unwrap()).unwrap()
}

/// A header that signing adds at a time.
fn header(template: Value, request: &Request, milliseconds: i64, name: &str) -> String {
    let made = signer(template).authorize(request, &at(milliseconds)).unwrap();
    made.headers[name].to_str().unwrap().to_owned()
}

/// Binance, "SIGNED request example (HMAC)" of its spot API: everything in the query, with ASCII and with other letters.
#[test]
fn binance_signs_the_query_and_appends_the_signature() {
    let template = json!({
        "key": "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A",
        "secret": "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j",
        "timestamp": "milliseconds", "sign": "{{ query }}{{ body }}", "headers": { "X-MBX-APIKEY": "{{ key }}" },
        "query": { "signature": "{{ signature }}", "timestamp": "{{ timestamp }}" },
    });
    for (symbol, signature) in [
        ("LTCBTC", "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"),
        (
            "%EF%BC%91%EF%BC%92%EF%BC%93%EF%BC%94%EF%BC%95%EF%BC%96",
            "e1353ec6b14d888f1164ae9af8228a3dbd508bc82eb867db8ab6046442f33ef3",
        ),
    ] {
        let asked = format!(
            "https://api.binance.com/api/v3/order?symbol={symbol}&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000"
        );
        let made = signer(template.clone())
            .authorize(&request(Method::POST, &asked, ""), &at(1_499_827_319_559))
            .unwrap();
        let expected = format!("{asked}&timestamp=1499827319559&signature={signature}");
        assert_eq!(made.url.unwrap().as_str(), expected);
        assert!(made.headers["x-mbx-apikey"].to_str().unwrap().starts_with("vmPUZE6"));
        // An address that repeats what was added to the last request is signed like a new one.
        let again = signer(template.clone())
            .authorize(&request(Method::POST, &expected, ""), &at(1_499_827_319_559))
            .unwrap();
        assert_eq!(again.url.unwrap().as_str(), expected);
    }
}

/// `BitMEX`, "Full sample calculation" of its page on API keys: verb, path with its encoded query, expiry, raw body.
#[test]
fn bitmex_signs_the_address_as_it_is_encoded_and_the_body_as_it_is() {
    let template = json!({
        "key": "LAqUlngMIQkIUjXMUreyu3qn", "secret": "chNOOS4KvNXR_Xq4k4c9qsfoKWvnDecLATCRlcBwyKDYnWgO",
        "expires_in": "5s", "sign": "{{ method }}{{ path_and_query }}{{ expires }}{{ body }}",
        "headers": { "api-expires": "{{ expires }}", "api-key": "{{ key }}", "api-signature": "{{ signature }}" },
    });
    let order =
        r#"{"symbol":"XBTM15","price":219.0,"clOrdID":"mm_bitmex_1a/oemUeQ4CAJZgP3fjHsA","orderQty":98}"#;
    for (method, path, expires, body, signature) in [
        (
            Method::GET,
            "/api/v1/instrument",
            1_518_064_236,
            "",
            "c7682d435d0cfe87c16098df34ef2eb5a549d4c5a3c2b1f0f77b8af73423bf00",
        ),
        (
            Method::GET,
            "/api/v1/instrument?filter=%7B%22symbol%22%3A+%22XBTM15%22%7D",
            1_518_064_237,
            "",
            "e2f422547eecb5b3cb29ade2127e21b858b235b386bfa45e1c1756eb3383919f",
        ),
        (
            Method::POST,
            "/api/v1/order",
            1_518_064_238,
            order,
            "1749cd2ccae4aa49048ae09f0b95110cee706e0944e6a14ad0b3a8cb45bd336b",
        ),
    ] {
        let asked = request(method, &format!("https://www.bitmex.com{path}"), body);
        let made = signer(template.clone()).authorize(&asked, &at((expires - 5) * 1000 + 999)).unwrap();
        assert_eq!(made.headers["api-signature"], signature, "{path}");
        assert_eq!(made.headers["api-expires"], expires.to_string());
        assert_eq!(made.url.unwrap(), asked.url);
    }
}

/// Gate, "`APIv4` signed request requirements": SHA-512, lines, and the hash of the body (key `key`, secret `secret`).
#[test]
fn gate_signs_lines_with_the_hash_of_the_body() {
    let template = json!({
        "key": "key", "secret": "secret", "algorithm": "sha512",
        "sign": "{{ method }}\n{{ path }}\n{{ query }}\n{{ body_sha512 }}\n{{ timestamp }}",
        "headers": { "KEY": "{{ key }}", "Timestamp": "{{ timestamp }}", "SIGN": "{{ signature }}" },
    });
    let list = "https://api.gateio.ws/api/v4/futures/orders?contract=BTC_USD&status=finished&limit=50";
    let order = r#"{"contract":"BTC_USD","type":"limit","size":100,"price":6800,"time_in_force":"gtc"}"#;
    for (asked, signature) in [
        (
            request(Method::GET, list, ""),
            "55f84ea195d6fe57ce62464daaa7c3c02fa9d1dde954e4c898289c9a2407a3d6\
             fb3faf24deff16790d726b66ac9f74526668b13bd01029199cc4fcc522418b8a",
        ),
        (
            request(Method::POST, "https://api.gateio.ws/api/v4/futures/orders", order),
            "eae42da914a590ddf727473aff25fc87d50b64783941061f47a3fdb92742541f\
             c4c2c14017581b4199a1418d54471c269c03a38d788d802e2c306c37636389f0",
        ),
    ] {
        assert_eq!(header(template.clone(), &asked, 1_541_993_715_000, "sign"), signature);
    }
}

/// Coinbase Exchange, "Exchange REST API Authentication": base64 secret and signature. The page gives the scheme and no
/// whole example; the signature here was computed with another tool.
#[test]
fn coinbase_exchange_signs_with_a_secret_and_a_signature_in_base64() {
    let template = json!({
        "key": "k", "secret": "c2VjcmV0LXNlY3JldA==", "secret_encoding": "base64", "passphrase": "pass",
        "sign": "{{ timestamp }}{{ method }}{{ path_and_query }}{{ body }}", "signature_encoding": "base64",
        "headers": {
            "CB-ACCESS-KEY": "{{ key }}", "CB-ACCESS-SIGN": "{{ signature }}",
            "CB-ACCESS-TIMESTAMP": "{{ timestamp }}", "CB-ACCESS-PASSPHRASE": "{{ passphrase }}",
        },
    });
    let asked = request(Method::GET, "https://api.exchange.coinbase.com/accounts?limit=2", "");
    assert_eq!(
        header(template.clone(), &asked, 1_422_368_544_000, "cb-access-sign"),
        "2zkgOweWsZhkZo9AhCbY2CL2NPaAGyiEJz5DYSLP7VI="
    );
    assert_eq!(header(template, &asked, 1_422_368_544_000, "cb-access-passphrase"), "pass");
}

/// The Zenzap contract, section 2a, said as a template.
#[test]
fn zenzap_can_be_said_as_a_template() {
    let template = |signed: &str| {
        json!({
            "secret": "test-secret", "timestamp": "milliseconds", "sign": signed,
            "headers": { "X-Timestamp": "{{ timestamp }}", "X-Signature": "{{ signature }}" },
        })
    };
    for (target, signature) in [
        ("/v2/members?limit=10", "abbaecbac521e93291e97e24e7bb5485a732c5e0e93310832aaa5d761a44fb4c"),
        (
            "/v2/updates?offset=AAAAAAABAAAAAAAAAAABAA%3D%3D&limit=50&timeout=20",
            "e627cd88a1a342ae0921116e6e8fb035983de1407a41a8fc4e1b6676bfb55f7b",
        ),
    ] {
        let asked = request(Method::GET, &format!("https://api.zenzap.co{target}"), "");
        let made = header(
            template("{{ timestamp }}.{{ path_and_query }}"),
            &asked,
            1_699_564_800_000,
            "x-signature",
        );
        assert_eq!(made, signature);
    }
    let body = r#"{"topicId":"123","text":"Hello"}"#;
    let posted = request(Method::POST, "https://api.zenzap.co/v2/messages", body);
    assert_eq!(
        header(template("{{ timestamp }}.{{ body }}"), &posted, 1_699_564_800_000, "x-signature"),
        "7a0cb10722ea6e0555047e9b1a6bcb579fe4a4cf5ea6e14ecdaf88bae36ccddc"
    );
}

/// RFC 2202, section 3, test case 1, and RFC 4231, section 4.2: keys in hex.
#[test]
fn the_algorithms_are_those_of_the_standards() {
    for (algorithm, mac) in [
        ("sha1", "b617318655057264e28bc0b6fb378c8ef146be00"),
        ("sha256", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
        (
            "sha512",
            "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde\
             daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854",
        ),
    ] {
        let template = json!({
            "secret": "0b".repeat(20), "secret_encoding": "hex", "algorithm": algorithm, "sign": "{{ body }}",
            "headers": { "x-signature": "{{ signature }}" },
        });
        let asked = request(Method::POST, "https://api.example.com/", "Hi There");
        assert_eq!(header(template, &asked, 0, "x-signature"), mac);
    }
}

#[test]
fn times_hosts_and_nonces_are_written_as_they_should() {
    let template = |format: &str, nonce: &str| {
        json!({
            "secret": "s", "timestamp": format, "nonce": nonce, "expires_in": "1m", "sign": "{{ host }}",
            "headers": { "x": "{{ timestamp }}|{{ expires }}|{{ nonce }}|{{ body_sha256_base64 }}", "s": "{{ signature }}" },
        })
    };
    let asked = request(Method::GET, "https://api.example.com:8443/", "");
    let empty = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    let made = header(template("rfc3339", "uuid"), &asked, 1_607_418_537_715, "x");
    let times = "2020-12-08T09:08:57.715Z|2020-12-08T09:09:57.715Z";
    assert_eq!(made, format!("{times}|ffffffff-ffff-4fff-bfff-ffffffffffff|{empty}"));
    let numbers = signer(template("seconds", "number"));
    for nonce in [1_607_418_537_715_i64, 1_607_418_537_716] {
        let made = numbers.authorize(&asked, &at(1_607_418_537_715)).unwrap();
        assert_eq!(made.headers["x"].to_str().unwrap(), format!("1607418537|1607418597|{nonce}|{empty}"));
    }
    let host = hex(&mac::<Hmac<Sha256>>(b"s", b"api.example.com:8443"));
    assert_eq!(header(template("seconds", "uuid"), &asked, 0, "s"), host);
}

#[test]
fn a_secret_that_is_not_what_it_should_be_is_refused_without_showing_it() {
    for (encoding, secret) in [("base64", "hunter2!"), ("hex", "hunter2"), ("hex", "abc")] {
        let template = json!({
            "secret": secret, "secret_encoding": encoding, "sign": "x", "headers": { "x": "{{ signature }}" },
        });
        let error = HmacSigner::new(&serde_json::from_value(template).unwrap()).err().unwrap();
        assert!(error.to_string().contains(encoding) && !error.chain().contains(secret), "{error}");
    }
}
