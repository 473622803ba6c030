//! Credentials of a container, from a server that an agent runs beside it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use super::super::server::{Server, error, well};

use super::role::after;
use super::{Loud, has_renewed, slow, slowly_locally};
use crate::common::{Place, error_of, output_of, within_tries};

const AUTHORIZATION: &str = "Known-Valu3OfAnAgentsToken";

#[test]
fn container_credentials_that_expire_during_a_run_are_renewed_in_time() {
    // Keys that last 3 s, of which the function takes each for as long.
    const LAST: Duration = Duration::from_secs(3);
    let given: Arc<Mutex<BTreeMap<String, SystemTime>>> = Arc::default();
    let (of_agent, of_function) = (Arc::clone(&given), Arc::clone(&given));
    let agent = Server::start(None, move |seen| {
        if seen.header("authorization") != AUTHORIZATION || seen.path != "/creds" {
            return (403, Vec::new(), Vec::new());
        }
        let mut given = of_agent.lock().unwrap();
        let name = format!("KEY{}", given.len());
        given.insert(name.clone(), SystemTime::now() + LAST);
        let body = serde_json::json!({
            "AccessKeyId": name, "SecretAccessKey": format!("{name}OfThisIsSecret"),
            "Token": format!("{name}OfThisIsATok3n"), "Expiration": after(LAST), "RoleArn": "role",
        });
        (200, vec![("content-type", "application/json".to_owned())], body.to_string().into_bytes())
    });
    let function =
        Server::start(None, move |seen| match of_function.lock().unwrap().get(seen.key()) {
            Some(end) if SystemTime::now() < *end => well(seen),
            _ => error(
                403,
                "ExpiredTokenException",
                "The security token included in the request is expired",
            ),
        });
    let (url, function) = (format!("{}creds", agent.url()), function.url());
    let variables = [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &*url),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", AUTHORIZATION),
        ("AWS_ENDPOINT_URL_LAMBDA", &*function),
        ("AWS_REGION", "us-east-1"),
    ];
    let hidden = || {
        let secrets = ["OfThisIsSecret", "OfThisIsATok3n", AUTHORIZATION];
        secrets.map(str::to_owned).to_vec()
    };
    let place = Place::new();
    let loud = |args: &[&str]| Loud { place: &place, args, variables: &variables }.told(hidden);
    let checked = loud(&["check", "--lambda", "words"]);
    assert!(checked.status.success(), "{}{}", output_of(&checked), error_of(&checked));
    let expected = slowly_locally("10k");
    within_tries("a run that renews its keys", || {
        given.lock().unwrap().clear();
        let ran = loud(&slow("10k"));
        assert!(ran.status.success(), "{}", error_of(&ran));
        assert!(place.output("out") == expected);
        let given = given.lock().unwrap();
        let ended = given.values().filter(|end| **end <= SystemTime::now()).count();
        has_renewed(given.len().min(1 + ended), &place.summary())
    });
}
