//! `…/events…`: the audit trail, one's own and everybody's.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use doorward::account::Record;
use doorward::audit::{EventKind, NewEvent};
use doorward::store::OutboxStore;
use doorward::{Clock, Origin};
use http_body_util::BodyExt;
use serde_json::{Value, json};

use crate::app::{Answer, CREDENTIALS, PASSWORD, REUSE, TestApp, Tokens};

fn items(answer: &Answer) -> &Vec<Value> {
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    answer.body["items"].as_array().unwrap()
}

fn types(answer: &Answer) -> Vec<&str> {
    items(answer).iter().map(|event| event["type"].as_str().unwrap()).collect()
}

async fn listed(app: &TestApp, admin: &Tokens, query: &str) -> Answer {
    app.get(&format!("/admin/events{query}"), Some(&admin.access)).await
}

/// A person who was here, and somebody who tried to be them.
async fn lived(app: &TestApp) -> (Tokens, Tokens) {
    let ada = app.register("ada@example.com").await;
    let wrong = json!({"email": "ada@example.com", "password": "wrong password"});
    app.post("/auth/login", wrong).await.is(CREDENTIALS);
    let unknown = json!({"email": "nobody@example.com", "password": "wrong password"});
    app.post("/auth/login", unknown).await.is(CREDENTIALS);
    let phone = app.login("ada@example.com").await;
    app.refresh(&phone.refresh).await.tokens(StatusCode::OK);
    app.refresh(&phone.refresh).await.is(REUSE);
    let laptop = app.login("ada@example.com").await;
    app.logout(&laptop.refresh).await;
    app.logout(&laptop.refresh).await;
    (ada, app.admin("root@example.com").await)
}

