//! Which links are followed: those that lead to https servers out there.
//!
//! Source: the Zenzap contract, section 9. Invariant: what a message says never makes this machine ask one of its own
//! network, unless the API itself is on this machine (an emulator, a test).

use sluicebox_http::BaseUrl;

/// The server of a link, whose paths are kept out of messages: whoever has a link can read the file.
///
/// # Errors
/// Why the link is not followed.
pub(super) fn server(url: &str, api: &BaseUrl) -> Result<BaseUrl, String> {
    let server = BaseUrl::origin_of(url).map_err(|why| format!("the link is not followed: {why}"))?;
    let is_local = server.is_loopback() || server.is_private_address();
    let is_beside = server.is_loopback() && api.is_loopback();
    if is_local && !is_beside {
        return Err("the link is not followed: it leads into this machine's own network".to_owned());
    }
    Ok(server.kept_secret())
}

/// Scheme, host and port of a link, as the name of its server; empty if it has none.
pub(super) fn origin(url: &str) -> String {
    BaseUrl::origin_of(url).map_or_else(|_| String::new(), |server| server.origin())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_out_and_never_in() {
        let api = BaseUrl::parse("https://api.zenzap.co").unwrap();
        assert_eq!(
            server("https://storage.example/a?token=x", &api).unwrap().to_string(),
            "https://storage.example/…"
        );
        for url in [
            "http://storage.example/a",
            "http://127.0.0.1:9/a",
            "https://localhost/a",
            "https://10.0.0.7/a",
            "https://169.254.169.254/latest",
            "https://[fd00::1]/a",
            "https://[::ffff:10.0.0.7]/a",
            "https://user:hunter2@storage.example/a",
            "file:///etc/passwd",
            "ftp://storage.example/a",
            "//storage.example/a",
            "",
        ] {
            let why = server(url, &api).unwrap_err();
            assert!(!why.contains("hunter2"), "{why}");
        }
        let emulator = BaseUrl::parse("http://127.0.0.1:1234").unwrap();
        assert!(server("http://127.0.0.1:9/a", &emulator).is_ok());
        assert!(server("https://10.0.0.7/a", &emulator).is_err());
    }

    #[test]
    fn a_server_is_known_by_scheme_host_and_port() {
        for same in
            ["https://Storage.example/a?x", "https://storage.example:443", "https://storage.example#b"]
        {
            assert_eq!(origin(same), "https://storage.example", "{same}");
        }
        assert_eq!(origin("https://storage.example:8443/a"), "https://storage.example:8443");
        assert_eq!(origin("file:///etc/passwd"), "");
    }
}
