//! Credentials reach the source and nothing else; certificates are checked.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot set itself up must fail")]

mod support;

use std::{collections::BTreeMap, path::Path, sync::Arc};

use support::{Reply, Stand, config};
use teal_judge::{Outcome, ProblemKind};
use teal_measure::{Bounds, Measurer, Request, Source, SourceConfig, SourceError, Sources};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

fn with_token(url: &str, file: &Path) -> Source {
    let config = SourceConfig { bearer_token_file: Some(file.to_owned()), ..config(url) };
    Source::new("default", &config).unwrap()
}

#[tokio::test]
async fn a_token_is_read_anew_for_every_question() {
    let stand = Stand::start(Reply::value("1")).await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token");
    let source = with_token(&stand.url, &file);
    for token in ["first", "second"] {
        std::fs::write(&file, format!("{token}\n")).unwrap();
        assert!(matches!(source.query("up", 0).await, Outcome::Value(_)));
        assert_eq!(stand.asked().last().unwrap().headers["authorization"], format!("Bearer {token}"));
    }
}

#[tokio::test]
async fn a_token_that_cannot_be_used_is_told_and_nothing_is_sent() {
    let stand = Stand::start(Reply::value("1")).await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token");
    let source = with_token(&stand.url, &file);
    for (content, told) in
        [(None, "doesn't exist"), (Some("\n"), "is empty"), (Some("a\nb"), "can't be sent")]
    {
        if let Some(content) = content {
            std::fs::write(&file, content).unwrap();
        }
        let Outcome::Error(problem) = source.query("up", 0).await else { panic!("{content:?}") };
        assert_eq!(problem.kind, ProblemKind::SourceMisconfigured);
        assert!(problem.message().contains(told), "{problem}");
    }
    assert!(stand.asked().is_empty());
}

