//! What can be given as an endpoint, and what is said of what cannot.

use super::server::{Server, error, well};
use super::{ID, KEYS, expected_locally, remote, run, was_done_locally};
use crate::common::{Place, error_of, output_of, within_tries};

#[test]
fn an_invalid_function_name_exits_with_2_and_names_the_wrong_part() {
    let place = Place::new();
    let arn = "arn:aws:lambda:eu-north-1:123456789012:function:words";
    let url = "https://abc.lambda-url.eu-north-1.on.aws/";
    for (args, parts) in [
        (
            &["--lambda", "arn:aws:lambda:eu-north-1:1234:function:words"][..],
            &["account", "12 digits"],
        ),
        (&["--lambda", "arn:aws:s3:::bucket"], &["ARN", "arn:PARTITION:lambda"]),
        (&["--lambda", "arn:aws:lambda:mars:123456789012:function:w"], &["region", "mars"]),
        (&["--lambda", arn, "--region", "us-east-1"], &["--region us-east-1", "eu-north-1"]),
        (&["--lambda", arn, "--auth", "none"], &["--auth none", "signed"]),
        (
            &["--lambda", url, "--auth", "iam", "--region", "us-east-1"],
            &["--region", "function URL"],
        ),
        (&["--lambda", url, "--region", "eu-north-1"], &["--region", "--auth iam"]),
        (&["--lambda", "https://example.com/", "--auth", "iam"], &["--region", "AWS_REGION"]),
        (&["--lambda", "words"], &["--region", "AWS_REGION"]),
        (&["--lambda", "words", "--region", "here"], &["--region here", "us-east-1"]),
        (&["--lambda", "http:///?code=hidden"], &["--lambda", "http"]),
    ] {
        for command in ["run", "check"] {
            let output = run(&place, &[&[command][..], args].concat(), &[]);
            assert_eq!(output.status.code(), Some(2), "{command} {args:?}: {}", error_of(&output));
            let said = error_of(&output);
            assert!(parts.iter().all(|part| said.contains(part)), "{args:?}: {said}");
            assert!(!said.contains("hidden"), "{said}");
        }
    }
    let output = run(&place, &["run", "--auth", "iam"], &[]);
    assert_eq!(output.status.code(), Some(2), "{}", error_of(&output));
    let output = run(&place, &["check"], &[]);
    assert_eq!(output.status.code(), Some(2), "{}", error_of(&output));
}

/// AWS's chain, where it is built in, does not ask the network.
const NO_METADATA: (&str, &str) = ("AWS_EC2_METADATA_DISABLED", "true");

#[test]
fn without_credentials_nothing_starts_and_the_error_lists_where_it_looked() {
    let place = Place::new();
    std::fs::create_dir(place.path(".aws")).unwrap();
    let config = "[profile sso]\nsso_session = mine\n";
    std::fs::write(place.path(".aws/config"), config).unwrap();
    let ended = ("AWS_CREDENTIAL_EXPIRATION", "2020-01-01T00:00:00Z");
    for (variables, part) in [
        (&[KEYS[2], NO_METADATA][..], "no AWS credentials: looked for AWS_ACCESS_KEY_ID"),
        (
            &[KEYS[0], KEYS[2]],
            "the environment has AWS_ACCESS_KEY_ID and lacks AWS_SECRET_ACCESS_KEY",
        ),
        (&[KEYS[0], KEYS[1], KEYS[2], ended], "have expired"),
        (&[KEYS[2], NO_METADATA, ("AWS_PROFILE", "nobody")], "there is no profile nobody"),
        #[cfg(not(feature = "aws-config"))]
        (&[KEYS[2], ("AWS_PROFILE", "sso")], "build with --features aws-config"),
    ] {
        let checked = run(&place, &["check", "--lambda", "words"], variables);
        assert_eq!(checked.status.code(), Some(1), "{}", error_of(&checked));
        assert!(error_of(&checked).contains(part), "{}", error_of(&checked));
        let ran = run(&place, &remote("words", "100", &[]), variables);
        assert_eq!(ran.status.code(), Some(1), "{}", error_of(&ran));
        assert!(error_of(&ran).contains(part), "{}", error_of(&ran));
        assert!(!place.path("out").exists(), "nothing began");
        // Who sends nothing needs none.
        let local =
            ["run", "--lambda", "words", "--events", "10", "--rate", "max", "--sink", "null"];
        let local = run(&place, &local, variables);
        assert!(local.status.success(), "{}", error_of(&local));
    }
}

