//! A csv file of accounts, looked at every second.
//!
//! Invariant: a file that is still being written is not taken.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Crowd;
use crate::outside::ProcessVariables;

/// Time between two looks at a file.
const INTERVAL: Duration = Duration::from_secs(1);

/// Takes what the file says whenever it has changed.
pub(super) async fn watch(mut crowd: Crowd, path: PathBuf) {
    let mut settled = read(&path).await;
    let mut last = settled.clone();
    loop {
        tokio::time::sleep(INTERVAL).await;
        let text = read(&path).await;
        // Whoever writes it may not be done: what is taken was the same twice.
        if text == last && text != settled {
            settled.clone_from(&text);
            let place = path.display().to_string();
            if let Err(problems) = crowd.take(&ProcessVariables::default(), &place) {
                for problem in &problems {
                    crowd.complain(problem);
                }
            }
        }
        last = text;
    }
}

/// The text of a file; none while it is not there.
async fn read(path: &Path) -> Option<Vec<u8>> {
    tokio::fs::read(path).await.ok()
}
