//! `cargo xtask services up | down | status`: the real servers that tests use.
//!
//! What they are and how they run is the business of `sluicebox-services`; this prints it. Invariant: a server that is
//! missing or does not start is a sentence and a failure, never a silent gap.

use sluicebox_services::{NAMES, Status, Up};

use crate::Outcome;

/// Starts what is not up and prints where everything is.
pub(crate) fn up(install: bool) -> Outcome {
    let up = start(install)?;
    print(&sluicebox_services::status()?);
    Ok(up.failures.is_empty())
}

/// Starts what is not up; failures are printed.
pub(crate) fn start(install: bool) -> Result<Up, Box<dyn std::error::Error>> {
    let up = sluicebox_services::up(install, &mut |line| println!("services: {line}"))?;
    for failure in &up.failures {
        eprintln!("services: {failure}");
    }
    Ok(up)
}

/// Ends what an earlier run started.
pub(crate) fn down() -> Outcome {
    end(&NAMES)
}

/// Ends the servers of those names.
pub(crate) fn end(names: &[&str]) -> Outcome {
    let ended = sluicebox_services::down(names)?;
    println!("services: ended: {}", if ended.is_empty() { "nothing".to_owned() } else { ended.join(", ") });
    Ok(true)
}

/// Prints a table; it is in order when every server is up.
pub(crate) fn status() -> Outcome {
    let lines = sluicebox_services::status()?;
    print(&lines);
    Ok(lines.iter().all(|line| line.state == "up"))
}

fn print(lines: &[Status]) {
    print!("{}", table(lines));
}

fn table(lines: &[Status]) -> String {
    let heading = ["SERVER", "STATE", "LISTENS AT", "PROCESSES", "FOLDER"].map(str::to_owned);
    let rows = lines.iter().map(|line| {
        let dash = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
        let folder = line.folder.display().to_string();
        [line.name.to_owned(), line.state.to_owned(), dash(&line.addresses), dash(&line.pids), folder]
    });
    let rows: Vec<[String; 5]> = std::iter::once(heading).chain(rows).collect();
    let widths: [usize; 5] =
        std::array::from_fn(|column| rows.iter().map(|row| row[column].len()).max().unwrap_or(0));
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_straight_columns_and_a_dash_for_nothing() {
        let line = |name, state, addresses: &str, pids: &str| Status {
            name,
            state,
            addresses: addresses.to_owned(),
            pids: pids.to_owned(),
            folder: "target/services/x".into(),
        };
        let lines =
            [line("PostgreSQL", "up", "127.0.0.1:20000", "7"), line("RabbitMQ", "not started", "", "")];
        let expected = "\
SERVER      STATE        LISTENS AT       PROCESSES  FOLDER
PostgreSQL  up           127.0.0.1:20000  7          target/services/x
RabbitMQ    not started  -                -          target/services/x
";
        assert_eq!(table(&lines), expected);
    }
}
