//! Where the Lambda service is, as the environment and the profile say it: the same as for AWS's own client.

use std::process::Command;

use serde_json::{Value, json};

use super::server::{Server, well};
use super::{KEYS, run};
use crate::common::parts::python;
use crate::common::{Place, error_of, output_of};

const LAMBDA: (&str, &str) = ("AWS_ENDPOINT_URL_LAMBDA", "URL/of-lambda");
const ALL: (&str, &str) = ("AWS_ENDPOINT_URL", "URL/of-all");
const IGNORE: &str = "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS";

/// Variables beside the config file, and which path is asked; none if the service is at its usual place.
type Case = (&'static [(&'static str, &'static str)], Option<&'static str>);
const CASES: [Case; 13] = [
    (&[("AWS_PROFILE", "plain")], None),
    (&[("AWS_PROFILE", "own")], Some("profile")),
    (&[("AWS_PROFILE", "served")], Some("services")),
    (&[("AWS_PROFILE", "both")], Some("services")),
    (&[("AWS_PROFILE", "others")], None),
    (&[("AWS_PROFILE", "others-too")], Some("profile")),
    (&[("AWS_PROFILE", "both"), ALL], Some("of-all")),
    (&[("AWS_PROFILE", "both"), LAMBDA, ALL], Some("of-lambda")),
    (&[LAMBDA], Some("of-lambda")),
    (&[("AWS_PROFILE", "both"), LAMBDA, ALL, (IGNORE, "true")], None),
    (&[("AWS_PROFILE", "both"), (IGNORE, "False")], Some("services")),
    (&[("AWS_PROFILE", "ignores"), ALL], None),
    (&[("AWS_PROFILE", "ignores"), ALL, (IGNORE, "false")], Some("of-all")),
];

const CONFIG: &str = "\
[profile plain]
[profile own]
endpoint_url = URL/profile
[profile served]
services = mine
[profile both]
services = mine
endpoint_url = URL/profile
[profile others]
services = others
[profile others-too]
services = others
endpoint_url = URL/profile
[profile ignores]
services = mine
ignore_configured_endpoint_urls = true
[services mine]
sts =
  endpoint_url = URL/no
lambda =
  endpoint_url = URL/services
[services others]
s3 =
  endpoint_url = URL/no
";

/// What AWS's client for Python makes of it.
const BOTOCORE: &str = "
import json, os, sys
import botocore.session
for case in json.loads(sys.argv[1]):
    for name in [name for name in os.environ if name.startswith('AWS_')]:
        del os.environ[name]
    os.environ.update(case)
    print(botocore.session.Session().create_client('lambda', region_name='us-east-1').meta.endpoint_url)
";

#[test]
fn the_service_endpoint_is_the_one_that_botocore_resolves() {
    let server = Server::start(None, |seen| {
        // What is not below the path that was said is not answered.
        let (path, _) = seen.path.split_once("/2015-03-31/").expect("the Invoke API's path");
        assert!(CASES.iter().any(|(_, said)| said.is_some_and(|said| path == format!("/{said}"))));
        well(seen)
    });
    let url = server.url();
    let url = url.trim_end_matches('/');
    let place = Place::new();
    std::fs::write(place.path("config"), CONFIG.replace("URL", url)).unwrap();
    let config = place.path("config").display().to_string();
    let of_config = ("AWS_CONFIG_FILE", &*config);
    let cases: Vec<Vec<(&str, String)>> = CASES
        .iter()
        .map(|(variables, _)| {
            let all = KEYS.iter().chain([&of_config]).chain(*variables);
            all.map(|(name, value)| (*name, value.replace("URL", url))).collect()
        })
        .collect();
    for (variables, (given, path)) in cases.iter().zip(CASES) {
        let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, &**value)).collect();
        // A region that there is not has no host: nothing is asked of AWS itself.
        let nowhere = ["check", "--lambda", "words", "--region", "xx-nowhere-1", "--timeout", "5s"];
        let checked = run(&place, &nowhere, &variables);
        let said = output_of(&checked);
        match path {
            Some(path) => {
                assert!(checked.status.success(), "{given:?}: {said}{}", error_of(&checked));
                let service = format!("service   {url}/{path}, by ");
                assert!(said.contains(&service), "{given:?}: {said}");
            }
            None => {
                let service = "service   https://lambda.xx-nowhere-1.amazonaws.com/\n";
                assert!(said.contains(service), "{given:?}: {said}");
                assert_eq!(checked.status.code(), Some(1), "{given:?}: {said}");
            }
        }
    }
    let of_profile = [KEYS[0], KEYS[1], of_config, ("AWS_PROFILE", "both")];
    let said =
        output_of(&run(&place, &["check", "--lambda", "w", "--region", "us-east-1"], &of_profile));
    let by = format!("by endpoint_url of lambda in the services of the profile both in {config}\n");
    assert!(said.contains(&by), "{said}");

    let Some(python) = python() else { return };
    let given: Vec<Value> = cases
        .iter()
        .map(|case| case.iter().map(|(name, value)| (name.to_string(), json!(value))).collect())
        .collect();
    let output = Command::new(python).args(["-c", BOTOCORE, &json!(given).to_string()]).output();
    let output = output.expect("Python runs");
    let said = output_of(&output);
    assert_eq!(said.lines().count(), CASES.len(), "{}", error_of(&output));
    for (theirs, (given, path)) in said.lines().zip(CASES) {
        let ours = match path {
            Some(path) => format!("{url}/{path}"),
            None => "https://lambda.us-east-1.amazonaws.com".to_owned(),
        };
        assert_eq!(theirs, ours, "{given:?}");
    }
}

#[test]
fn an_endpoint_that_is_not_a_url_exits_with_2_and_names_its_origin() {
    let place = Place::new();
    std::fs::create_dir(place.path(".aws")).unwrap();
    std::fs::write(place.path(".aws/config"), "[default]\nendpoint_url = 127.0.0.1:1\n").unwrap();
    for (variables, part) in [
        (
            &[("AWS_ENDPOINT_URL", "ftp://x")][..],
            "AWS_ENDPOINT_URL is \"ftp://x\", which is not a URL",
        ),
        (&[], "endpoint_url of the profile default in "),
    ] {
        let variables = [&KEYS[..], variables].concat();
        for command in ["run", "check"] {
            let output = run(&place, &[command, "--lambda", "words"], &variables);
            assert_eq!(output.status.code(), Some(2), "{}", error_of(&output));
            assert!(error_of(&output).contains(part), "{}", error_of(&output));
        }
    }
}