#[test]
fn check_reports_each_step_and_its_result() {
    let report =
        "START RequestId: 1\nREPORT RequestId: 1\tDuration: 1.2 ms\tBilled Duration: 7 ms\n";
    let server = Server::start(None, move |seen| {
        let (status, mut headers, body) = well(seen);
        use base64::Engine as _;
        let log = base64::engine::general_purpose::STANDARD.encode(report);
        headers.push(("x-amz-log-result", log));
        assert_eq!(seen.header("authorization").is_empty(), seen.path.starts_with("/plain"));
        (status, headers, body)
    });
    let place = Place::new();
    let service = ("AWS_ENDPOINT_URL_LAMBDA", server.url());
    let variables = [&KEYS[..], &[(service.0, service.1.as_str())]].concat();
    let plain = format!("{}plain?code=hidden", server.url());
    for (args, parts) in [
        (&["--lambda", "words:live"][..], &["Invoke API", "words:live", "us-east-1", "…REAL"][..]),
        (&["--lambda", &server.url(), "--auth", "iam"], &["signed requests", "us-east-1", "…REAL"]),
        (&["--lambda", &plain], &["not signed"]),
    ] {
        let output = run(&place, &[&["check"][..], args].concat(), &variables);
        let said = output_of(&output) + &error_of(&output);
        assert!(output.status.success(), "{said}");
        let all = ["HTTP/1.1", "version 0.1", "same results", "billed    7 ms", "good"];
        let ceiling = match args[1] {
            "words:live" => {
                Some("ceiling   2500k records/s: 250 environments of the account, 10 requests/s")
            }
            _ if args.contains(&"iam") => {
                Some("ceiling   100k records/s with the 10 environments of a new")
            }
            // Nobody knows whose it is.
            _ => None,
        };
        assert!(
            ceiling.map_or(!said.contains("ceiling"), |ceiling| said.contains(ceiling)),
            "{said}"
        );
        assert!(parts.iter().chain(&all).all(|part| said.contains(part)), "{said}");
        assert!(!said.contains("hidden") && !said.contains(ID), "{said}");
    }
    // What was billed stands in the summary, as measured and as it would have been estimated.
    // A worker may take the records of a request that is late, and the service's word for it does not come.
    let (output, summary) = within_tries("a run whose answers all come", || {
        let output = run(&place, &remote("words:live", "500", &[]), &variables);
        assert!(output.status.success(), "{}", error_of(&output));
        let summary = place.summary();
        let function = &summary["functions"][0];
        let metered = function["metered"].as_u64();
        assert!(function["attempts"].as_u64() >= metered, "{summary}");
        let all_come = metered >= Some(10) && function["attempts"].as_u64() == metered;
        if all_come { Ok((output, summary)) } else { Err(summary.to_string()) }
    });
    let function = &summary["functions"][0];
    assert_eq!(function["name"], "words:live");
    let metered = function["metered"].as_u64().unwrap();
    assert_eq!(function["metered_ms"], 7.0 * metered as f64, "{summary}");
    assert!(function["billed_ms"].as_f64() >= function["metered_ms"].as_f64(), "{summary}");
    assert_eq!(function["billed_ms"], summary["billed_ms"]);
    assert_eq!(function["cost_usd"], summary["cost_usd"]);
    assert!(function["estimated_ms"].as_f64().unwrap() > 0.0);
    let said = output_of(&output);
    assert!(said.contains("billed    words:live: "), "{said}");
}

#[test]
fn when_every_request_is_refused_the_run_completes_locally_and_exits_with_1() {
    const DENIED: &str = "User: arn:aws:iam::123456789012:user/x is not authorized to perform: \
        lambda:InvokeFunction on resource: w because no identity-based policy allows it";
    let expected = expected_locally("2k");
    for (status, code, message, parts) in [
        (
            403,
            "InvalidSignatureException",
            "does not match",
            ["AWS_SECRET_ACCESS_KEY", "Signature"],
        ),
        (
            403,
            "InvalidSignatureException",
            "Signature expired: it is now earlier",
            ["clock", "Signature"],
        ),
        (403, "UnrecognizedClientException", "is invalid", ["no such access key", "Client"]),
        (403, "ExpiredTokenException", "is expired", ["get new ones", "ExpiredToken"]),
        (
            403,
            "AccessDeniedException",
            DENIED,
            ["a policy that allows lambda:InvokeFunction", "user/x"],
        ),
        (404, "ResourceNotFoundException", "Function not found: w", ["no such function", "404"]),
        (400, "InvalidRequestContentException", "no JSON", ["function of Floodway's", "400"]),
    ] {
        let server = Server::start(None, move |_| error(status, code, message));
        let place = Place::new();
        let service = server.url();
        let variables = [&KEYS[..], &[("AWS_ENDPOINT_URL", service.as_str())]].concat();
        let checked = run(&place, &["check", "--lambda", "w"], &variables);
        assert_eq!(checked.status.code(), Some(1), "{}", error_of(&checked));
        let ran = run(&place, &remote("w", "2k", &[]), &variables);
        assert_eq!(ran.status.code(), Some(1), "{}", error_of(&ran));
        was_done_locally(&place, &expected);
        let summary = place.summary();
        assert_eq!(summary["stopped"], "done");
        for said in [error_of(&checked), error_of(&ran), summary["error"].to_string()] {
            assert!(parts.iter().all(|part| said.contains(part)), "{code}: {said}");
        }
        let last = error_of(&ran).lines().last().unwrap_or_default().to_owned();
        assert!(last.starts_with("floodway: w refused all that was sent to it"), "{last}");
    }
}

