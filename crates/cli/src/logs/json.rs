//! Log lines for machines: `{"time", "level", "message", "pipeline", "component", "account", "event", …}`.
//!
//! The seven keys are always there, `null` where they do not apply; what an event says beyond them follows.

use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};
use tracing::Subscriber;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::Now;
use super::fields::Fields;

/// The format.
pub(crate) struct Json {
    pub(crate) time: Now,
}

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &tracing::Event<'_>,
    ) -> fmt::Result {
        let level = event.metadata().level().as_str().to_ascii_lowercase();
        writeln!(writer, "{}", line(self.time.get().to_string(), level, Fields::of(event, context)))
    }
}

/// One line; keys in this order.
#[derive(Serialize)]
struct Line {
    time: String,
    level: String,
    message: String,
    pipeline: Option<String>,
    component: Option<String>,
    account: Option<String>,
    event: Option<String>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

fn line(time: String, level: String, fields: Fields) -> String {
    let Fields { message, pipeline, component, account, event, mut rest } = fields;
    rest.retain(|key, _| !matches!(key.as_str(), "time" | "level"));
    let line = Line { time, level, message, pipeline, component, account, event, rest };
    // Texts and JSON values: nothing that cannot be JSON.
    serde_json::to_string(&line).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seven_keys_are_always_there_and_cannot_be_replaced() {
        let mut fields = Fields { message: "paused".to_owned(), ..Fields::default() };
        fields.rest.insert("reason".to_owned(), "auth".into());
        fields.rest.insert("time".to_owned(), "never".into());
        let line = line("t".to_owned(), "warn".to_owned(), fields);
        assert_eq!(
            line,
            concat!(
                r#"{"time":"t","level":"warn","message":"paused","pipeline":null,"component":null,"#,
                r#""account":null,"event":null,"reason":"auth"}"#
            )
        );
    }
}
