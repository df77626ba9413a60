//! An axum application with accounts of its own: Doorward's routes beside protected ones. The guide on embedding goes
//! through it.
//!
//! ```text
//! SECRET_KEY=$(openssl rand -base64 48) cargo run -p doorward-example-embed
//! ```

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use doorward::Auth;
use doorward::password::{HashParameters, HashingPool, PoolSettings};
use doorward::token::keyring::{Keyring, SecretKey};
use doorward_axum::{AdminUser, ApiError, CurrentUser, RouterOptions};
use doorward_delivery::{Mail, Worker};
use doorward_sqlite::{SqliteOptions, SqliteStore};

async fn hello(CurrentUser(who): CurrentUser) -> String {
    format!("Hello, user {}!\n", who.user_id)
}

/// The token names the user by number; the rest is one look into the store away.
async fn profile(State(auth): State<Arc<Auth>>, CurrentUser(who): CurrentUser) -> Result<String, ApiError> {
    let user = auth.current_user(&who).await?;
    Ok(format!("You are {}.\n", user.email))
}

async fn report(AdminUser(admin): AdminUser) -> String {
    format!("For {} only.\n", admin.email)
}

/// Routes of its own beside `/auth/…`, `/admin/…`, and the pages that links in letters lead to.
fn application(auth: Arc<Auth>) -> Router {
    let routes = Router::new()
        .route("/hello", get(hello))
        .route("/profile", get(profile))
        .route("/report", get(report))
        .merge(doorward_axum::routes())
        .merge(doorward_axum::pages())
        .with_state(auth);
    doorward_axum::with_layers(routes, &RouterOptions::default())
}

async fn run() -> Result<(), Box<dyn Error>> {
    let secret = std::env::var("SECRET_KEY").map_err(|_| "set SECRET_KEY, for example to `openssl rand -base64 48`")?;
    let keyring = Keyring::new(SecretKey::new(secret)?, Vec::new());
    let store = SqliteStore::open(Path::new("shop.db"), SqliteOptions::default())?;
    let pool = HashingPool::start(PoolSettings::new(HashParameters::default()))?;
    let auth = Arc::new(Auth::open(Arc::new(store), pool, keyring).await?);

    let letters = Worker::new(Arc::clone(&auth), Mail::in_log("Shop", "http://localhost:8080")?, None);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
    doorward_axum::serve(listener, application(Arc::clone(&auth)), &auth)
        .while_serving(|stopping| letters.run(stopping))
        .await?;
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().init();
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
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
        assert_eq!(status(&application, "/profile", Some(&ada)).await, StatusCode::OK);
        assert_eq!(status(&application, "/auth/me", Some(&ada)).await, StatusCode::OK);
    }
}
