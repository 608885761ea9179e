//! The programs that the servers consist of: where they are, and running one to its end.
//!
//! Invariant: a program that is missing is named together with what installs it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::{Error, Result};
use crate::place;

/// What to say when something is not there.
const REMEDY: &str = "`cargo xtask services up --install` installs it";

/// A program of PostgreSQL: of the newest version that Debian installed, or of the search path.
pub(crate) fn postgres(name: &str) -> Result<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions
        .filter(|version| version.path().join("bin").join(name).is_file())
        .filter_map(|version| version.file_name().to_str()?.parse::<u32>().ok())
        .max();
    match newest {
        Some(version) => Ok(PathBuf::from(format!("/usr/lib/postgresql/{version}/bin/{name}"))),
        None => on_search_path(name).ok_or_else(|| missing("PostgreSQL", name)),
    }
}

/// A program of RabbitMQ. Debian's `/usr/sbin` holds wrappers that change the user; the programs lie elsewhere.
pub(crate) fn rabbitmq(name: &str) -> Result<PathBuf> {
    let debian = Path::new("/usr/lib/rabbitmq/bin").join(name);
    if debian.is_file() {
        return Ok(debian);
    }
    on_search_path(name).ok_or_else(|| missing("RabbitMQ", name))
}

/// The port mapper of Erlang.
pub(crate) fn erlang_mapper() -> Result<PathBuf> {
    on_search_path("epmd").ok_or_else(|| missing("Erlang", "epmd"))
}

/// The Java runtime.
pub(crate) fn java() -> Result<PathBuf> {
    on_search_path("java").ok_or_else(|| missing("Java 17 or newer", "java"))
}

/// The folder of Kafka's jars.
pub(crate) fn kafka_jars() -> Result<PathBuf> {
    let folder = kafka_jars_folder();
    let is_current = match (std::fs::read(kafka_pom()), std::fs::read(folder.join(KAFKA_POM_COPY))) {
        (Ok(wanted), Ok(found)) => wanted == found,
        _ => false,
    };
    if is_current { Ok(folder) } else { Err(missing("Apache Kafka", "its jars")) }
}

/// What the jars are; a copy among them says that all of it was fetched.
pub(crate) fn kafka_pom() -> PathBuf {
    place::repository().join("crates/services/kafka/pom.xml")
}

/// The name of the copy.
pub(crate) const KAFKA_POM_COPY: &str = "pom.xml";

/// Where the jars lie once they are installed.
pub(crate) fn kafka_jars_folder() -> PathBuf {
    place::services().join("kafka/lib")
}

/// What Maven calls S3Proxy, with everything that it needs in one jar.
pub(crate) const S3PROXY_COORDINATES: &str = "org.gaul:s3proxy:4.1.0:jar:jar-with-dependencies";

/// The jar of S3Proxy.
pub(crate) fn s3proxy() -> Result<PathBuf> {
    let jar = s3proxy_folder().join("s3proxy-4.1.0-jar-with-dependencies.jar");
    if jar.is_file() { Ok(jar) } else { Err(missing("S3Proxy", "its jar")) }
}

/// Where the jar lies once it is installed.
pub(crate) fn s3proxy_folder() -> PathBuf {
    place::services().join("s3proxy")
}

/// Python 3.
pub(crate) fn python() -> Result<PathBuf> {
    on_search_path("python3").ok_or_else(|| missing("Python 3", "python3"))
}

/// The folder of pika, a client of RabbitMQ that shares no code with ours.
pub(crate) fn pika() -> Result<PathBuf> {
    let folder = pika_folder();
    if folder.join("pika/__init__.py").is_file() { Ok(folder) } else { Err(missing("pika", "its package")) }
}

/// Where pika lies once it is installed.
pub(crate) fn pika_folder() -> PathBuf {
    place::services().join("python")
}

