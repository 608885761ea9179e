//! S3Proxy, which speaks the protocol of Amazon S3 and checks its signatures, as a test sees it.
//!
//! It starts within a second or two and keeps objects as files. Invariant: what it writes lies in its folder, and every
//! request has to be signed.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::Result;
use crate::facts::loopback;
use crate::server::Server;
use crate::shared::{fail, is_wanted};
use crate::{place, ports, tools};

/// Ready, as its own log says it: Jetty names what listens.
const READY: &str = "{HTTP/1.1, (http/1.1)}{127.0.0.1:";
/// Its one bucket.
const BUCKET: &str = "attachments";
/// What it lets in.
const KEY: &str = "access-key";
const SECRET: &str = "secret-key";

/// An object store with one empty bucket.
#[derive(Debug)]
pub struct S3Proxy {
    port: u16,
    objects: PathBuf,
    _server: Server,
}

impl S3Proxy {
    /// A server of the caller's own with its objects and its log under `folder`, ended on drop; None when services are to
    /// be skipped.
    ///
    /// # Panics
    /// When S3Proxy is not installed or does not start.
    pub fn private(folder: impl AsRef<Path>) -> Option<Self> {
        is_wanted().then(|| fail(start(&folder.as_ref().join("s3proxy"))))
    }

    /// `http://127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("http://{}", loopback(self.port))
    }

    /// The name of its bucket.
    pub fn bucket(&self) -> &'static str {
        BUCKET
    }

    /// The folder of its bucket: each object is a file below it.
    pub fn objects(&self) -> PathBuf {
        self.objects.join(BUCKET)
    }

    /// What it lets in: access key and secret key.
    pub fn credentials(&self) -> (&'static str, &'static str) {
        (KEY, SECRET)
    }
}

fn start(folder: &Path) -> Result<S3Proxy> {
    let jar = tools::s3proxy()?;
    let objects = folder.join("objects");
    place::create(&objects.join(BUCKET))?;
    let [port] = ports::free()?;
    let properties = folder.join("s3proxy.conf");
    place::write(&properties, settings(&objects, port))?;
    let mut command = Command::new(tools::java()?);
    command.args(["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-jar"]).arg(jar);
    command.arg("--properties").arg(properties).current_dir(folder);
    let mut server = Server::start("S3Proxy", command, &folder.join("server.log"))?;
    server.await_ready(|server| server.log().contains(READY))?;
    Ok(S3Proxy { port, objects, _server: server })
}

fn settings(objects: &Path, port: u16) -> String {
    format!(
        "s3proxy.endpoint=http://{}\ns3proxy.authorization=aws-v2-or-v4\ns3proxy.identity={KEY}\n\
         s3proxy.credential={SECRET}\njclouds.provider=filesystem-nio2\njclouds.filesystem.basedir={}\n\
         jclouds.identity=none\njclouds.credential=none\n",
        loopback(port),
        objects.display()
    )
}
