//! What an application around the routes relies on.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Extension;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG};
use axum::http::{Request, Response};
use axum::routing::{get, post};
use axum::{Router, middleware};
use doorward::{Identity, User};
use doorward_axum::{
    FieldFault, Fields, FromFields, JsonBody, Location, RouterOptions, require_admin, require_user, with_layers,
};
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

/// An order as an application might take it.
#[derive(Debug, PartialEq)]
struct Order {
    note: Option<String>,
    quantity: i64,
    price: f64,
    is_gift: bool,
    tags: Vec<String>,
    lines: Vec<Line>,
    delivery: Option<Line>,
}

#[derive(Debug, PartialEq)]
struct Line {
    street: String,
}

#[expect(clippy::unnecessary_wraps, reason = "what reads a field may refuse it")]
fn any(text: String, _: Location) -> Result<String, FieldFault> {
    Ok(text)
}

impl FromFields for Line {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        Some(Self { street: fields.string("street", any)? })
    }
}

impl FromFields for Order {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let note = fields.optional_string("note", any);
        let quantity = fields.integer("quantity", 1..=100);
        let price = fields.number("price");
        let is_gift = fields.boolean("is_gift");
        let tags = fields.strings("tags", 3, any);
        let lines = fields.objects("lines", 2);
        let delivery = fields.optional("delivery", |fields| fields.object("delivery"));
        Some(Self {
            note: note?,
            quantity: quantity?,
            price: price?,
            is_gift: is_gift?,
            tags: tags?,
            lines: lines?,
            delivery: delivery?,
        })
    }
}

async fn order(app: &TestApp, body: Value) -> Value {
    let take = async |JsonBody(order): JsonBody<Order>| format!("\"{order:?}\"").replace('"', "'");
    let routes = Router::new().route("/orders", post(take)).with_state(Arc::clone(&app.auth));
    let router = with_layers(routes, &RouterOptions::default());
    let request = Request::post("/orders").header(CONTENT_TYPE, "application/json").body(Body::from(body.to_string()));
    let response = router.oneshot(request.unwrap()).await.unwrap();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    serde_json::from_str(&text).unwrap_or(Value::String(text))
}

#[tokio::test]
async fn values_of_every_kind_are_read_and_every_fault_is_told_with_its_place() {
    let app = TestApp::new();
    let good = json!({
        "quantity": 3, "price": 9.5, "is_gift": true, "tags": ["a", "b"], "delivery": null,
        "lines": [{"street": "Elm"}, {"street": "Oak"}],
    });
    let taken = order(&app, good.clone()).await;
    let read = "Order { note: None, quantity: 3, price: 9.5, is_gift: true, tags: ['a', 'b'], lines: [Line { street: \
                'Elm' }, Line { street: 'Oak' }], delivery: None }";
    assert_eq!(taken.as_str().unwrap().trim_matches('\''), read);
    // A whole number is a number, too.
    let with = |name: &str, value: Value| {
        let mut body = good.clone();
        body[name] = value;
        body
    };
    assert!(order(&app, with("price", json!(9))).await.is_string());
    for (name, value, kind, loc) in [
        ("quantity", json!(0), "greater_than_equal", json!(["body", "quantity"])),
        ("quantity", json!(101), "less_than_equal", json!(["body", "quantity"])),
        ("quantity", json!(1.5), "int_type", json!(["body", "quantity"])),
        ("quantity", json!(18_446_744_073_709_551_615_u64), "int_type", json!(["body", "quantity"])),
        ("price", json!("9"), "float_type", json!(["body", "price"])),
        ("is_gift", json!("yes"), "bool_parsing", json!(["body", "is_gift"])),
        ("tags", json!("a"), "list_type", json!(["body", "tags"])),
        ("tags", json!(["a", "b", "c", "d"]), "too_long", json!(["body", "tags"])),
        ("tags", json!(["a", 2]), "string_type", json!(["body", "tags", 1])),
        ("lines", json!([{"street": "Elm"}, {}]), "missing", json!(["body", "lines", 1, "street"])),
        ("lines", json!([[]]), "model_attributes_type", json!(["body", "lines", 0])),
        ("delivery", json!({"street": 1}), "string_type", json!(["body", "delivery", "street"])),
        ("note", json!(1), "string_type", json!(["body", "note"])),
    ] {
        let refused = order(&app, with(name, value)).await;
        let fault = &refused["detail"][0];
        assert_eq!((&fault["type"], &fault["loc"]), (&json!(kind), &loc), "{refused}");
        assert_eq!(refused["detail"].as_array().unwrap().len(), 1, "{refused}");
    }
    let faults = order(&app, json!({"lines": [{}, {}]})).await["detail"].as_array().unwrap().len();
    assert_eq!(faults, 6, "every fault at once");
}

#[tokio::test]
async fn an_applications_own_pages_keep_their_styles_and_their_caches() {
    let answer = |kind: &'static str, headers: &'static [(&'static str, &'static str)]| {
        get(async move || {
            let mut answer = Response::new(Body::from("content"));
            if !kind.is_empty() {
                answer.headers_mut().insert(CONTENT_TYPE, kind.parse().unwrap());
            }
            headers.iter().for_each(|(name, value)| drop(answer.headers_mut().insert(*name, value.parse().unwrap())));
            answer
        })
    };
    let routes = Router::new()
        .route("/page", answer("text/html; charset=utf-8", &[("etag", "\"1\"")]))
        .route("/style", answer("text/css", &[("cache-control", "max-age=60"), ("etag", "\"2\"")]))
        .route("/data", answer("application/json", &[("etag", "\"3\"")]))
        .route("/kept", answer("application/json", &[("cache-control", "max-age=5"), ("etag", "\"4\"")]))
        .route("/empty", answer("", &[]));
    let router = with_layers(routes, &RouterOptions::default());
    let headers = async |path: &str| {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let headers = router.clone().oneshot(request).await.unwrap().headers().clone();
        let text = |name| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(text("x-content-type-options").as_deref(), Some("nosniff"));
        (text(CACHE_CONTROL.as_str()), text(ETAG.as_str()), text("content-security-policy").is_some())
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(headers("/page").await, (None, some("\"1\""), false));
    assert_eq!(headers("/style").await, (some("max-age=60"), some("\"2\""), false));
    assert_eq!(headers("/data").await, (some("no-store"), None, true));
    assert_eq!(headers("/kept").await, (some("max-age=5"), some("\"4\""), true));
    assert_eq!(headers("/empty").await, (some("no-store"), None, true));
}
