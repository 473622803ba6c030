//! A server that answers as it is told, by HTTP/1.1 or, over TLS, by HTTP/2 too.

use std::convert::Infallible;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use floodway::batch::{Batch, Strings};
use floodway::task::{Task as _, Words};
use floodway::wire::{Request as Wire, answer_strings};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

/// A request as it came.
pub struct Seen {
    pub version: Version,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
}

impl Seen {
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map_or("", |(_, value)| value.as_str())
    }

    /// The id of the key that signed it.
    pub fn key(&self) -> &str {
        let credential =
            self.header("authorization").split("Credential=").nth(1).unwrap_or_default();
        credential.split('/').next().unwrap_or_default()
    }
}

/// A status, headers, and a body.
pub type Reply = (u16, Vec<(&'static str, String)>, Vec<u8>);

/// A server, until its process ends.
pub struct Server {
    pub address: std::net::SocketAddr,
}

/// Streams of an HTTP/2 connection, as many servers have it.
const STREAMS: u32 = 128;

impl Server {
    pub fn start(
        tls: Option<ServerConfig>,
        answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> Server {
        Server::slow(tls, STREAMS, Duration::ZERO, answer)
    }

    /// One that takes so many streams a connection, and so long for an answer.
    pub fn slow(
        tls: Option<ServerConfig>,
        streams: u32,
        takes: Duration,
        answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> Server {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        let answer: Arc<dyn Fn(&Seen) -> Reply + Send + Sync> = Arc::new(answer);
        let tls = tls.map(|config| TlsAcceptor::from(Arc::new(config)));
        thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = TcpListener::from_std(listener).unwrap();
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    let (answer, tls) = (Arc::clone(&answer), tls.clone());
                    tokio::spawn(async move {
                        let service =
                            service_fn(move |request| served(request, takes, Arc::clone(&answer)));
                        let http1 = hyper::server::conn::http1::Builder::new();
                        // A client that goes away is its own affair.
                        let Some(tls) = tls else {
                            let _ = http1.serve_connection(TokioIo::new(stream), service).await;
                            return;
                        };
                        let Ok(stream) = tls.accept(stream).await else { return };
                        if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                            let mut http2 =
                                hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                            http2.max_concurrent_streams(streams);
                            let _ = http2.serve_connection(TokioIo::new(stream), service).await;
                        } else {
                            let _ = http1.serve_connection(TokioIo::new(stream), service).await;
                        }
                    });
                }
            });
        });
        Server { address }
    }

    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }
}

async fn served(
    request: Request<Incoming>,
    takes: Duration,
    answer: Arc<dyn Fn(&Seen) -> Reply + Send + Sync>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    tokio::time::sleep(takes).await;
    let text =
        |value: &hyper::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = head.headers.iter().map(|(name, value)| (name.to_string(), text(value)));
    let seen = Seen {
        version: head.version,
        path: head.uri.path().to_owned(),
        headers: headers.collect(),
        body,
    };
    let (status, headers, body) = answer(&seen);
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    Ok(response.body(Full::new(Bytes::from(body))).unwrap())
}

/// The right answer to a request for words, as a function of this release gives it.
pub fn right(body: &[u8]) -> Vec<u8> {
    let request: Wire<'_, Strings> = serde_json::from_slice(body).expect("a request of the wire");
    assert_eq!(request.task, "words");
    words(request.records.iter().map(|record| String::from_utf8(record.to_vec()).unwrap()))
}

/// The same to these records.
pub fn words(records: impl IntoIterator<Item = impl AsRef<str>>) -> Vec<u8> {
    let owned: Vec<String> = records.into_iter().map(|record| record.as_ref().to_owned()).collect();
    let batch: Batch = owned.iter().map(String::as_str).collect();
    let mut out = Batch::default();
    Words.compute(&batch, 0..batch.len(), &mut out, &mut Vec::new());
    let ids: Vec<u32> = (0..batch.len() as u32).collect();
    answer_strings("words", &out.strings, &ids, &[], false)
}

/// The right answer.
pub fn well(seen: &Seen) -> Reply {
    if seen.path.contains("/account-settings/") {
        let settings = serde_json::json!({ "AccountLimit": { "ConcurrentExecutions": 250 } });
        return (200, Vec::new(), settings.to_string().into_bytes());
    }
    (200, Vec::new(), right(&seen.body))
}

/// An error as AWS says it.
pub fn error(status: u16, code: &str, message: &str) -> Reply {
    let body = serde_json::json!({ "Type": "User", "message": message }).to_string();
    (status, vec![("x-amzn-errortype", code.to_owned())], body.into_bytes())
}
