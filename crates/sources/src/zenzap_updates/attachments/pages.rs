//! The attachments of a page: fetched a few at once, and what became of each written into its event.
//!
//! Invariant: a page is handed on only whole; until then the same page is asked for again, where files that are there
//! are found and not fetched.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures::StreamExt;
use sluicebox_core::{Context, Error, Event, Result};
use sluicebox_http::BaseUrl;

use super::ZenzapAttachments;
use super::bucket::Bucket;
use super::download::{Attempt, Fetcher, SILENCE, Wanted};
use super::events::{Attachment, Download, Message, Status, annotate, find};
use super::folder::Whole;
use super::link;
use super::names::{file_name, segment, segment_of_place};
use super::patience::Patience;
use super::store::Store;

/// The reason of the error while files are still to be had.
const PENDING: &str = "attachment_pending";

/// Fetches the attachments of one account.
pub(in super::super) struct Attachments {
    options: ZenzapAttachments,
    fetcher: Fetcher,
    /// The folder of the account's files.
    folder: String,
    patience: Patience,
    /// Attempts so far: the name of a file that is being written is never used again.
    attempts: AtomicU64,
}

/// The attachments of one event, each with its place on the disk unless it is not wanted.
struct Planned {
    message: Message,
    places: Vec<Result<String, Download>>,
}

/// A file that is not there yet.
struct Missing<'a> {
    /// Where it is to lie.
    path: &'a str,
    /// Where it is to be had.
    url: &'a str,
    /// Who is to give it.
    server: String,
}

impl Attachments {
    /// # Errors
    /// `Config` for a bucket that cannot be one.
    pub(in super::super) fn new(options: &ZenzapAttachments, api: BaseUrl, cx: &Context) -> Result<Self> {
        let (max_size, timeout) = (options.max_size, options.timeout.0);
        let store = match &options.s3 {
            Some(store) => Store::Bucket(Box::new(Bucket::new(&options.download, store, timeout, cx)?)),
            None => Store::Folder,
        };
        Ok(Self {
            fetcher: Fetcher { api, store, max_size, timeout, cx: cx.clone() },
            folder: format!("{}/{}", options.download.trim_end_matches('/'), segment(&cx.account)),
            patience: Patience::new(options.max_elapsed.0),
            attempts: AtomicU64::new(0),
            options: options.clone(),
        })
    }

    /// Fetches what the messages of a page name and writes into each what became of it. Cancel-safe.
    ///
    /// # Errors
    /// A file is still to be had, or the disk or bucket does not take it. The same events are to come again, and `events` is as
    /// it was.
    pub(in super::super) async fn download(&mut self, events: &mut [Event]) -> Result<()> {
        let planned: Vec<Option<Planned>> = events.iter().map(|event| self.plan(event)).collect();
        let mut wanted: HashMap<&str, &str> = HashMap::new();
        for planned in planned.iter().flatten() {
            for (attachment, place) in planned.message.attachments.iter().zip(&planned.places) {
                if let (Ok(place), Some(url)) = (place, &attachment.url) {
                    // Of two links to one file the later is the fresher.
                    wanted.insert(place, url);
                }
            }
        }
        let fetched = self.fetch(&wanted).await?;
        for (event, planned) in events.iter_mut().zip(&planned) {
            let Some(planned) = planned else { continue };
            let became = |(attachment, place): (_, &Result<String, Download>)| {
                let download = match place {
                    Ok(place) => fetched.get(place.as_str()).cloned()?,
                    Err(download) => download.clone(),
                };
                Some((attachment, download))
            };
            let downloads: Vec<(&Attachment, Download)> =
                planned.message.attachments.iter().zip(&planned.places).filter_map(became).collect();
            *event = event.with_json(annotate(&event.json(), &downloads));
        }
        self.patience.done();
        Ok(())
    }

