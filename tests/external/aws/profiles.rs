//! Profile files, each read by Floodway and by botocore: both find the same, or neither does.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::SystemTime;

use floodway::aws::{Credentials, Environment, Region, Secret};
use serde_json::{Value, json};

use super::run;
use super::server::{Server, well};
use crate::common::parts::python;
use crate::common::{Place, error_of, output_of};

/// A variant: its name, what the environment has besides the two files, and these.
type Variant =
    (&'static str, &'static [(&'static str, &'static str)], &'static [u8], &'static [u8]);

const MINE: &[(&str, &str)] = &[("AWS_PROFILE", "My Account")];
const A: &[(&str, &str)] = &[("AWS_PROFILE", "a")];

const VARIANTS: &[Variant] = &[
    ("plain", &[], b"[default]\naws_access_key_id = I\naws_secret_access_key = S\n", b"[default]\nregion = eu-north-1\n"),
    ("no spaces", &[], b"[default]\naws_access_key_id=I\naws_secret_access_key=a/b+c==\n", b""),
    ("indented", &[], b"[default]\n  aws_access_key_id = I\n  aws_secret_access_key = S\n", b"[default]\n    region = eu-north-1\n"),
    ("tabbed", &[], b"[default]\n\taws_access_key_id\t=\tI\n\taws_secret_access_key\t= S\t\n", b""),
    ("all indented", &[], b"  [default]\n  aws_access_key_id = I\n  aws_secret_access_key = S\n", b""),
    ("further and further", &[], b"[default]\n aws_access_key_id = I\n  aws_secret_access_key = S\n", b""),
    ("less and less", &[], b"[default]\n  aws_access_key_id = I\n aws_secret_access_key = S\naws_session_token = T", b""),
    ("goes on", &[], b"[default]\naws_access_key_id = I\naws_secret_access_key = S\n  more\n\n  and more\n\n", b""),
    ("indented section ends it", &[], b"[a]\naws_access_key_id = I\n  [default]\naws_secret_access_key = S\n", b""),
    ("colons", &[], b"[default]\naws_access_key_id: I\naws_secret_access_key : S=:\n", b"[default]\nregion:eu-north-1\n"),
    ("upper case", &[], b"[default]\nAWS_ACCESS_KEY_ID = I\nAws_Secret_Access_Key = S\n", b""),
    ("section in upper case", &[], b"[Default]\naws_access_key_id = I\naws_secret_access_key = S\n", b""),
    ("carriage returns", &[], b"[default]\r\naws_access_key_id = I\r\naws_secret_access_key = S\r\n", b"[default]\r\nregion = eu-north-1\r\n"),
    ("carriage returns alone", &[], b"[default]\raws_access_key_id = I\raws_secret_access_key = S\r", b""),
    ("byte order mark", &[], b"\xef\xbb\xbf[default]\naws_access_key_id = I\naws_secret_access_key = S\n", b""),
    ("latin-1", &[], b"# caf\xe9\n[default]\naws_access_key_id = I\naws_secret_access_key = S\n", b""),
    ("latin-1 in the config", &[], b"[default]\naws_access_key_id = I\naws_secret_access_key = S\n", b"[default]\nregion = eu-north-1\n# caf\xe9\n"),
    ("UTF-8", &[("AWS_PROFILE", "caf\u{e9}")], "# \u{e9}\n[caf\u{e9}]\naws_access_key_id = I\naws_secret_access_key = S\n".as_bytes(), "[profile caf\u{e9}]\nregion = eu-north-1\n".as_bytes()),
    ("comments", &[], b"# one\n; two\n[default] # three ; four\n  # five\naws_access_key_id = I\n  ; six\naws_secret_access_key = S\n", b""),
    ("comments in a value", &[], b"[default]\naws_access_key_id = I # mine\naws_secret_access_key = S;x ; y\n", b"[default]\nregion = eu-north-1 # north\n"),
    ("after a section", &[], b"[default]x y\naws_access_key_id = I\naws_secret_access_key = S\n", b""),
    ("two brackets", &[], b"[default]] # ]\naws_access_key_id = I\naws_secret_access_key = S\n", b""),
    ("blanks in brackets", &[], b"[ default ]\naws_access_key_id = I\naws_secret_access_key = S\n", b""),
    ("quoted values", &[], b"[default]\naws_access_key_id = \"I\"\naws_secret_access_key = 'S'\n", b""),
    ("double quotes", MINE, b"", b"[profile \"My Account\"]\naws_access_key_id = I\naws_secret_access_key = S\nregion = eu-north-1\n"),
    ("single quotes", MINE, b"", b"[profile 'My Account']\naws_access_key_id = I\naws_secret_access_key = S\nregion = eu-north-1\n"),
    ("escaped", MINE, b"", b"[profile My\\ Account]\naws_access_key_id = I\naws_secret_access_key = S\n"),
    ("quoted in part", MINE, b"", b"[profile   My' 'Account]\naws_access_key_id = I\naws_secret_access_key = S\n"),
    ("not quoted", MINE, b"[My Account]\naws_access_key_id = I\naws_secret_access_key = S\n", b"[profile My Account]\nregion = eu-north-1\n"),
    ("an open quote", MINE, b"[My Account]\naws_access_key_id = I\naws_secret_access_key = S\n", b"[profile 'My Account]\nregion = eu-north-1\n"),
    ("quotes of the credentials file", MINE, b"[\"My Account\"]\naws_access_key_id = I\naws_secret_access_key = S\n", b""),
    ("a number sign", &[("AWS_PROFILE", "#1")], b"", b"[profile #1]\naws_access_key_id = I\naws_secret_access_key = S\n"),
    ("AWS_DEFAULT_PROFILE", &[("AWS_DEFAULT_PROFILE", "a")], b"[a]\naws_access_key_id = I\naws_secret_access_key = S\n", b"[profile a]\nregion = eu-north-1\n"),
    ("both variables", &[("AWS_DEFAULT_PROFILE", "a"), ("AWS_PROFILE", "b")], b"[a]\naws_access_key_id = I\naws_secret_access_key = S\n[b]\naws_access_key_id = J\naws_secret_access_key = T\n", b""),
    ("no such profile", &[("AWS_DEFAULT_PROFILE", "b")], b"[a]\naws_access_key_id = I\naws_secret_access_key = S\n", b""),
    ("no profile in the config", A, b"", b"[a]\naws_access_key_id = I\naws_secret_access_key = S\n"),
    ("profile in the credentials", A, b"[profile a]\naws_access_key_id = I\naws_secret_access_key = S\n", b""),
    ("profile default", &[], b"", b"[profile default]\naws_access_key_id = I\naws_secret_access_key = S\nregion = eu-north-1\n"),
    ("default twice", &[], b"", b"[default]\naws_access_key_id = I\naws_secret_access_key = S\n[profile default]\nregion = eu-north-1\n"),
    ("quoted twice", A, b"", b"[profile a]\naws_access_key_id = I\naws_secret_access_key = S\n[profile \"a\"]\nregion = eu-north-1\n"),
    ("a section twice", &[], b"[default]\naws_access_key_id = I\n[default]\naws_secret_access_key = S\n", b""),
    ("a key twice", &[], b"[default]\naws_access_key_id = I\naws_access_key_id = J\naws_secret_access_key = S\n", b""),
    ("DEFAULT", A, b"[DEFAULT]\naws_access_key_id = I\naws_secret_access_key = S\n[a]\naws_secret_access_key = T\n", b""),
    ("DEFAULT alone", &[], b"[DEFAULT]\naws_access_key_id = I\naws_secret_access_key = S\n", b""),
    ("a word alone", &[], b"[default]\naws_access_key_id = I\naws_secret_access_key = S\nword\n", b""),
    ("a key before all sections", &[], b"region = eu-north-1\n[default]\naws_access_key_id = I\naws_secret_access_key = S\n", b""),
    ("no key", &[], b"[default]\n= 1\naws_access_key_id = I\naws_secret_access_key = S\n", b""),
    ("empty brackets", &[], b"[]\n[default]\naws_access_key_id = I\naws_secret_access_key = S\n", b""),
    ("nothing", &[], b"", b""),
    ("both files have all", &[], b"[default]\naws_access_key_id = I\naws_secret_access_key = S\nregion = eu-west-1\n", b"[default]\naws_access_key_id = J\naws_secret_access_key = T\naws_session_token = U\nregion = eu-north-1\n"),
    ("half in each", &[], b"[default]\naws_access_key_id = I\n", b"[default]\naws_secret_access_key = S\n"),
    ("the other half in each", &[], b"[default]\naws_secret_access_key = S\n", b"[default]\naws_access_key_id = I\n"),
    ("a secret too many", &[], b"[default]\naws_secret_access_key = T\n", b"[default]\naws_access_key_id = I\naws_secret_access_key = S\n"),
    ("tokens", &[], b"[default]\naws_access_key_id = I\naws_secret_access_key = S\naws_session_token = T\naws_security_token = U\n", b""),
    ("an empty region", &[], b"[default]\naws_access_key_id = I\naws_secret_access_key = S\nregion =\n", b"[default]\nregion = eu-north-1\n"),
    ("another service", &[], b"[default]\naws_access_key_id = I\naws_secret_access_key = S\n", b"[default]\nservices = x\nendpoint_url = http://all/\n[services x]\ns3 =\n  endpoint_url = http://no/\n"),
    ("a quoted service", &[], b"[default]\naws_access_key_id = I\naws_secret_access_key = S\n", b"[default]\nservices = my own\nendpoint_url = http://all/\n[services 'my own']\ns3 =\n  endpoint_url = http://s3/\nlambda =\n\n  # here\n  endpoint_url = http://lambda/ \n"),
    ("an indented service", &[], b"[default]\naws_access_key_id = I\naws_secret_access_key = S\n", b"[default]\n  services = x\n[services x]\n  lambda =\n    endpoint_url= http://lambda/\n    other = 1\n  s3 =\n    endpoint_url = http://s3/\n"),
    ("a service without a value", &[], b"[default]\naws_access_key_id = I\naws_secret_access_key = S\n", b"[default]\nservices = x\n[services x]\nlambda =\n  endpoint_url http://lambda/\n"),
];

