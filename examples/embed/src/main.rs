//! An axum application with accounts of its own: Doorward's routes beside a protected one.
//!
//! ```text
//! SECRET_KEY=$(openssl rand -base64 48) cargo run -p doorward-example-embed
//! ```

use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use doorward::Auth;
use doorward::password::{HashParameters, HashingPool, PoolSettings};
use doorward::token::keyring::{Keyring, SecretKey};
use doorward_axum::{AdminUser, CurrentUser, RouterOptions};
use doorward_sqlite::{SqliteOptions, SqliteStore};

async fn hello(CurrentUser(who): CurrentUser) -> String {
    format!("Hello, user {}!\n", who.user_id)
}

async fn report(AdminUser(admin): AdminUser) -> String {
    format!("For {} only.\n", admin.email.as_str())
}

fn application(auth: Arc<Auth>) -> Router {
    let routes = Router::new()
        .route("/hello", get(hello))
        .route("/report", get(report))
        .merge(doorward_axum::routes())
        .with_state(auth);
    doorward_axum::with_layers(routes, &RouterOptions::default())
}

#[tokio::main]
#[expect(clippy::disallowed_methods, reason = "an application reads its own environment")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let secret = std::env::var("SECRET_KEY").map_err(|_| "set SECRET_KEY, for example to `openssl rand -base64 48`")?;
    let keyring = Keyring::new(SecretKey::new(secret)?, Vec::new());
    let store = SqliteStore::open(Path::new("embed.db"), SqliteOptions::default())?;
    let pool = HashingPool::start(PoolSettings::new(HashParameters::default()))?;
    let auth = Arc::new(Auth::open(Arc::new(store), pool, keyring).await?);

    let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
    axum::serve(listener, application(Arc::clone(&auth))).await?;
    auth.close().await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::{Request, StatusCode};
    use doorward_testing::{Person, TestAuth};
    use tower::ServiceExt;

    use super::*;

    async fn status(application: &Router, path: &str, who: Option<&Person>) -> StatusCode {
        let mut request = Request::get(path);
        if let Some(who) = who {
            request = request.header("authorization", who.bearer());
        }
        application.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap().status()
    }

    /// The whole application on a store in memory: two routes of its own, protected, and Doorward's.
    #[tokio::test]
    async fn the_routes_stand_side_by_side() {
        let service = TestAuth::new();
        let application = application(service.auth());
        let ada = service.log_in("ada@example.com").await;
        let root = service.log_in_admin("root@example.com").await;

        assert_eq!(status(&application, "/hello", None).await, StatusCode::UNAUTHORIZED);
        assert_eq!(status(&application, "/hello", Some(&ada)).await, StatusCode::OK);
        assert_eq!(status(&application, "/report", Some(&ada)).await, StatusCode::FORBIDDEN);
        assert_eq!(status(&application, "/report", Some(&root)).await, StatusCode::OK);
        assert_eq!(status(&application, "/auth/me", Some(&ada)).await, StatusCode::OK);
    }
}
