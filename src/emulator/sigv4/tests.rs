//! Tests with AWS's own vectors, and with requests that have to be refused.

use serde::Deserialize;

use super::*;

/// A case of AWS's signing test suite (`tests/golden/sigv4.jsonl`, from github.com/awslabs/aws-c-auth,
/// Apache-2.0): a signed request, and the steps to its signature.
#[derive(Deserialize)]
struct Case {
    name: String,
    normalize: bool,
    secret: String,
    request: String,
    canonical: String,
    string_to_sign: String,
    signature: String,
}

type Headers<'a> = Vec<(&'a str, std::borrow::Cow<'a, str>)>;

/// Returns method, path, query, headers and body of a request.
fn read(request: &str) -> (&str, &str, &str, Headers<'_>, &str) {
    let (head, body) = request.split_once("\n\n").unwrap_or((request, ""));
    let mut lines = head.lines();
    let (method, rest) = lines.next().unwrap().split_once(' ').unwrap();
    let target = rest.strip_suffix(" HTTP/1.1").unwrap();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut headers: Headers<'_> = Vec::new();
    for line in lines {
        match line.split_once(':') {
            // A folded line continues the line before.
            _ if line.starts_with(' ') => {
                let (_, value) = headers.last_mut().unwrap();
                *value = format!("{value} {}", line.trim()).into();
            }
            Some((name, value)) => headers.push((name, value.into())),
            None => panic!("no header: {line}"),
        }
    }
    (method, path, query, headers, body)
}

#[test]
fn signatures_equal_those_of_awss_test_vectors() {
    let vectors = include_str!("../../../tests/golden/sigv4.jsonl");
    let cases = vectors.lines().map(|line| serde_json::from_str::<Case>(line).unwrap());
    for case in cases {
        let (method, path, query, headers, body) = read(&case.request);
        let header = |name: &str| {
            let header = headers.iter().find(|(of, _)| of.eq_ignore_ascii_case(name));
            header.map(|(_, value)| value.to_string()).expect("a header")
        };
        let (authorization, date) = (header("authorization"), header("x-amz-date"));
        let authorization = Authorization::parse(&authorization).expect("well-formed");
        let request = Signed { method, path, query, headers, body: body.as_bytes() };
        let path = if case.normalize { Path::Normalized } else { Path::AsItIs };
        let canonical = request.canonical(&authorization.signed_headers, path);
        assert_eq!(canonical, case.canonical, "{}", case.name);
        let to_sign = string_to_sign(&date, &authorization.scope, &canonical);
        assert_eq!(to_sign, case.string_to_sign, "{}", case.name);
        let mac = sign(&case.secret, &authorization.scope, &to_sign);
        let signature = hex(&mac.finalize().into_bytes());
        assert_eq!(signature, case.signature, "{}", case.name);
        assert_eq!(signature, authorization.signature, "{}", case.name);
    }
    assert_eq!(vectors.lines().count(), 38);
}

#[test]
fn an_encoded_colon_in_the_path_is_encoded_twice() {
    let mut canonical = String::new();
    encode(&mut canonical, normalized("/functions/arn%3Aaws/invocations").as_bytes(), b"/");
    assert_eq!(canonical, "/functions/arn%253Aaws/invocations");
}

const NOW: &str = "20150830T123600Z";

fn keys(token: Option<&str>) -> Keys {
    Keys {
        access_key_id: "AKIDEXAMPLE".to_owned(),
        secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned(),
        session_token: token.map(str::to_owned),
        expires: None,
    }
}

/// Signs a request at `date` for `service`, applies `change`, and returns the result of the check at [`NOW`].
fn checked(
    (service, date, token): (&str, &str, Option<&str>),
    of: &Keys,
    change: impl FnOnce(&mut Parts, &mut Vec<u8>),
) -> Result<(), Unsigned> {
    const TARGET: &str = "/2015-03-31/functions/arn%3Aaws/invocations?Qualifier=1";
    let mut request = hyper::Request::post(TARGET).header("host", "localhost:1");
    request = request.header("x-amz-date", date);
    if let Some(token) = token {
        request = request.header("x-amz-security-token", token);
    }
    let (mut head, ()) = request.body(()).unwrap().into_parts();
    let mut body = b"{}".to_vec();
    let signed = Signed {
        method: "POST",
        path: head.uri.path(),
        query: head.uri.query().unwrap(),
        headers: vec![("host", "localhost:1".into()), ("x-amz-date", date.into())],
        body: &body,
    };
    let scope = [&date[..8], "eu-central-1", service, "aws4_request"];
    let canonical = signed.canonical(&["host", "x-amz-date"], Path::Normalized);
    let mac =
        sign(&keys(None).secret_access_key, &scope, &string_to_sign(date, &scope, &canonical));
    let signature = hex(&mac.finalize().into_bytes());
    let authorization = format!(
        "{ALGORITHM} Credential=AKIDEXAMPLE/{}, SignedHeaders=host;x-amz-date, Signature={signature}",
        scope.join("/"),
    );
    head.headers.insert("authorization", authorization.parse().unwrap());
    change(&mut head, &mut body);
    let now = Date::of_basic(NOW).unwrap().unix() as u64;
    of.claim(&head, UNIX_EPOCH + Duration::from_secs(now))?.check(&body)
}

