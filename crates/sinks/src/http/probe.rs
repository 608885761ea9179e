//! What `check --connect` asks: whether a server is there and its certificate good.
//!
//! Invariant: nothing that is asked may have an effect. A receiver may act on any request to its own address, whatever
//! the method, so the address is not used: `OPTIONS /` at its host, without credentials and without a body, is answered
//! by whatever serves it.

use std::time::Duration;

use http::Method;
use sluicebox_core::{Context, Probe};
use sluicebox_http::{Call, Limits};

use super::HttpSpec;

/// Longest time of the question.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks.
pub(super) async fn probe(spec: &HttpSpec, cx: &Context) -> Probe {
    let mut probe = Probe::new();
    let client = match spec.client(None, cx) {
        Ok(client) => client,
        Err(error) => {
            probe.wrong("server", error);
            return probe;
        }
    };
    let origin = client.base_url().origin();
    let limits = Limits { read: PATIENCE, total: PATIENCE, body_bytes: 64 << 10 };
    let call = Call { limits: Some(limits), ..Call::new(Method::OPTIONS, "/") };
    match client.send(call).await {
        // Whatever it says, it is there.
        Ok(_) => probe.fine("server", format!("{origin} answers")),
        Err(error) if matches!(error.reason(), "redirected" | "too_large") => {
            probe.fine("server", format!("{origin} answers"));
        }
        Err(error) => {
            let help =
                error.help().map_or_else(|| format!("check `url`, and that {origin} is up"), str::to_owned);
            probe.wrong("server", error.with_help(help));
            return probe;
        }
    }
    if spec.auth.is_some() {
        probe.doubtful(
            "credentials",
            "not tried, because any request to `url` may have an effect",
            "look at the first delivery: refused credentials pause the sink and lose nothing",
        );
    }
    probe
}
