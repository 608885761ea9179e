//! `check` of a large pipeline: 50 components, 30 of them scripts, inline, in files and of packs.
//!
//! Unlike the others this is a time and no ratio: what somebody waits for after saving a file.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::Outcome;
use crate::statistics::spread;

/// Scripts inline, in files, and of packs.
const SCRIPTS: [usize; 3] = [12, 12, 6];
/// Transforms that are no scripts.
const FILTERS: usize = 8;
/// Sinks.
const SINKS: usize = 10;

/// Options of `check`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The program
    #[arg(long, default_value = "target/release/sluicebox", value_name = "FILE")]
    program: PathBuf,
    /// How often it is run
    #[arg(long, default_value_t = 11, value_name = "N")]
    runs: usize,
}

/// Measures, and prints the least, the median and the greatest time.
pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let program = std::path::absolute(&arguments.program)?;
    let folder = tempfile::tempdir()?;
    let components = write_pipeline(folder.path())?;
    let mut times = Vec::new();
    // The first run reads the program from the disk.
    for run in 0..=arguments.runs {
        let start = Instant::now();
        let output = Command::new(&program).args(["check", "p.yaml"]).current_dir(folder.path()).output()?;
        let time = start.elapsed().as_secs_f64() * 1000.0;
        if !output.status.success() || !output.stderr.is_empty() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
        }
        times.extend((run > 0).then_some(time));
    }
    let (least, median, greatest) = spread(&times);
    let scripts: usize = SCRIPTS.iter().sum();
    println!(
        "check, {components} components, {scripts} scripts: {median:.1} ms ({least:.1} to {greatest:.1})"
    );
    Ok(())
}

/// Writes the pipeline; how many components it has.
fn write_pipeline(folder: &Path) -> Outcome<usize> {
    let mut text = "sources:\n  market: { type: opentrain_updates, token: t }\n  \
                    made: { type: generate, schema: { properties: { type: { const: generated }, id: {} } } }\n\
                    transforms:\n"
        .to_owned();
    let [inline, files, packs] = SCRIPTS;
    let mut above = "market".to_owned();
    for number in 0..inline {
        let name = format!("inline_{number}");
        let script = script(number).replace('\n', "\n      ");
        writeln!(text, "  {name}:\n    type: rhai\n    inputs: [{above}]\n    source: |\n      {script}")?;
        above = name;
    }
    for number in 0..files {
        let name = format!("file_{number}");
        std::fs::write(folder.join(format!("{name}.rhai")), script(inline + number))?;
        writeln!(text, "  {name}: {{ type: rhai, inputs: [{above}], file: {name}.rhai }}")?;
        above = name;
    }
    for number in 0..packs {
        let name = format!("pack_{number}");
        writeln!(
            text,
            "  {name}: {{ type: rhai, inputs: [{above}], pack: money/to_minor, with: {{ field: amount_{number}, \
             into: minor_{number} }} }}"
        )?;
        above = name;
    }
    for number in 0..FILTERS {
        let name = format!("filter_{number}");
        writeln!(
            text,
            "  {name}: {{ type: filter, inputs: [{above}], when: \"event.amount_{number} > {number} && \
             meta.type.starts_with(\\\"payment.\\\")\" }}"
        )?;
        above = name;
    }
    text.push_str("sinks:\n");
    for number in 0..SINKS {
        let inputs = if number == 0 { "made" } else { &above };
        writeln!(text, "  sink_{number}: {{ type: blackhole, inputs: [{inputs}] }}")?;
    }
    std::fs::write(folder.join("p.yaml"), text)?;
    Ok(2 + inline + files + packs + FILTERS + SINKS)
}

/// A script of some thirty lines, as people write them.
fn script(number: usize) -> String {
    format!(
        r#"// Amounts and labels, number {number}.
fn label(amount, limit) {{
    if amount > limit {{ "large" }} else if amount > 10 {{ "medium" }} else {{ "small" }}
}}
let id = event.data.contractId ?? "none";
event.amount_{number} = event.amount_{number} ?? {number} * 1.5;
event.label_{number} = label(event.amount_{number}, 1000);
if meta.type == "payment.pending" {{
    event.reference = "INV-" + event.data.invoiceId.to_upper();
    event.milestone = event.data.milestoneId;
}} else if meta.type.starts_with("contract.") {{
    event.reference = "CON-" + id.to_upper();
    event.tags_{number} = [meta.source, meta.account, `${{meta.type}}-{number}`];
}} else {{
    event.reference = "EVT-" + event.id;
}}
if "jobId" in event && event.jobId != "j{number}" {{
    event.job = #{{ id: event.jobId, day: meta.time.sub_string(0, 10) }};
}}
let total = 0;
for part in [1, 2, 3, {number}] {{
    if part > 2 {{ total += part; }}
}}
event.total_{number} = total;
event.words = event.reference.split("-").filter(|word| !word.is_empty());
if event.total_{number} > 5000 {{
    log("a large total: " + event.total_{number});
    drop();
}}
"#
    )
}
