//! The client of one API with one set of credentials: what sources, look-ups and sinks call.
//!
//! Invariant: every attempt waits for the one budget of its credentials, and nobody passes while it is closed.

use std::sync::Arc;
use std::time::Duration;

use http::header::{ACCEPT, USER_AGENT};
use http::{HeaderValue, Method, StatusCode};
use sluicebox_core::{Context, Result, Secret, Shared, TlsOptions};

use crate::budget::Budget;
use crate::credentials::Credentials;
use crate::exchange::Exchange;
use crate::failure::Named;
use crate::{
    Answer, Auth, BaseUrl, Call, Limits, Rate, Receiver, Request, ReqwestTransport, Transport,
    TransportHandle, blotted,
};

const AGENT: &str = concat!("sluicebox/", env!("CARGO_PKG_VERSION"));
/// Characters of an error body that a message repeats.
const EXCERPT_CHARACTERS: usize = 200;

/// What a client is made of.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// Where the API lives; credentials are sent nowhere else. [`BaseUrl::secret`] if the address is the credential.
    pub base_url: BaseUrl,
    /// The credentials; `None` for a public API. [`Auth::SameAs`] is not for here: see [`Client::published`].
    pub auth: Option<Auth>,
    /// The request budget.
    pub rate: Rate,
    /// Deadlines and size limit of each attempt. An access token is renewed early enough to outlive `limits.read`.
    pub limits: Limits,
}

/// One API, one set of credentials, one budget. Shared by all who use the credentials.
pub struct Client {
    base_url: BaseUrl,
    credentials: Credentials,
    budget: Budget,
    limits: Limits,
    exchange: Exchange,
    /// Secrets that its requests hold beside the credentials.
    others: Vec<Secret>,
}

impl Client {
    /// A client over the transport that the pipeline shares: the one published under `("", "")`, else the network.
    ///
    /// # Errors
    /// `Config` if `auth` is `same_as`.
    pub fn new(options: ClientOptions, cx: &Context) -> Result<Arc<Self>> {
        Self::hiding(options, Vec::new(), cx)
    }

    /// As [`Client::new`]; no message shows these secrets, which requests hold beside the credentials.
    ///
    /// # Errors
    /// As there.
    pub fn hiding(options: ClientOptions, secrets: Vec<Secret>, cx: &Context) -> Result<Arc<Self>> {
        let transport = cx.shared.find::<TransportHandle>("", "").unwrap_or_else(|| {
            let network = Arc::new(TransportHandle(Arc::new(ReqwestTransport::new())));
            cx.shared.publish("", "", Arc::clone(&network));
            network
        });
        Self::over(Arc::clone(&transport.0), options, secrets, cx)
    }

    /// A client with a TLS of its own. Its connections are not shared.
    ///
    /// # Errors
    /// `Config` if `auth` is `same_as`, or a file cannot be read or used.
    pub fn with_tls(options: ClientOptions, tls: &TlsOptions, cx: &Context) -> Result<Arc<Self>> {
        let transport = ReqwestTransport::with_tls(tls, &cx.folder)?;
        if let Some(warning) = tls.warning("the other side") {
            tracing::warn!(pipeline = %cx.pipeline, component = %cx.component, "{warning}");
        }
        Self::over(Arc::new(transport), options, Vec::new(), cx)
    }

    fn over(
        transport: Arc<dyn Transport>,
        options: ClientOptions,
        others: Vec<Secret>,
        cx: &Context,
    ) -> Result<Arc<Self>> {
        let ClientOptions { base_url, auth, rate, limits } = options;
        let credentials = Credentials::new(auth.as_ref(), &base_url, limits.read)?;
        let exchange = Exchange { transport, environment: cx.environment.clone() };
        Ok(Arc::new(Self { base_url, credentials, budget: Budget::new(rate), limits, exchange, others }))
    }

    /// Publishes the client of a source under its name and account, for `auth: {same_as: …}`.
    pub fn publish(self: &Arc<Self>, cx: &Context) {
        cx.shared.publish(&cx.component, &cx.account, Arc::clone(self));
    }

    /// The client that the source `source` uses for `account`; if the account is not one of that source's, the client
    /// of a source that has one account only.
    ///
    /// To be asked when an event is at hand: a source may be built after the look-up that names it.
    pub fn published(shared: &Shared, source: &str, account: &str) -> Option<Arc<Self>> {
        shared.find(source, account).or_else(|| shared.find(source, source))
    }

    /// Where the API lives.
    pub fn base_url(&self) -> &BaseUrl {
        &self.base_url
    }

    /// Closes the budget for `duration`: no request with these credentials starts before. For APIs that ask to wait
    /// without a `Retry-After`; one that is given is obeyed without this.
    pub fn pause_for(&self, duration: Duration) {
        self.budget.close_for(duration, &*self.exchange.environment.clock);
    }

    /// The deadlines and size limit that hold unless a call has its own.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Asks for `target`, as [`Client::send`] does with a GET.
    ///
    /// # Errors
    /// As there.
    pub async fn get(&self, target: &str) -> Result<Answer> {
        self.send(Call::new(Method::GET, target)).await
    }