/// The runtime of JavaScript.
pub(crate) fn node() -> Result<PathBuf> {
    on_search_path("node").ok_or_else(|| missing("Node.js", "node"))
}

/// The program of PouchDB Server.
pub(crate) fn pouchdb_server() -> Result<PathBuf> {
    let folder = pouchdb_folder();
    let is_current =
        match (std::fs::read(pouchdb_wanted().join(NPM_LOCK)), std::fs::read(folder.join(NPM_LOCK))) {
            (Ok(wanted), Ok(found)) => wanted == found && folder.join(NPM_DONE).is_file(),
            _ => false,
        };
    let program = folder.join("node_modules/pouchdb-server/bin/pouchdb-server");
    if is_current { Ok(program) } else { Err(missing("PouchDB Server", "its packages")) }
}

/// What PouchDB Server consists of, as npm writes it.
pub(crate) const NPM_LOCK: &str = "package-lock.json";

/// What npm writes when everything is there.
const NPM_DONE: &str = "node_modules/.package-lock.json";

/// The folder that says which packages PouchDB Server consists of.
pub(crate) fn pouchdb_wanted() -> PathBuf {
    place::repository().join("crates/services/pouchdb")
}

/// Where PouchDB Server lies once it is installed.
pub(crate) fn pouchdb_folder() -> PathBuf {
    place::services().join("pouchdb")
}

/// The folder of Synapse and of the packages that it needs.
pub(crate) fn synapse() -> Result<PathBuf> {
    let folder = synapse_folder();
    let is_current = match (std::fs::read(synapse_wanted()), std::fs::read(folder.join(SYNAPSE_COPY))) {
        (Ok(wanted), Ok(found)) => wanted == found,
        _ => false,
    };
    if is_current { Ok(folder) } else { Err(missing("Synapse", "its packages")) }
}

/// What Synapse consists of; a copy among the packages says that all of them were fetched.
pub(crate) fn synapse_wanted() -> PathBuf {
    place::repository().join("crates/services/synapse/requirements.txt")
}

/// The name of the copy.
pub(crate) const SYNAPSE_COPY: &str = "requirements.txt";

/// Where Synapse lies once it is installed.
pub(crate) fn synapse_folder() -> PathBuf {
    place::services().join("synapse-packages")
}

/// The command line tool of SQLite.
pub(crate) fn sqlite3() -> Result<PathBuf> {
    on_search_path("sqlite3").ok_or_else(|| missing("SQLite's tool", "sqlite3"))
}

/// A program of the search path.
pub(crate) fn on_search_path(name: &str) -> Option<PathBuf> {
    let mut command = Command::new("sh");
    command.args(["-c", "command -v \"$1\"", "sh", name]).stdin(Stdio::null());
    let output = command.output().ok().filter(|output| output.status.success())?;
    let path = String::from_utf8(output.stdout).ok()?;
    Some(PathBuf::from(path.trim()))
}

/// Runs a command to its end and returns what it wrote to its standard output.
pub(crate) fn run(command: &mut Command) -> Result<String> {
    run_with_input(command, "")
}

/// Runs a command that reads `input`.
pub(crate) fn run_with_input(command: &mut Command, input: &str) -> Result<String> {
    let name = Path::new(command.get_program()).display().to_string();
    let cannot = |cause| Error::during(format!("cannot run {name}"), cause);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(cannot)?;
    let mut pipe = child.stdin.take();
    let output = std::thread::scope(|scope| {
        // A program that does not read all of it ends with a status of its own.
        scope.spawn(move || pipe.as_mut().map(|pipe| pipe.write_all(input.as_bytes())));
        child.wait_with_output()
    });
    let output = output.map_err(cannot)?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    Err(Error::new(format!("{name} failed with {}\n{}\n{}", output.status, text.trim(), errors.trim())))
}

fn missing(server: &str, program: &str) -> Error {
    Error::new(format!("{server} is not installed (missing: {program}); {REMEDY}"))
}
