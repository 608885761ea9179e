//! The folder of the demo: made anew each time, and never taken from anybody else.

use std::path::{Path, PathBuf};

use sluicebox_emulator::{Api, events};

use crate::exit::Stop;

/// The pipeline file inside the folder.
pub(crate) const PIPELINE: &str = "pipeline.yaml";
/// Says that the folder is ours to replace.
const MARKER: &str = ".sluicebox-demo";
/// How many events of each API lie beside the pipeline to look at.
const SAMPLE_EVENTS: u64 = 20;

const FILES: [(&str, &str); 2] = [
    (PIPELINE, include_str!("files/pipeline.yaml")),
    ("rules/price.rhai", include_str!("files/rules/price.rhai")),
];

/// Makes the folder and writes the pipeline, its rule and a sample of events. Returns its absolute path.
pub(crate) fn prepare(folder: &Path) -> Result<PathBuf, Stop> {
    if std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) || folder.is_file() {
        if !folder.join(MARKER).is_file() {
            return Err(Stop::usage(format!(
                "{} was not made by the demo and is left alone",
                folder.display()
            ))
            .help("choose another folder with --dir"));
        }
        std::fs::remove_dir_all(folder).map_err(|error| failed(folder, &error))?;
    }
    write(folder, MARKER, "This folder was made by `sluicebox demo`, which replaces it without asking.\n")?;
    for (path, text) in FILES {
        write(folder, path, text)?;
    }
    for (api, path) in [(Api::OpenTrain, "sample/marketplace.jsonl"), (Api::Zenzap, "sample/team_chat.jsonl")]
    {
        let sample = events(api, super::emulators::SEED, 0, 0..SAMPLE_EVENTS);
        let lines = sample.iter().map(|event| format!("{}\n", String::from_utf8_lossy(event)));
        write(folder, path, &lines.collect::<String>())?;
    }
    folder.canonicalize().map_err(|error| failed(folder, &error))
}

fn write(folder: &Path, path: &str, text: &str) -> Result<(), Stop> {
    let path = folder.join(path);
    let parent = path.parent().unwrap_or(folder);
    let written = std::fs::create_dir_all(parent).and_then(|()| std::fs::write(&path, text));
    written.map_err(|error| failed(&path, &error))
}

fn failed(path: &Path, error: &std::io::Error) -> Stop {
    Stop::failed(format!("cannot write {}", path.display()), error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Exit;

    #[test]
    fn only_a_folder_with_the_marker_is_replaced() {
        let outer = tempfile::tempdir().unwrap();
        let folder = outer.path().join("demo");
        prepare(&folder).unwrap();
        std::fs::write(folder.join("warehouse.db"), "old").unwrap();
        prepare(&folder).unwrap();
        assert!(!folder.join("warehouse.db").exists());
        assert!(folder.join("rules/price.rhai").exists());

        std::fs::remove_file(folder.join(MARKER)).unwrap();
        assert_eq!(prepare(&folder).unwrap_err().exit, Exit::Usage);
        assert!(folder.join(PIPELINE).exists());
        assert_eq!(prepare(&folder.join(PIPELINE)).unwrap_err().exit, Exit::Usage);
    }
}
