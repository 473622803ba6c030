//! Single sign-on: a token that `aws sso login` left in its cache, and the portal's keys for it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::super::server::{Server, well};

use super::Loud;
use super::role::after;
use crate::common::{Place, error_of, output_of};

const HIDDEN: [&str; 6] = [
    "Known-Valu3-Of-The-Token",
    "Known-Valu3-Of-Another-Token",
    "Known-Valu3-Of-The-Refresh",
    "Known-Valu3-Of-The-Client",
    "Known-Valu3-Of-The-Role",
    "Known-Valu3-Of-The-Session",
];

/// The names of the cache's files: the SHA-1 of the session's name `mine`, and of the start URL.
const SESSION: &str = "8034c43d15bb7ef42e2cc24255217acfc5f4b2f4";
const START: &str = "https://mine.awsapps.example/start";
const OF_START: &str = "816c1c6a7d2f7b70b2a0bce43b9e4c79f66ed864";

#[test]
fn a_cached_sso_token_gives_credentials_and_an_expired_one_is_refreshed() {
    let [token, other, refresh, client, secret, session] = HIDDEN;
    let asked = Arc::new(Mutex::new(Vec::new()));
    let of_portal = Arc::clone(&asked);
    let portal = Server::start(None, move |seen| {
        let json = vec![("content-type", "application/json".to_owned())];
        let body = match seen.path.as_str() {
            "/federation/credentials" => {
                let bearer = seen.header("x-amz-sso_bearer_token").to_owned();
                of_portal.lock().unwrap().push(bearer);
                let end = std::time::SystemTime::now() + Duration::from_secs(3_600);
                let end = end.duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as u64;
                serde_json::json!({ "roleCredentials": {
                    "accessKeyId": "KEYOFSSO", "secretAccessKey": secret, "sessionToken": session,
                    "expiration": end,
                } })
            }
            "/token" => {
                let said: serde_json::Value = serde_json::from_slice(&seen.body).unwrap();
                assert_eq!(
                    (&said["refreshToken"], &said["clientSecret"]),
                    (&refresh.into(), &client.into())
                );
                serde_json::json!({ "accessToken": other, "expiresIn": 3600, "tokenType": "Bearer", "refreshToken": refresh })
            }
            path => panic!("{path}"),
        };
        (200, json, body.to_string().into_bytes())
    });
    let function = Server::start(None, move |seen| {
        assert_eq!((seen.key(), seen.header("x-amz-security-token")), ("KEYOFSSO", session));
        well(seen)
    });
    let (portal, function) = (portal.url(), function.url());
    for (sso, file, lasts, bearer) in [
        (format!("sso_start_url = {START}\nsso_region = us-east-1\n"), OF_START, true, token),
        ("sso_session = mine\n".to_owned(), SESSION, true, token),
        ("sso_session = mine\n".to_owned(), SESSION, false, other),
    ] {
        let (home, place) = (Place::new(), Place::new());
        std::fs::create_dir_all(home.path(".aws/sso/cache")).unwrap();
        let config = format!(
            "[default]\nregion = us-east-1\nsso_account_id = 123456789012\nsso_role_name = bursting\n{sso}\
             [sso-session mine]\nsso_region = us-east-1\nsso_start_url = {START}\n"
        );
        std::fs::write(home.path(".aws/config"), config).unwrap();
        let end = if lasts {
            after(Duration::from_secs(3_600))
        } else {
            "2020-01-01T00:00:00Z".to_owned()
        };
        let cached = serde_json::json!({
            "accessToken": token, "expiresAt": end, "region": "us-east-1", "startUrl": START,
            "refreshToken": refresh, "clientId": "client", "clientSecret": client,
            "registrationExpiresAt": after(Duration::from_secs(3_600)),
        });
        let cache = home.path(&format!(".aws/sso/cache/{file}.json"));
        std::fs::write(cache, cached.to_string()).unwrap();
        let at = home.path("").display().to_string();
        let variables = [
            ("HOME", &*at),
            ("AWS_ENDPOINT_URL_LAMBDA", &*function),
            ("AWS_ENDPOINT_URL_SSO", &*portal),
            ("AWS_ENDPOINT_URL_SSO_OIDC", &*portal),
        ];
        let args = ["check", "--lambda", "words"];
        let hidden = || HIDDEN.map(str::to_owned).to_vec();
        let checked = Loud { place: &place, args: &args, variables: &variables }.told(hidden);
        assert!(checked.status.success(), "{}{}", output_of(&checked), error_of(&checked));
        assert!(output_of(&checked).contains("…FSSO"), "{}", output_of(&checked));
        assert_eq!(asked.lock().unwrap().pop().as_deref(), Some(bearer));
    }
}

#[test]
fn an_expired_sso_token_without_refresh_says_what_to_do() {
    let (home, place) = (Place::new(), Place::new());
    std::fs::create_dir_all(home.path(".aws/sso/cache")).unwrap();
    let config = format!(
        "[default]\nregion = us-east-1\nsso_account_id = 123456789012\nsso_role_name = r\nsso_session = mine\n\
         [sso-session mine]\nsso_region = us-east-1\nsso_start_url = {START}\n"
    );
    std::fs::write(home.path(".aws/config"), config).unwrap();
    let cached =
        serde_json::json!({ "accessToken": HIDDEN[0], "expiresAt": "2020-01-01T00:00:00Z" });
    let at = home.path("").display().to_string();
    for cached in [None, Some(cached.to_string())] {
        if let Some(cached) = cached {
            let cache = home.path(&format!(".aws/sso/cache/{SESSION}.json"));
            std::fs::write(cache, cached).unwrap();
        }
        let variables = [("HOME", &*at), ("AWS_EC2_METADATA_DISABLED", "true")];
        let args = ["check", "--lambda", "words"];
        let hidden = || HIDDEN.map(str::to_owned).to_vec();
        let checked = Loud { place: &place, args: &args, variables: &variables }.told(hidden);
        assert_eq!(checked.status.code(), Some(1), "{}", output_of(&checked));
        let said = error_of(&checked).lines().last().unwrap_or_default().to_owned();
        assert!(said.contains("AWS's chain") && said.contains("aws sso login"), "{said}");
    }
}
