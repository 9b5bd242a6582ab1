//! TLS by rustls; the certificate and its key are read again when their files change.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use parking_lot::{Mutex, RwLock};
use ring::digest::{SHA256, digest};
use tokio::net::TcpStream;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        self, ServerConfig,
        crypto::ring::default_provider,
        pki_types::{
            CertificateDer, PrivateKeyDer,
            pem::{self, PemObject},
        },
        server::{ClientHello, ResolvesServerCert},
        sign::CertifiedKey,
    },
    server::TlsStream,
};

/// Protocols that are negotiated (ALPN).
const HTTP_1: &[u8] = b"http/1.1";
const HTTP_2: &[u8] = b"h2";

/// Why TLS cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("the {what} {} could not be read", path.display())]
    Read {
        /// `certificate` or `private key`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// A file is not PEM, or has no certificate or key.
    #[error("{} has no {what} in PEM format: {detail}", path.display())]
    Pem {
        /// `certificate` or `private key`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the parser found.
        detail: String,
    },
    /// The certificate and the key do not belong together, or their kind is unknown.
    #[error("the certificate {} and the private key {} cannot be used", cert.display(), key.display())]
    Pair {
        /// File of the certificate.
        cert: PathBuf,
        /// File of the key.
        key: PathBuf,
        /// The reason.
        #[source]
        source: rustls::Error,
    },
    /// The TLS library rejects its own defaults.
    #[error("TLS cannot be set up")]
    Setup(#[source] rustls::Error),
}

/// TLS for accepted connections.
pub(in crate::service) struct Tls {
    acceptor: TlsAcceptor,
    certificate: Arc<Certificate>,
}

/// The certificate of the service.
#[derive(Debug)]
struct Certificate {
    cert: PathBuf,
    key: PathBuf,
    current: RwLock<Arc<CertifiedKey>>,
    /// Digest of both files when they were last read.
    read: Mutex<[u8; 32]>,
}

impl Tls {
    /// Reads the certificate with its chain, and its key.
    ///
    /// # Errors
    /// [`TlsError`], which names the file.
    pub(in crate::service) fn open(cert: PathBuf, key: PathBuf) -> Result<Self, TlsError> {
        let (cert_bytes, key_bytes) = read_files(&cert, &key)?;
        let current = certified_key(&cert, &key, &cert_bytes, &key_bytes)?;
        let certificate = Arc::new(Certificate {
            current: RwLock::new(Arc::new(current)),
            read: Mutex::new(digest_of(&cert_bytes, &key_bytes)),
            cert,
            key,
        });
        Ok(Self { acceptor: acceptor(&certificate, HTTP_1)?, certificate })
    }

    /// Returns TLS with the same certificate for HTTP/2.
    ///
    /// # Errors
    /// [`TlsError::Setup`].
    pub(in crate::service) fn for_http2(&self) -> Result<Self, TlsError> {
        let certificate = Arc::clone(&self.certificate);
        Ok(Self { acceptor: acceptor(&certificate, HTTP_2)?, certificate })
    }

    /// Returns the acceptor for another protocol with the same certificate, which is read again with it. Clients that
    /// negotiate a protocol have to name this one.
    ///
    /// # Errors
    /// [`TlsError::Setup`].
    pub(in crate::service) fn acceptor(&self, protocol: &[u8]) -> Result<TlsAcceptor, TlsError> {
        acceptor(&self.certificate, protocol)
    }

    /// Runs the handshake of a connection.
    pub(super) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        self.acceptor.accept(stream).await
    }

    /// Reads the files again if they have changed, and returns whether they have. New connections use the new
    /// certificate.
    ///
    /// # Errors
    /// [`TlsError`], once for each content; the former certificate then stays in use.
    pub(in crate::service) fn reload(&self) -> Result<bool, TlsError> {
        let Certificate { cert, key, current, read } = &*self.certificate;
        let (cert_bytes, key_bytes) = read_files(cert, key)?;
        let found = digest_of(&cert_bytes, &key_bytes);
        if std::mem::replace(&mut *read.lock(), found) == found {
            return Ok(false);
        }
        let new = certified_key(cert, key, &cert_bytes, &key_bytes)?;
        *current.write() = Arc::new(new);
        Ok(true)
    }
}

/// Returns what accepts connections with a certificate and a protocol.
fn acceptor(certificate: &Arc<Certificate>, protocol: &[u8]) -> Result<TlsAcceptor, TlsError> {
    let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(TlsError::Setup)?;
    let resolver = Arc::clone(certificate) as Arc<dyn ResolvesServerCert>;
    let mut config = builder.with_no_client_auth().with_cert_resolver(resolver);
    config.alpn_protocols = vec![protocol.to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Omits the key.
impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tls({})", self.certificate.cert.display())
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read()))
    }
}

fn read_files(cert: &Path, key: &Path) -> Result<(Vec<u8>, Vec<u8>), TlsError> {
    let read =
        |what, path: &Path| fs::read(path).map_err(|source| TlsError::Read { what, path: path.to_path_buf(), source });
    Ok((read("certificate", cert)?, read("private key", key)?))
}

fn certified_key(cert: &Path, key: &Path, cert_bytes: &[u8], key_bytes: &[u8]) -> Result<CertifiedKey, TlsError> {
    // The parser's errors name kinds of sections and not their content.
    let no_pem = |what, path: &Path, error: pem::Error| TlsError::Pem {
        what,
        path: path.to_path_buf(),
        detail: error.to_string(),
    };
    let chain = CertificateDer::pem_slice_iter(cert_bytes).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(|error| no_pem("certificate", cert, error))?;
    if chain.is_empty() {
        return Err(no_pem("certificate", cert, pem::Error::NoItemsFound));
    }
    let private = PrivateKeyDer::from_pem_slice(key_bytes).map_err(|error| no_pem("private key", key, error))?;
    CertifiedKey::from_der(chain, private, &default_provider()).map_err(|source| TlsError::Pair {
        cert: cert.to_path_buf(),
        key: key.to_path_buf(),
        source,
    })
}

fn digest_of(cert: &[u8], key: &[u8]) -> [u8; 32] {
    let mut both = [0; 32];
    let joined = [digest(&SHA256, cert).as_ref(), digest(&SHA256, key).as_ref()].concat();
    both.copy_from_slice(digest(&SHA256, &joined).as_ref());
    both
}
