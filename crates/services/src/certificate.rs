//! One authority for tests, a server certificate for this machine and a client certificate, as PEM files.
//!
//! Invariant: the server certificate holds for `localhost` and `127.0.0.1` and nothing else, and its authority's key is
//! never written down.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};

use crate::error::{Error, Result};
use crate::facts::USER;
use crate::place::{self, Account};

/// Where the files lie.
#[derive(Debug, Clone)]
pub(crate) struct Certificates {
    folder: PathBuf,
}

impl Certificates {
    /// Makes new ones in a folder; keys belong to the account that will read them, and to nobody else.
    pub(crate) fn create(folder: &Path, account: Option<Account>) -> Result<Self> {
        place::create(folder)?;
        let own = Self { folder: folder.to_owned() };
        Texts::generate()
            .map_err(|cause| Error::during("cannot make certificates", cause))?
            .write(&own, account)?;
        Ok(own)
    }

    pub(crate) fn ca_file(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    pub(crate) fn server_file(&self) -> PathBuf {
        self.folder.join("server.pem")
    }

    pub(crate) fn server_key_file(&self) -> PathBuf {
        self.folder.join("server.key")
    }

    /// Certificate and key in one file, as Kafka reads them.
    pub(crate) fn server_both_file(&self) -> PathBuf {
        self.folder.join("server-both.pem")
    }
}

/// What the files hold.
struct Texts {
    ca: String,
    server: String,
    server_key: String,
    client: String,
    client_key: String,
}

impl Texts {
    fn generate() -> std::result::Result<Self, rcgen::Error> {
        let authority_key = KeyPair::generate()?;
        let mut authority = parameters(Vec::new(), "Sluicebox tests")?;
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = pem("CERTIFICATE", authority.self_signed(&authority_key)?.der());
        let issuer = Issuer::new(authority, authority_key);

        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut server = parameters(names, "localhost")?;
        server.insert_extended_key_usage(ExtendedKeyUsagePurpose::ServerAuth);
        let mut client = parameters(Vec::new(), USER)?;
        client.insert_extended_key_usage(ExtendedKeyUsagePurpose::ClientAuth);
        let (server_key, client_key) = (KeyPair::generate()?, KeyPair::generate()?);
        Ok(Self {
            ca,
            server: pem("CERTIFICATE", server.signed_by(&server_key, &issuer)?.der()),
            server_key: pem("PRIVATE KEY", server_key.serialized_der()),
            client: pem("CERTIFICATE", client.signed_by(&client_key, &issuer)?.der()),
            client_key: pem("PRIVATE KEY", client_key.serialized_der()),
        })
    }

    fn write(&self, to: &Certificates, account: Option<Account>) -> Result<()> {
        place::write(&to.ca_file(), &self.ca)?;
        place::write(&to.server_file(), &self.server)?;
        place::write(&to.folder.join("client.pem"), &self.client)?;
        place::write(&to.folder.join("client.key"), &self.client_key)?;
        let both = format!("{}{}{}", self.server_key, self.server, self.ca);
        for (path, text) in [(to.server_key_file(), &self.server_key), (to.server_both_file(), &both)] {
            place::write(&path, text)?;
            place::only_for(account, &path)?;
        }
        Ok(())
    }
}

fn parameters(names: Vec<String>, common_name: &str) -> std::result::Result<CertificateParams, rcgen::Error> {
    let mut parameters = CertificateParams::new(names)?;
    parameters.distinguished_name.remove(DnType::CommonName);
    parameters.distinguished_name.push(DnType::CommonName, common_name);
    Ok(parameters)
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}