#[test]
fn only_a_correctly_signed_request_passes() {
    let well = ("lambda", NOW, None);
    let unchanged = |_: &mut Parts, _: &mut Vec<u8>| {};
    assert_eq!(checked(well, &keys(None), unchanged), Ok(()));
    let token = ("lambda", NOW, Some("token"));
    assert_eq!(checked(token, &keys(Some("token")), unchanged), Ok(()));
    for (request, of) in [
        (token, keys(Some("another"))),
        (token, keys(None)),
        (well, keys(Some("token"))),
        (well, Keys { access_key_id: "AKIDOTHER".to_owned(), ..keys(None) }),
    ] {
        assert_eq!(checked(request, &of, unchanged), Err(Unsigned::UnknownKey));
    }
    let now = UNIX_EPOCH + Duration::from_secs(Date::of_basic(NOW).unwrap().unix() as u64);
    let until = |end| Keys { expires: Some(end), ..keys(None) };
    assert_eq!(checked(well, &until(now), unchanged), Err(Unsigned::Expired));
    assert_eq!(checked(well, &until(now + Duration::from_secs(1)), unchanged), Ok(()));

    let is_wrong = |result: Result<(), Unsigned>, what: &str| match result {
        Err(Unsigned::Signature(why)) => assert!(why.contains(what), "{why}"),
        other => panic!("{other:?} instead of {what}"),
    };
    let wrong = Keys { secret_access_key: "wrong".to_owned(), ..keys(None) };
    is_wrong(checked(well, &wrong, unchanged), "does not match");
    is_wrong(checked(well, &keys(None), |_, body| body.push(b' ')), "does not match");
    let other_path = |head: &mut Parts, _: &mut Vec<u8>| head.uri = "/other".parse().unwrap();
    is_wrong(checked(well, &keys(None), other_path), "does not match");
    is_wrong(checked(("s3", NOW, None), &keys(None), unchanged), "service: 'lambda'");
    for (date, what) in [
        ("20150830T123059Z", "expired"),
        ("20150830T124101Z", "not yet current"),
        ("20130830T123600Z", "expired"),
    ] {
        is_wrong(checked(("lambda", date, None), &keys(None), unchanged), what);
    }
    for date in ["20150830T123100Z", "20150830T124100Z"] {
        assert_eq!(checked(("lambda", date, None), &keys(None), unchanged), Ok(()), "{date}");
    }

    let none = |head: &mut Parts, _: &mut Vec<u8>| drop(head.headers.remove("authorization"));
    assert_eq!(checked(well, &keys(None), none), Err(Unsigned::Missing));
    for text in ["AWS4-HMAC-SHA256", "AWS4-HMAC-SHA256 Credential=a/b", "AWS4-HMAC-SHA256 x"] {
        let short = |head: &mut Parts, _: &mut Vec<u8>| {
            head.headers.insert("authorization", text.parse().unwrap());
        };
        let result = checked(well, &keys(None), short);
        assert!(matches!(result, Err(Unsigned::Incomplete(_))), "{text}: {result:?}");
    }
}

#[test]
fn secrets_are_not_shown() {
    let shown = format!("{:?}", keys(Some("a-token")));
    assert!(!shown.contains("wJalr") && !shown.contains("a-token"), "{shown}");
}

/// A header that occurs twice, or has another form than AWS requires, is refused even if the signature is
/// right otherwise.
#[test]
fn only_the_canonical_form_is_accepted() {
    let well = ("lambda", NOW, None);
    let replaced = |from: &'static str, to: &'static str| {
        checked(well, &keys(None), move |head, _| {
            let text = head.headers["authorization"].to_str().unwrap();
            assert!(text.contains(from), "{text}");
            let text = text.replace(from, to);
            head.headers.insert("authorization", text.parse().unwrap());
        })
    };
    for (from, to) in [
        ("host;x-amz-date", "x-amz-date;host"),
        ("host;x-amz-date", "host;host;x-amz-date"),
        ("host;x-amz-date", "Host;X-Amz-Date"),
        ("host;x-amz-date", "host; x-amz-date"),
        ("host;x-amz-date", "host;x-amz-date;"),
        ("Signature=", "Signature=00"),
        ("eu-central-1", ""),
    ] {
        assert!(matches!(replaced(from, to), Err(Unsigned::Signature(_))), "{to}");
    }
    for (from, to) in [
        ("SHA256 ", "SHA256"),
        ("Signature=", "Signature=0, Signature="),
        ("Credential=", "Credential=a/b/c/d/aws4_request, Credential="),
    ] {
        assert!(matches!(replaced(from, to), Err(Unsigned::Incomplete(_))), "{to}");
    }
    let upper = checked(well, &keys(None), |head, _| {
        let text = head.headers["authorization"].to_str().unwrap();
        let (before, signature) = text.split_once("Signature=").unwrap();
        let text = format!("{before}Signature={}", signature.to_ascii_uppercase());
        head.headers.insert("authorization", text.parse().unwrap());
    });
    assert_eq!(upper, Err(mismatch()));
    for name in ["authorization", "host", "x-amz-date"] {
        let twice = checked(well, &keys(None), |head, _| {
            let value = head.headers[name].clone();
            head.headers.append(name, value);
        });
        assert!(matches!(twice, Err(Unsigned::Incomplete(_))), "{name}: {twice:?}");
    }
}

#[test]
fn a_presigned_request_is_refused_with_and_without_a_header() {
    for query in
        ["X-Amz-Signature=0", "Qualifier=1&X-Amz-Algorithm=AWS4-HMAC-SHA256", "x%2Damz-credential"]
    {
        for has_header in [true, false] {
            let presigned = checked(("lambda", NOW, None), &keys(None), |head, _| {
                head.uri = format!("/2015-03-31/functions/a/invocations?{query}").parse().unwrap();
                if !has_header {
                    head.headers.remove("authorization");
                }
            });
            assert!(matches!(presigned, Err(Unsigned::Incomplete(_))), "{query}: {presigned:?}");
        }
    }
}
