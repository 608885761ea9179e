//! A client for the admin server: one request, one connection, the body read line by line as it comes.

use std::net::SocketAddr;

use bytes::{Buf, Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, HOST};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;

use crate::arguments::TapArguments;
use crate::exit::{Exit, Stop};

/// Where to ask, and with which token.
pub(super) struct Client {
    address: SocketAddr,
    token: Option<String>,
}

impl Client {
    pub(super) fn new(arguments: &TapArguments) -> Self {
        let token = arguments.admin_token.clone().filter(|token| !token.is_empty());
        Self { address: arguments.admin, token }
    }

    /// A JSON answer.
    pub(super) async fn json<T: DeserializeOwned>(&self, path: &str) -> Result<T, Stop> {
        let mut lines = self.lines(path).await?;
        let whole = lines.rest().await?;
        serde_json::from_slice(&whole).map_err(|error| {
            Stop::failed(format!("{} is no admin server of sluicebox", self.address), &error)
        })
    }

    /// The lines of an answer.
    pub(super) async fn lines(&self, path: &str) -> Result<Lines, Stop> {
        let answer = self.ask(path).await?;
        let status = answer.status();
        let mut lines = Lines { body: answer.into_body(), ready: BytesMut::new(), address: self.address };
        if status == StatusCode::OK {
            return Ok(lines);
        }
        let message = lines.rest().await?;
        let message = String::from_utf8_lossy(&message).trim().to_owned();
        let stop = Stop::new(Exit::Failed, format!("the admin server answered {status}: {message}"));
        Err(match status {
            StatusCode::UNAUTHORIZED => {
                stop.help("set SLUICEBOX_ADMIN_TOKEN to the token that it was started with")
            }
            _ => stop,
        })
    }

    async fn ask(&self, path: &str) -> Result<Response<Incoming>, Stop> {
        let failed = |error: &dyn std::error::Error| {
            Stop::failed(format!("nobody can be asked at {}", self.address), error)
                .help("is a pipeline running there? `--admin ADDR` names the address that `run` printed")
        };
        let stream = TcpStream::connect(self.address).await.map_err(|error| failed(&error))?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| failed(&error))?;
        tokio::spawn(connection);
        let mut request = Request::get(path).header(HOST, self.address.to_string());
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request.body(String::new()).map_err(|error| failed(&error))?;
        sender.send_request(request).await.map_err(|error| failed(&error))
    }
}

/// The body of an answer.
pub(super) struct Lines {
    body: Incoming,
    /// What has come and was not read yet.
    ready: BytesMut,
    address: SocketAddr,
}

impl Lines {
    /// The next line without its end; `None` once there are no more. Cancel-safe.
    pub(super) async fn next(&mut self) -> Result<Option<String>, Stop> {
        loop {
            if let Some(end) = self.ready.iter().position(|byte| *byte == b'\n') {
                let line = self.ready.split_to(end);
                self.ready.advance(1);
                return Ok(Some(String::from_utf8_lossy(&line).into_owned()));
            }
            let Some(more) = self.more().await? else { return Ok(None) };
            self.ready.extend_from_slice(&more);
        }
    }

    /// Everything that is left.
    async fn rest(&mut self) -> Result<BytesMut, Stop> {
        while let Some(more) = self.more().await? {
            self.ready.extend_from_slice(&more);
        }
        Ok(std::mem::take(&mut self.ready))
    }

    async fn more(&mut self) -> Result<Option<Bytes>, Stop> {
        while let Some(frame) = self.body.frame().await {
            let frame = frame
                .map_err(|error| Stop::failed(format!("the connection to {} broke", self.address), &error))?;
            if let Ok(data) = frame.into_data() {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }
}