    /// As [`Client::get`], with deadlines and a size limit of its own.
    ///
    /// # Errors
    /// As there.
    pub async fn get_within(&self, target: &str, limits: &Limits) -> Result<Answer> {
        self.send(Call { limits: Some(*limits), ..Call::new(Method::GET, target) }).await
    }

    /// Makes a request of any method. Cancel-safe for this client; a request that was under way may have been carried
    /// out.
    ///
    /// Waiting for the budget is not part of the deadlines. A 401, and what `refuses_credentials` of the call says is as
    /// good as one, is answered by one more attempt if the credentials could be renewed; a 429 with `Retry-After` closes
    /// the budget for everybody. An answer that is larger than the limit is an error after a safe method (GET, HEAD,
    /// OPTIONS) and is cut after any other.
    ///
    /// # Errors
    /// `Transient` for the network; with the reason `unknown_outcome` if the method is not safe and the request may
    /// have been carried out, because it broke after it was, or may have been, on the wire. Without that reason it was
    /// not sent (refused, no address, no connection, a certificate). `Permanent` for a request that cannot be sent, and
    /// (reason `too_large`) for a body over the limit; `Config` (reason `redirected`) for a redirect; and the token
    /// endpoint's own. Any other status is an answer.
    pub async fn send(&self, call: Call) -> Result<Answer> {
        let limits = call.limits.unwrap_or(self.limits);
        let is_refusal = call.refuses_credentials;
        let request = self.request(call)?;
        let (answer, version) = self.attempt(request.clone(), &limits, None).await?;
        if answer.status != StatusCode::UNAUTHORIZED && !is_refusal(&answer) {
            return Ok(answer);
        }
        let last = if self.credentials.renew(version, &answer, &self.exchange).await? {
            self.attempt(request, &limits, None).await?.0
        } else {
            answer
        };
        if last.status != StatusCode::UNAUTHORIZED {
            return Ok(last);
        }
        let clock_skew_seconds = self.credentials.clock_skew_seconds(&last);
        Ok(Answer { clock_skew_seconds, ..last })
    }

    /// Makes a request whose answer may be larger than what memory should hold: the body of a 2xx goes to `receiver`,
    /// chunk by chunk, and is empty in the answer. Made once, with the credentials as they are. Any other status is an
    /// answer whose body is not read.
    ///
    /// # Errors
    /// As [`Client::send`]; `too_large` also while the body comes, and whatever the receiver gives. After an error the
    /// receiver may hold a part.
    pub async fn receive(&self, call: Call, receiver: &mut dyn Receiver) -> Result<Answer> {
        let limits = call.limits.unwrap_or(self.limits);
        let request = self.request(call)?;
        Ok(self.attempt(request, &limits, Some(receiver)).await?.0)
    }

    /// The beginning of an answer's body for a message, made fit by [`Client::quote`].
    pub fn excerpt(&self, answer: &Answer) -> String {
        self.quote(&String::from_utf8_lossy(&answer.body[..answer.body.len().min(4096)]))
    }

    /// Text from the other side for a message: the beginning, in one line, with every secret of this client blotted
    /// out.
    pub fn quote(&self, text: &str) -> String {
        let text = self.blotted(text);
        let printable = text.chars().map(|c| if c.is_control() { ' ' } else { c });
        printable.take(EXCERPT_CHARACTERS).collect::<String>().trim().to_owned()
    }

    /// A text with every secret of this client blotted out, however it is written there; whole otherwise.
    pub fn blotted(&self, text: &str) -> String {
        let credentials = self.credentials.secrets();
        let of_address = self.base_url.secrets().into_iter();
        let others = self.others.iter().map(Secret::expose);
        blotted(text, of_address.chain(credentials.iter().map(|secret| &**secret)).chain(others))
    }

    /// An address that an answer gave, without the parameters that the credentials add to a query: those of the request
    /// before, which it may repeat.
    pub fn without_credentials(&self, address: &str) -> String {
        self.credentials.cut(address)
    }

    /// The request that a call asks for, without credentials.
    fn request(&self, call: Call) -> Result<Request> {
        let url = self.base_url.resolve(&call.target)?;
        let mut headers = call.headers;
        headers.entry(ACCEPT).or_insert(HeaderValue::from_static("application/json"));
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        Ok(Request { method: call.method, url, headers, body: call.body })
    }

    async fn attempt(
        &self,
        mut request: Request,
        limits: &Limits,
        receiver: Option<&mut dyn Receiver>,
    ) -> Result<(Answer, u64)> {
        let clock = &*self.exchange.environment.clock;
        self.budget.acquire(clock).await;
        let authorization = self.credentials.authorize(&request, &self.exchange).await?;
        let shown = blotted(&self.base_url.shown(&request.url), self.others.iter().map(Secret::expose));
        let named = Named::new(&request.method, &request.url, shown);
        // Whole names are replaced: a header of the call never stands beside one of the credentials.
        request.headers.extend(authorization.headers);
        request.url = authorization.url.unwrap_or(request.url);
        let answer = self.exchange.send_into(request, &named, limits, receiver).await?;
        if answer.status == StatusCode::TOO_MANY_REQUESTS
            && let Some(wait) = answer.retry_after()
        {
            self.budget.close_for(wait, clock);
        }
        Ok((answer, authorization.version))
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Client({})", self.base_url)
    }
}
