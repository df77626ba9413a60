//! `/health`, `/ready`, `/openapi.json`, `/docs`

use axum::http::{Method, StatusCode};
use axum::response::IntoResponse;
use doorward::{Fault, Store, StoreError};
use doorward_axum::ApiError;
use serde_json::json;

use crate::app::{PASSWORD, TestApp};

#[tokio::test]
async fn health_touches_nothing() {
    let app = TestApp::new();
    app.store.close().await;
    let answer = app.get("/health", None).await;
    assert_eq!(
        (answer.status, answer.body),
        (StatusCode::OK, json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")}))
    );
    let head = app.bearer(Method::HEAD, "/health", None).await;
    assert_eq!((head.status, head.text.as_str()), (StatusCode::OK, ""));
}

#[tokio::test]
async fn readiness_is_the_stores() {
    let app = TestApp::new();
    let ready = app.get("/ready", None).await;
    assert_eq!((ready.status, ready.body), (StatusCode::OK, json!({"status": "ready"})));
    app.store.close().await;
    let unavailable = app.get("/ready", None).await;
    assert_eq!((unavailable.status.as_u16(), &unavailable.body["code"]), (503, &json!("STORE_UNAVAILABLE")));
}

/// One account's own doing, which must look like no fault of the store, and let nobody fill the log with errors.
#[tokio::test]
async fn whoever_contends_with_themselves_is_asked_to_wait() {
    let refusal = ApiError::from(Fault::from(StoreError::Contended)).into_response();
    assert_eq!(refusal.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refusal.headers()["retry-after"], "1");
}

#[tokio::test]
async fn a_store_that_cannot_serve_is_a_retryable_answer() {
    let app = TestApp::new();
    let tokens = app.register("ada@example.com").await;
    app.store.close().await;
    app.later(2);
    for answer in [
        app.post("/auth/login", json!({"email": "ada@example.com", "password": PASSWORD})).await,
        app.post("/auth/register", json!({"email": "bob@example.com", "password": PASSWORD})).await,
        app.refresh(&tokens.refresh).await,
        app.logout(&tokens.refresh).await,
        app.me(&tokens.access).await,
        app.get("/admin/users", Some(&tokens.access)).await,
    ] {
        assert_eq!((answer.status.as_u16(), &answer.body["code"]), (503, &json!("STORE_UNAVAILABLE")));
        assert_eq!(answer.header("retry-after"), Some("1"));
        assert!(!answer.text.contains("closed"), "{}", answer.text);
    }
}

#[tokio::test]
async fn the_docs_are_served_from_the_binary_under_a_strict_policy() {
    let app = TestApp::new();
    let page = app.get("/docs", None).await;
    assert_eq!((page.status, page.header("content-type")), (StatusCode::OK, Some("text/html; charset=utf-8")));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"));
    for (path, content_type) in
        [("/docs/docs.css", "text/css; charset=utf-8"), ("/docs/docs.js", "text/javascript; charset=utf-8")]
    {
        let asset = app.get(path, None).await;
        assert_eq!((asset.status, asset.header("content-type")), (StatusCode::OK, Some(content_type)));
        assert!(page.text.contains(path));
    }
    for outside in ["http://", "https://", "//"] {
        for attribute in ["src=\"", "href=\""] {
            assert!(!page.text.contains(&format!("{attribute}{outside}")), "the page must load nothing from elsewhere");
        }
    }
}

/// The codes of errors that the sources know, found as text: a code that the document leaves out breaks a generated client.
#[test]
fn the_document_names_every_code() {
    fn codes_in(folder: &std::path::Path, found: &mut std::collections::BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                codes_in(&path, found);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap().replace('\\', "");
            let quoted = text
                .split('"')
                .filter(|part| part.len() > 5 && part.starts_with(|first: char| first.is_ascii_uppercase()));
            let is_code = |part: &&str| {
                part.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
            };
            found.extend(quoted.filter(is_code).filter(|part| !part.starts_with("CARGO_")).map(str::to_owned));
        }
    }
    let mut known = std::collections::BTreeSet::new();
    codes_in(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut known);
    let document: serde_json::Value = serde_json::from_str(include_str!("../../assets/openapi.json")).unwrap();
    let listed = document["components"]["schemas"]["Error"]["properties"]["code"]["enum"].as_array().unwrap();
    let listed: std::collections::BTreeSet<_> = listed.iter().map(|code| code.as_str().unwrap().to_owned()).collect();
    // A 422 has a schema of its own.
    known.retain(|code| code != "DELETE" && code != "DENY");
    assert_eq!(known, listed);
}
