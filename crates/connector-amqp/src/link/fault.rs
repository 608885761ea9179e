//! What the broker's and the client library's errors mean for the engine.
//!
//! Reply codes: AMQP 0.9.1 section 1.2; texts: RabbitMQ, which tells apart by text what shares a code.

use lapin::ErrorKind;
use lapin::protocol::AMQPError;
use sluicebox_core::{Error, ErrorClass};

const CONTENT_TOO_LARGE: u16 = 311;
const INVALID_PATH: u16 = 402;
const ACCESS_REFUSED: u16 = 403;
const NOT_FOUND: u16 = 404;
const PRECONDITION_FAILED: u16 = 406;
const NOT_ALLOWED: u16 = 530;
const NOT_IMPLEMENTED: u16 = 540;

/// An error while `attempt` (`consume the queue`) was made.
pub(crate) fn classify(error: lapin::Error, attempt: &str) -> Error {
    let message = format!("cannot {attempt}");
    let (class, help) = match error.kind() {
        ErrorKind::ProtocolError(reply) => of_reply(reply),
        ErrorKind::IOError(cause) if has_certificate_trouble(cause) => (
            ErrorClass::Config,
            Some(
                "check `tls`: `ca_file` names the authorities to believe, `url` the host of the certificate",
            ),
        ),
        ErrorKind::InvalidProtocolVersion(_) | ErrorKind::ParsingError(_) => (
            ErrorClass::Config,
            Some("is this the AMQP 0.9.1 port of the broker, with the right of `amqp` and `amqps`?"),
        ),
        ErrorKind::AuthProviderError(_) | ErrorKind::NoDefaultRuntime => (ErrorClass::Config, None),
        ErrorKind::SerialisationError(_) => (ErrorClass::Permanent, None),
        _ => (ErrorClass::Transient, None),
    };
    let is_too_large = is_too_large(&error);
    let classified = Error::new(class, message).with_cause(error);
    let classified = if is_too_large { classified.with_reason("too_large") } else { classified };
    help.into_iter().fold(classified, Error::with_help)
}

fn of_reply(reply: &AMQPError) -> (ErrorClass, Option<&'static str>) {
    let text = reply.get_message().as_str();
    match reply.get_id() {
        CONTENT_TOO_LARGE => (ErrorClass::Permanent, None),
        ACCESS_REFUSED => (
            ErrorClass::Auth,
            Some("check user and password in `url`, and what `rabbitmqctl list_permissions` says"),
        ),
        // The queue is there, but the node that holds it is not.
        NOT_FOUND if text.contains("is down or inaccessible") => (ErrorClass::Transient, None),
        NOT_FOUND => (ErrorClass::Config, Some("make it on the broker, or let the pipeline: `declare: …`")),
        PRECONDITION_FAILED if text.contains("message size") => (ErrorClass::Permanent, None),
        PRECONDITION_FAILED if text.contains("inequivalent") => (
            ErrorClass::Config,
            Some("it exists with other properties: say the same in `declare`, or leave `declare` out"),
        ),
        // The broker ends a channel whose acknowledgements take too long, and redelivers.
        PRECONDITION_FAILED if text.contains("timed out") || text.contains("delivery tag") => {
            (ErrorClass::Transient, None)
        }
        PRECONDITION_FAILED | INVALID_PATH | NOT_IMPLEMENTED => (ErrorClass::Config, None),
        NOT_ALLOWED if text.contains("limit") => (ErrorClass::Transient, None),
        NOT_ALLOWED if text.contains("not found") => {
            (ErrorClass::Config, Some("there is no such virtual host: check the path of `url`"))
        }
        NOT_ALLOWED => (ErrorClass::Auth, Some("check what the user may do: `rabbitmqctl list_permissions`")),
        _ => (ErrorClass::Transient, None),
    }
}

/// Whether the broker refused a message for its size.
pub(crate) fn is_too_large(error: &lapin::Error) -> bool {
    let ErrorKind::ProtocolError(reply) = error.kind() else { return false };
    reply.get_id() == CONTENT_TOO_LARGE
        || (reply.get_id() == PRECONDITION_FAILED && reply.get_message().as_str().contains("message size"))
}

/// The size of the refused message, where the broker says it: `message size 200 is larger than …`.
pub(crate) fn refused_size(error: &lapin::Error) -> Option<usize> {
    let ErrorKind::ProtocolError(reply) = error.kind() else { return None };
    let (_, after) = reply.get_message().as_str().split_once("message size ")?;
    let digits = after.find(|character: char| !character.is_ascii_digit()).unwrap_or(after.len());
    after[..digits].parse().ok()
}

/// Whether a handshake failed over a certificate: waiting does not mend that.
fn has_certificate_trouble(error: &std::io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented) => true,
        Some(rustls::Error::AlertReceived(alert)) => {
            use rustls::AlertDescription as Alert;
            matches!(
                alert,
                Alert::BadCertificate
                    | Alert::CertificateRequired
                    | Alert::CertificateUnknown
                    | Alert::CertificateExpired
                    | Alert::UnknownCA
                    | Alert::HandshakeFailure
            )
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(code: u16, text: &str) -> lapin::Error {
        let error = AMQPError::from_id(code, text.into()).unwrap();
        ErrorKind::ProtocolError(error).into()
    }

    #[test]
    fn replies_are_told_apart_by_code_and_text() {
        let cases = [
            (403, "ACCESS_REFUSED - Login was refused", ErrorClass::Auth),
            (404, "NOT_FOUND - no exchange 'x' in vhost '/'", ErrorClass::Config),
            (
                404,
                "NOT_FOUND - home node 'r@a' of durable queue 'q' is down or inaccessible",
                ErrorClass::Transient,
            ),
            (406, "PRECONDITION_FAILED - inequivalent arg 'durable' for queue 'q'", ErrorClass::Config),
            (406, "PRECONDITION_FAILED - message size 9 is larger than max size 8", ErrorClass::Permanent),
            (
                406,
                "PRECONDITION_FAILED - delivery acknowledgement on channel 1 timed out",
                ErrorClass::Transient,
            ),
            (320, "CONNECTION_FORCED - broker forced connection closure", ErrorClass::Transient),
            (530, "NOT_ALLOWED - vhost nowhere not found", ErrorClass::Config),
            (530, "NOT_ALLOWED - access to vhost 'v' refused for user 'u'", ErrorClass::Auth),
            (541, "INTERNAL_ERROR", ErrorClass::Transient),
        ];
        for (code, text, class) in cases {
            let error = classify(reply(code, text), "publish");
            assert_eq!(error.class(), class, "{text}");
            assert!(error.chain().contains(text), "{}", error.chain());
        }
        assert_eq!(classify(ErrorKind::MissingHeartbeatError.into(), "x").class(), ErrorClass::Transient);
    }

    #[test]
    fn a_message_that_is_too_large_is_known_by_its_size() {
        let error =
            reply(406, "PRECONDITION_FAILED - message size 2097160 is larger than configured max size 2");
        assert!(is_too_large(&error));
        assert_eq!(refused_size(&error), Some(2_097_160));
        assert_eq!(classify(error, "publish").reason(), "too_large");
        let other = reply(406, "PRECONDITION_FAILED - inequivalent arg");
        assert!(!is_too_large(&other));
        assert_eq!(refused_size(&other), None);
    }
}
