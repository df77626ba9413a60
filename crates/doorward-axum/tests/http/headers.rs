//! What every response carries.

use axum::body::Body;
use axum::http::{HeaderValue, Method, Request, StatusCode};
use doorward::session::RefreshRules;
use doorward_axum::RouterOptions;
use serde_json::json;

use crate::app::TestApp;

async fn answers(app: &TestApp) -> Vec<crate::app::Answer> {
    let tokens = app.register("ada@example.com").await;
    vec![
        app.get("/health", None).await,
        app.get("/docs", None).await,
        app.get("/openapi.json", None).await,
        app.get("/nowhere", None).await,
        app.bearer(Method::DELETE, "/auth/me", None).await,
        app.get("/auth/me", None).await,
        app.me(&tokens.access).await,
        app.post("/auth/login", json!({})).await,
        app.logout(&tokens.refresh).await,
    ]
}

#[tokio::test]
async fn every_response_has_an_id_and_the_headers_that_browsers_heed() {
    let app = TestApp::new();
    let mut ids = std::collections::HashSet::new();
    for answer in answers(&app).await {
        assert!(ids.insert(answer.header("x-request-id").unwrap().to_owned()));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert!(answer.header("content-security-policy").unwrap().contains("frame-ancestors 'none'"));
        for absent in ["server", "etag", "x-powered-by", "access-control-allow-origin"] {
            assert_eq!(answer.header(absent), None);
        }
    }
}

#[tokio::test]
async fn a_harmless_request_id_is_kept_and_any_other_replaced() {
    let app = TestApp::new();
    let with = async |id: &[u8]| {
        let request = Request::get("/health").header("x-request-id", id).body(Body::empty()).unwrap();
        app.send(request).await.header("x-request-id").unwrap().to_owned()
    };
    assert_eq!(with(b"trace-1_A").await, "trace-1_A");
    for odd in [&b""[..], b"a b", b"a\"b", b"\xff", b"{\"x\":1}", &[b'x'; 65]] {
        assert_eq!(with(odd).await.len(), 32);
    }
}

#[tokio::test]
async fn unknown_paths_and_methods_have_the_error_shape() {
    let app = TestApp::new();
    for path in [
        "/",
        "/nowhere",
        "//admin/users",
        "/admin/users/",
        "/ADMIN/users",
        "/admin%2fusers",
        "/admin/users;x",
        "/admin/users.",
        "/./admin/users",
        "/auth",
        "/metrics",
        "/docs/",
        "/docs/../health",
        "/%2e%2e/health",
    ] {
        app.get(path, None).await.refused(404, "HTTP_404", "Not Found");
    }
    for (method, path, allow) in [
        (Method::GET, "/auth/login", "POST"),
        (Method::HEAD, "/auth/refresh", "POST"),
        (Method::PUT, "/auth/refresh", "POST"),
        (Method::OPTIONS, "/auth/login", "POST"),
        (Method::TRACE, "/auth/me", "GET,HEAD,PATCH,DELETE"),
        (Method::POST, "/auth/me", "GET,HEAD,PATCH,DELETE"),
        (Method::DELETE, "/admin/users/1/deactivate", "PATCH"),
        (Method::from_bytes(b"BREW").unwrap(), "/health", "GET,HEAD"),
    ] {
        let answer = app.bearer(method.clone(), path, None).await;
        assert_eq!(
            (answer.status, answer.header("allow")),
            (StatusCode::METHOD_NOT_ALLOWED, Some(allow)),
            "{method} {path}"
        );
        if method != Method::HEAD {
            answer.refused(405, "HTTP_405", "Method Not Allowed");
        }
    }
    let request = Request::post("/auth/me").header("x-http-method-override", "GET").body(Body::empty()).unwrap();
    app.send(request).await.refused(405, "HTTP_405", "Method Not Allowed");
}

#[tokio::test]
async fn only_allowed_origins_may_call_from_a_browser() {
    let mut options = RouterOptions::default();
    options.allowed_origins = vec![HeaderValue::from_static("https://app.example.com")];
    let app = TestApp::with(RefreshRules::default(), &options);
    let preflight = async |origin: &str| {
        let request = Request::builder()
            .method(Method::OPTIONS)
            .uri("/auth/login")
            .header("origin", origin)
            .header("access-control-request-method", "POST");
        app.send(request.body(Body::empty()).unwrap()).await
    };
    let allowed = preflight("https://app.example.com").await;
    assert_eq!(allowed.header("access-control-allow-origin"), Some("https://app.example.com"));
    assert_eq!(allowed.header("access-control-allow-credentials"), None);
    for origin in [
        "https://evil.example",
        "null",
        "https://app.example.com.evil.example",
        "http://app.example.com",
        "https://APP.example.com",
    ] {
        let answer = preflight(origin).await;
        assert_eq!(answer.header("access-control-allow-origin"), None, "{origin}");
        assert!(answer.header("vary").unwrap().to_ascii_lowercase().contains("origin"));
    }
    // A refusal is readable for an allowed page too.
    let request = Request::get("/auth/me").header("origin", "https://app.example.com").body(Body::empty()).unwrap();
    let answer = app.send(request).await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("access-control-allow-origin")),
        (401, Some("https://app.example.com"))
    );
}
