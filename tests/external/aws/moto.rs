//! Requests signed by the bridge, accepted and refused by moto with IAM's enforcement on.
//!
//! moto computes the signature anew, by botocore, and looks up the policies of whose key it is. It does not
//! run functions, which would need docker: what they answer is queued.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use super::run;
use super::server::words;
use crate::common::parts::{part, python};
use crate::common::{Place, error_of, output_of, poll, sorted_output};

pub struct Moto {
    child: Child,
    pub port: u16,
    pub keys: Value,
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Moto {
    pub fn start() -> Option<Moto> {
        let (python, server) = (python()?, part("python/bin/moto_server")?);
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new(&python)
            .arg(server)
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("moto starts");
        let mut moto = Moto { child, port, keys: Value::Null };
        poll("moto listens", || TcpStream::connect(("127.0.0.1", port)).ok());
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/external/aws/moto.py");
        let set_up = Command::new(&python).args([script, &moto.url()]).output().unwrap();
        assert!(set_up.status.success(), "{}", error_of(&set_up));
        moto.keys = serde_json::from_slice(&set_up.stdout).unwrap();
        Some(moto)
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What the function answers next.
    fn queue(&self, answers: &[Vec<u8>]) {
        let answers: Vec<_> =
            answers.iter().map(|answer| String::from_utf8_lossy(answer)).collect();
        let body = json!({ "results": answers, "region": "us-east-1" });
        self.tell("static/lambda-simple/response", &body);
    }

    /// Tells moto itself something.
    fn tell(&self, path: &str, body: &Value) {
        let json = [("content-type".to_owned(), "application/json".to_owned())];
        let path = format!("/moto-api/{path}");
        let (status, _, body) = post(self.port, &path, &json, body.to_string().as_bytes());
        assert_eq!(status, 201, "{}", String::from_utf8_lossy(&body));
    }

    fn key<'a>(&'a self, user: &str, url: &'a str) -> [(&'a str, &'a str); 4] {
        let key = |index: usize| self.keys[user][index].as_str().unwrap();
        [
            ("AWS_ACCESS_KEY_ID", key(0)),
            ("AWS_SECRET_ACCESS_KEY", key(1)),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ENDPOINT_URL_LAMBDA", url),
        ]
    }
}

/// Posts to moto; answers the status, the head and the body.
pub fn post(
    port: u16,
    path: &str,
    headers: &[(String, String)],
    body: &[u8],
) -> (u16, String, Vec<u8>) {
    let mut request = format!("POST {path} HTTP/1.0\r\n");
    for (name, value) in headers.iter().filter(|(name, _)| name != "content-length") {
        request += &format!("{name}: {value}\r\n");
    }
    request += &format!("content-length: {}\r\n\r\n", body.len());
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(&[request.as_bytes(), body].concat()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, head, answer.split_off(end + 4))
}

/// Records of a check, as its round trip has them.
fn checked() -> impl Iterator<Item = String> {
    include_str!("../../../functions/golden/words.jsonl").lines().map(|line| {
        let vector: Value = serde_json::from_str(line).unwrap();
        vector["text"].as_str().unwrap().to_owned()
    })
}

const LINES: [&str; 6] = ["one, two", "", "Ἀχιλλεύς", "a_b c-d", "日本 語", "e\u{301} x"];

#[test]
fn moto_accepts_requests_that_the_bridge_signs_and_refuses_others() {
    let Some(moto) = Moto::start() else { return };
    let (place, url) = (Place::new(), moto.url());
    std::fs::write(place.path("lines.txt"), LINES.join("\n") + "\n").unwrap();
    let local = run(&place, &["run", "--source", "lines:lines.txt", "--out", "local"], &[]);
    assert!(local.status.success(), "{}", error_of(&local));
    let expected = sorted_output(&place.path("local"));
    let arn = moto.keys["arn"].as_str().unwrap();
    let account = arn.split(':').nth(4).unwrap();
    let keys = moto.key("caller", &url);
    let lines = |lambda: &str, keys: &[(&str, &str)]| {
        let mut args =
            vec!["run", "--source", "lines:lines.txt", "--policy", "remote", "--overwrite"];
        args.extend([
            "--out",
            "out",
            "--warm-up",
            "off",
            "--summary",
            "summary.json",
            "--lambda",
            lambda,
        ]);
        run(&place, &args, keys)
    };

    // By name and by ARN, whole and in part, with a version and an alias.
    let given = [
        "words".to_owned(),
        arn.to_owned(),
        format!("{arn}:1"),
        format!("{arn}:live"),
        format!("{account}:function:words"),
    ];
    for lambda in &given {
        moto.queue(&[words(checked())]);
        let checked = run(&place, &["check", "--lambda", lambda], &keys);
        assert!(
            checked.status.success(),
            "{lambda}: {}{}",
            output_of(&checked),
            error_of(&checked)
        );
        // Two empty requests ask at the start, and one brings all the lines.
        moto.queue(&[words([""; 0]), words([""; 0]), words(LINES)]);
        let ran = lines(lambda, &keys);
        assert!(ran.status.success(), "{lambda}: {}", error_of(&ran));
        assert!(sorted_output(&place.path("out")) == expected, "{lambda}");
        assert_eq!(place.summary()["records_remote"], LINES.len(), "{lambda}: {}", error_of(&ran));
    }

    // Refused: the wrong secret, somebody who may not, somebody unknown, a function that is not there.
    let reader = moto.key("reader", &url);
    let mut wrong = keys;
    wrong[1].1 = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
    let mut unknown = keys;
    unknown[0].1 = "AKIANOBODYHASTHISKEY";
    for (what, keys, lambda, parts) in [
        ("a wrong secret", wrong, "words", ["AWS_SECRET_ACCESS_KEY", "SignatureDoesNotMatch"]),
        ("no permission", reader, "words", ["policy that allows lambda:Invoke", "user/reader"]),
        ("an unknown key", unknown, "words", ["no such access key", "InvalidClientTokenId"]),
        ("an unknown function", keys, "none", ["no such function", "404"]),
    ] {
        // Without docker its functions answer whatever their name; with it, it looks them up first.
        moto.tell("config", &json!({ "lambda": { "use_docker": lambda == "none" } }));
        let checked = run(&place, &["check", "--lambda", lambda], &keys);
        let ran = lines(lambda, &keys);
        for output in [&checked, &ran] {
            assert_eq!(output.status.code(), Some(1), "{what}: {}", error_of(output));
            let said = error_of(output);
            assert!(parts.iter().all(|part| said.contains(part)), "{what}: {said}");
        }
        assert!(sorted_output(&place.path("out")) == expected, "{what}: the work was done locally");
        assert_eq!(place.summary()["records_remote"], 0, "{what}");
    }
}