    /// What is to become of the attachments of an event; `None` if it has none.
    fn plan(&self, event: &Event) -> Option<Planned> {
        if !event.meta().event_type.starts_with("message.") {
            return None;
        }
        let message = find(&event.json()).filter(|message| !message.attachments.is_empty())?;
        let owner = message.id.as_deref().unwrap_or(&event.meta().id);
        let attachments = message.attachments.iter().enumerate();
        let places = attachments.map(|(number, attachment)| self.place(owner, number, attachment)).collect();
        Some(Planned { message, places })
    }

    /// Where the file of an attachment is to lie, or why there is to be none.
    fn place(&self, owner: &str, number: usize, attachment: &Attachment) -> Result<String, Download> {
        if !self.options.wants(attachment.kind.as_deref()) {
            return Err(Download::without(Status::Skipped, "not one of the `types`"));
        }
        let Some(url) = &attachment.url else {
            return Err(Download::without(Status::Failed, "the attachment has no link"));
        };
        let own = match &attachment.id {
            Some(id) => segment(id),
            None => segment_of_place(owner, number, url),
        };
        Ok(format!("{}/{own}/{}", self.folder, file_name(attachment.name.as_deref(), url)))
    }

    /// Fetches files, by where they are to lie.
    async fn fetch<'a>(&mut self, wanted: &HashMap<&'a str, &'a str>) -> Result<HashMap<&'a str, Download>> {
        let mut fetched = HashMap::with_capacity(wanted.len());
        let mut left = Vec::new();
        for (path, url) in wanted {
            match self.fetcher.store.found(path).await? {
                Some(Whole { bytes, sha256 }) => {
                    fetched.insert(*path, Download::ok((*path).to_owned(), bytes, sha256));
                }
                None => left.push(Missing { path, url, server: link::origin(url) }),
            }
        }
        // Those that failed before come last, so that they keep no other waiting.
        let patience = &self.patience;
        left.sort_unstable_by_key(|file| {
            (patience.is_given_up(file.path), patience.has_failed(file.path), file.path)
        });
        let left = self.without_those_of_servers_down(left, &mut fetched).await?;
        self.fetch_several(&left, &mut fetched).await?;
        Ok(fetched)
    }

