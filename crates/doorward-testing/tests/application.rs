//! An application's tests as they are written with this crate.
#![expect(clippy::unwrap_used, reason = "a test's failures are panics")]

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum::routing::get;
use doorward::AuthenticateError;
use doorward_axum::{AdminUser, CurrentUser};
use doorward_testing::{LetterContent, Person, TestAuth};
use tower::ServiceExt;

fn application(service: &TestAuth) -> Router {
    Router::new()
        .route("/mine", get(async |CurrentUser(who): CurrentUser| who.user_id.to_string()))
        .route("/staff", get(async |AdminUser(_): AdminUser| "secret plans"))
        .with_state(service.auth())
}

async fn status(application: &Router, path: &str, who: Option<&Person>) -> StatusCode {
    let mut request = Request::get(path);
    if let Some(who) = who {
        request = request.header("authorization", who.bearer());
    }
    application.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap().status()
}

#[tokio::test]
async fn people_log_in_in_one_line() {
    let service = TestAuth::new();
    let application = application(&service);
    let ada = service.log_in("ada@example.com").await;
    let root = service.log_in_admin("root@example.com").await;
    assert_eq!(status(&application, "/mine", None).await, StatusCode::UNAUTHORIZED);
    assert_eq!(status(&application, "/mine", Some(&ada)).await, StatusCode::OK);
    assert_eq!(status(&application, "/staff", Some(&ada)).await, StatusCode::FORBIDDEN);
    assert_eq!(status(&application, "/staff", Some(&root)).await, StatusCode::OK);
    // Again, in another session of the same account.
    let elsewhere = service.log_in("ada@example.com").await;
    assert_eq!((elsewhere.id(), elsewhere.email()), (ada.id(), "ada@example.com"));
    assert_ne!(elsewhere.refresh_token(), ada.refresh_token());
}

#[tokio::test]
async fn time_passes_when_the_test_says_so() {
    let service = TestAuth::new();
    let ada = service.log_in("ada@example.com").await;
    service.clock().advance(Duration::from_secs(15 * 60 - 1));
    assert_eq!(service.identity(&ada).await.unwrap().user_id, ada.id());
    service.clock().advance(Duration::from_secs(1));
    assert!(matches!(service.identity(&ada).await, Err(AuthenticateError::Expired)));
}

#[tokio::test]
async fn a_phone_shows_codes_and_letters_are_read() {
    let service = TestAuth::new();
    let ada = service.log_in("ada@example.com").await;
    let bob = service.log_in("bob@example.com").await;
    let phone = service.enable_second_factor(&ada).await;
    service.enable_second_factor(&bob).await;
    let again = service.log_in_with("Ada@Example.com", &phone).await;
    assert_eq!(again.id(), ada.id());
    let letters = service.take_letters_to("ada@example.com").await;
    assert_eq!(letters.iter().map(|letter| &letter.content).collect::<Vec<_>>(), [&LetterContent::SecondFactorEnabled]);
    assert!(service.take_letters_to("ada@example.com").await.is_empty());
    let others: Vec<_> = service.take_letters().await.into_iter().map(|letter| letter.to).collect();
    assert_eq!(others, ["bob@example.com"]);
}
