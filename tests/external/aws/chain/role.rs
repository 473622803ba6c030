//! Roles, assumed with keys or with a web identity's token, by moto with IAM's enforcement on: it checks the
//! signature of whoever assumes and whether they may, and then the signatures of the keys that it gave.

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::super::moto::{Moto, post};
use super::super::server::{Reply, Seen, Server, well};
use super::super::was_done_locally;
use super::{Loud, has_renewed, slow, slowly_locally};
use crate::common::{Place, error_of, output_of, within_tries};

/// A time, as AWS writes it.
pub fn after(duration: Duration) -> String {
    let end = (SystemTime::now() + duration).duration_since(UNIX_EPOCH).unwrap().as_secs();
    let output = Command::new("date").args(["-u", "-d", &format!("@{end}"), "+%FT%TZ"]).output();
    String::from_utf8(output.expect("date runs").stdout).unwrap().trim().to_owned()
}

/// Held while something is asked of moto: it lets one request through without a signature when it is told to, and that
/// must be the one that has none.
static ASKED: Mutex<()> = Mutex::new(());

/// What moto says to a request, as it came.
fn said(port: u16, seen: &Seen) -> (u16, String, Vec<u8>) {
    post(port, &seen.path, &seen.headers, &seen.body)
}

/// A function that answers whom moto lets in.
fn function(port: u16, keys: Arc<Mutex<BTreeSet<String>>>) -> Server {
    Server::start(None, move |seen| {
        let (status, head, body) = {
            let _asked = ASKED.lock();
            said(port, seen)
        };
        if status == 200 {
            keys.lock().unwrap().insert(seen.key().to_owned());
            return well(seen);
        }
        let kind = head.lines().find_map(|line| line.strip_prefix("x-amzn-errortype: "));
        let kind = kind.map(|kind| ("x-amzn-errortype", kind.trim().to_owned()));
        (status, kind.into_iter().collect(), body)
    })
}

/// moto's STS, whose keys end 62 s later: after two they are to be replaced. What is secret of them is kept.
fn sts(port: u16, secrets: Arc<Mutex<Vec<String>>>) -> Server {
    Server::start(None, move |seen| -> Reply {
        let form = String::from_utf8_lossy(&seen.body).into_owned();
        let _asked = ASKED.lock();
        if form.contains("Action=AssumeRoleWithWebIdentity") {
            assert!(form.contains(&format!("WebIdentityToken={IDENTITY}")), "{form}");
            assert_eq!(seen.header("authorization"), "", "nobody signs it");
            // moto enforces a signature here, which AWS does not: it lets one request through without.
            let plain = [("content-type".to_owned(), "text/plain".to_owned())];
            assert_eq!(post(port, "/moto-api/reset-auth", &plain, b"1").0, 200);
        }
        let (status, _, body) = said(port, seen);
        let mut xml = String::from_utf8(body).unwrap();
        if let (Some(code), Some(message)) = (element(&xml, "Code"), element(&xml, "Message")) {
            // moto writes EC2's errors, STS has others.
            let error =
                format!("<Type>Sender</Type><Code>{code}</Code><Message>{message}</Message>");
            xml = format!(
                "<ErrorResponse><Error>{error}</Error><RequestId>1</RequestId></ErrorResponse>"
            );
        }
        for name in ["SecretAccessKey", "SessionToken"] {
            secrets.lock().unwrap().extend(element(&xml, name).map(str::to_owned));
        }
        if let Some(end) = element(&xml, "Expiration").map(str::to_owned) {
            xml = xml.replace(&end, &after(Duration::from_secs(62)));
        }
        (status, vec![("content-type", "text/xml".to_owned())], xml.into_bytes())
    })
}

fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, after) = xml.split_once(&format!("<{name}>"))?;
    after.split_once(&format!("</{name}>")).map(|(text, _)| text)
}

const IDENTITY: &str = "aT0kenOfNobodysIdentity.Known.Valu3";

