//! The contract of sources, kept by `spool`.

use async_trait::async_trait;
use sluicebox_contract::{Fault, Upstream};
use sluicebox_core::{Context, ErrorClass, Source, SourceSpec};

use crate::spool::Spool;

/// A folder with eight files, one of which is no event.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("spool")).unwrap();
        for number in 0..8 {
            let text = if number == 4 { "no event".to_owned() } else { format!("{{\"number\":{number}}}") };
            std::fs::write(folder.path().join(format!("spool/{number:04}.json")), text).unwrap();
        }
        std::fs::write(folder.path().join("spool/0009.json.part"), "{").unwrap();
        Self(folder)
    }
}

#[async_trait]
impl Upstream for Folder {
    async fn source(&mut self) -> Box<dyn Source> {
        let options = serde_json::json!({ "folder": self.0.path().join("spool"), "page": 3 });
        let spec: Spool = serde_json::from_value(options).unwrap();
        let cx = Context { account: "main".into(), ..sluicebox_contract::context("orders", "spool") };
        spec.build(&cx).await.unwrap().into_single().unwrap()
    }

    fn faults(&self) -> Vec<Fault> {
        vec![Fault::new("unmounted", ErrorClass::Transient)]
    }

    async fn strike(&mut self, fault: Option<&Fault>) {
        let (here, away) = (self.0.path().join("spool"), self.0.path().join("away"));
        let (from, to) = if fault.is_some() { (here, away) } else { (away, here) };
        std::fs::rename(from, to).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn spool_keeps_the_contract_of_sources() {
    let tally = sluicebox_contract::source(&mut Folder::new()).await;
    assert_eq!((tally.events, tally.pages, tally.restarts, tally.faults), (8, 3, 6, 1), "{tally}");
}
