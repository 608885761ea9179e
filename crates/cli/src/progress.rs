//! How far pipelines are: moving lines on a terminal, a plain log line every few seconds elsewhere.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use sluicebox_engine::PipelineStatus;
use tokio::task::JoinHandle;

use crate::fleet::Fleet;
use crate::logs::Logs;

/// How often a moving line changes.
const FRAME: Duration = Duration::from_millis(100);
/// How often a plain line is logged.
const PLAIN: Duration = Duration::from_secs(5);

/// Progress that is being shown; dropping it ends that.
pub(crate) struct Progress {
    task: JoinHandle<()>,
    logs: Logs,
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.task.abort();
        // Lines that cannot be cleared are of a terminal that is gone.
        let _ = self.logs.bars().clear();
    }
}

/// Shows the progress of every pipeline until it is dropped.
pub(crate) fn start(fleet: Arc<Fleet>, logs: &Logs) -> Progress {
    let task = if logs.draws { tokio::spawn(draw(fleet, logs.clone())) } else { tokio::spawn(tell(fleet)) };
    Progress { task, logs: logs.clone() }
}

async fn draw(fleet: Arc<Fleet>, logs: Logs) {
    let mut bars: HashMap<String, ProgressBar> = HashMap::new();
    loop {
        for shown in fleet.shown() {
            let bar = bars.entry(shown.status.name.clone()).or_insert_with(|| {
                let style = ProgressStyle::with_template("{spinner} {elapsed_precise} {msg}");
                let bar = logs.bars().add(ProgressBar::new_spinner());
                bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()))
            });
            bar.set_message(format!("{}: {}", shown.status.name, sentence(&shown.status)));
            bar.tick();
        }
        tokio::time::sleep(FRAME).await;
    }
}

async fn tell(fleet: Arc<Fleet>) {
    loop {
        tokio::time::sleep(PLAIN).await;
        for shown in fleet.shown().iter().filter(|shown| shown.status.state != "finished") {
            tracing::info!(pipeline = shown.status.name, "{}", sentence(&shown.status));
        }
    }
}

/// `2,000 events in, 1,800 written, 200 discarded, 3 dead letters, 40 in flight`.
fn sentence(status: &PipelineStatus) -> String {
    let sum = |kind: &str, count: fn(&sluicebox_engine::ComponentStatus) -> u64| -> u64 {
        status.components.iter().filter(|it| kind.is_empty() || it.kind == kind).map(count).sum()
    };
    let in_flight: usize = status.partitions.iter().map(|partition| partition.inflight_events).sum();
    let mut parts = vec![
        format!("{} events in", grouped(sum("source", |it| it.received))),
        format!("{} written", grouped(sum("sink", |it| it.sent))),
    ];
    let optional = [
        (sum("", |it| it.discarded), "discarded"),
        (sum("", |it| it.dead_letters), "dead letters"),
        (in_flight as u64, "in flight"),
    ];
    let optional = optional.into_iter().filter(|(count, _)| *count > 0);
    parts.extend(optional.map(|(count, word)| format!("{} {word}", grouped(count))));
    let paused = status.partitions.iter().filter_map(|it| {
        let pause = it.paused.as_ref()?;
        Some(format!("{} paused ({})", it.account, pause.reason))
    });
    parts.extend(paused);
    parts.join(", ")
}

/// A number with a comma between thousands.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn thousands_are_grouped() {
        let grouped = [0, 999, 1000, 12_345, 1_234_567].map(super::grouped);
        assert_eq!(grouped, ["0", "999", "1,000", "12,345", "1,234,567"]);
    }
}
