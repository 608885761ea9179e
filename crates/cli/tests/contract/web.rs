//! Destinations over HTTP: a server of our own that keeps what it accepts, and the emulated Slack.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sluicebox_emulator::{Api, Options};
use sluicebox_testkit::contract::{Destination, Promise, Refused};
use sluicebox_testkit::{FaultProxy, Served, framing};

use crate::contract;

/// Bodies of `POST`s, in the order in which they were accepted.
type Accepted = Arc<Mutex<Vec<String>>>;

/// A server that accepts every body but one, keep-alive, one thread a connection.
pub(crate) struct Web {
    accepted: Accepted,
    proxies: [FaultProxy; 1],
}

impl Web {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let accepted = Accepted::default();
        let kept = Arc::clone(&accepted);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let kept = Arc::clone(&kept);
                std::thread::spawn(move || serve(&stream, &kept));
            }
        });
        Self { accepted, proxies: [FaultProxy::framed(address, framing::http)] }
    }

    fn url(&self) -> SocketAddr {
        self.proxies[0].address()
    }
}

/// Answers until the connection ends.
fn serve(stream: &TcpStream, accepted: &Accepted) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok().filter(|count| *count > 0)?;
            if line == "\r\n" {
                break;
            }
            if let Some(text) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = text.trim().parse().ok()?;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let body = String::from_utf8(body).ok()?;
        let status = if body.contains("\"many\"") {
            "422 Unprocessable Content"
        } else {
            accepted.lock().unwrap().push(body);
            "200 OK"
        };
        let mut stream = stream;
        stream.write_all(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").as_bytes()).ok()?;
    }
}

/// What a client sees of a server that is killed and started again, for servers whose memory is what tests read: every
/// connection is reset, whatever was under way, and for a while nobody answers.
fn die_and_return(proxy: &FaultProxy) -> bool {
    proxy.refuse(true);
    proxy.cut();
    std::thread::sleep(Duration::from_millis(300));
    proxy.refuse(false);
    true
}

impl Destination for Web {
    fn options(&self) -> String {
        format!("type: http, url: \"http://{}/events\", concurrency: 4", self.url())
    }

    fn promise(&self) -> Promise {
        Promise::AtLeastOnce
    }

    fn arrived(&mut self) -> Vec<String> {
        self.accepted.lock().unwrap().clone()
    }

    fn proxies(&self) -> &[FaultProxy] {
        &self.proxies
    }

    fn kill_server(&self) -> bool {
        die_and_return(&self.proxies[0])
    }

    fn refused(&self) -> Option<Refused> {
        Some(Refused { data: r#"{"n":"many"}"#.to_owned(), options: String::new(), reason: "rejected" })
    }
}

/// A channel of the emulated Slack; each message names its event.
pub(crate) struct Slack {
    served: Served,
    proxies: [FaultProxy; 1],
}

impl Slack {
    fn new() -> Self {
        let served = Served::new(Options { rate: 0.0, ..Options::new(Api::Slack) });
        let address = served.url().trim_start_matches("http://").split('/').next().unwrap().parse().unwrap();
        Self { served, proxies: [FaultProxy::framed(address, framing::http)] }
    }
}

impl Destination for Slack {
    fn options(&self) -> String {
        let address = self.proxies[0].address();
        let (token, channel) = (self.served.credential(0, "token"), self.served.credential(0, "channel"));
        format!(
            "type: slack, base_url: \"http://{address}/api\", token: \"{token}\", channel: \"{channel}\", \
             rate: unlimited, text: \"{{{{ event.type }}}} {{{{ event.id }}}}\""
        )
    }

    fn promise(&self) -> Promise {
        Promise::AtLeastOnce
    }

    fn arrived(&mut self) -> Vec<String> {
        self.served.messages(0).into_iter().filter_map(|message| message.text).collect()
    }

    fn expected(&self, event: &str) -> String {
        let event: serde_json::Value = serde_json::from_str(event).unwrap();
        format!("{} {}", event["type"].as_str().unwrap(), event["id"].as_str().unwrap())
    }

    fn proxies(&self) -> &[FaultProxy] {
        &self.proxies
    }

    fn kill_server(&self) -> bool {
        die_and_return(&self.proxies[0])
    }
}

contract!(
    http,
    Some(Web::new()),
    [whole, killed, server_killed, connections_cut, slow, late_replies, stopped_and_resumed, rejected]
);
contract!(
    slack,
    Some(Slack::new()),
    [whole, killed, server_killed, connections_cut, slow, late_replies, stopped_and_resumed]
);
