//! A function's URL: converts a request to AWS's event (payload version 2), and a function's answer to a
//! response.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HOST, HeaderName, HeaderValue, SET_COOKIE, USER_AGENT};
use hyper::http::request::Parts;
use hyper::{Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::date::Date;
use super::server::FUNCTION_NAME;
use super::sigv4::decode;

/// Returns the event for a request. A text body is passed as it is, and any other body in base64.
pub(super) fn event(head: &Parts, body: &Bytes, peer: IpAddr, request_id: &str) -> Bytes {
    let mut headers: BTreeMap<&str, String> = BTreeMap::new();
    let mut cookies = Vec::new();
    for (name, value) in &head.headers {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        if name == hyper::header::COOKIE {
            cookies.extend(value.split(';').map(|cookie| cookie.trim().to_owned()));
            continue;
        }
        headers
            .entry(name.as_str())
            .and_modify(|all| all.extend([",", &value]))
            .or_insert_with(|| value.clone());
    }
    let header = |name: HeaderName| headers.get(name.as_str()).cloned().unwrap_or_default();
    let (domain, user_agent) = (header(HOST), header(USER_AGENT));
    headers.insert("x-forwarded-for", peer.to_string());
    let path = String::from_utf8_lossy(&decode(head.uri.path())).into_owned();
    let query = head.uri.query().unwrap_or_default();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut event = json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": headers,
        "requestContext": {
            "accountId": "anonymous",
            "apiId": FUNCTION_NAME,
            "domainName": domain,
            "domainPrefix": FUNCTION_NAME,
            "http": {
                "method": head.method.as_str(),
                "path": path,
                "protocol": format!("{:?}", head.version),
                "sourceIp": peer.to_string(),
                "userAgent": user_agent,
            },
            "requestId": request_id,
            "routeKey": "$default",
            "stage": "$default",
            "time": time(Date::of_unix(now.as_secs())),
            "timeEpoch": now.as_millis() as u64,
        },
        "isBase64Encoded": false,
    });
    if !cookies.is_empty() {
        event["cookies"] = cookies.into();
    }
    if !query.is_empty() {
        event["queryStringParameters"] = parameters(query);
    }
    match std::str::from_utf8(body) {
        Ok("") => event.to_string().into(),
        Ok(text) => with_body(&event, text),
        Err(_) => {
            event["isBase64Encoded"] = true.into();
            with_body(&event, &STANDARD.encode(body))
        }
    }
}

/// Writes the event with its body in one pass, because the body is most of it.
fn with_body(event: &Value, body: &str) -> Bytes {
    let event = event.to_string();
    let mut text = Vec::with_capacity(event.len() + body.len() / 8 * 9 + 64);
    text.extend_from_slice(event.strip_suffix('}').unwrap_or(&event).as_bytes());
    text.extend_from_slice(b",\"body\":");
    // Writing a string to memory cannot fail.
    let _ = serde_json::to_writer(&mut text, body);
    text.push(b'}');
    text.into()
}

/// Returns the parameters by name. Several values of one name are joined by commas.
fn parameters(query: &str) -> Value {
    let mut parameters: BTreeMap<String, String> = BTreeMap::new();
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let text =
            |part: &str| String::from_utf8_lossy(&decode(&part.replace('+', " "))).into_owned();
        let value = text(value);
        parameters
            .entry(text(name))
            .and_modify(|all| all.extend([",", &value]))
            .or_insert_with(|| value.clone());
    }
    json!(parameters)
}

/// Formats a time such as `30/Aug/2015:12:36:00 +0000`.
fn time(date: Date) -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let Date { year, month, day, hour, minute, second } = date;
    let month = MONTHS[(month - 1) as usize];
    format!("{day:02}/{month}/{year}:{hour:02}:{minute:02}:{second:02} +0000")
}

/// An answer that describes the response, if it has a status.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HandlerResponse {
    #[serde(default)]
    status_code: Option<u16>,
    #[serde(default)]
    headers: BTreeMap<String, Value>,
    #[serde(default)]
    cookies: Vec<String>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
}