/// What Floodway reads: its keys, the region, and where the service is.
fn read(environment: &Environment) -> Result<(Value, Value), String> {
    let found = Credentials::find(environment, SystemTime::now()).map_err(|e| e.to_string())?;
    let service = environment.lambda_endpoint().map_err(|error| error.to_string())?;
    let token = found.session_token.as_ref().map(Secret::reveal);
    let keys = json!([found.access_key_id, found.secret_access_key.reveal(), token]);
    Ok((keys, json!(service.map(|(url, _)| url))))
}

#[test]
fn profile_files_are_read_as_botocore_reads_them() {
    let Some(python) = python() else { return };
    let place = Place::new();
    let mut environments = Vec::new();
    let mut cases = Vec::new();
    for (number, (_, variables, credentials, config)) in VARIANTS.iter().enumerate() {
        let path = |name| place.path(&format!("{name}-{number}")).to_str().unwrap().to_owned();
        let [of_credentials, of_config] = [path("credentials"), path("config")];
        std::fs::write(&of_credentials, credentials).unwrap();
        std::fs::write(&of_config, config).unwrap();
        let files = [
            ("AWS_SHARED_CREDENTIALS_FILE", of_credentials.as_str()),
            ("AWS_CONFIG_FILE", of_config.as_str()),
        ];
        let all: Vec<_> = variables.iter().copied().chain(files).collect();
        let service = String::from_utf8_lossy(config).contains("endpoint_url");
        let variables: serde_json::Map<_, _> =
            all.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        cases.push(json!({ "variables": variables, "service": service }));
        environments.push(Environment::of(all));
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/external/aws/profiles.py");
    let mut child = Command::new(python)
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python starts");
    child.stdin.take().unwrap().write_all(json!(cases).to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let theirs: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(theirs.len(), VARIANTS.len());
    for (((name, ..), environment), theirs) in VARIANTS.iter().zip(&environments).zip(theirs) {
        let ours = read(environment);
        match (&theirs["error"], &theirs["keys"], ours) {
            (Value::String(error), _, Err(said)) => {
                let (is_parse, says_where) =
                    (error == "ConfigParseError", said.contains(": line "));
                assert_eq!(is_parse, says_where, "{name}: botocore: {error}; we: {said}");
            }
            (Value::Null, Value::Null, Err(said)) => {
                assert!(
                    said.contains("no AWS credentials") || said.contains("half"),
                    "{name}: {said}"
                );
            }
            (Value::Null, keys, Ok((ours, service))) => {
                assert_eq!(&ours, keys, "{name}");
                let region = theirs["region"].as_str().filter(|region| !region.is_empty());
                match (region.map(str::parse::<Region>), environment.region()) {
                    (Some(Err(_)), ours) => assert!(ours.is_err(), "{name}: {ours:?}"),
                    (theirs, ours) => {
                        assert_eq!(ours.unwrap(), theirs.map(Result::unwrap), "{name}")
                    }
                }
                if let Some(theirs) = theirs["service"].as_str() {
                    let own = service.as_str().unwrap_or("https://lambda.us-east-1.amazonaws.com");
                    assert_eq!(own.trim_end_matches('/'), theirs.trim_end_matches('/'), "{name}");
                }
            }
            (_, _, ours) => panic!("{name}: botocore: {theirs}; we: {ours:?}"),
        }
    }
}

#[test]
fn an_unreadable_profile_file_is_named_with_the_wrong_line() {
    let server = Server::start(None, well);
    let place = Place::new();
    std::fs::create_dir(place.path(".aws")).unwrap();
    let write = |name: &str, text: &[u8]| {
        std::fs::write(place.path(&format!(".aws/{name}")), text).unwrap();
    };
    let service = ("AWS_ENDPOINT_URL_LAMBDA", server.url());
    let check = |more: &[(&str, &str)]| {
        let variables = [&[(service.0, service.1.as_str())][..], more].concat();
        let output = run(&place, &["check", "--lambda", "words"], &variables);
        (output.status.code(), output_of(&output) + &error_of(&output))
    };
    write("credentials", b"[default]\naws_access_key_id: AKIDMINE\n  aws_secret_access_key: s\n");
    let (code, said) = check(&[("AWS_REGION", "us-east-1")]);
    assert!(code == Some(1) && said.contains("lacks aws_secret_access_key"), "{said}");
    write(
        "credentials",
        b"[default] # mine\n\taws_access_key_id: AKIDMINE\n\taws_secret_access_key: s\n",
    );
    write("config", b"[default]\nregion = us-east-1 \n");
    let (code, said) = check(&[]);
    assert!(code == Some(0) && said.contains("\u{2026}MINE"), "{said}");
    for (text, part) in [
        (&b"[default]\nregion = us-east-1\n# \xe9\n"[..], "config: line 3: it is not UTF-8"),
        (
            b"\xef\xbb\xbf[default]\nregion = us-east-1\n",
            "config: line 1: it begins with a byte order mark",
        ),
        (b"[default]\nregion\n", "config: line 2: expected KEY = VALUE"),
    ] {
        write("config", text);
        let (code, said) = check(&[]);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("cannot read") && said.contains(part), "{said}");
    }
}

#[test]
fn a_host_without_a_scheme_is_not_taken_for_a_function_name() {
    let place = Place::new();
    for host in ["localhost:9000", "127.0.0.1:9000", "[::1]:9000", "lambda.internal:80/a"] {
        let output = run(&place, &["check", "--lambda", host], &super::KEYS);
        assert_eq!(output.status.code(), Some(2), "{}", error_of(&output));
        assert!(
            error_of(&output).contains(&format!("write http://{host}")),
            "{}",
            error_of(&output)
        );
    }
}
