//! The verb `tap`: what becomes of events in a pipeline that runs, asked of its admin server.

mod client;
mod show;

use serde_json::Value;

use crate::arguments::{ReportFormat, TapArguments};
use crate::exit::{Ended, Exit, Stop};
use crate::terminal;
use client::Client;

/// Prints steps as they happen until enough were seen, the pipeline ends, or somebody stops it.
pub(crate) async fn verb(arguments: TapArguments) -> Ended {
    let client = Client::new(&arguments);
    let pipeline = match &arguments.pipeline {
        Some(name) => name.clone(),
        None => only_pipeline(&client).await?,
    };
    let path = path(&pipeline, &arguments)?;
    let mut lines = client.lines(&path).await?;
    let mut seen = 0;
    while arguments.limit.is_none_or(|limit| seen < limit) {
        let line = tokio::select! {
            line = lines.next() => line?,
            _ = tokio::signal::ctrl_c() => return Ok(Exit::Done),
        };
        let Some(line) = line else {
            terminal::complain("the pipeline has ended, or its admin server has closed the connection\n");
            break;
        };
        seen += u64::from(tell(&line, arguments.format)?);
    }
    Ok(Exit::Done)
}

/// Prints one line of the answer; whether it was a step.
fn tell(line: &str, format: ReportFormat) -> Result<bool, Stop> {
    let step: Value = serde_json::from_str(line)
        .map_err(|error| Stop::failed("the admin server answered with something else than steps", &error))?;
    let left_out = step.get("left_out").and_then(Value::as_u64);
    match (format, left_out) {
        (ReportFormat::Json, _) => terminal::print_line(line),
        (ReportFormat::Text, Some(count)) => terminal::complain(&format!("({count} steps left out)\n")),
        (ReportFormat::Text, None) => terminal::print(&show::step(line, terminal::colour_of_output())),
    }
    Ok(left_out.is_none())
}

/// The one pipeline that runs there.
async fn only_pipeline(client: &Client) -> Result<String, Stop> {
    let shown: Vec<Value> = client.json("/api/v1/pipelines").await?;
    let names: Vec<&str> = shown.iter().filter_map(|pipeline| pipeline["name"].as_str()).collect();
    match names.as_slice() {
        [name] => Ok((*name).to_owned()),
        [] => Err(Stop::usage("no pipeline runs there")),
        _ => Err(Stop::usage("several pipelines run there")
            .help(format!("say which with --pipeline: {}", names.join(", ")))),
    }
}

fn path(pipeline: &str, arguments: &TapArguments) -> Result<String, Stop> {
    let rate = if arguments.trace.is_some() { 0 } else { arguments.rate };
    let wanted = match (&arguments.trace, &arguments.component) {
        (Some(id), None) => format!("event={}", escape(id)),
        (None, Some(component)) => format!("component={}", escape(component)),
        _ => {
            return Err(Stop::usage("a component, or an event with --trace, is missing").help(
                "for example `sluicebox tap priced`, or `sluicebox tap --trace opentrain:market:1042`",
            ));
        }
    };
    let raw = arguments.raw.raw;
    Ok(format!("/api/v1/pipelines/{}/steps?{wanted}&rate={rate}&raw={raw}", escape(pipeline)))
}

/// Percent-encoded, but for what is unreserved (RFC 3986, section 2.3).
fn escape(text: &str) -> String {
    let sign = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(sign).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn ids_are_escaped() {
        assert_eq!(super::escape("zenzap:chat:a b/main/0?"), "zenzap%3Achat%3Aa%20b%2Fmain%2F0%3F");
    }
}
