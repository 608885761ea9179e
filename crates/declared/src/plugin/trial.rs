//! The tests of a connector: recorded answers in, requests, events, cursor and errors out.
//!
//! Invariant: nothing leaves the machine; the source that runs is the one that a pipeline would run.

use std::collections::VecDeque;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use parking_lot::Mutex;
use serde_json::{Value, json};
use sluicebox_core::{Batch, Context, Cursor, Error, Event, Shared, Source};
use sluicebox_http::{Auth, Fault, Request, Response, Transport, TransportError, TransportHandle};

use super::declaration::{ErrorWord, Trial, TrialAnswer, TrialEvent, TrialPoll};
use super::skipping::skipping;
use super::{Plugin, options};

/// The account that the source of a test reads.
const ACCOUNT: &str = "account";

/// How a test ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrialOutcome {
    /// Its name.
    pub name: String,
    /// What was not as expected; nothing: it passed.
    pub failures: Vec<String>,
}

impl Plugin {
    /// Runs the tests of the file. `cx` gives the time at which they begin, and chance; all else of it is replaced, and no
    /// wait takes any time.
    pub async fn run_tests(&self, cx: &Context) -> Vec<TrialOutcome> {
        let mut outcomes = Vec::new();
        for trial in &self.declaration.tests {
            let failures = match self.run(trial, cx).await {
                Ok(failures) => failures,
                Err(error) => vec![format!("the source cannot be made: {error}")],
            };
            outcomes.push(TrialOutcome { name: trial.name.clone(), failures });
        }
        outcomes
    }

    async fn run(&self, trial: &Trial, cx: &Context) -> Result<Vec<String>, String> {
        let mut given = options::sample(&self.declaration, true);
        let is_chosen = |name: &String| options::is_chosen(&self.declaration, name);
        if trial.with.keys().any(is_chosen) {
            given.retain(|name, _| !is_chosen(name));
        }
        given.insert("rate".to_owned(), json!("unlimited"));
        given.extend(trial.with.clone());
        let connector = self.connector(&given).map_err(|refusal| refusal.sentence())?;
        let auth = connector.source.auth.iter();
        let signed = auth.flat_map(Auth::parameters).map(str::to_owned).collect();
        let recorded = Arc::new(Recorded { signed, ..Recorded::default() });
        let shared = Shared::default();
        let transport = Arc::clone(&recorded) as Arc<dyn Transport>;
        shared.publish("", "", Arc::new(TransportHandle(transport)));
        let environment = skipping(&cx.environment);
        let cx = Context { account: ACCOUNT.into(), shared, environment, ..cx.clone() };
        let prefix = format!("{}:{ACCOUNT}:", connector.family);
        let built = connector.source.build_of(&connector.family, &cx).map_err(|error| error.chain())?;
        let mut source = built.into_single().ok_or_else(|| "it has several partitions".to_owned())?;
        source
            .open(trial.cursor.as_deref().map(Cursor::from).as_ref())
            .await
            .map_err(|error| error.chain())?;
        let mut report = Report { cursor: trial.cursor.clone(), ..Report::default() };
        for (number, poll) in trial.polls.iter().enumerate() {
            report.poll(number + 1, poll, &mut *source, &recorded).await;
        }
        report.compare(trial, &prefix);
        Ok(report.failures)
    }
}

/// What came of a test so far.
#[derive(Default)]
struct Report {
    failures: Vec<String>,
    events: Vec<Event>,
    rejects: usize,
    cursor: Option<String>,
}

impl Report {
    async fn poll(&mut self, number: usize, poll: &TrialPoll, source: &mut dyn Source, recorded: &Recorded) {
        recorded.answers.lock().push_back(poll.answer.clone());
        let result = source.next().await;
        let made = std::mem::take(&mut *recorded.requests.lock());
        if let Some(expected) = &poll.request
            && made.last() != Some(expected)
        {
            let made = made.last().map_or("none", String::as_str);
            self.failures
                .push(format!("poll {number}: expected the request `{expected}`, and it was `{made}`"));
        }
        match result {
            Ok(Some(batch)) => self.page(number, poll, batch.read()),
            Ok(None) => self.failures.push(format!("poll {number}: the source ended")),
            Err(error) => self.error(number, poll, &error),
        }
    }

    fn page(&mut self, number: usize, poll: &TrialPoll, batch: Batch) {
        if let Some(error) = poll.error.map(ErrorWord::as_str) {
            self.failures.push(format!("poll {number}: expected the error `{error}`, and a page came"));
        }
        if poll.gap != batch.gap.is_some() {
            let (expected, found) = if poll.gap { ("a gap", "none") } else { ("no gap", "one") };
            self.failures.push(format!("poll {number}: expected {expected}, found {found}"));
        }
        if let Some(expected) = poll.caught_up.filter(|expected| *expected != batch.caught_up) {
            self.failures.push(format!("poll {number}: expected `caught_up: {expected}`"));
        }
        self.cursor = batch.cursor.as_ref().map(Cursor::to_text).filter(|text| !text.is_empty());
        self.rejects += batch.rejects.len();
        self.events.extend(batch.events);
    }