#[tokio::test]
async fn a_person_reads_what_happened_to_their_account_and_nothing_else() {
    let app = TestApp::new();
    let (ada, root) = lived(&app).await;
    let path = "/admin/users/1/deactivate";
    let request = Request::patch(path)
        .header("authorization", format!("Bearer {}", root.access))
        .header("user-agent", "the administrator's browser");
    app.send(request.body(Body::empty()).unwrap()).await;
    app.bearer(Method::PATCH, "/admin/users/1/reactivate", Some(&root.access)).await;
    let again = app.login("ada@example.com").await;

    let own = app.get("/auth/events", Some(&again.access)).await;
    assert_eq!(
        types(&own),
        [
            "login",
            "user_reactivated",
            "user_deactivated",
            "logout",
            "login",
            "refresh_token_reuse",
            "login",
            "login_refused",
            "user_registered"
        ]
    );
    assert_eq!(own.body["next_before"], Value::Null);
    // Which administrator it was and from where is not the person's to know.
    let deactivated = &items(&own)[2];
    assert_eq!((&deactivated["actor"], &deactivated["actor_id"]), (&json!("administrator"), &Value::Null));
    assert_eq!((&deactivated["user_agent"], &deactivated["request_id"]), (&Value::Null, &Value::Null));
    let trail = listed(&app, &root, "?type=user_deactivated").await;
    assert_eq!(items(&trail)[0]["actor_id"], 2);
    assert_eq!(items(&trail)[0]["user_agent"], "the administrator's browser");
    // No parameter opens another's.
    let others = app.get("/auth/events?user_id=2&type=login", Some(&again.access)).await;
    assert_eq!(others.body, own.body);
    assert!(app.get("/auth/events", Some(&ada.access)).await.status == StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn an_event_says_who_did_what_from_where() {
    let app = TestApp::new();
    let (_, root) = lived(&app).await;
    let request = Request::post("/auth/login")
        .header("content-type", "application/json")
        .header("user-agent", "Mozilla/5.0 \x1b[31m(X11)".replace('\x1b', "\u{2028}"))
        .header("x-request-id", "r-17");
    let body = json!({"email": "ada@example.com", "password": PASSWORD}).to_string();
    app.send(request.body(Body::from(body)).unwrap()).await.tokens(StatusCode::OK);
    let latest = listed(&app, &root, "?user_id=1&limit=1").await;
    let event = &items(&latest)[0];
    let session = event["session_id"].as_str().unwrap();
    assert_eq!(session.len(), 36);
    assert_eq!(
        *event,
        json!({
            "id": event["id"], "type": "login", "at": "2027-01-15T08:00:00Z", "user_id": 1, "session_id": session,
            "actor": "user", "actor_id": 1, "address": null, "user_agent": "Mozilla/5.0 [31m(X11)",
            "request_id": "r-17", "details": {}
        })
    );
}

#[tokio::test]
async fn administrators_narrow_the_trail_down() {
    let app = TestApp::new();
    let (_, root) = lived(&app).await;
    app.later(60);
    app.register("bob@example.com").await;
    for (query, expected) in [
        ("?user_id=3", vec!["user_registered"]),
        ("?type=login_refused", vec!["login_refused", "login_refused"]),
        ("?type=login_refused&user_id=1", vec!["login_refused"]),
        ("?since=2027-01-15T08:00:01Z", vec!["user_registered"]),
        ("?since=2027-01-15T10:01:00%2B02:00", vec!["user_registered"]),
        ("?until=2027-01-15T08:00:00Z", vec![]),
        ("?user_id=3&until=2027-01-15T08:01:00.000001Z", vec!["user_registered"]),
        ("?user_id=999", vec![]),
        ("?user_id=&type=&since=&until=&limit=1", vec!["user_registered"]),
        ("?limit=1&sort=at;DROP%20TABLE%20events", vec!["user_registered"]),
    ] {
        assert_eq!(types(&listed(&app, &root, query).await), expected, "{query}");
    }
}

#[tokio::test]
async fn pages_follow_each_other_and_new_events_move_none() {
    let app = TestApp::new();
    let (_, root) = lived(&app).await;
    let whole: Vec<_> =
        items(&listed(&app, &root, "?limit=100").await).iter().map(|event| event["id"].clone()).collect();
    let mut paged = Vec::new();
    let mut query = "?limit=2".to_owned();
    loop {
        let page = listed(&app, &root, &query).await;
        paged.extend(items(&page).iter().map(|event| event["id"].clone()));
        app.login("ada@example.com").await;
        let Some(before) = page.body["next_before"].as_i64() else { break };
        query = format!("?limit=2&before={before}");
    }
    assert_eq!(paged, whole);
}

/// H30, for events.
#[tokio::test]
async fn every_fault_of_a_query_is_told_at_once() {
    let app = TestApp::new();
    let root = app.admin("root@example.com").await;
    let answer = listed(&app, &root, "?user_id=0&type=LOGIN&since=yesterday&until=1&before=-1&limit=101").await;
    assert_eq!(
        answer.faults(),
        [
            "greater_than_equal at query.user_id",
            "enum at query.type",
            "datetime_parsing at query.since",
            "datetime_parsing at query.until",
            "greater_than_equal at query.before",
            "less_than_equal at query.limit"
        ]
    );
    for (query, fault) in [
        ("?limit=0", "greater_than_equal at query.limit"),
        ("?limit=", "int_parsing at query.limit"),
        ("?before=", "int_parsing at query.before"),
        ("?before=x", "int_parsing at query.before"),
        ("?before=9223372036854775808", "less_than_equal at query.before"),
        ("?before=1&before=2", "value_error at query.before"),
        ("?user_id=9223372036854775808", "less_than_equal at query.user_id"),
        ("?user_id=1%20OR%201=1", "int_parsing at query.user_id"),
        ("?user_id=1&user_id=2", "value_error at query.user_id"),
        ("?user_id=&user_id=2", "value_error at query.user_id"),
        ("?type=login%00", "enum at query.type"),
        ("?since=2027-01-15T08:00:00+02:00", "datetime_parsing at query.since"),
        ("?since=2027-01-15", "datetime_parsing at query.since"),
    ] {
        assert_eq!(listed(&app, &root, query).await.faults(), [fault], "{query}");
        if !query.starts_with("?limit") && !query.starts_with("?before") {
            let export = app.get(&format!("/admin/events/export{query}"), Some(&root.access)).await;
            assert_eq!(export.faults(), [fault], "{query}");
        }
    }
    let own = app.get("/auth/events?before=x&limit=1000", Some(&root.access)).await;
    assert_eq!(own.faults(), ["int_parsing at query.before", "less_than_equal at query.limit"]);
}

#[tokio::test]
async fn the_trail_is_exported_a_line_an_event_and_that_is_recorded() {
    let app = TestApp::new();
    let (_, root) = lived(&app).await;
    let export = app.get("/admin/events/export?user_id=1", Some(&root.access)).await;
    assert_eq!(export.status, StatusCode::OK);
    assert_eq!(export.header("content-type"), Some("application/x-ndjson"));
    assert_eq!(export.header("content-disposition"), Some("attachment; filename=\"events.jsonl\""));
    assert_eq!(export.header("cache-control"), Some("no-store"));
    let lines: Vec<Value> = export.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let listed_events = listed(&app, &root, "?user_id=1&limit=100").await;
    assert_eq!(&lines, items(&listed_events));
    assert!(export.text.ends_with('\n'));
    let exported = listed(&app, &root, "?type=events_exported").await;
    let event = &items(&exported)[0];
    assert_eq!(
        (&event["user_id"], &event["actor_id"], &event["details"]),
        (&json!(null), &json!(2), &json!({"user_id": "1"}))
    );
    let none = app.get("/admin/events/export?user_id=999", Some(&root.access)).await;
    assert_eq!((none.status, none.text.as_str()), (StatusCode::OK, ""));
}

/// However long the trail is, one page of it is in memory: pages are read as the client takes them.
#[tokio::test]
async fn an_export_is_read_as_fast_as_it_is_taken() {
    let app = TestApp::new();
    let root = app.admin("root@example.com").await;
    let pages = 20;
    let event = NewEvent::new(EventKind::Login, Origin::unknown(), app.clock.now());
    let events = vec![event; pages * 500];
    app.store.record(None, Record { events, messages: Vec::new() }).await.unwrap();
    let (mut frames, mut lines, mut largest) = (0, 0, 0);
    let mut body = app.stream("/admin/events/export", &root.access).await;
    while let Some(frame) = body.frame().await {
        let data = frame.unwrap().into_data().unwrap();
        frames += 1;
        lines += data.iter().filter(|byte| **byte == b'\n').count();
        largest = largest.max(data.len());
        // What is written meanwhile is later than what is still to come.
        app.login("root@example.com").await;
    }
    assert!(lines > pages * 500 && frames > pages, "{lines} lines in {frames} frames");
    assert_eq!(lines, pages * 500 + 3, "as many as there were, and the export's own");
    assert!(largest < 500 * 400, "{largest} bytes at once");
}

/// ASVS 16.3.2. A flood of refusals writes no flood of events.
#[tokio::test]
async fn who_tries_an_administrators_route_is_recorded_once_a_minute() {
    let app = TestApp::new();
    let ada = app.register("ada@example.com").await;
    let root = app.admin("root@example.com").await;
    for _ in 0..20 {
        app.get("/admin/users", Some(&ada.access)).await.refused(403, "AUTH_FORBIDDEN", "Admin access required");
        app.bearer(Method::DELETE, "/admin/users/2", Some(&ada.access)).await;
    }
    assert_eq!(types(&listed(&app, &root, "?type=admin_access_refused").await).len(), 1);
    app.later(60);
    app.get("/admin/events", Some(&ada.access)).await.refused(403, "AUTH_FORBIDDEN", "Admin access required");
    let refused = listed(&app, &root, "?type=admin_access_refused").await;
    assert_eq!(types(&refused).len(), 2);
    assert_eq!((&items(&refused)[0]["user_id"], &items(&refused)[0]["actor_id"]), (&json!(1), &json!(1)));
}
