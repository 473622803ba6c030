//! A remote side that is well: everything goes to it under `remote`, within the files that may be open, and through a
//! proxy.

use std::io::{Read as _, Write as _};

use crate::common::{Lambda, Place, end_of, error_of, output_of, start, within_tries};

/// The baseline: against a healthy endpoint everything is done remotely, however fast it comes, through however
/// narrow a way. What there is no room for waits, and counts as backlog.
#[test]
fn the_policy_remote_does_everything_remotely() {
    const KEY: [(&str, &str); 3] = [
        ("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "a-secret-of-the-test"),
        ("AWS_REGION", "eu-north-1"),
    ];
    let place = Place::new();
    let input: String = (0..20_000).map(|line| format!("line number {line} of some\n")).collect();
    std::fs::write(place.path("in.txt"), input).unwrap();
    let lines: &[&str] = &["--source", "lines:in.txt"];
    let nexmark: &[&str] = &["--events", "20k", "--rate", "max"];
    let paced: &[&str] = &["--events", "20k", "--rate", "40k"];
    // A quota that is below what is in flight to begin with, and cold starts as long as Java's.
    for (source, model, more, workers) in [
        (lines, "network=5ms", &[][..], "1"),
        (nexmark, "network=5ms", &[], "2"),
        (lines, "network=5ms", &["--max-in-flight", "1"], "2"),
        (lines, "network=5ms,concurrency=4,cold_start=2s", &[], "1"),
        (paced, "network=5ms", &["--batch", "100"], "2"),
        (lines, "network=5ms", &["--auth", "iam"], "1"),
        (paced, "network=5ms", &["--auth", "iam"], "2"),
    ] {
        let is_signed = more.contains(&"iam");
        let lambda = if is_signed { Lambda::signed(model, &KEY) } else { Lambda::start(model) };
        let mut args = vec!["run", "--policy", "remote", "--lambda", &lambda.url];
        args.extend([source, more, &["--sink", "null", "--summary", "summary.json"]].concat());
        // A machine that is busy is no remote side that hangs.
        args.extend(["--timeout", "60s", "--", "-w", workers]);
        within_tries("a run that does everything remotely", || {
            let mut command = place.floodway(&args);
            command.envs(KEY.iter().copied().filter(|_| is_signed));
            let output = end_of(start(command), "the run");
            assert!(output.status.success(), "{}", error_of(&output));
            let summary = place.summary();
            let count = |field: &str| summary[field].as_u64().unwrap();
            assert!(count("peak_backlog") <= 500_000, "{args:?}: {summary}");
            // What waits for room says why.
            let said = error_of(&output).contains("failed: throttled");
            assert_eq!(said, count("throttled") > 0, "{args:?}: {summary}");
            // On a busy machine the breaker may open, or the idle worker does what is late.
            let has_opened = count("breaker_opened") > 0;
            assert!(has_opened || count("records_local") == 0, "{args:?}: {summary}");
            let is_shown = !has_opened && count("records_remote") >= 19_000;
            if is_shown { Ok(()) } else { Err(summary.to_string()) }
        });
    }
}

fn run_in(command: std::process::Command) -> (std::process::Output, String) {
    let output = end_of(start(command), "the run");
    let stderr = error_of(&output);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    (output, stderr)
}

/// A soft limit is raised; a hard one bounds what is in flight, and leaves the sink what it needs.
#[test]
fn too_few_file_descriptors_limit_the_requests_in_flight() {
    let lambda = Lambda::start("network=300ms,cold_start=0ms,concurrency=1000");
    let run = |limits: &str, lambda: &[&str]| {
        let place = Place::new();
        let mut args = vec!["run", "--events", "4k", "--rate", "4k", "--out", "out"];
        args.extend(["--policy", "remote", "--batch", "50", "--summary", "summary.json"]);
        args.extend(lambda);
        args.extend(["--commit-every", "100ms", "--", "-w", "2"]);
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", &format!("{limits}; exec \"$0\" \"$@\"")]);
        shell.arg(env!("CARGO_BIN_EXE_floodway")).args(args).current_dir(place.path("."));
        let (_, stderr) = run_in(shell);
        (place.summary(), stderr)
    };
    // On a busy machine requests are late, and the worker does their records.
    let run = |limits: &str, lambda: &[&str]| {
        within_tries("a run that does most of it remotely", || {
            let (summary, stderr) = run(limits, lambda);
            assert_eq!(summary["results_out"], 4_000, "{summary}\n{stderr}");
            let is_shown = summary["records_remote"].as_u64() > Some(2_000);
            is_shown.then_some(stderr).ok_or_else(|| summary.to_string())
        })
    };
    let model = ["--local-lambda", "network=300ms,cold_start=0ms,concurrency=1000"];
    for lambda in [&["--lambda", lambda.url.as_str()], &model] {
        assert!(run("ulimit -n 64", lambda).contains("of 64 files that may be open"));
        assert!(!run("ulimit -Sn 64", lambda).contains("files that may be open"));
    }
}

