//! Where the admin server listens and what it asks for.

use std::net::{Ipv4Addr, SocketAddr};

use crate::arguments::AdminArguments;
use crate::exit::Stop;

/// The port that dashboards and probes may count on while it is free.
const PORT: u16 = 7575;

/// A decision.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    /// No server.
    Off,
    /// A server.
    On {
        address: SocketAddr,
        /// Asked for: if it is taken, that is an error.
        explicit: bool,
        token: Option<String>,
    },
}

impl Policy {
    /// The usual port of this machine, or a free one.
    pub(crate) fn local(token: Option<String>) -> Self {
        Self::On { address: SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)), explicit: false, token }
    }

    /// What the arguments ask for. Beyond loopback a token is needed.
    pub(crate) fn of(arguments: &AdminArguments) -> Result<Self, Stop> {
        let token = arguments.admin_token.clone().filter(|token| !token.is_empty());
        let text = match arguments.admin.as_deref() {
            Some("off") => return Ok(Self::Off),
            Some(text) => text,
            None => return Ok(Self::local(token)),
        };
        let address: SocketAddr = text.parse().map_err(|_| {
            Stop::usage(format!("--admin {text} is no address")).help("for example 127.0.0.1:7575, or `off`")
        })?;
        if !address.ip().is_loopback() && token.is_none() {
            return Err(Stop::usage(format!("--admin {address} can be reached by others and needs a token"))
                .help("set SLUICEBOX_ADMIN_TOKEN, or listen on 127.0.0.1"));
        }
        Ok(Self::On { address, explicit: true, token })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Exit;

    fn policy(admin: Option<&str>, token: Option<&str>) -> Result<Policy, Stop> {
        let own = |text: &str| text.to_owned();
        Policy::of(&AdminArguments { admin: admin.map(own), admin_token: token.map(own) })
    }

    #[test]
    fn beyond_loopback_a_token_is_needed() {
        assert_eq!(policy(Some("0.0.0.0:7575"), None).unwrap_err().exit, Exit::Usage);
        assert_eq!(policy(Some("0.0.0.0:7575"), Some("")).unwrap_err().exit, Exit::Usage);
        assert!(matches!(policy(Some("0.0.0.0:7575"), Some("t")), Ok(Policy::On { explicit: true, .. })));
        assert!(matches!(policy(Some("[::1]:0"), None), Ok(Policy::On { explicit: true, .. })));
        assert!(matches!(policy(None, None), Ok(Policy::On { explicit: false, .. })));
        assert_eq!(policy(Some("off"), None).unwrap(), Policy::Off);
        assert_eq!(policy(Some("here"), None).unwrap_err().exit, Exit::Usage);
    }
}
