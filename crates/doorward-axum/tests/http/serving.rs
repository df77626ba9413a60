//! An application served by `serve`: what it brings, and its end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use doorward_axum::RouterOptions;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use crate::app::TestApp;

/// What a server answers to these bytes before it closes the connection.
async fn ask(address: std::net::SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn clients_have_addresses_and_the_end_is_waited_for() {
    let app = TestApp::new();
    let tokens = app.register("ada@example.com").await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let was_told = Arc::new(AtomicBool::new(false));
    let telling = Arc::clone(&was_told);
    let router = doorward_axum::router(Arc::clone(&app.auth), &RouterOptions::default());
    let serving = doorward_axum::serve(listener, router, &app.auth)
        .while_serving(|stopping| async move {
            stopping.await;
            telling.store(true, Ordering::SeqCst);
        })
        .until(async move { drop(stopped.await) });
    let serving = tokio::spawn(serving.into_future());

    let body = "{\"email\":\"ada@example.com\",\"password\":\"correct horse battery staple\"}";
    let login = format!(
        "POST /auth/login HTTP/1.1\r\nhost: here\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    assert!(ask(address, &login).await.starts_with("HTTP/1.1 200"));
    let sessions = app.get("/auth/sessions", Some(&tokens.access)).await;
    assert!(sessions.text.contains("127.0.0.1"), "{}", sessions.text);

    // A request that is under way when it is time to stop is answered, and what runs beside waits for that.
    let mut under_way = TcpStream::connect(address).await.unwrap();
    let (head, rest) = login.split_at(login.len() - 5);
    under_way.write_all(head.as_bytes()).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    stop.send(()).unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    assert!(!was_told.load(Ordering::SeqCst) && !serving.is_finished());
    under_way.write_all(rest.as_bytes()).await.unwrap();
    let mut answer = String::new();
    under_way.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    serving.await.unwrap().unwrap();
    assert!(was_told.load(Ordering::SeqCst));
    assert!(app.auth.check().await.is_err(), "the store is closed");
}
