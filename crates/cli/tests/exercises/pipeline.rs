//! Transforms of the guide and whole pipelines of the exercises, run until they are caught up.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;
use sluicebox_emulator::{Api, Options};
use sluicebox_testkit::{Process, Sandbox, Served, Stub};

/// How many events an emulator serves to an exercise.
const EVENTS: u64 = 60;

/// What a pipeline has left: its files in `out/` by name, and what it gave up, one line each.
pub(crate) struct Left {
    pub(crate) files: BTreeMap<String, String>,
    pub(crate) letters: Vec<String>,
}

impl Left {
    fn of(sandbox: &Sandbox) -> Self {
        let mut files = BTreeMap::new();
        for entry in std::fs::read_dir(sandbox.path("out")).into_iter().flatten() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let text = sandbox.read(&format!("out/{name}"));
            files.insert(name, text);
        }
        let letter = |letter: &Value| {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            format!("{}: {}", text(&letter["reason"]), text(&letter["error"]["message"]))
        };
        Self { files, letters: sandbox.dead_letters().iter().map(letter).collect() }
    }
}

/// What `transforms:` alone make of events of OpenTrain that come from a source called `marketplace`: what leaves the
/// last of them, `OUTPUT: EVENT` for named outputs, `dead letter: REASON: MESSAGE`.
pub(crate) fn outcome(transforms: &str, events: &[&str]) -> Vec<String> {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sluicebox"));
    let stub = Stub::feed(events.iter().map(|event| (*event).to_owned()).collect());
    let source =
        format!("type: opentrain_updates, base_url: {}, token: ot_pat_x, rate: unlimited", stub.url());
    let write = |outputs: &BTreeSet<String>| {
        let sink = |output: &String| {
            let name = output.replace('.', "_");
            format!("  to_{name}: {{ type: file, inputs: [{output}], path: out/{output} }}\n")
        };
        let sinks: String = outputs.iter().map(sink).collect();
        let text =
            format!("sources:\n  marketplace: {{ {source}, interval: 1s }}\n{transforms}sinks:\n{sinks}");
        sandbox.write("p.yaml", &text);
    };
    let names = transforms.lines().filter_map(|line| line.strip_prefix("  ")?.split_once(':'));
    let last = names.map(|(name, _)| name).rfind(|name| !name.starts_with([' ', '#'])).unwrap();
    // The named outputs are those that `check` misses a reader for.
    let mut outputs = BTreeSet::from([last.to_owned()]);
    write(&outputs);
    let said = sandbox.run("check p.yaml").stderr;
    outputs.extend(
        said.split("nobody reads `").skip(1).filter_map(|rest| Some(rest.split_once('`')?.0.to_owned())),
    );
    write(&outputs);
    sandbox.run("run --once --admin off -q p.yaml").expect(0);
    let left = Left::of(&sandbox);
    let mut lines = Vec::new();
    for (output, text) in &left.files {
        let prefix = if output == last { String::new() } else { format!("{output}: ") };
        lines.extend(text.lines().map(|line| format!("{prefix}{line}")));
    }
    lines.extend(left.letters.iter().map(|letter| format!("dead letter: {letter}")));
    lines
}

/// The API that a pipeline reads.
fn api_of(pipeline: &Path) -> Api {
    let text = std::fs::read_to_string(pipeline).unwrap();
    if text.contains("zenzap_updates") { Api::Zenzap } else { Api::OpenTrain }
}

/// Runs a pipeline file as it stands against the emulator of the API that it reads. Gives what it leaves, and the
/// events that were served.
pub(crate) fn run_file(pipeline: &Path) -> (Left, String) {
    let api = api_of(pipeline);
    let served = Served::new(Options { events: EVENTS, ..Options::new(api) });
    let mut sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sluicebox"));
    let prefix = api.to_string().to_uppercase();
    sandbox.set(&format!("{prefix}_URL"), served.url());
    let names: &[&str] = if api == Api::Zenzap { &["key", "secret"] } else { &["token"] };
    // An emulator asks for no patience.
    sandbox.set(&format!("{prefix}_RATE"), "unlimited");
    sandbox.set(&format!("{prefix}_TIMEOUT"), "1s");
    for name in names {
        sandbox.set(&format!("{prefix}_{}", name.to_uppercase()), served.credential(0, name));
    }
    let mut command = sandbox.command("run --once --admin off -q");
    let mut process = Process::start(command.arg(pipeline));
    process.close_input();
    process.finish().expect(0);
    (Left::of(&sandbox), served.truth_text(0))
}
