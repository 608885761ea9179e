//! The APIs that Sluicebox talks to, served on loopback: OpenTrain, a marketplace, and Zenzap, a team chat, which are
//! polled, and Slack, which is posted to.
//!
//! A client that is tested against mocks of itself proves nothing. This crate is the other side: it is written from the
//! contracts alone, shares no signing and no cursor code with the client, and is as strict as the contracts are. It is
//! what `sluicebox emulate` and `sluicebox demo` serve, and what tests and benchmarks talk to, over real TCP connections.
//!
//! ```
//! use sluicebox_emulator::{Api, Options, start};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), sluicebox_emulator::EmulatorError> {
//! let options = Options { events: 200, faults: vec!["status=503@every:5".parse()?], ..Options::new(Api::OpenTrain) };
//! let emulator = start(options).await?;
//! assert!(emulator.announcement().url.ends_with("/api/public/v1"));
//! let control = emulator.control();
//! control.append(0, 10); // ten events more, for those who poll account 0
//! assert_eq!(control.visible(0), 210);
//! emulator.stop().await;
//! # Ok(())
//! # }
//! ```
//!
//! # What is served
//!
//! * **OpenTrain**: `GET /api/public/v1/updates`, and the look-ups `/auth/me`, `/proposals/{id}`,
//!   `/messages?conversationId=`, `/contracts`, `/contracts/{id}`, `/payments/pending`, `/approvals/{id}`,
//!   `/jobs/{id}`, `/jobs/mine`. Bearer token; scopes hide event types and forbid look-ups. Without a token, the feed
//!   `/jobs/changes`: the latest change of each job, at most 5,000, 120 requests a minute, behind a cache.
//!   Webhooks are made with `POST /webhooks`; deliveries are signed and tried five times, and only an `http` address of
//!   this machine is delivered to.
//! * **Zenzap**: `GET /v2/updates` (a long poll), `POST /oauth/token`, and the look-ups `/v2/members/me`,
//!   `/v2/members`, `/v2/members/{id}`, `/v2/topics`, `/v2/topics/{id}`, `/v2/topics/{id}/messages`. A key with a
//!   signature over the bytes of the request line as they were received, or an OAuth access token without one. With
//!   [`Options::attachments`], the attachments of messages too: by signed links that expire, to whoever has one, and with
//!   400 to who brings credentials as well.
//!
//! * **Slack**: incoming webhooks (`POST /services/T…/B…/X…`), `POST /api/chat.postMessage`, `/api/auth.test` and
//!   `/api/conversations.info`. What breaks a limit of the contract is refused with its word, and a channel that is
//!   sent more than [`Options::rate`] messages per second, after a burst of three, is answered 429 with `Retry-After`,
//!   whichever way they come. What was stored, and when each request came, can be read back.
//!
//! Each account has credentials, a feed and faults of its own, so one port can play hundreds of customers. What happens
//! is generated: equal seeds give equal bytes on every machine, see [`events`]. Whatever an event names can be looked
//! up and answers with the state after the newest event generated so far; only the newest messages of a chat topic
//! and the newest 200 pending payments are remembered. `/jobs/changes` is as old as the events of the other feed are.
//!
//! Where the contracts are silent, the emulator decides: `limit` of OpenTrain defaults to 50; the first request of
//! Zenzap starts at the oldest update that is kept; a timestamp in the future is accepted; a wrong client secret is
//! `invalid_client`, a scope that is not granted is `invalid_grant`; the offset of Zenzap moves on every empty page and
//! `+`, `/` and `=` are common in it. Both feeds carry now and then a type and a field that no contract names. Slack
//! counts characters in UTF-16 units, refuses a JSON body that is no object with `invalid_arguments`, answers an unknown
//! team, service or secret of a webhook with `no_team`, `no_service` or `invalid_token`, and a token that was replaced
//! with `token_revoked`; `#name` finds a channel as its id does. A refused message counts for the limit of its channel.
//!
//! # Faults
//!
//! A [`Fault`] is written `[TARGET:][account:K:]KIND[=ARG][@N|@every:N]`.
//!
//! * `TARGET` is `poll` (the default; for Slack, whatever posts), `lookup`, `oauth` or `file`; `account:K:` limits the fault to account `K`.
//! * `@N` strikes the `N`th matching request, once, and `@every:N` each `N`th, counted from 1 since the fault was added;
//!   without either it strikes the next matching request, once. At most one fault strikes a request, the one added
//!   first; a single fault that had to give way strikes the next request instead.
//! * `ARG` is a number; sizes also take `KiB`, `MiB` and `GiB`. The word `all` alone is [`Fault::transient_set`].
//!
//! | Kind | What the client sees |
//! |---|---|
//! | `status=CODE` | that status, with the error body of the API |
//! | `rate_limited`, `rate_limited=SECONDS`, `rate_limited_date=SECONDS` | 429 without `Retry-After`, with seconds, with a date |
//! | `cut=BYTES` (100) | the body ends after so many bytes, and at least one early, although `Content-Length` promised all |
//! | `reset` | the connection is reset (RST) without an answer |
//! | `hang=SECONDS` (60) | no answer for so long, then the connection closes |
//! | `trickle=BYTES` (1024) | the body arrives at so many bytes per second |
//! | `malformed`, `utf8`, `html` | broken JSON, bytes that are no UTF-8, a web page |
//! | `wrong_types`, `missing_keys` | JSON that is no page |
//! | `oversized=BYTES` (64 MiB) | a right page, padded to that size |
//! | `gzip`, `bomb=BYTES` (256 MiB) | a compressed page; one that unpacks to at least that size |
//! | `duplicate_page` | the page before, with its cursor |
//! | `cursor_backwards` | right events, and the cursor that the page before was asked for with |
//! | `cursor_cycle` | right events, more announced, and a cursor from two pages before |
//! | `stuck_cursor`, `null_cursor` | right events, and the cursor that was sent with more announced, or null |
//! | `empty_page` | no events, the cursor that was sent, `hasMore` as it truly is |
//! | `has_more_lie`, `has_more_hidden` | `hasMore` always true, always false (OpenTrain) |
//! | `poison`, `nameless` | one item more, which is no object, or has no id |
//! | `redirect=URL` | 302 to that address |
//! | `skew=SECONDS` | for this request, the clock and the `Date` of the server are ahead |
//! | `expired`, `webhook_mode` | 409 in either of its two meanings (Zenzap) |
//! | `slack_error=WORD` | a refusal with this word, documented or not, in the way of the path (Slack) |
//! | `stored_reset`, `stored_hang=SECONDS`, `stored_status=CODE`, `stored_slack_error=WORD` | the same, but after the message was stored (Slack) |
//!
//! A fault of `poll` also strikes `/jobs/changes`, whose cursor is `until`; it has no `hasMore` to lie with.
//! Faults that bend pages do nothing to look-ups and to Slack, and those that go back to an earlier page nothing on the first one.
//!
//! # Control over HTTP
//!
//! A test in the same process uses [`Control`]. For an emulator in another process there are paths that no real API
//! has, open to everybody on this machine; all but the first two take `?account=K`, 0 if absent:
//!
//! | Request | Effect |
//! |---|---|
//! | `GET /_emulator/log?after=N` | requests with a number above `N`, as JSON lines of [`RequestRecord`] |
//! | `POST /_emulator/fault`, `DELETE /_emulator/fault` | switches on the faults of the body, one a line; switches all off |
//! | `GET /_emulator/events` | every visible event exactly as it is served, as JSON lines |
//! | `GET /_emulator/messages` | every stored message in order, as JSON lines of [`PostedMessage`] (Slack) |
//! | `GET /_emulator/webhooks` | every attempt to deliver a webhook, as JSON lines of [`WebhookAttempt`] (OpenTrain) |
//! | `GET /_emulator/stats` | [`Stats`], with `visible` and `total` of the feed |
//! | `GET /_emulator/credentials` | the current [`Credentials`] |
//! | `POST /_emulator/append?n=N`, `POST /_emulator/visible?n=N` | adds events; shows exactly so many |
//! | `POST /_emulator/expire_offsets`, `…/expire_tokens`, `…/revoke`, `…/rotate` | as the methods of [`Control`] |
//! | `POST /_emulator/mode?to=polling`, `…?to=webhook` | sets the delivery mode |

mod account;
mod answer;
mod call;
mod chance;
mod clock;
mod connection;
mod control;
mod credentials;
mod emulator;
mod error;
mod faults;
mod feed;
mod history;
mod json;
mod log;
mod opentrain;
mod options;
mod page;
mod private;
mod server;
mod slack;
mod strike;
mod vocabulary;
mod zenzap;

pub use control::Control;
pub use credentials::Credentials;
pub use emulator::{Announcement, Emulator, start};
pub use error::EmulatorError;
pub use faults::{Fault, FaultKind, RetryAfter, Target, When};
pub use history::events;
pub use log::{Credential, RequestRecord, Stats};
pub use opentrain::WebhookAttempt;
pub use options::{Api, DeliveryMode, Options};
pub use slack::PostedMessage;
pub use zenzap::attachment;
