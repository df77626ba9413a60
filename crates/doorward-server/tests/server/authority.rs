//! Certificates for tests, made by `openssl`, and a client that trusts them.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::application::{Home, PATIENCE, Server};

/// A connection that has been made secure.
pub(crate) type Secured = StreamOwned<ClientConnection, TcpStream>;

/// What a key is made of, as arguments of `openssl`.
pub(crate) const ECDSA: [&str; 4] = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];
pub(crate) const RSA: [&str; 2] = ["-newkey", "rsa:2048"];

/// An authority with one between it and its servers, in a folder of its own.
pub(crate) struct Authority(PathBuf);

impl Authority {
    pub(crate) fn new(home: &Home, name: &str) -> Self {
        let authority = Self(home.path().join(name));
        std::fs::create_dir(&authority.0).unwrap();
        let of_authority = ["-addext", "basicConstraints=critical,CA:TRUE"];
        authority.request("root", &ECDSA, &[]);
        authority.request("between", &ECDSA, &[&["-CA", "root.pem", "-CAkey", "root.key"][..], &of_authority].concat());
        authority
    }

    /// Makes a key and a certificate for localhost and writes them to `tls.pem`, the whole chain, and
    /// `tls.key` in the folder of `home`.
    pub(crate) fn issue(&self, home: &Home, kind: &[&str]) {
        self.issue_for(home, kind, "90");
    }

    /// The same, good for so many days.
    pub(crate) fn issue_for(&self, home: &Home, kind: &[&str], days: &str) {
        let mut others = vec!["-CA", "between.pem", "-CAkey", "between.key"];
        others.extend(["-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE"]);
        others.extend(["-days", days]);
        self.request("server", kind, &others);
        let read = |name: &str| std::fs::read_to_string(self.0.join(name)).unwrap();
        home.write("tls.pem", &(read("server.pem") + &read("between.pem")));
        std::fs::copy(self.0.join("server.key"), home.path().join("tls.key")).unwrap();
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.0.join("root.pem")
    }

    fn request(&self, name: &str, kind: &[&str], others: &[&str]) {
        let subject = format!("/CN={} {name}", self.0.file_name().unwrap().display());
        let (key, certificate) = (format!("{name}.key"), format!("{name}.pem"));
        let mut command = Command::new("openssl");
        command.args(["req", "-x509", "-nodes", "-subj", &subject, "-keyout", &key, "-out", &certificate]);
        let output = command.args(kind).args(others).current_dir(&self.0).output().expect("this test needs openssl");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

/// The flags of `serve` that name what [`Authority::issue`] wrote.
pub(crate) const TLS: [&str; 4] = ["--tls-certificate-file", "tls.pem", "--tls-key-file", "tls.key"];

/// Connects to a server that speaks TLS; `protocol` is what ALPN asks for.
pub(crate) fn connect(server: &Server, root: &Path, protocol: &str) -> Result<Secured, rustls::Error> {
    secure(server.connect(), root, protocol)
}

/// Begins TLS on a connection.
pub(crate) fn secure(mut stream: TcpStream, root: &Path, protocol: &str) -> Result<Secured, rustls::Error> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(root).unwrap()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    let mut session = ClientConnection::new(Arc::new(config), ServerName::try_from("localhost").unwrap()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    while session.is_handshaking() {
        session.complete_io(&mut stream).map_err(|error| {
            let refusal = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
            refusal.cloned().unwrap_or_else(|| rustls::Error::General(error.to_string()))
        })?;
    }
    Ok(StreamOwned::new(session, stream))
}
