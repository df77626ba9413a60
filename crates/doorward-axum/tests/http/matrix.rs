//! Who may do what: every documented route against every kind of caller, and the document against the router.

use axum::http::Method;
use serde_json::Value;

use crate::app::TestApp;

/// Route by route: nobody, a user, an administrator. A route that takes a body answers 422 to none, one that takes a
/// proof 403.
const MATRIX: &str = "\
GET /admin/events: 401 403 200
GET /admin/events/export: 401 403 200
GET /admin/users: 401 403 200
POST /admin/users: 401 403 422
DELETE /admin/users/{user_id}: 401 403 404
GET /admin/users/{user_id}: 401 403 404
PATCH /admin/users/{user_id}/deactivate: 401 403 404
PATCH /admin/users/{user_id}/email-verified: 401 403 404
POST /admin/users/{user_id}/force-password-change: 401 403 404
POST /admin/users/{user_id}/logout-all: 401 403 404
PATCH /admin/users/{user_id}/reactivate: 401 403 404
PATCH /admin/users/{user_id}/role: 401 403 422
GET /admin/users/{user_id}/sessions: 401 403 404
DELETE /admin/users/{user_id}/sessions/{session_id}: 401 403 404
POST /auth/email: 401 422 422
POST /auth/email/confirm: 422 422 422
POST /auth/email/keep: 422 422 422
POST /auth/email/verification: 401 202 202
POST /auth/email/verify: 422 422 422
GET /auth/events: 401 200 200
POST /auth/invitation/accept: 422 422 422
POST /auth/login: 422 422 422
POST /auth/login/second-factor: 422 422 422
POST /auth/logout: 422 422 422
POST /auth/logout-all: 401 204 204
DELETE /auth/me: 401 403 403
GET /auth/me: 401 200 200
PATCH /auth/me: 401 422 422
GET /auth/me/export: 401 200 200
POST /auth/password: 401 422 422
POST /auth/reauthenticate: 401 422 422
POST /auth/recovery: 422 422 422
POST /auth/recovery-codes: 401 403 403
POST /auth/recovery/complete: 422 422 422
POST /auth/refresh: 422 422 422
POST /auth/register: 422 422 422
GET /auth/sessions: 401 200 200
DELETE /auth/sessions/{session_id}: 401 404 404
DELETE /auth/totp: 401 403 403
GET /auth/totp: 401 200 200
POST /auth/totp: 401 403 403
POST /auth/totp/confirm: 401 422 422
GET /docs: 200 200 200
GET /health: 200 200 200
GET /openapi.json: 200 200 200
GET /ready: 200 200 200
";

#[tokio::test]
async fn every_documented_route_lets_in_exactly_whom_it_should() {
    let app = TestApp::new();
    app.register("ada@example.com").await;
    app.admin("root@example.com").await;
    let document: Value = serde_json::from_str(&app.get("/openapi.json", None).await.text).unwrap();
    let mut paths: Vec<_> = document["paths"].as_object().unwrap().iter().collect();
    paths.sort_by_key(|(path, _)| (*path).clone());
    let mut matrix = String::new();
    for (template, operations) in paths {
        for (method, operation) in operations.as_object().unwrap() {
            let Some(method) = method_named(method) else { continue };
            let mut statuses = Vec::new();
            let path = template.replace("{user_id}", "999");
            for caller in [None, Some("ada@example.com"), Some("root@example.com")] {
                // A session of its own: the route before may have ended all.
                let token = match caller {
                    Some(email) => Some(app.login(email).await.access),
                    None => None,
                };
                let answer = app.bearer(method.clone(), &path, token.as_deref()).await;
                let status = answer.status.as_u16().to_string();
                assert!(
                    operation["responses"].get(&status).is_some(),
                    "{method} {path} answers {status}, undocumented"
                );
                statuses.push(status);
            }
            matrix.push_str(&format!("{method} {template}: {}\n", statuses.join(" ")));
        }
    }
    assert_eq!(matrix, MATRIX);
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
}

fn method_named(name: &str) -> Option<Method> {
    ["get", "post", "patch", "put", "delete"].contains(&name).then(|| name.to_uppercase().parse().unwrap())
}