/// Returns the response for an answer; `None` if there is no valid one. An answer that does not describe a
/// response is the body of a response with status 200.
pub(super) fn response(answer: Bytes) -> Option<(Response<()>, Bytes)> {
    let mut response = Response::new(());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let (said, status) = match serde_json::from_slice::<HandlerResponse>(&answer) {
        Ok(HandlerResponse { status_code: None, .. }) => return Some((response, answer)),
        Ok(said @ HandlerResponse { status_code: Some(status), .. }) => (said, status),
        // The answer has another form; or its status or another part of it is not valid.
        Err(_) => return (!has_status(&answer)).then_some((response, answer)),
    };
    *response.status_mut() = StatusCode::from_u16(status).ok()?;
    for (name, value) in said.headers {
        let value = match value {
            Value::String(text) => text,
            other => other.to_string(),
        };
        let name = HeaderName::try_from(name).ok()?;
        // The length of the body is set by the server.
        if name != hyper::header::CONTENT_LENGTH && name != hyper::header::TRANSFER_ENCODING {
            response.headers_mut().insert(name, HeaderValue::try_from(value).ok()?);
        }
    }
    for cookie in said.cookies {
        response.headers_mut().append(SET_COOKIE, HeaderValue::try_from(cookie).ok()?);
    }
    let body = said.body.unwrap_or_default();
    let body = match said.is_base64_encoded {
        true => STANDARD.decode(body).ok()?.into(),
        false => body.into(),
    };
    Some((response, body))
}

fn has_status(answer: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Has {
        #[serde(rename = "statusCode")]
        status: Option<Value>,
    }
    serde_json::from_slice::<Has>(answer).is_ok_and(|has| has.status.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_with_a_status_code_is_a_response_and_any_other_is_its_body() {
        let said = r#"{"statusCode": 201, "headers": {"Content-Type": "text/plain", "X-N": 1},
            "cookies": ["a=1", "b=2"], "body": "aGk=", "isBase64Encoded": true}"#;
        let (response, body) = response(said.into()).unwrap();
        assert_eq!((response.status().as_u16(), &body[..]), (201, &b"hi"[..]));
        assert_eq!(response.headers()["content-type"], "text/plain");
        assert_eq!(response.headers()["x-n"], "1");
        assert_eq!(response.headers().get_all("set-cookie").iter().count(), 2);
        for plain in [
            r#"{"v": 1}"#,
            r#""text""#,
            "[1, 2]",
            "null",
            "no JSON",
            r#"{"body": 7}"#,
            r#"{"statusCode": null, "body": "as it is"}"#,
        ] {
            let (response, body) = super::response(plain.into()).unwrap();
            assert_eq!((response.status().as_u16(), &body[..]), (200, plain.as_bytes()));
            assert_eq!(response.headers()["content-type"], "application/json");
        }
        for wrong in [
            r#"{"statusCode": 99}"#,
            r#"{"statusCode": "200"}"#,
            r#"{"statusCode": 200, "headers": {"a b": "c"}}"#,
            r#"{"statusCode": 200, "body": "!", "isBase64Encoded": true}"#,
        ] {
            assert!(super::response(wrong.into()).is_none(), "{wrong}");
        }
    }

    #[test]
    fn a_request_is_converted_to_awss_event() {
        let request = hyper::Request::post("/a%20b?x=1&y=a+b&x=2%2C3")
            .header("host", "localhost")
            .header("cookie", "c=1; d=2")
            .header("x-two", "1")
            .header("x-two", "2");
        let (head, ()) = request.body(()).unwrap().into_parts();
        let event = |body: &'static [u8]| -> Value {
            let event = event(&head, &Bytes::from_static(body), [127, 0, 0, 1].into(), "id");
            serde_json::from_slice(&event).unwrap()
        };
        let text = event("é".as_bytes());
        assert_eq!((&text["version"], &text["rawPath"]), (&json!("2.0"), &json!("/a b")));
        assert_eq!(text["queryStringParameters"], json!({ "x": "1,2,3", "y": "a b" }));
        assert_eq!(text["cookies"], json!(["c=1", "d=2"]));
        assert_eq!(text["headers"]["x-two"], "1,2");
        assert_eq!((&text["body"], &text["isBase64Encoded"]), (&json!("é"), &json!(false)));
        assert_eq!(text["requestContext"]["http"]["method"], "POST");
        let bytes = event(b"\xff");
        assert_eq!((&bytes["body"], &bytes["isBase64Encoded"]), (&json!("/w=="), &json!(true)));
    }
}
