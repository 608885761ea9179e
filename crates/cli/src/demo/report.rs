//! What the demo tells at its end: counts, the proof that nothing is missing or doubled, where everything lies.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::time::Duration;

use sluicebox_engine::{ComponentStatus, PipelineStatus};

use super::queries::{WAREHOUSE, Warehouse};
use super::{folder, table};
use crate::arguments::DemoArguments;
use crate::exit::Stop;
use crate::fleet::Fleet;
use crate::progress::grouped;
use crate::terminal;

const SOURCES: [&str; 2] = ["marketplace", "team_chat"];

/// Prints the report; `false` if the counts do not add up.
pub(crate) fn print(fleet: &Fleet, arguments: &DemoArguments, took: Duration) -> Result<bool, Stop> {
    let shown = fleet.shown();
    let Some(status) = shown.first().map(|shown| &shown.status) else { return Ok(false) };
    terminal::print(&format!("\n{}", counts(status)));
    let proofs = proofs(status, arguments.events)?;
    terminal::print(&format!("\nIs everything there, once? ({:.1} s)\n\n", took.as_secs_f64()));
    for Proof { claim, holds } in &proofs {
        terminal::print(&format!("  {} {claim}\n", if *holds { "yes" } else { "NO " }));
    }
    terminal::print(&Warehouse::open()?.answers()?);
    terminal::print(&places(&arguments.dir));
    Ok(proofs.iter().all(|proof| proof.holds))
}

fn counts(status: &PipelineStatus) -> String {
    let head = ["component", "kind", "type", "received", "sent", "discarded", "dead letters"];
    let row = |it: &ComponentStatus| {
        let numbers = [it.received, it.sent, it.discarded, it.dead_letters].map(grouped);
        let names = [it.name.clone(), it.kind.to_owned(), it.component_type.to_owned()];
        names.into_iter().chain(numbers).collect::<Vec<String>>()
    };
    let rows: Vec<Vec<String>> = status.components.iter().map(row).collect();
    table::render(&head.map(str::to_owned), &rows)
}

/// Something that can be checked against what the APIs were told to hold.
struct Proof {
    claim: String,
    holds: bool,
}

fn proofs(status: &PipelineStatus, events: u64) -> Result<Vec<Proof>, Stop> {
    let warehouse = Warehouse::open()?;
    let mut proofs = Vec::new();
    let component = |name: &str| status.components.iter().find(|it| it.name == name);
    for source in SOURCES {
        let path = format!("archive/{source}.jsonl");
        let lines = lines(Path::new(&path))?;
        let (found, made) = (grouped(lines), grouped(events));
        proofs.push(Proof {
            claim: format!("{found} lines in {path} for {made} events of the API"),
            holds: lines == events,
        });
        // What the filter kept, without what was given up on the way.
        let kept = if source == "marketplace" { component("money").map_or(0, |it| it.sent) } else { events };
        let lost: u64 = match source {
            "marketplace" => {
                ["contract", "priced"].iter().filter_map(|name| Some(component(name)?.dead_letters)).sum()
            }
            _ => 0,
        };
        let (rows, different) = warehouse.rows_of(source)?;
        let (found, wanted) = (grouped(rows), grouped(kept - lost));
        proofs.push(Proof {
            claim: format!("{found} rows of {source} in {WAREHOUSE} for {wanted} events that were meant for it, all different"),
            holds: rows == kept - lost && rows == different,
        });
    }
    Ok(proofs)
}

fn lines(path: &Path) -> Result<u64, Stop> {
    let failed = |error: std::io::Error| Stop::failed(format!("cannot read {}", path.display()), &error);
    let mut file = BufReader::new(File::open(path).map_err(failed)?);
    let (mut count, mut line) = (0, Vec::new());
    while file.read_until(b'\n', &mut line).map_err(failed)? > 0 {
        count += 1;
        line.clear();
    }
    Ok(count)
}

fn places(dir: &Path) -> String {
    let program = std::env::args().next().unwrap_or_else(|| "sluicebox".to_owned());
    let (dir, pipeline) = (dir.display(), folder::PIPELINE);
    format!(
        "
Where it lies

  {dir}/{pipeline}           the pipeline
  {dir}/rules/price.rhai        its rule
  {dir}/sample/                 events of both APIs to look at
  {dir}/archive/                everything that came, one event a line
  {dir}/{WAREHOUSE}            the warehouse, a SQLite database
  {dir}/.sluicebox/             positions and dead letters

What to try next

  {program} check --allow-missing-secrets {dir}/{pipeline}
  {program} cursor show --state-dir {dir}/.sluicebox
  {program} list
  {program} explain http_lookup
  {program} demo --dir {dir} --keep
"
    )
}
