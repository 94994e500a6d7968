//! The server as a route of axum.

use axum::routing::{MethodRouter, any_service};

use crate::server::Server;

impl Server {
    /// The server as a route of an axum application.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use axum::Router;
    /// use neffos::{Events, Server};
    ///
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// let server = Server::builder().namespace("default", Events::new()).build()?;
    /// let app = Router::new().route("/ws", server.axum());
    /// let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
    /// axum::serve(listener, app).with_graceful_shutdown(async move { server.shutdown().await }).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn axum<S: Clone>(&self) -> MethodRouter<S> {
        any_service(self.service())
    }
}
