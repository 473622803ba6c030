//! AWS's signing vectors, through the signer that signs a run's requests.

use std::fs;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use floodway::aws::{Credentials, Payload, Secret, Unsigned, sign};
use serde_json::Value;

/// 2015-08-30T12:36:00Z, when all of them were signed.
const WHEN: Duration = Duration::from_secs(1_440_938_160);

/// A request in the suite's format: a line, headers, an empty line, the body.
struct Request {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: String,
}

fn parse(text: &str) -> Request {
    let text = text.replace("\r\n", "\n");
    let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
    let mut lines = head.lines();
    let line = lines.next().unwrap();
    let (method, rest) = line.split_once(' ').unwrap();
    let target = rest.rsplit_once(' ').unwrap().0;
    let header = |line: &str| {
        let (name, value) = line.split_once(':').unwrap();
        (name.to_lowercase(), value.to_owned())
    };
    Request {
        method: method.to_owned(),
        target: target.to_owned(),
        headers: lines.map(header).collect(),
        body: body.to_owned(),
    }
}

fn is_signed_as_aws_signs_it(folder: &Path) {
    let name = folder.file_name().unwrap().to_string_lossy().into_owned();
    let read = |file: &str| fs::read_to_string(folder.join(file)).unwrap();
    let context: Value = serde_json::from_str(&read("context.json")).unwrap();
    assert_eq!(context["timestamp"], "2015-08-30T12:36:00Z", "{name}");
    let (request, expected) =
        (parse(&read("request.txt")), parse(&read("header-signed-request.txt")));
    let header = |headers: &[(String, String)], name: &str| {
        headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone())
    };
    let keys = &context["credentials"];
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let credentials = Credentials::new(
        text(&keys["access_key_id"]).unwrap(),
        Secret::new(text(&keys["secret_access_key"]).unwrap()),
        text(&keys["token"]).map(Secret::new),
    );
    let mut headers = request.headers.clone();
    // The suite's signer adds this one where it signs the body; Lambda wants none.
    let hash = header(&expected.headers, "x-amz-content-sha256");
    headers.extend(hash.clone().map(|hash| ("x-amz-content-sha256".to_owned(), hash)));
    let host = header(&headers, "host").unwrap();
    let headers: Vec<(&str, &str)> = headers
        .iter()
        .filter(|(name, _)| name != "x-amz-date")
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let payloads =
        [Some(Payload::Bytes(request.body.as_bytes())), hash.as_deref().map(Payload::Sha256)];
    for payload in payloads.into_iter().flatten() {
        let url = format!("https://{host}{}", request.target);
        let unsigned = Unsigned { method: &request.method, url: &url, headers: &headers, payload };
        let (region, service) = (&context["region"], &context["service"]);
        let (region, service) = (region.as_str().unwrap(), service.as_str().unwrap());
        let signed = sign(&unsigned, &credentials, region, service, UNIX_EPOCH + WHEN).unwrap();
        for (name, value) in &signed {
            let expected = header(&expected.headers, name.as_str());
            let signed = Some(value.to_str().unwrap().to_owned());
            assert_eq!(signed, expected, "{name} of {}", folder.display());
        }
        assert!(signed.iter().any(|(name, _)| name == "authorization"), "{name}");
    }
}

#[test]
fn signatures_match_the_vectors_of_aws() {
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/external/aws/vectors");
    let folders = fs::read_dir(vectors).unwrap().map(|entry| entry.unwrap().path());
    let folders: Vec<_> = folders.filter(|path| path.is_dir()).collect();
    assert_eq!(folders.len(), 9);
    folders.iter().for_each(|folder| is_signed_as_aws_signs_it(folder));
}
