//! Reaching a cluster: the connection options as librdkafka's configuration, and what librdkafka says as log lines.
//!
//! Shared by sink and source. Invariant: the network is entered with verified TLS unless the user said otherwise, and no
//! password reaches a log line or an error.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use sluicebox_core::{Context, Error, Problem, TlsOptions};

use crate::options::{SaslMechanism, SaslOptions, Setting, Tls};
use crate::settings;

/// The connection options of a component, wherever its declaration keeps them.
#[derive(Clone, Copy)]
pub(crate) struct Cluster<'a> {
    pub(crate) brokers: &'a [String],
    pub(crate) tls: Option<&'a Tls>,
    pub(crate) sasl: Option<&'a SaslOptions>,
    pub(crate) librdkafka: &'a BTreeMap<String, Setting>,
}

impl Cluster<'_> {
    /// Everything wrong with the options.
    pub(crate) fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.brokers.is_empty() {
            problems.push(Problem::new("brokers", "expected at least one broker").with_help(BROKER_HELP));
        }
        for (index, broker) in self.brokers.iter().enumerate() {
            problems.extend(
                self.broker_problem(broker).map(|problem| problem.under(&format!("brokers[{index}]"))),
            );
        }
        if let Some(Tls::On(options)) = self.tls {
            problems.extend(options.problems());
        }
        if let Some(sasl) = self.sasl {
            if sasl.username.is_empty() {
                problems.push(Problem::new("sasl.username", "the user has no name"));
            }
            if sasl.mechanism == SaslMechanism::Plain
                && matches!(self.tls, Some(Tls::Off))
                && !self.is_local()
            {
                let message = "`plain` sends the password as it is, and `tls` is off";
                problems
                    .push(Problem::new("sasl.mechanism", message).with_help("use TLS, or a SCRAM mechanism"));
            }
        }
        problems.extend(settings::check(self.librdkafka));
        problems
    }

    fn broker_problem(&self, broker: &str) -> Option<Problem> {
        let Some(host) = host_of(broker) else {
            return Some(Problem::new("", "expected a host and a port").with_help(BROKER_HELP));
        };
        if self.tls.is_some() || is_loopback(host) {
            return None;
        }
        let message = format!("`{broker}` is another machine, and would be reached without TLS");
        Some(
            Problem::new("", message).with_help("add `tls: {}`, or `tls: off` if the network itself is safe"),
        )
    }

    /// What the log has to say at every start.
    pub(crate) fn warn(&self, cx: &Context) {
        if let Some(Tls::On(options)) = self.tls
            && let Some(warning) = options.warning("the brokers")
        {
            tracing::warn!(pipeline = %cx.pipeline, component = %cx.component, "{warning}");
        }
    }

    fn is_local(&self) -> bool {
        self.brokers.iter().all(|broker| host_of(broker).is_some_and(is_loopback))
    }

    /// The brokers as one text, for messages.
    pub(crate) fn address(&self) -> String {
        self.brokers.join(",")
    }

    /// The configuration that every client of the component begins with.
    pub(crate) fn config(&self, cx: &Context) -> ClientConfig {
        let mut config = ClientConfig::new();
        for (name, setting) in self.librdkafka {
            config.set(name, setting.as_str());
        }
        config.set("bootstrap.servers", self.address());
        config.set("client.id", format!("sluicebox-{}-{}", cx.pipeline, cx.component));
        let protocol = match (self.tls, self.sasl) {
            (Some(Tls::On(_)), None) => "ssl",
            (Some(Tls::On(_)), Some(_)) => "sasl_ssl",
            (_, Some(_)) => "sasl_plaintext",
            (_, None) => "plaintext",
        };
        config.set("security.protocol", protocol);
        if let Some(Tls::On(options)) = self.tls {
            set_tls(&mut config, options, cx);
        }
        if let Some(sasl) = self.sasl {
            config.set("sasl.mechanism", sasl.mechanism.wire_name());
            config.set("sasl.username", sasl.username.as_str());
            config.set("sasl.password", sasl.password.expose());
        }
        // What arrives is sorted by `tracing`; below this level nothing is of use without `debug`.
        config.set_log_level(RDKafkaLogLevel::Info);
        config
    }
}

const BROKER_HELP: &str = "like `kafka.example.com:9093`";

fn set_tls(config: &mut ClientConfig, options: &TlsOptions, cx: &Context) {
    let place = |path: &std::path::Path| cx.folder.join(path).to_string_lossy().into_owned();
    // OpenSSL is built in, so that it does not know where this machine keeps its authorities: librdkafka looks.
    let authorities = options.ca_file.as_deref().map_or_else(|| "probe".to_owned(), place);
    config.set("ssl.ca.location", authorities);
    if let Some(file) = &options.certificate_file {
        config.set("ssl.certificate.location", place(file));
    }
    if let Some(file) = &options.key_file {
        config.set("ssl.key.location", place(file));
    }
    if options.insecure_skip_verify {
        config.set("enable.ssl.certificate.verification", "false");
        config.set("ssl.endpoint.identification.algorithm", "none");
    } else {
        config.set("enable.ssl.certificate.verification", "true");
        config.set("ssl.endpoint.identification.algorithm", "https");
    }
}

