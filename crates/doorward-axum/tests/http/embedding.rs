//! What an application around the routes relies on.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Extension;
use axum::http::Request;
use axum::routing::get;
use axum::{Router, middleware};
use doorward::{Identity, User};
use doorward_axum::{RouterOptions, require_admin, require_user, with_layers};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::app::TestApp;

async fn ask(router: &Router, path: &str, token: Option<&str>) -> (u16, String) {
    let mut request = Request::get(path);
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let response = router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn a_group_of_routes_is_protected_at_once() {
    let app = TestApp::new();
    let user = app.register("ada@example.com").await;
    let admin = app.admin("root@example.com").await;
    let members = Router::new()
        .route("/members", get(async |Extension(who): Extension<Identity>| who.user_id.to_string()))
        .route_layer(middleware::from_fn_with_state(Arc::clone(&app.auth), require_user));
    let staff = Router::new()
        .route("/staff", get(async |Extension(who): Extension<User>| who.email.as_str().to_owned()))
        .route_layer(middleware::from_fn_with_state(Arc::clone(&app.auth), require_admin));
    let router = with_layers(members.merge(staff), &RouterOptions::default());

    assert_eq!(ask(&router, "/members", None).await.0, 401);
    assert_eq!(ask(&router, "/members", Some(&user.access)).await, (200, "1".to_owned()));
    assert_eq!(ask(&router, "/staff", None).await.0, 401);
    assert_eq!(ask(&router, "/staff", Some(&user.access)).await.0, 403);
    assert_eq!(ask(&router, "/staff", Some(&admin.access)).await, (200, "root@example.com".to_owned()));
}

#[expect(clippy::panic, reason = "what is tested")]
async fn defective() -> &'static str {
    panic!("a secret that must not get out")
}

#[tokio::test]
async fn a_panic_is_a_500_in_the_error_shape_and_nothing_more() {
    let router = with_layers(Router::new().route("/defective", get(defective)), &RouterOptions::default());
    let (status, body) = ask(&router, "/defective", None).await;
    let expected = json!({"detail": "Internal server error", "code": "INTERNAL_ERROR"});
    assert_eq!((status, serde_json::from_str::<Value>(&body).unwrap()), (500, expected));
}
