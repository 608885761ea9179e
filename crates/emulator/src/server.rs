//! The life of a request: written down, struck by a fault or not, answered by the API it is for, sent.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::response::Response;
use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;

use crate::account::Account;
use crate::answer::{Answer, Reply};
use crate::call::Call;
use crate::clock::Clock;
use crate::connection::{Connection, wait_for_close};
use crate::faults::{FaultBoard, FaultKind, Target};
use crate::log::{Credential, Finish, RequestLog, RequestRecord};
use crate::options::{Api, Options};
use crate::zenzap::AccessTokens;
use crate::{opentrain, private, slack, strike, zenzap};

/// No request to any of the APIs carries more: 40,000 characters of text and as much in blocks, each escaped in JSON.
const BODY_LIMIT: usize = 1 << 20;

pub(crate) struct Server {
    pub(crate) options: Options,
    pub(crate) clock: Clock,
    pub(crate) accounts: Vec<Account>,
    /// Which account a token, key or client belongs to, those included that are no longer valid.
    pub(crate) directory: RwLock<HashMap<String, u32>>,
    pub(crate) access_tokens: Mutex<AccessTokens>,
    pub(crate) faults: Mutex<FaultBoard>,
    /// What stands before the public feed of the marketplace.
    pub(crate) edge: Mutex<opentrain::Edge>,
    pub(crate) log: Mutex<RequestLog>,
    /// Changes whenever a held poll should look again.
    pub(crate) changed: watch::Sender<u64>,
    /// Becomes true when the emulator stops.
    pub(crate) closing: watch::Sender<bool>,
}

impl Server {
    pub(crate) fn new(options: Options) -> Self {
        let scopes = match options.api {
            Api::OpenTrain => opentrain::SCOPES,
            Api::Zenzap => zenzap::SCOPES,
            Api::Slack => slack::SCOPES,
        };
        let accounts: Vec<Account> =
            (0..options.accounts).map(|number| Account::new(&options, number, scopes)).collect();
        let mut directory = HashMap::new();
        for account in &accounts {
            for name in account.access.read().credentials.names() {
                directory.insert(name, account.number);
            }
        }
        let mut faults = FaultBoard::default();
        options.faults.iter().cloned().for_each(|fault| faults.add(fault));
        Self {
            clock: Clock::new(options.clock_skew),
            options,
            accounts,
            directory: RwLock::new(directory),
            access_tokens: Mutex::default(),
            faults: Mutex::new(faults),
            edge: Mutex::default(),
            log: Mutex::default(),
            changed: watch::Sender::new(0),
            closing: watch::Sender::new(false),
        }
    }

    pub(crate) fn account(&self, number: u32) -> Option<&Account> {
        self.accounts.get(usize::try_from(number).ok()?)
    }

    /// The account that a token, key or client belongs to, valid or not.
    pub(crate) fn owner(&self, name: &str) -> Option<&Account> {
        let number = self.directory.read().get(name).copied()?;
        self.account(number)
    }

    /// Lets every held poll look again.
    pub(crate) fn wake(&self) {
        self.changed.send_modify(|version| *version += 1);
    }

    /// Counts a request of an account against its limit.
    pub(crate) fn admit(&self, account: &Account) -> Result<(), u64> {
        let Some(limit) = self.options.requests_per_minute else {
            return Ok(());
        };
        let admitted = account.window.lock().admit(self.clock.elapsed(), limit);
        admitted.map_err(|left| left.as_secs() + 1)
    }

    fn target(&self, call: &Call) -> Target {
        match (self.options.api, call.path.as_str()) {
            (Api::OpenTrain, opentrain::POLL | opentrain::PUBLIC_POLL) | (Api::Zenzap, zenzap::POLL) => {
                Target::Poll
            }
            (Api::Zenzap, zenzap::TOKEN) => Target::OAuth,
            (Api::Zenzap, path) if path.starts_with(zenzap::FILES) => Target::File,
            (Api::Slack, path) if slack::posts(path) => Target::Poll,
            _ => Target::LookUp,
        }
    }

    fn identify(&self, call: &Call) -> (Credential, Option<u32>) {
        match self.options.api {
            Api::OpenTrain => opentrain::identify(self, call),
            Api::Zenzap => zenzap::identify(self, call),
            Api::Slack => slack::identify(self, call),
        }
    }

    /// Writes the request down and decides its fault.
    fn receive(&self, call: &mut Call) -> u64 {
        let target = self.target(call);
        let (credential, account) = self.identify(call);
        call.fault = self.faults.lock().strike(target, account);
        let record = RequestRecord {
            number: 0,
            arrived: self.clock.elapsed(),
            answered: None,
            method: call.method.to_string(),
            path: call.path.clone(),
            query: call.query.clone(),
            account,
            credential,
            status: None,
            fault: call.fault.as_ref().map(FaultKind::to_string),
            retry_after: None,
            events: 0,
            error: None,
        };
        self.log.lock().begin(record, target)
    }

    async fn answer(&self, call: &Call) -> Reply {
        if !self.options.latency.is_zero() {
            tokio::time::sleep(self.options.latency).await;
        }
        if let Some(reply) = strike::instead(self, call).await {
            return reply;
        }
        let answer = match self.options.api {
            Api::OpenTrain => opentrain::answer(self, call),
            Api::Zenzap => zenzap::answer(self, call).await,
            Api::Slack => slack::answer(self, call),
        };
        strike::afterwards(self, call, answer).await
    }

    /// Turns a reply into a response, or the switch of the connection.
    fn send(&self, reply: Reply, connection: &Connection, skew: i64) -> Response {
        match reply {
            Reply::Answer(answer) => {
                answer.into_response(self.clock.now(skew), wait_for_close(&self.closing))
            }
            Reply::Close => {
                connection.close();
                Response::default()
            }
            Reply::Reset => {
                connection.reset();
                Response::default()
            }
        }
    }
}

/// Serves one request.
pub(crate) async fn serve(
    State(server): State<Arc<Server>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, BODY_LIMIT).await else {
        let answer = Answer::text(413, "request body too large");
        return server.send(Reply::Answer(answer), &connection, 0);
    };
    let mut call = Call {
        method: parts.method,
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().map(ToOwned::to_owned),
        headers: parts.headers,
        body,
        fault: None,
        number: 0,
    };
    if let Some(path) = call.path.strip_prefix(private::PREFIX) {
        return private::answer(&server, path, &call);
    }
    let number = server.receive(&mut call);
    call.number = number;
    let reply = tokio::select! {
        reply = server.answer(&call) => reply,
        () = wait_for_close(&server.closing) => Reply::Close,
    };
    let mut finish = Finish { at: server.clock.elapsed(), ..Finish::default() };
    if let Reply::Answer(answer) = &reply {
        finish.status = Some(answer.status);
        finish.retry_after = answer.retry_after;
        finish.events = answer.events;
        finish.error = if server.options.api == Api::Slack { slack::word(answer) } else { None };
    }
    server.log.lock().finish(number, &finish);
    server.send(reply, &connection, call.skew())
}
