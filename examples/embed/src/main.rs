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
    let auth = Arc::new(Auth::new(Arc::new(store), pool, keyring));

    let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
    axum::serve(listener, application(Arc::clone(&auth))).await?;
    auth.close().await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::{Request, StatusCode};
    use doorward::testing::MemoryStore;
    use tower::ServiceExt;

    use super::*;

    /// The whole application on a store in memory: one route of its own, protected, and Doorward's.
    #[tokio::test]
    async fn the_routes_stand_side_by_side() {
        let pool = HashingPool::start(PoolSettings::new(HashParameters::new(8, 1, 1).unwrap())).unwrap();
        let secret = SecretKey::new("kF4vT0x9Qm2ZrL7uYc1WbN8sHj5DgEaP").unwrap();
        let auth = Auth::new(Arc::new(MemoryStore::new()), pool, Keyring::new(secret, Vec::new()));
        let application = application(Arc::new(auth));
        let ask = async |request: Request<Body>| application.clone().oneshot(request).await.unwrap();

        let get = |path: &str| Request::get(path);
        assert_eq!(ask(get("/hello").body(Body::empty()).unwrap()).await.status(), StatusCode::UNAUTHORIZED);
        let register = Request::post("/auth/register").header("content-type", "application/json");
        let ada = r#"{"email":"ada@example.com","password":"correct horse battery staple"}"#;
        let response = ask(register.body(Body::from(ada)).unwrap()).await;
        let body = axum::body::to_bytes(response.into_body(), 4096).await.unwrap();
        let tokens: doorward_axum::TokenResponse = serde_json::from_slice(&body).unwrap();
        let bearer = format!("Bearer {}", tokens.access_token);
        let with_token = |path: &str| get(path).header("authorization", &bearer).body(Body::empty()).unwrap();
        assert_eq!(ask(with_token("/hello")).await.status(), StatusCode::OK);
        assert_eq!(ask(with_token("/report")).await.status(), StatusCode::FORBIDDEN);
        assert_eq!(ask(with_token("/auth/me")).await.status(), StatusCode::OK);
    }
}
