//! `--keep`: the pipeline goes on, events keep happening, and the admin server can be looked at.

use std::sync::Arc;
use std::time::Duration;

use super::Demo;
use crate::exit::{Ended, Exit};
use crate::fleet::Fleet;
use crate::{admin, progress, terminal};

impl Demo {
    /// Runs until stopped.
    pub(super) async fn keep(&self) -> Ended {
        let fleet = Arc::new(Fleet::new());
        let server = admin::start(admin::Policy::local(None), Arc::clone(&fleet)).await?;
        if let Some(server) = &server {
            terminal::print(&format!(
                "\nThe pipeline stays up, with {} new events a second from each API.\nSee http://{}/ for metrics and \
                 the state of everything. Ctrl-C stops it.\n",
                self.arguments.rate, server.address
            ));
        }
        let _progress = progress::start(Arc::clone(&fleet), &self.logs);
        let launch = self.launch(false, &fleet);
        let plans = vec![self.plan()?];
        tokio::select! {
            exit = launch.all(plans) => Ok(exit),
            () = self.feed() => Ok(Exit::Failed),
        }
    }

    /// Lets events happen; ends only when an emulator is gone.
    async fn feed(&self) {
        let mut second = tokio::time::interval(Duration::from_secs(1));
        loop {
            second.tick().await;
            if self.drain.is_cancelled() {
                std::future::pending::<()>().await;
            }
            if let Err(error) = self.emulators.append(self.arguments.rate).await {
                tracing::error!("an emulator is gone: {error}");
                return;
            }
        }
    }
}
