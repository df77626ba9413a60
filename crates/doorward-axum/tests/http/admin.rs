//! `/admin/…`

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::app::{Answer, TestApp, Tokens};

async fn patch(app: &TestApp, admin: &Tokens, path: &str) -> Answer {
    app.bearer(Method::PATCH, path, Some(&admin.access)).await
}

async fn list(app: &TestApp, admin: &Tokens, query: &str) -> Answer {
    app.get(&format!("/admin/users{query}"), Some(&admin.access)).await
}

fn emails(answer: &Answer) -> Vec<&str> {
    answer.body["items"].as_array().unwrap().iter().map(|item| item["email"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn users_are_listed_newest_first() {
    let app = TestApp::new();
    let admin = app.admin("root@example.com").await;
    for name in ["a", "b", "c"] {
        app.register(&format!("{name}@example.com")).await;
    }
    let all = list(&app, &admin, "").await;
    assert_eq!(all.status, StatusCode::OK);
    assert_eq!(emails(&all), ["c@example.com", "b@example.com", "a@example.com", "root@example.com"]);
    assert_eq!(
        all.body["items"][0],
        json!({
            "id": 4, "email": "c@example.com", "role": "user", "full_name": null, "email_verified": false,
            "is_active": true,
            "created_at": "2027-01-15T08:00:00Z"
        })
    );
    let page =
        |answer: &Answer| ["total_count", "page", "per_page", "total_pages"].map(|name| answer.body[name].clone());
    assert_eq!(page(&all), [4, 1, 20, 1].map(Value::from));
    let second = list(&app, &admin, "?page=2&per_page=3").await;
    assert_eq!((emails(&second), page(&second)), (vec!["root@example.com"], [4, 2, 3, 2].map(Value::from)));
    let far = list(&app, &admin, "?page=1000000000000000000").await;
    assert_eq!((far.status, emails(&far)), (StatusCode::OK, vec![]));
}

#[tokio::test]
async fn users_are_filtered() {
    let app = TestApp::new();
    let admin = app.admin("root@example.com").await;
    app.register("a@example.com").await;
    app.register("b@example.com").await;
    patch(&app, &admin, "/admin/users/2/deactivate").await;
    for (query, expected) in [
        ("?role=admin", vec!["root@example.com"]),
        ("?role=user&is_active=true", vec!["b@example.com"]),
        ("?is_active=0", vec!["a@example.com"]),
        ("?role=admin&is_active=False", vec![]),
        ("?page=1&per_page=20&role=&is_active=", vec!["b@example.com", "a@example.com", "root@example.com"]),
        ("?sort=id;DROP%20TABLE%20users&%ff=%zz&&", vec!["b@example.com", "a@example.com", "root@example.com"]),
    ] {
        let answer = list(&app, &admin, query).await;
        assert_eq!(emails(&answer), expected, "{query}");
    }
}

#[tokio::test]
async fn every_fault_of_a_query_is_told_at_once() {
    let app = TestApp::new();
    let admin = app.admin("root@example.com").await;
    let answer = list(&app, &admin, "?page=0&per_page=101&role=root&is_active=perhaps").await;
    assert_eq!(
        answer.faults(),
        [
            "greater_than_equal at query.page",
            "less_than_equal at query.per_page",
            "enum at query.role",
            "bool_parsing at query.is_active"
        ]
    );
    for (query, fault) in [
        ("?page=-1", "greater_than_equal at query.page"),
        ("?page=", "int_parsing at query.page"),
        ("?page=1.5", "int_parsing at query.page"),
        ("?page=%00", "int_parsing at query.page"),
        ("?page=%F0%9F%98%80", "int_parsing at query.page"),
        ("?page=99999999999999999999999", "less_than_equal at query.page"),
        ("?per_page=0", "greater_than_equal at query.per_page"),
        ("?per_page=2147483648", "less_than_equal at query.per_page"),
        ("?page=1&page=2", "value_error at query.page"),
        ("?role=ADMIN", "enum at query.role"),
        ("?role=admin%27--", "enum at query.role"),
    ] {
        let answer = list(&app, &admin, query).await;
        assert_eq!(answer.faults(), [fault], "{query}");
    }
}

#[tokio::test]
async fn a_bad_token_is_answered_before_a_bad_query() {
    let app = TestApp::new();
    let user = app.register("ada@example.com").await;
    let query = "/admin/users?page=nonsense";
    app.get(query, None).await.refused(401, "HTTP_401", "Not authenticated");
    app.get(query, Some("x")).await.is(crate::app::TOKEN_INVALID);
    app.get(query, Some(&user.access)).await.refused(403, "AUTH_FORBIDDEN", "Admin access required");
    let path = "/admin/users/nonsense/deactivate";
    app.bearer(Method::PATCH, path, None).await.refused(401, "HTTP_401", "Not authenticated");
    app.bearer(Method::PATCH, path, Some(&user.access)).await.refused(403, "AUTH_FORBIDDEN", "Admin access required");
}

#[tokio::test]
async fn deactivation_is_idempotent_and_spares_administrators() {
    let app = TestApp::new();
    let admin = app.admin("root@example.com").await;
    app.admin("second@example.com").await;
    app.register("ada@example.com").await;
    for _ in 0..2 {
        let answer = patch(&app, &admin, "/admin/users/3/deactivate").await;
        assert_eq!((answer.status, &answer.body["is_active"]), (StatusCode::OK, &json!(false)));
    }
    for _ in 0..2 {
        let answer = patch(&app, &admin, "/admin/users/3/reactivate").await;
        assert_eq!((answer.status, &answer.body["is_active"]), (StatusCode::OK, &json!(true)));
    }
    for id in [1, 2] {
        let answer = patch(&app, &admin, &format!("/admin/users/{id}/deactivate")).await;
        answer.refused(403, "ADMN_CANNOT_DEACTIVATE_ADMIN", "Cannot deactivate admin accounts");
        let answer = patch(&app, &admin, &format!("/admin/users/{id}/reactivate")).await;
        assert_eq!(answer.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn a_path_that_names_nobody() {
    let app = TestApp::new();
    let admin = app.admin("root@example.com").await;
    for action in ["deactivate", "reactivate"] {
        for id in ["999", "0", "-1", "9223372036854775807", "9223372036854775808", "99999999999999999999999999"] {
            let answer = patch(&app, &admin, &format!("/admin/users/{id}/{action}")).await;
            answer.refused(404, "USER_NOT_FOUND", "User not found");
        }
        for id in ["abc", "1.0", "+1", "1e3", "%20", "%00", "%ff", "0x1", "1%2F..", "-", "%D9%A1"] {
            let answer = patch(&app, &admin, &format!("/admin/users/{id}/{action}")).await;
            assert_eq!(answer.faults(), ["int_parsing at path.user_id"], "{id}");
        }
    }
}