#[test]
fn an_environment_proxy_is_skipped_for_localhost_and_logged_for_others() {
    let lambda = Lambda::start("network=1ms,cold_start=0ms");
    let place = Place::new();
    let run = |proxy: &str, args: &[&str]| {
        let mut command = place.floodway(args);
        for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"] {
            command.env(name, proxy);
        }
        run_in(command)
    };
    let one = ["run", "--events", "2k", "--rate", "4k", "--policy", "remote", "--sink", "null"];
    let all = [&one[..], &["--summary", "summary.json"]].concat();
    let dead = "http://user:secret@127.0.0.1:9";
    for lambda in ["local", &lambda.url, &lambda.url.replace("127.0.0.1", "localhost")] {
        let (_, stderr) = run(dead, &[&all[..], &["--lambda", lambda]].concat());
        let remote = place.summary()["records_remote"].as_u64();
        assert!(remote > Some(0) && !stderr.contains("proxy"), "{lambda}: {stderr}");
    }
    // The local Lambda answers whatever it is asked for, as a proxy does.
    let elsewhere = ["--lambda", "http://function.example/"];
    let (_, stderr) = run(&lambda.url, &[&all[..], &elsewhere].concat());
    assert!(place.summary()["records_remote"].as_u64() > Some(0), "{stderr}");
    let proxy = lambda.url.trim_end_matches('/');
    assert!(stderr.lines().next().is_some_and(|line| line.contains(proxy)), "{stderr}");
    let (output, _) = run(&lambda.url, &[&["check"][..], &elsewhere].concat());
    let said = output_of(&output);
    assert!(said.contains(&format!("proxy     {proxy} (HTTP_PROXY)")), "{said}");
}

/// Returns the address of a proxy that answers whatever it is asked with 407.
fn proxy_that_wants_a_password() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                match stream.read(&mut byte) {
                    Ok(1) => head.push(byte[0]),
                    _ => break,
                }
            }
            // A client that is gone needs no answer.
            let _ = stream.write_all(b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n");
        }
    });
    address.to_string()
}

#[test]
fn an_unusable_proxy_is_named_with_its_variable_and_what_is_wrong() {
    let place = Place::new();
    let run = |proxy: &str, command: &[&str], scheme: &str| {
        let url = format!("{scheme}://function.example/");
        let mut command = place.floodway(&[command, &["--lambda", &url]].concat());
        for name in ["http_proxy", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"]
        {
            command.env_remove(name);
        }
        command.env("HTTPS_PROXY", proxy).env("HTTP_PROXY", proxy);
        let output = end_of(start(command), "the command");
        (output.status.code(), error_of(&output))
    };
    let one = ["run", "--events", "2k", "--rate", "4k", "--policy", "remote", "--sink", "null"];
    let asking = format!("http://{}", proxy_that_wants_a_password());
    for command in [&one[..], &["check"]] {
        for (scheme, variable) in [("https", "HTTPS_PROXY"), ("http", "HTTP_PROXY")] {
            for (value, why) in [
                ("garbage://x", "its scheme, garbage, is not http or https"),
                ("socks5://user:secret@x", "a SOCKS proxy cannot be used"),
            ] {
                let (code, stderr) = run(value, command, scheme);
                let (first, all) = (stderr.lines().next().unwrap_or_default(), &stderr);
                assert_eq!(code, Some(2), "{all}");
                assert!(first.contains(variable) && first.contains(why), "{all}");
                assert!(!all.contains("secret"), "{all}");
            }
            let (code, stderr) = run(&asking, command, scheme);
            let why = format!("the proxy {asking} ({variable}) wants a user and a password");
            assert!(code == Some(1) && stderr.contains(&why), "{stderr}");
        }
        let (_, stderr) = run("http://127.0.0.1:9", command, "https");
        assert!(stderr.contains("by the proxy http://127.0.0.1:9 (HTTPS_PROXY): "), "{stderr}");
    }
}
