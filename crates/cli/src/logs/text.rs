//! Log lines for people: `HH:MM:SS level pipeline/component: sentence`, in UTC.

use std::fmt;

use serde_json::Value;
use tracing::{Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::Now;
use super::fields::Fields;

/// The format.
pub(crate) struct Text {
    pub(crate) time: Now,
    pub(crate) colour: bool,
}

impl<S, N> FormatEvent<S, N> for Text
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
        let time = self.time.get().strftime("%H:%M:%S").unwrap_or_default();
        let level = *event.metadata().level();
        let name = format!("{:5}", level.as_str().to_ascii_lowercase());
        let name = if self.colour { format!("{}{name}\x1b[0m", paint(level)) } else { name };
        writeln!(writer, "{time} {name} {}", sentence(&Fields::of(event, context)))
    }
}

fn paint(level: Level) -> &'static str {
    match level {
        Level::ERROR => "\x1b[1;31m",
        Level::WARN => "\x1b[33m",
        Level::INFO => "\x1b[32m",
        _ => "\x1b[2m",
    }
}

/// Who speaks, what, and the details in brackets. The stable name and an account that is named as its component are
/// for machines.
fn sentence(fields: &Fields) -> String {
    let account = fields.account.as_ref().filter(|account| Some(*account) != fields.component.as_ref());
    let names = [&fields.pipeline, &fields.component].into_iter().flatten().chain(account);
    let who: Vec<&str> = names.filter(|name| !name.is_empty()).map(String::as_str).collect();
    let mut line = if who.is_empty() { String::new() } else { format!("{}: ", who.join("/")) };
    line.push_str(&one_line(&fields.message));
    let shown = |value: &Value| match value {
        Value::String(text) => one_line(text),
        other => other.to_string(),
    };
    let details: Vec<_> = fields.rest.iter().map(|(key, value)| format!("{key}: {}", shown(value))).collect();
    if !details.is_empty() {
        line = format!("{line} ({})", details.join(", "));
    }
    line
}

/// One event is one line, whatever an upstream wrote into an error.
fn one_line(text: &str) -> String {
    text.chars().map(|sign| if sign.is_control() { ' ' } else { sign }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_who_what_and_the_details() {
        let mut fields = Fields {
            message: "the token was refused\nback off".to_owned(),
            pipeline: Some("p".to_owned()),
            component: Some("market".to_owned()),
            account: Some("market".to_owned()),
            event: Some("paused".to_owned()),
            ..Fields::default()
        };
        fields.rest.insert("reason".to_owned(), "auth".into());
        assert_eq!(sentence(&fields), "p/market: the token was refused back off (reason: auth)");
        fields.account = Some("eu".to_owned());
        assert_eq!(sentence(&fields), "p/market/eu: the token was refused back off (reason: auth)");
    }
}