/// The host of `host:port`, `[address]:port`; `None` if it is something else.
fn host_of(broker: &str) -> Option<&str> {
    let (host, port) = broker.rsplit_once(':')?;
    let port_is_one = port.parse::<u16>().is_ok_and(|port| port > 0);
    let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host = bracketed.unwrap_or(host);
    let plain = !host.is_empty() && !host.contains([',', '/', ' ', '[', ']', '@']);
    (port_is_one && plain && (bracketed.is_some() || !host.contains(':'))).then_some(host)
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// An error of making a client: librdkafka refuses a value, or cannot read a file. Never repeats the value.
pub(crate) fn creation_error(error: KafkaError) -> Error {
    match error {
        KafkaError::ClientConfig(_, description, name, _) => {
            Error::config(format!("librdkafka refuses the setting `{name}`: {description}"))
        }
        other => Error::config("the Kafka client cannot be made").with_cause(other),
    }
}

/// What librdkafka last said about a cluster that it cannot reach or log in to.
///
/// A broken connection is no answer to any call: messages simply stay queued. Who has waited in vain says this.
#[derive(Clone, Default)]
pub(crate) struct Trouble(Arc<Mutex<Option<(RDKafkaErrorCode, String)>>>);

impl Trouble {
    /// Notes an error that librdkafka reported by itself, and writes it to the log.
    pub(crate) fn note(&self, error: &KafkaError, reason: &str) {
        // Whoever reads to the end asks to be told of it.
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::PartitionEOF) {
            return;
        }
        tracing::warn!(target: "librdkafka", "{reason}");
        let Some(code) = error.rdkafka_error_code() else { return };
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // "All brokers are down" follows the errors that say why.
        if code != RDKafkaErrorCode::AllBrokersDown || last.is_none() {
            *last = Some((code, reason.to_owned()));
        }
    }

    /// The last error, until the next one.
    pub(crate) fn last(&self) -> Option<(RDKafkaErrorCode, String)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Something worked: what was noted is over.
    pub(crate) fn clear(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The error that no waiting can heal, if one was noted: refused credentials, a certificate that cannot be trusted.
    pub(crate) fn lasting(&self) -> Option<Error> {
        let (code, reason) = self.last()?;
        match code {
            RDKafkaErrorCode::Authentication | RDKafkaErrorCode::SaslAuthenticationFailed => Some(
                Error::auth(format!("the brokers refuse the credentials: {reason}"))
                    .with_help("check `sasl.mechanism`, `sasl.username` and `sasl.password`"),
            ),
            // To librdkafka it is a broken connection if the socket is heard of before the handshake is.
            RDKafkaErrorCode::SSL | RDKafkaErrorCode::BrokerTransportFailure
                if reason.contains("certificate verify failed") =>
            {
                Some(
                    Error::config(format!("the certificate of a broker cannot be verified: {reason}"))
                        .with_help("name the authority that signed it: `tls: {ca_file: …}`"),
                )
            }
            _ => None,
        }
    }

    /// `message` as a retryable error, with what is known of the reason; or the lasting error behind it.
    pub(crate) fn explain(&self, message: &str) -> Error {
        self.lasting().unwrap_or_else(|| match self.last() {
            Some((_, reason)) => Error::transient(format!("{message}; last heard: {reason}")),
            None => Error::transient(message),
        })
    }
}

/// A log line of librdkafka: what it calls an error is retried by it or reported by us, so no line is more than a warning.
pub(crate) fn log_line(level: RDKafkaLogLevel, facility: &str, line: &str) {
    use RDKafkaLogLevel as L;
    match level {
        // A transaction that fails is told, and begun again, by the sink.
        _ if facility == "TXNERR" => tracing::info!(target: "librdkafka", facility, "{line}"),
        L::Emerg | L::Alert | L::Critical | L::Error | L::Warning => {
            tracing::warn!(target: "librdkafka", facility, "{line}");
        }
        L::Notice | L::Info => tracing::info!(target: "librdkafka", facility, "{line}"),
        L::Debug => tracing::debug!(target: "librdkafka", facility, "{line}"),
    }
}

/// The context of a client that is only asked things: its errors are noted, its log lines logged.
#[derive(Clone, Default)]
pub(crate) struct Listener {
    pub(crate) trouble: Trouble,
}

impl rdkafka::ClientContext for Listener {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        log_line(level, facility, line);
    }

    fn stats_raw(&self, _: &[u8]) {}

    fn error(&self, error: KafkaError, reason: &str) {
        self.trouble.note(&error, reason);
    }
}

impl rdkafka::consumer::ConsumerContext for Listener {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_context::context;
    use serde_json::json;
    use sluicebox_core::Delivery;

