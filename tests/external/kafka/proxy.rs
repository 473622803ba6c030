//! A proxy before the broker that breaks connections which end a transaction, and has the broker get the request
//! late, never, or twice. The client sees a connection that was lost, and sends the request again.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// Requests by their number in Kafka's protocol.
const PRODUCE: u16 = 0;
const END_TXN: u16 = 26;

/// One in so many ends of transactions meets trouble.
const ONE_IN: u32 = 2;

/// The way to a broker.
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    broker: u16,
    /// Requests that the broker gets later, and the connections on which it does.
    late: Mutex<Vec<(TcpStream, Vec<u8>)>>,
    troubles: AtomicUsize,
}

impl Proxy {
    /// Listens for clients of the broker that listens at the port `broker`.
    pub fn start(listener: TcpListener, broker: u16) -> Proxy {
        let port = listener.local_addr().unwrap().port();
        let shared =
            Arc::new(Shared { broker, late: Mutex::default(), troubles: AtomicUsize::new(0) });
        let all = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming() {
                let shared = Arc::clone(&all);
                // A broker that is away, or a connection that ends, is the client's to deal with.
                thread::spawn(move || client.and_then(|client| shared.pass(client)));
            }
        });
        Proxy { port, shared }
    }

    /// What a topic is called on the command line.
    pub fn url(&self, topic: &str) -> String {
        format!("kafka://127.0.0.1:{}/{topic}", self.port)
    }

    /// Ends of transactions that met trouble.
    pub fn troubles(&self) -> usize {
        self.shared.troubles.load(Relaxed)
    }
}

impl Shared {
    /// Passes a connection's bytes on, requests one by one.
    fn pass(self: Arc<Self>, mut client: TcpStream) -> io::Result<()> {
        let mut broker = TcpStream::connect(("127.0.0.1", self.broker))?;
        client.set_nodelay(true)?;
        broker.set_nodelay(true)?;
        let (mut answers, mut back) = (broker.try_clone()?, client.try_clone()?);
        thread::spawn(move || {
            let _ = io::copy(&mut answers, &mut back);
            let _ = back.shutdown(Shutdown::Both);
        });
        let passed = self.pass_requests(&mut client, &mut broker);
        if passed.is_err() {
            let _ = broker.shutdown(Shutdown::Both);
        }
        passed
    }

    fn pass_requests(
        self: &Arc<Self>,
        client: &mut TcpStream,
        broker: &mut TcpStream,
    ) -> io::Result<()> {
        loop {
            let request = read(client)?;
            let kind = u16::from_be_bytes([request[4], request[5]]);
            if kind == END_TXN && rand::random_ratio(1, ONE_IN) {
                self.troubles.fetch_add(1, Relaxed);
                client.shutdown(Shutdown::Both)?;
                // Never, late, at once without an answer, or at once and late.
                let way = rand::random_range(0..4);
                if way >= 2 {
                    broker.write_all(&request)?;
                }
                if way % 2 == 1 {
                    self.late.lock().unwrap().push((broker.try_clone()?, request));
                    // At the latest: most are sent when another transaction has begun.
                    self.send_late(Duration::from_millis(500));
                }
                return Ok(());
            }
            broker.write_all(&request)?;
            if kind == PRODUCE {
                self.send_late(Duration::from_micros(rand::random_range(0..20_000)));
            }
        }
    }

    /// Sends what is late, in a moment.
    fn send_late(self: &Arc<Self>, after: Duration) {
        let shared = Arc::clone(self);
        thread::spawn(move || {
            thread::park_timeout(after);
            let late = std::mem::take(&mut *shared.late.lock().unwrap());
            for (mut broker, request) in late {
                let _ = broker.write_all(&request);
                // Until it is answered: what comes on a connection that is closed is not looked at.
                let _ = broker.set_read_timeout(Some(Duration::from_secs(1)));
                let _ = broker.read(&mut [0; 64]);
            }
        });
    }
}

/// Reads a request with its length before it.
fn read(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut request = length.to_vec();
    request.resize(4 + u32::from_be_bytes(length) as usize, 0);
    stream.read_exact(&mut request[4..])?;
    Ok(request)
}
