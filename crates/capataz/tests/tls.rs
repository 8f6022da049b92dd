//! A server with TLS, and clients and workers that trust it, or do not.

use std::path::{Path, PathBuf};
use std::time::Duration;

use capataz::{Client, ClientConfig, ClientError, Context, HandlerError, Task, Worker};
use capataz_server::{Running, ServeOptions, StartError, TlsError, TlsFiles};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

const PATIENCE: Duration = Duration::from_secs(30);

/// An authority that nobody knows, and the files of a server that it vouches for.
struct Authority {
    ca: PathBuf,
    files: TlsFiles,
}

/// Makes an authority, and a certificate for `name`, in files of `folder`.
fn authority(folder: &Path, label: &str, name: &str) -> Authority {
    let ca_key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(Vec::<String>::new()).expect("parameters");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = params.self_signed(&ca_key).expect("a certificate");
    let issuer = Issuer::new(params, ca_key);
    let key = KeyPair::generate().expect("a key");
    let names = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
    let cert = names.signed_by(&key, &issuer).expect("a certificate");
    let file = |kind: &str, text: String| {
        let path = folder.join(format!("{label}-{kind}.pem"));
        std::fs::write(&path, text).expect("a file");
        path
    };
    Authority {
        ca: file("ca", ca.pem()),
        files: TlsFiles {
            cert: file("cert", cert.pem()),
            key: file("key", key.serialize_pem()),
        },
    }
}

async fn start(folder: &Path, files: &TlsFiles) -> Result<Running, StartError> {
    let mut options = ServeOptions::new(folder.join("data"));
    options.listen.set_port(0);
    options.tls = Some(files.clone());
    capataz_server::serve(options).await
}

fn client(url: String, token: &str, ca: Option<&Path>) -> Client {
    let config = ClientConfig {
        server: url,
        token: Some(token.to_owned()),
        tls_ca: ca.map(Path::to_owned),
        ..ClientConfig::default()
    };
    Client::new(&config).expect("a client")
}

/// Whether the server answers; panics when it is unreachable for another reason than its
/// certificate.
async fn trusted(client: &Client) -> bool {
    match client.groups().await {
        Ok(_) => true,
        Err(ClientError::Unreachable { cause, .. }) if cause.contains("certificate") => false,
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_streams_and_workers_speak_tls_with_a_server_they_trust() {
    let folder = tempfile::tempdir().expect("a folder");
    let own = authority(folder.path(), "own", "127.0.0.1");
    let server = start(folder.path(), &own.files).await.expect("it starts");
    assert!(server.url().starts_with("https://127.0.0.1:"));
    let client = client(server.url(), server.token(), Some(&own.ca));
    let handler = async |_: Context, text: String| Ok::<_, HandlerError>(text.len());
    let worker = Worker::builder()
        .server(server.url())
        .token(server.token())
        .tls_ca(&own.ca)
        .handler("measure", handler);
    let worker = worker.start().expect("it starts");
    // By gRPC, and by REST.
    let task = Task::new("measure").bytes("five!");
    let id = client.submit(task.into()).await.expect("accepted").id;
    let waited = tokio::time::timeout(PATIENCE, capataz::wait_for(&client, [&id]));
    let waited = waited.await.expect("in time").expect("waited");
    assert_eq!(waited.counts.succeeded, 1);
    worker.drain(None);
    worker.ended().await.expect("a clean end");
    drop(client);
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_not_trusted_without_its_root_or_under_another_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let own = authority(folder.path(), "own", "127.0.0.1");
    let other = authority(folder.path(), "other", "127.0.0.1");
    let server = start(folder.path(), &own.files).await.expect("it starts");
    let ask = |ca: Option<&Path>| client(server.url(), server.token(), ca);
    assert!(trusted(&ask(Some(&own.ca))).await);
    assert!(!trusted(&ask(Some(&other.ca))).await);
    let by_name = server.url().replace("127.0.0.1", "localhost");
    let by_name = client(by_name, server.token(), Some(&own.ca));
    assert!(
        !trusted(&by_name).await,
        "the certificate is for the address alone"
    );
    let plain = server.url().replace("https://", "http://");
    let plain = client(plain, server.token(), None);
    plain
        .groups()
        .await
        .expect_err("nothing is spoken without TLS");
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_certificate_is_used_without_a_restart_and_a_broken_one_is_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = authority(folder.path(), "first", "127.0.0.1");
    let second = authority(folder.path(), "second", "127.0.0.1");
    let server = start(folder.path(), &first.files).await.expect("it starts");
    let ask = |ca: &Path| client(server.url(), server.token(), Some(ca));
    let before = ask(&first.ca);
    assert!(trusted(&before).await);
    std::fs::write(&first.files.cert, "no certificate").expect("a file");
    let error = server.reload_tls().expect_err("there is none in it");
    assert!(matches!(error, TlsError::NoCertificate { .. }), "{error}");
    assert!(trusted(&ask(&first.ca)).await);
    std::fs::copy(&second.files.cert, &first.files.cert).expect("a copy");
    let error = server.reload_tls().expect_err("the key is another's");
    assert!(matches!(error, TlsError::Unusable { .. }), "{error}");
    std::fs::copy(&second.files.key, &first.files.key).expect("a copy");
    server.reload_tls().expect("they fit");
    assert!(trusted(&ask(&second.ca)).await);
    assert!(!trusted(&ask(&first.ca)).await);
    assert!(trusted(&before).await, "open connections go on");
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_does_not_start_without_the_files_that_it_is_told_of() {
    let folder = tempfile::tempdir().expect("a folder");
    let own = authority(folder.path(), "own", "127.0.0.1");
    let files = TlsFiles {
        key: folder.path().join("nowhere.pem"),
        ..own.files
    };
    let refused = start(folder.path(), &files).await.map(drop);
    assert!(matches!(
        refused,
        Err(StartError::Tls(TlsError::File { .. }))
    ));
    assert!(!folder.path().join("data/address").exists());
}
