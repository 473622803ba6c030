//! A broker in a process of its own, which ends with the test's.

use std::fs;
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock};

use super::proxy::Proxy;
use crate::common::{error_of, parts, poll};

/// A broker.
pub struct Broker {
    dir: PathBuf,
    port: u16,
    /// Before it, for clients that are to have trouble.
    pub proxy: Proxy,
    process: Mutex<Option<Child>>,
}

/// Ends the broker, however this process ends: its standard input is ours. A line says that the broker
/// alone is to end, else its folder goes too.
const WATCH: &str = r#"
    "$@" >"$DIR/log" 2>&1 &
    broker=$!
    read -r said
    kill -9 $broker
    wait $broker 2>/dev/null
    [ -n "$said" ] || rm -rf "$DIR"
"#;

/// The one that is shared; none, and a word, where it is not installed.
pub fn broker() -> Option<&'static Broker> {
    static BROKER: OnceLock<Option<Broker>> = OnceLock::new();
    BROKER.get_or_init(Broker::start).as_ref()
}

impl Broker {
    /// A new one, that answers.
    pub fn start() -> Option<Broker> {
        let (jars, java) = (parts::part("kafka")?, parts::program("java")?);
        let tmp = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let dir = tmp.join(format!("kafka-{}-{:x}", std::process::id(), rand::random::<u32>()));
        fs::create_dir_all(&dir).unwrap();
        let [proxy, proxied, port, controller] =
            [(); 4].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let [before, proxied, port, controller] = [&proxy, &proxied, &port, &controller]
            .map(|listener| listener.local_addr().unwrap().port());
        let proxy = Proxy::start(proxy, proxied);
        let properties = format!(
            "process.roles=broker,controller\n\
             node.id=1\n\
             controller.quorum.voters=1@127.0.0.1:{controller}\n\
             listeners=PLAINTEXT://127.0.0.1:{port},PROXIED://127.0.0.1:{proxied},CONTROLLER://127.0.0.1:{controller}\n\
             advertised.listeners=PLAINTEXT://127.0.0.1:{port},PROXIED://127.0.0.1:{before}\n\
             controller.listener.names=CONTROLLER\n\
             listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT\n\
             log.dirs={}/data\n\
             auto.create.topics.enable=false\n\
             offsets.topic.replication.factor=1\n\
             offsets.topic.num.partitions=1\n\
             transaction.state.log.replication.factor=1\n\
             transaction.state.log.min.isr=1\n\
             transaction.state.log.num.partitions=1\n",
            dir.display()
        );
        fs::write(dir.join("server.properties"), properties).unwrap();
        let broker = Broker { dir, port, proxy, process: Mutex::new(None) };
        let mut format = broker.java(&java, &jars, "kafka.tools.StorageTool");
        format.args(["format", "-t", "Zmxvb2R3YXktZmxvb2R3YQ", "-c"]);
        let formatted = format.arg(broker.dir.join("server.properties")).output().unwrap();
        assert!(formatted.status.success(), "{}", error_of(&formatted));
        broker.begin();
        Some(broker)
    }

    fn java(&self, java: &Path, jars: &Path, class: &str) -> Command {
        let mut command = Command::new(java);
        // It starts sooner, and is no match for the tests' own processes.
        command.args(["-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp"]);
        command.arg(jars.join("*")).arg(class).env("DIR", &self.dir);
        command
    }

    /// Starts it, again with what it has.
    pub fn begin(&self) {
        let (jars, java) = (parts::part("kafka").unwrap(), parts::program("java").unwrap());
        let server = self.java(&java, &jars, "kafka.Kafka");
        let mut watch = Command::new("sh");
        watch.args(["-c", WATCH, "watch"]).arg(server.get_program()).args(server.get_args());
        watch.arg(self.dir.join("server.properties")).env("DIR", &self.dir);
        let child = watch.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        *self.process.lock().unwrap() = Some(child.unwrap());
        poll("the broker", || TcpStream::connect(("127.0.0.1", self.port)).ok());
    }

    /// Kills it.
    pub fn kill(&self) {
        let mut child = self.process.lock().unwrap().take().expect("it runs");
        child.stdin.take().unwrap().write_all(b"keep\n").unwrap();
        child.wait().unwrap();
    }

    /// `HOST:PORT`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// What a topic is called on the command line.
    pub fn url(&self, topic: &str) -> String {
        format!("kafka://{}/{topic}", self.address())
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Some(mut child) = self.process.lock().unwrap().take() {
            drop(child.stdin.take());
            let _ = child.wait();
        }
    }
}