    /// Asks each server that seems to be down for a few files that were not given up before: one of them may be a file
    /// that nobody can give; that all are, is not likely. If all fail, the rest of its files is given up. Returns those that
    /// are still to be asked for.
    async fn without_those_of_servers_down<'a>(
        &mut self,
        mut left: Vec<Missing<'a>>,
        fetched: &mut HashMap<&'a str, Download>,
    ) -> Result<Vec<Missing<'a>>> {
        let servers: BTreeSet<String> = left.iter().map(|file| file.server.clone()).collect();
        for server in servers.iter().filter(|server| !server.is_empty()) {
            if !self.patience.is_down(server, self.now()) {
                continue;
            }
            let (mut tried, at_once) = (Vec::new(), self.fetcher.store.at_once());
            let mut others = Vec::with_capacity(left.len());
            for file in left {
                let is_new = file.server == *server && !self.patience.is_given_up(file.path);
                if is_new && tried.len() < at_once { tried.push(file) } else { others.push(file) }
            }
            self.fetch_several(&tried, fetched).await?;
            // None of them was given up before, so those that are now have just failed.
            let is_down = !tried.is_empty() && tried.iter().all(|file| self.patience.is_given_up(file.path));
            let (lost, rest) = others.into_iter().partition(|file| is_down && file.server == *server);
            left = rest;
            self.give_up(&lost, fetched);
        }
        Ok(left)
    }

    /// Gives up files of a server that is down.
    fn give_up<'a>(&self, lost: &[Missing<'a>], fetched: &mut HashMap<&'a str, Download>) {
        if lost.is_empty() {
            return;
        }
        let why = "not asked for: the file server has not answered for longer than `max_elapsed`";
        self.tell_given_up(lost.len(), why);
        fetched.extend(lost.iter().map(|file| (file.path, Download::without(Status::Failed, why))));
    }

    /// Fetches files, a few at once. Once one has to be waited for and the attempt has taken its time, no other is begun;
    /// those under way may end.
    async fn fetch_several<'a>(
        &mut self,
        left: &[Missing<'a>],
        fetched: &mut HashMap<&'a str, Download>,
    ) -> Result<()> {
        let (is_enough, begun) = (AtomicBool::new(false), self.now());
        let mut attempts = Vec::with_capacity(left.len());
        for file in left {
            attempts.push(self.attempt_unless((&is_enough, begun), file));
        }
        let at_once = self.fetcher.store.at_once();
        let attempts: Vec<_> = futures::stream::iter(attempts).buffer_unordered(at_once).collect().await;
        let (mut waits, mut untried) = (None, 0);
        for (file, attempt) in attempts {
            let path = file.path;
            match attempt {
                Some(attempt) => waits = self.judge(file, attempt, fetched).err().or(waits),
                // It was asked for already while this page waited.
                None if self.patience.is_given_up(path) && self.patience.has_failed(path) => {
                    fetched.insert(path, Download::without(Status::Failed, "its server failed to give it"));
                }
                None => untried += 1,
            }
        }
        match waits {
            Some(error) => Err(error),
            None if untried > 0 => {
                let message = format!("{untried} attachments are still to be fetched");
                Err(Error::transient(message).with_reason(PENDING))
            }
            None => Ok(()),
        }
    }

    async fn attempt_unless<'a, 'b>(
        &self,
        (is_enough, begun): (&AtomicBool, Duration),
        file: &'b Missing<'a>,
    ) -> (&'b Missing<'a>, Option<Attempt>) {
        if is_enough.load(Ordering::Relaxed) {
            return (file, None);
        }
        let attempt = self.attempt(file.path, file.url).await;
        let is_over = match attempt {
            Attempt::Later(_) => self.now().saturating_sub(begun) >= SILENCE,
            Attempt::NotStored(_) => true,
            Attempt::Whole(_) | Attempt::Never(..) => false,
        };
        is_enough.fetch_or(is_over, Ordering::Relaxed);
        (file, Some(attempt))
    }

    async fn attempt(&self, path: &str, url: &str) -> Attempt {
        let number = self.attempts.fetch_add(1, Ordering::Relaxed);
        self.fetcher.attempt(&Wanted { path, url, number }).await
    }

    /// Writes down how an attempt ended.
    ///
    /// # Errors
    /// The file is worth waiting for.
    fn judge<'a>(
        &mut self,
        file: &Missing<'a>,
        attempt: Attempt,
        fetched: &mut HashMap<&'a str, Download>,
    ) -> Result<()> {
        let download = match attempt {
            Attempt::NotStored(error) => return Err(error),
            Attempt::Whole(whole) => {
                self.patience.answered(&file.server);
                Download::ok(file.path.to_owned(), whole.bytes, whole.sha256)
            }
            Attempt::Never(status, why) => {
                self.patience.answered(&file.server);
                Download::without(status, why)
            }
            Attempt::Later(error) => {
                if !self.patience.failed(file.path, &file.server, self.now()) {
                    let message = format!("an attachment cannot be fetched yet: {error}");
                    return Err(Error::transient(message).with_reason(PENDING));
                }
                let why = error.to_string();
                self.tell_given_up(1, &why);
                Download::without(Status::Failed, why)
            }
        };
        fetched.insert(file.path, download);
        Ok(())
    }

    fn tell_given_up(&self, files: usize, why: &str) {
        let account = &*self.fetcher.cx.account;
        tracing::warn!(
            account,
            files,
            "attachments are given up, and their events go on without them: {why}"
        );
    }

    fn now(&self) -> Duration {
        self.fetcher.cx.environment.clock.elapsed()
    }
}
