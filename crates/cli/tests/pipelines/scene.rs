//! A pipeline of the repository as it stands, an API that it reads from, and a folder in which it runs.

use std::path::{Path, PathBuf};

use serde_json::Value;
use sluicebox_emulator::{Api, Options};
use sluicebox_testkit::{Finished, Process, Sandbox, Served};

/// Events of the run that lies beside a pipeline: one page of either API.
pub(crate) const SAMPLE: u64 = 40;

/// A pipeline, what it reads, and where it runs.
pub(crate) struct Scene {
    pipeline: PathBuf,
    pub(crate) feed: Served,
    pub(crate) sandbox: Sandbox,
}

impl Scene {
    pub(crate) fn new(pipeline: &str, api: Api, events: u64) -> Self {
        let pipeline = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pipelines").join(pipeline);
        let feed = Served::new(Options { events, ..Options::new(api) });
        let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sluicebox"));
        let mut scene = Self { pipeline, feed, sandbox };
        let prefix = api.to_string().to_uppercase();
        scene.sandbox.set(&format!("{prefix}_URL"), scene.feed.url());
        let (names, patience): (&[&str], _) = match api {
            Api::OpenTrain => (&["token"], ("OPENTRAIN_RATE", "unlimited")),
            Api::Zenzap => (&["key", "secret"], ("ZENZAP_TIMEOUT", "1s")),
            Api::Slack => panic!("nothing can be read from Slack"),
        };
        for name in names {
            let credential = scene.feed.credential(0, name);
            scene.sandbox.set(&format!("{prefix}_{}", name.to_uppercase()), credential);
        }
        scene.sandbox.set(patience.0, patience.1);
        scene
    }

    /// A name for what a test makes on a server that others use too.
    pub(crate) fn unique_name(&self) -> String {
        let folder = self.sandbox.path("");
        let random =
            folder.components().next_back().map(|name| name.as_os_str().to_string_lossy().into_owned());
        let random = random.unwrap_or_default().to_lowercase();
        format!("pipelines_{}", random.trim_start_matches(".tmp"))
    }

    /// Runs the pipeline until it is caught up.
    pub(crate) fn run(&self) -> Finished {
        self.verb("run --once --admin off").expect(0)
    }

    /// Asks every source and sink whether a run would work; all of them must say yes.
    pub(crate) fn check(&self) {
        self.verb("check --connect").expect(0);
    }

    fn verb(&self, verb: &str) -> Finished {
        let mut command = self.sandbox.command(verb);
        command.arg(self.pipeline.join("pipeline.yaml")).env_remove("DATA_DIR");
        let mut process = Process::start(&mut command);
        process.close_input();
        process.finish()
    }

    /// What the feed served, one line an event.
    pub(crate) fn truth(&self) -> String {
        self.feed.truth_text(0)
    }

    /// A file that the pipeline has written.
    pub(crate) fn data(&self, name: &str) -> PathBuf {
        self.sandbox.path("data").join(name)
    }

    /// A folder beside the pipeline.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.pipeline.join(name)
    }

    /// Compares a text with a file beside the pipeline.
    pub(crate) fn assert_lies_beside(&self, name: &str, text: &str) {
        let path = self.pipeline.join(name);
        if std::env::var_os("SLUICEBOX_BLESS").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
        }
        let expected = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(text == expected, "{} differs from what the pipeline wrote:\n{text}", path.display());
    }
}

/// The events of JSON lines.
pub(crate) fn events(lines: &str) -> Vec<Value> {
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