/// A function URL says `Forbidden` of a clock that is off as of a wrong secret. Its own clock is in its answers.
#[test]
fn a_wrong_clock_is_named_as_the_cause_for_function_urls_too() {
    for (date, part) in [
        (Some("Sun, 30 Aug 2015 12:36:00 GMT"), "this machine's clock is wrong by minutes: set it"),
        (Some("Fri, 30 Aug 2999 12:36:00 GMT"), "this machine's clock is wrong by minutes: set it"),
        (Some("tomorrow"), "or this machine's clock is wrong by minutes, or"),
        (None, "or this machine's clock is wrong by minutes, or"),
    ] {
        let server = Server::start(None, move |_| {
            let headers = date.map(|date| ("date", date.to_owned())).into_iter().collect();
            (403, headers, br#"{"Message":"Forbidden"}"#.to_vec())
        });
        let place = Place::new();
        let url = server.url();
        let checked = run(&place, &["check", "--lambda", &url, "--auth", "iam"], &KEYS);
        assert_eq!(checked.status.code(), Some(1), "{}", output_of(&checked));
        assert!(error_of(&checked).contains(part), "{date:?}: {}", error_of(&checked));
        // Without a signature the clock does not count.
        let unsigned = run(&place, &["check", "--lambda", &url], &KEYS);
        assert!(!error_of(&unsigned).contains("clock"), "{}", error_of(&unsigned));
    }
}

#[test]
fn temporary_errors_are_not_refusals() {
    let expected = expected_locally("2k");
    for (status, code) in [(500, "ServiceException"), (502, "KMSAccessDeniedException")] {
        let server = Server::start(None, move |_| error(status, code, "unwell"));
        let place = Place::new();
        let service = server.url();
        let variables = [&KEYS[..], &[("AWS_ENDPOINT_URL", service.as_str())]].concat();
        let ran = run(&place, &remote("w", "2k", &["--attempts", "1"]), &variables);
        assert!(ran.status.success(), "{}", error_of(&ran));
        assert!(error_of(&ran).contains(code), "{}", error_of(&ran));
        was_done_locally(&place, &expected);
    }
}

#[test]
fn check_suggests_causes_for_unexpected_answers() {
    const REFUSED: &str =
        r#"{"errorType":"InvalidRequest","errorMessage":"there is no task \"x\": ask for words"}"#;
    type Case = (u16, &'static str, &'static [(&'static str, &'static str)], [&'static str; 2]);
    let cases: [Case; 4] = [
        (
            200,
            "<html>It works!</html>",
            &[],
            ["not an answer of Floodway's wire", "from functions/"],
        ),
        (
            200,
            r#"{"errorMessage":"no"}"#,
            &[("x-amz-function-error", "Unhandled")],
            ["failed", "its log"],
        ),
        // What a function of Floodway's says at its URL of a request that it cannot take.
        (400, REFUSED, &[], ["400 InvalidRequest: there is no task", "ask for words"]),
        (403, r#"{"Message":"Forbidden"}"#, &[], ["--auth iam", "lets anybody call it"]),
    ];
    for (status, body, headers, parts) in cases {
        let server = Server::start(None, move |_| {
            let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned()));
            (status, headers.collect(), body.as_bytes().to_vec())
        });
        let place = Place::new();
        let checked = run(&place, &["check", "--lambda", &server.url()], &[]);
        assert_eq!(checked.status.code(), Some(1), "{}", output_of(&checked));
        let said = error_of(&checked);
        assert!(parts.iter().all(|part| said.contains(part)), "{said}");
        // It is not told to try what it is.
        assert!(said.lines().count() == 1 && !said.contains("`check`"), "{said}");
        let signed = run(&place, &["check", "--lambda", &server.url(), "--auth", "iam"], &KEYS);
        assert!(!error_of(&signed).contains("--auth iam"), "it is signed: {}", error_of(&signed));
    }
    let server = Server::start(None, well);
    let place = Place::new();
    let secure = server.url().replace("http:", "https:");
    for (url, part) in
        [(&*secure, "may have to begin with http://"), ("http://127.0.0.1:9/", "is it up")]
    {
        let said = error_of(&run(&place, &["check", "--lambda", url], &[]));
        assert!(said.contains(part) && !said.contains("`check`"), "{said}");
    }
}