    fn error(&mut self, number: usize, poll: &TrialPoll, error: &Error) {
        let is_meant = poll
            .error
            .map(ErrorWord::as_str)
            .is_some_and(|word| word == error.class().as_str() || word == error.reason());
        if !is_meant {
            let expected = poll.error.map_or("a page", ErrorWord::as_str);
            let (word, chain) = (error.reason(), error.chain());
            self.failures.push(format!("poll {number}: expected {expected}, found `{word}`: {chain}"));
        }
    }

    /// What is looked at when all polls are done.
    fn compare(&mut self, trial: &Trial, prefix: &str) {
        if self.cursor != trial.cursor_after {
            let shown = |cursor: &Option<String>| cursor.clone().unwrap_or_else(|| "none".to_owned());
            let (expected, found) = (shown(&trial.cursor_after), shown(&self.cursor));
            self.failures.push(format!("expected the cursor `{expected}` at the end, found `{found}`"));
        }
        if self.rejects != trial.rejects {
            self.failures.push(format!("expected {} rejects, found {}", trial.rejects, self.rejects));
        }
        if self.events.len() != trial.events.len() {
            let found: Vec<&str> = self.events.iter().map(|event| id(event, prefix)).collect();
            let (expected, list) = (trial.events.len(), found.join(", "));
            self.failures.push(format!("expected {expected} events, found {}: {list}", found.len()));
        }
        for (number, (expected, event)) in trial.events.iter().zip(&self.events).enumerate() {
            self.failures.extend(differences(number + 1, expected, event, prefix));
        }
    }
}

fn id<'e>(event: &'e Event, prefix: &str) -> &'e str {
    event.meta().id.strip_prefix(prefix).unwrap_or(&event.meta().id)
}

fn differences(number: usize, expected: &TrialEvent, event: &Event, prefix: &str) -> Vec<String> {
    let meta = event.meta();
    let time = meta.time.to_string();
    let wanted_time = expected.time.as_deref().map(|text| {
        sluicebox_core::Timestamp::parse(text).map_or_else(|| text.to_owned(), |time| time.to_string())
    });
    let compared = [
        ("id", Some(expected.id.as_str()), id(event, prefix)),
        ("type", expected.event_type.as_deref(), meta.event_type.as_str()),
        ("time", wanted_time.as_deref(), time.as_str()),
        ("key", expected.key.as_deref(), meta.key.as_str()),
    ];
    compared
        .into_iter()
        .filter_map(|(name, expected, found)| Some((name, expected.filter(|it| *it != found)?, found)))
        .map(|(name, expected, found)| {
            format!("event {number}: expected the {name} `{expected}`, found `{found}`")
        })
        .collect()
}

/// Gives recorded answers, one for each request, the last one again if a request is repeated.
#[derive(Default)]
struct Recorded {
    answers: Mutex<VecDeque<TrialAnswer>>,
    /// `GET /path?query`
    requests: Mutex<Vec<String>>,
    /// Parameters that sign a request: they differ each time, and are no part of what is compared.
    signed: Vec<String>,
}

impl Recorded {
    /// A request as tests name it.
    fn named(&self, request: &Request) -> String {
        let path = request.url.path();
        let is_compared = |pair: &&str| {
            let name = pair.split('=').next().unwrap_or_default();
            !self.signed.iter().any(|signed| signed == name)
        };
        let pairs: Vec<&str> = request.url.query().into_iter().flat_map(|query| query.split('&')).collect();
        let query: Vec<&str> = pairs.into_iter().filter(is_compared).collect();
        let separator = if query.is_empty() { "" } else { "?" };
        format!("{} {path}{separator}{}", request.method, query.join("&"))
    }
}

#[async_trait]
impl Transport for Recorded {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let target = &request.url[url::Position::BeforePath..];
        let is_token = target.ends_with("/oauth/token");
        if is_token {
            return response(&TrialAnswer {
                status: 200,
                headers: [].into(),
                body: json!({ "access_token": "token", "token_type": "Bearer", "expires_in": 3600 }),
                text: None,
            });
        }
        self.requests.lock().push(self.named(&request));
        let mut answers = self.answers.lock();
        while answers.len() > 1 {
            answers.pop_front();
        }
        match answers.front() {
            Some(answer) => response(answer),
            None => Err(TransportError::new(Fault::Refused)),
        }
    }
}

fn response(answer: &TrialAnswer) -> Result<Response, TransportError> {
    let unsendable = |_| TransportError::new(Fault::Unsendable);
    let status = StatusCode::from_u16(answer.status).map_err(|_| TransportError::new(Fault::Unsendable))?;
    let mut headers = HeaderMap::new();
    for (name, value) in &answer.headers {
        let name = HeaderName::try_from(name).map_err(|_| TransportError::new(Fault::Unsendable))?;
        headers.append(name, HeaderValue::try_from(value).map_err(unsendable)?);
    }
    let body = match (&answer.text, &answer.body) {
        (Some(text), _) => Bytes::from(text.clone()),
        (None, Value::Null) => Bytes::new(),
        (None, body) => Bytes::from(body.to_string()),
    };
    Ok(Response { status, headers, body: futures::stream::iter([Ok(body)]).boxed() })
}