#[test]
fn a_role_is_assumed_with_keys_or_a_web_identity_and_renewed_before_it_expires() {
    let Some(moto) = Moto::start() else { return };
    let keys = Arc::new(Mutex::new(BTreeSet::new()));
    let secrets = Arc::new(Mutex::new(vec![IDENTITY.to_owned()]));
    let function = function(moto.port, Arc::clone(&keys));
    let sts = sts(moto.port, Arc::clone(&secrets));
    let text = |name: &str| moto.keys[name].as_str().unwrap().to_owned();
    let key = |name: &str, index: usize| moto.keys[name][index].as_str().unwrap().to_owned();
    secrets.lock().unwrap().push(key("assumer", 1));

    let given = Place::new();
    std::fs::write(given.path("token"), IDENTITY).unwrap();
    let source = |name: &str, id: &str, secret: &str| {
        format!(
            "[profile {name}]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n\
             [profile by-{name}]\nrole_arn = {}\nsource_profile = {name}\n",
            text("bursting")
        )
    };
    let config = source("assumer", &key("assumer", 0), &key("assumer", 1))
        + &source("wrong", &key("assumer", 0), "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
        + &source("reader", &key("reader", 0), &key("reader", 1))
        + &format!(
            "[profile reading]\nrole_arn = {}\nsource_profile = assumer\n\
             [profile identity]\nrole_arn = {}\nweb_identity_token_file = {}\n",
            text("reading"),
            text("bursting"),
            given.path("token").display()
        );
    std::fs::write(given.path("config"), config).unwrap();
    let file = given.path("config").display().to_string();
    let (function, sts) = (function.url(), sts.url());
    let token = given.path("token").display().to_string();
    let loud = |place: &Place, args: &[&str], more: &[(&str, &str)]| {
        let mut variables =
            vec![("AWS_ENDPOINT_URL_LAMBDA", &*function), ("AWS_CONFIG_FILE", &file)];
        variables.extend([("AWS_ENDPOINT_URL_STS", &*sts), ("AWS_REGION", "us-east-1")]);
        variables.extend(more);
        Loud { place, args, variables: &variables }.told(|| secrets.lock().unwrap().clone())
    };

    let role = text("bursting");
    let by_environment = [("AWS_WEB_IDENTITY_TOKEN_FILE", &*token), ("AWS_ROLE_ARN", &role)];
    let expected = slowly_locally("6k");
    for variables in
        [&[("AWS_PROFILE", "by-assumer")][..], &[("AWS_PROFILE", "identity")], &by_environment]
    {
        let place = Place::new();
        let checked = loud(&place, &["check", "--lambda", "words"], variables);
        assert!(
            checked.status.success(),
            "{variables:?}: {}{}",
            output_of(&checked),
            error_of(&checked)
        );
        assert!(output_of(&checked).contains(", temporary"), "{}", output_of(&checked));
        // A busy machine may do all of it with the first keys, or too late for answers to be used.
        within_tries("a run that renews its keys", || {
            keys.lock().unwrap().clear();
            let ran = loud(&place, &slow("6k"), variables);
            assert!(ran.status.success(), "{variables:?}: {}", error_of(&ran));
            assert!(place.output("out") == expected, "{variables:?}");
            let keys = keys.lock().unwrap();
            assert!(keys.iter().all(|key| key.starts_with("ASIA")), "{keys:?}");
            has_renewed(keys.len(), &place.summary())
        });
    }

    // Who may not assume it, or with a wrong secret: nothing begins.
    for (profile, part) in [("by-wrong", "SignatureDoesNotMatch"), ("by-reader", "AccessDenied")] {
        let place = Place::new();
        for args in [vec!["check", "--lambda", "words"], slow("100")] {
            let output = loud(&place, &args, &[("AWS_PROFILE", profile)]);
            assert_eq!(output.status.code(), Some(1), "{profile}: {}", error_of(&output));
            // A client that is dropped may still trace its end.
            let said = error_of(&output);
            let said =
                said.lines().rfind(|line| line.starts_with("floodway: ")).unwrap_or_default();
            assert!(said.contains(part), "{profile}: {said}");
        }
        assert!(!place.path("out").exists(), "nothing began");
    }
    // A role that may not call the function: the workers compute all records.
    let place = Place::new();
    let ran = loud(&place, &slow("6k"), &[("AWS_PROFILE", "reading")]);
    assert_eq!(ran.status.code(), Some(1), "{}", error_of(&ran));
    assert!(error_of(&ran).contains("a policy that allows"), "{}", error_of(&ran));
    was_done_locally(&place, &expected);
}