    fn problems(brokers: &[&str], tls: serde_json::Value, sasl: serde_json::Value) -> Vec<String> {
        let brokers: Vec<String> = brokers.iter().map(|broker| (*broker).to_owned()).collect();
        let tls: Option<Tls> =
            Some(tls).filter(|tls| !tls.is_null()).map(|tls| serde_json::from_value(tls).unwrap());
        let sasl: Option<SaslOptions> = serde_json::from_value(sasl).unwrap();
        let cluster = Cluster {
            brokers: &brokers,
            tls: tls.as_ref(),
            sasl: sasl.as_ref(),
            librdkafka: &BTreeMap::new(),
        };
        cluster.check().into_iter().map(|problem| problem.path).collect()
    }

    #[test]
    fn another_machine_needs_tls_or_a_word_that_it_does_not() {
        let null = || json!(null);
        assert!(problems(&["127.0.0.1:9092", "localhost:9092", "[::1]:9092"], null(), null()).is_empty());
        assert_eq!(problems(&["localhost:9092", "kafka.example.com:9092"], null(), null()), ["brokers[1]"]);
        assert!(problems(&["kafka.example.com:9092"], json!("off"), null()).is_empty());
        assert!(problems(&["kafka.example.com:9092"], json!({}), null()).is_empty());
        assert_eq!(problems(&["k:1"], json!({ "key_file": "k.pem" }), null()), ["tls"]);
        let contradiction = json!({ "ca_file": "ca.pem", "insecure_skip_verify": true });
        assert_eq!(problems(&["k:1"], contradiction, null()), ["tls.ca_file"]);
        let plain = json!({ "mechanism": "plain", "username": "u", "password": "p" });
        assert_eq!(problems(&["k:1"], json!("off"), plain.clone()), ["sasl.mechanism"]);
        assert!(problems(&["localhost:1"], null(), plain).is_empty());
    }

    #[test]
    fn a_broker_is_a_host_and_a_port() {
        assert_eq!(problems(&[], json!(null), json!(null)), ["brokers"]);
        for broker in
            ["", "localhost", "localhost:", "localhost:x", ":1", "a:1,b:2", "SSL://a:1", "a:0", "u@a:1"]
        {
            assert_eq!(problems(&[broker], json!({}), json!(null)), ["brokers[0]"], "{broker}");
        }
    }

    #[test]
    fn options_become_settings_of_librdkafka() {
        let tls: Tls = serde_json::from_value(json!({ "ca_file": "ca.pem" })).unwrap();
        let sasl = json!({ "mechanism": "scram_sha_512", "username": "u", "password": "hunter2" });
        let sasl: SaslOptions = serde_json::from_value(sasl).unwrap();
        let cluster = Cluster {
            brokers: &["a:1".to_owned(), "b:2".to_owned()],
            tls: Some(&tls),
            sasl: Some(&sasl),
            librdkafka: &serde_json::from_value(json!({ "client.rack": "eu" })).unwrap(),
        };
        let config = cluster.config(&context(Delivery::AtLeastOnce));
        for (name, value) in [
            ("bootstrap.servers", "a:1,b:2"),
            ("client.id", "sluicebox-orders-broker"),
            ("security.protocol", "sasl_ssl"),
            ("ssl.ca.location", "pipelines/ca.pem"),
            ("enable.ssl.certificate.verification", "true"),
            ("ssl.endpoint.identification.algorithm", "https"),
            ("sasl.mechanism", "SCRAM-SHA-512"),
            ("sasl.password", "hunter2"),
            ("client.rack", "eu"),
        ] {
            assert_eq!(config.get(name), Some(value), "{name}");
        }
        assert!(config.create_native_config().is_ok());
        assert!(!format!("{config:?}").contains("hunter2"));
    }

    #[test]
    fn what_cannot_be_waited_out_is_told_from_what_can() {
        let trouble = Trouble::default();
        assert_eq!(trouble.explain("no answer").to_string(), "no answer");
        trouble.note(&KafkaError::Global(RDKafkaErrorCode::BrokerTransportFailure), "connection refused");
        trouble.note(&KafkaError::Global(RDKafkaErrorCode::AllBrokersDown), "1/1 brokers are down");
        let error = trouble.explain("no answer");
        assert_eq!(error.to_string(), "no answer; last heard: connection refused");
        assert!(error.class().is_retryable());
        trouble.note(&KafkaError::Global(RDKafkaErrorCode::Authentication), "SASL authentication failed");
        assert_eq!(trouble.explain("no answer").class(), sluicebox_core::ErrorClass::Auth);
        for code in [RDKafkaErrorCode::SSL, RDKafkaErrorCode::BrokerTransportFailure] {
            let reason = "error:0A000086:SSL routines::certificate verify failed";
            trouble.note(&KafkaError::Global(code), reason);
            assert_eq!(trouble.explain("no answer").class(), sluicebox_core::ErrorClass::Config, "{code:?}");
        }
        trouble.clear();
        assert!(trouble.last().is_none());
    }
}
