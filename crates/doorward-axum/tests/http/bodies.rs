//! Odd bodies: each has a decided answer.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::http::{Request, StatusCode};
use http_body::Frame;
use serde_json::json;

use crate::app::{CREDENTIALS, PASSWORD, TestApp};

const POSTS: [&str; 4] = ["/auth/register", "/auth/login", "/auth/refresh", "/auth/logout"];

#[tokio::test]
async fn what_is_not_one_json_value_is_json_invalid() {
    let app = TestApp::new();
    let deep_array = format!("{{\"email\":{}1{}}}", "[".repeat(40), "]".repeat(40));
    let very_deep = "[".repeat(60_000);
    let members: String = (0..4000).map(|index| format!("\"k{index}\":1,")).collect();
    let bodies: Vec<Vec<u8>> = vec![
        b"{".into(),
        b"}".into(),
        b"{\"email\":\"a@example.com\",}".into(),
        b"{'email':'a@example.com'}".into(),
        b"{\"email\":\"a@example.com\"} {}".into(),
        b"{\"email\":NaN}".into(),
        b"{\"email\":-Infinity}".into(),
        b"{\"email\":1e999}".into(),
        b"{\"email\":\"a@example.com\",\"email\":\"b@example.com\"}".into(),
        b"{\"password\":\"12345678\",\"\\u0070assword\":\"87654321\"}".into(),
        b"\xef\xbb\xbf{}".into(),
        b"\xff\xfe{\0}\0".into(),
        b"{\"email\":\"\xff\"}".into(),
        b"{\"email\":\"\xc0\xaf\"}".into(),
        b"{\"email\":\"\\ud800\"}".into(),
        b"{\"email\":\"\\udfff\\ud800\"}".into(),
        b"{\"email\":\"\0\"}".into(),
        b"\0".into(),
        b"email=a%40example.com&password=12345678".into(),
        b"<xml/>".into(),
        deep_array.into(),
        very_deep.into(),
        format!("{{{members}\"k1\":1}}").into(),
    ];
    for path in POSTS {
        for body in &bodies {
            let answer = app.post_bytes(path, "application/json", body.clone()).await;
            assert_eq!(answer.faults(), ["json_invalid at body"], "{path} {:?}", String::from_utf8_lossy(body));
        }
    }
}

#[tokio::test]
async fn no_body_is_missing_and_no_object_is_another_type() {
    let app = TestApp::new();
    for path in POSTS {
        for body in ["", "   ", "null", " null\n"] {
            assert_eq!(app.post_bytes(path, "application/json", body).await.faults(), ["missing at body"], "{body:?}");
        }
        let bare = app.send(Request::post(path).body(Body::empty()).unwrap()).await;
        assert_eq!(bare.faults(), ["missing at body"]);
        for body in ["[]", "[{\"email\":1}]", "\"text\"", "7", "true", "123456789012345678901234567890"] {
            let answer = app.post_bytes(path, "application/json", body).await;
            assert_eq!(answer.faults(), ["model_attributes_type at body"], "{body}");
        }
    }
}

#[tokio::test]
async fn numbers_arrays_and_objects_are_no_strings() {
    let app = TestApp::new();
    for value in ["1", "123456789012345678901234567890", "-0.0", "true", "null", "[]", "{}", "{\"a\":[1,{}]}"] {
        let body = format!("{{\"email\":{value},\"password\":{value}}}");
        let answer = app.post_bytes("/auth/login", "application/json", body).await;
        assert_eq!(answer.faults(), ["string_type at body.email", "string_type at body.password"], "{value}");
    }
}

#[tokio::test]
async fn a_body_past_64_kib_is_too_large_whoever_it_is_for() {
    let app = TestApp::new();
    let body = json!({"email": "a@example.com", "password": "x".repeat(1024 * 1024)}).to_string();
    for path in POSTS.into_iter().chain(["/auth/me", "/nowhere"]) {
        let answer = app.post_bytes(path, "application/json", body.clone()).await;
        answer.refused(413, "HTTP_413", "Payload Too Large");
        let streamed = Body::new(Chunks { left: 40 });
        let answer = app.post_bytes(path, "application/json", streamed).await;
        answer.refused(413, "HTTP_413", "Payload Too Large");
    }
    let small = json!({"email": "a@example.com", "password": PASSWORD}).to_string();
    let fits = format!("{small}{}", " ".repeat(65_536 - small.len()));
    app.post_bytes("/auth/login", "application/json", fits.clone()).await.is(CREDENTIALS);
    app.post_bytes("/auth/login", "application/json", fits + " ").await.refused(413, "HTTP_413", "Payload Too Large");
}

/// A body whose length nobody announced.
struct Chunks {
    left: usize,
}

impl axum::body::HttpBody for Chunks {
    type Data = axum::body::Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        self.left -= 1;
        Poll::Ready(Some(Ok(Frame::data(vec![b' '; 4096].into()))))
    }
}

#[tokio::test]
async fn a_body_that_is_not_json_by_its_content_type_is_unsupported() {
    let app = TestApp::new();
    let body = json!({"email": "a@example.com", "password": PASSWORD}).to_string();
    for content_type in [
        "text/plain",
        "application/xml",
        "multipart/form-data; boundary=x",
        "application/x-www-form-urlencoded",
        "application/json; charset=utf-16",
        "application/json, text/plain",
        "",
    ] {
        let answer = app.post_bytes("/auth/login", content_type, body.clone()).await;
        answer.refused(415, "HTTP_415", "Unsupported Media Type");
    }
    for request in [
        Request::post("/auth/login"),
        Request::post("/auth/login").header("content-type", "application/json").header("content-type", "text/plain"),
        Request::post("/auth/login").header("content-type", "application/json").header("content-encoding", "gzip"),
        Request::post("/auth/login").header("content-type", &b"application/json\xff"[..]),
    ] {
        let answer = app.send(request.body(Body::from(body.clone())).unwrap()).await;
        answer.refused(415, "HTTP_415", "Unsupported Media Type");
    }
    for content_type in ["application/json", "APPLICATION/JSON; Charset=UTF-8", "application/vnd.api+json"] {
        app.post_bytes("/auth/login", content_type, body.clone()).await.is(CREDENTIALS);
    }
}

#[tokio::test]
async fn a_body_on_a_route_that_takes_none_does_no_harm() {
    let app = TestApp::new();
    let request = Request::get("/health").header("content-type", "text/plain").body(Body::from("hello")).unwrap();
    assert_eq!(app.send(request).await.status, StatusCode::OK);
}