#[tokio::test]
async fn messages_hold_no_credentials_even_if_the_source_repeats_them() {
    let text = "you sent s3cret-token, pass/word, pass%2Fword and watcher";
    let body = format!(r#"{{"status":"error","errorType":"bad_data","error":"{text}"}}"#);
    let stand = Stand::start(Reply::new(400, body)).await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token");
    std::fs::write(&file, "s3cret-token").unwrap();
    let address = stand.url.strip_prefix("http://").unwrap();
    let basic = Source::new("default", &config(&format!("http://watcher:pass%2Fword@{address}"))).unwrap();
    let by_token = with_token(&stand.url, &file);

    let basic_told = format!("{:?} {basic:?}", basic.query("up", 0).await);
    assert!(stand.asked()[0].headers["authorization"].to_str().unwrap().starts_with("Basic "));
    for secret in ["pass/word", "pass%2Fword", "watcher"] {
        assert!(!basic_told.contains(secret), "{basic_told}");
    }
    let token_told = format!("{:?} {by_token:?}", by_token.query("up", 0).await);
    assert!(token_told.contains("you sent [redacted], pass/word"), "{token_told}");

    // What lies where nobody answers is told without its address, too.
    let unreachable = Source::new("default", &config("http://watcher:hunter2@127.0.0.1:1")).unwrap();
    let told = format!("{:?}", unreachable.query("up", 0).await);
    assert!(told.contains("Unreachable") && !told.contains("hunter2") && !told.contains("watcher"), "{told}");
}

#[test]
fn configuration_is_read_and_refused_with_the_remedy() {
    let json = r#"{"default":{"url":"http://p:9090","timeout":"5s"},"far":{"url":"http://p/x","bearerTokenFile":"/t"}}"#;
    let configs: BTreeMap<String, SourceConfig> = serde_json::from_str(json).unwrap();
    let sources = Sources::new(&configs).unwrap();
    assert_eq!(sources.names().collect::<Vec<_>>(), ["default", "far"]);
    assert_eq!(sources.get("default").unwrap().as_ref().unwrap().timeout().as_millis(), 5_000);
    assert!(serde_json::from_str::<SourceConfig>(r#"{"url":"http://p","token":"x"}"#).is_err());

    let directory = tempfile::tempdir().unwrap();
    let empty = directory.path().join("empty.pem");
    std::fs::write(&empty, "no certificate").unwrap();
    let ca = |path: &Path| SourceConfig { ca_file: Some(path.to_owned()), ..config("https://p") };
    let timeout = |text: &str| SourceConfig { timeout: Some(text.parse().unwrap()), ..config("http://p") };
    let rows = [
        (config("prometheus"), "write one like http://"),
        (config("file:///etc/passwd"), "http:// or https://"),
        (config("http://u:hunter2@p/?a=b"), "before ? and #"),
        (
            SourceConfig { bearer_token_file: Some("t".into()), ..config("http://u:hunter2@p") },
            "leave one out",
        ),
        (timeout("0s"), "between 100ms and 5m"),
        (timeout("-1s"), "between 100ms and 5m"),
        (timeout("1h"), "between 100ms and 5m"),
        (ca(&directory.path().join("none")), "can't be read"),
        (ca(&empty), "no PEM certificate"),
    ];
    for (config, told) in rows {
        let error: SourceError = Source::new("far", &config).unwrap_err();
        let message = error.to_string();
        assert!(message.starts_with("source far: ") && message.contains(told), "{message}");
        assert!(!message.contains("hunter2") && !format!("{config:?}").contains("hunter2"), "{message}");
    }
}

/// Set where the test below runs as it would in an image without certificate authorities.
const BARE: &str = "TEAL_TEST_WITHOUT_AUTHORITIES";

#[tokio::test]
async fn a_source_that_can_not_be_used_counts_for_itself_alone() {
    if std::env::var_os(BARE).is_none() {
        let name = "a_source_that_can_not_be_used_counts_for_itself_alone";
        let mut bare = std::process::Command::new(std::env::current_exe().unwrap());
        bare.args(["--exact", name]).env(BARE, "1");
        bare.env("SSL_CERT_FILE", "/nowhere/ca.pem").env("SSL_CERT_DIR", "/nowhere");
        let output = bare.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        return;
    }
    let stand = Stand::start(Reply::value("7")).await;
    let configs = [("default", config(&stand.url)), ("far", config("https://p")), ("odd", config("p"))];
    let configs = configs.map(|(name, config)| (name.to_owned(), config)).into();
    assert!(Sources::new(&configs).is_err());
    let measurer = Measurer::new(Sources::usable(&configs), Bounds::default());
    let request = |source: &str| Request {
        key: (),
        tenant: "shop".to_owned(),
        source: source.to_owned(),
        query: "up".to_owned(),
        at_ms: 0,
    };
    let answers = measurer.measure(["default", "far", "odd"].map(request).to_vec()).await;
    assert_eq!(answers[0].sample.outcome, Outcome::from_value(7.0));
    for (answer, told) in answers[1..].iter().zip(["source far: no HTTP client", "write one like http://"]) {
        let Outcome::Error(problem) = &answer.sample.outcome else { panic!("{answer:?}") };
        assert_eq!(problem.kind, ProblemKind::SourceMisconfigured);
        assert!(problem.message().contains(told), "{problem}");
    }
    let Outcome::Error(problem) = &answers[1].sample.outcome else { panic!("{answers:?}") };
    assert!(problem.message().contains("give caFile"), "{problem}");
}

/// Serves one fixed answer over TLS, with a certificate for `localhost` that it signed itself.
async fn serve_tls() -> (u16, String) {
    let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let pem = signed.cert.pem();
    let key = rustls::pki_types::PrivateKeyDer::try_from(signed.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![signed.cert.der().clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // A client that doesn't trust the certificate ends the handshake, which is what is tested.
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut request = [0; 4096];
            let read = stream.read(&mut request).await.unwrap_or(0);
            assert!(read > 0);
            let body = r#"{"status":"success","data":{"resultType":"scalar","result":[1,"1"]}}"#;
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    (port, pem)
}

#[tokio::test]
async fn only_the_configured_authority_is_trusted() {
    let (port, pem) = serve_tls().await;
    let (_, other_pem) = serve_tls().await;
    let directory = tempfile::tempdir().unwrap();
    let (right, wrong) = (directory.path().join("right.pem"), directory.path().join("wrong.pem"));
    std::fs::write(&right, pem).unwrap();
    std::fs::write(&wrong, other_pem).unwrap();
    let ask = async |host: &str, ca: &Path| {
        let config =
            SourceConfig { ca_file: Some(ca.to_owned()), ..config(&format!("https://{host}:{port}")) };
        Source::new("default", &config).unwrap().query("up", 0).await
    };
    assert!(matches!(ask("localhost", &right).await, Outcome::Value(_)));
    for (host, ca) in [("localhost", &wrong), ("127.0.0.1", &right)] {
        let Outcome::Error(problem) = ask(host, ca).await else { panic!("{host} was trusted") };
        assert_eq!(problem.kind, ProblemKind::Unreachable);
        assert!(problem.message().contains("certificate"), "{problem}");
    }
}
