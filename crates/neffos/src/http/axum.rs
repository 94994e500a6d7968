//! The server as an axum route.

use axum::routing::{MethodRouter, any_service};

use crate::server::Server;

impl Server {
    /// Returns the server as a route of an axum application.
    ///
    /// Serve the application with the addresses of clients (`into_make_service_with_connect_info`). Without them,
    /// [`Conn::remote_addr`](crate::Conn::remote_addr) returns `None`, and
    /// [`max_connections_per_address`](crate::ServerBuilder::max_connections_per_address) has no effect, unless
    /// [`address_header`](crate::ServerBuilder::address_header) is set. The first client without an address is logged.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use std::net::SocketAddr;
    ///
    /// use axum::Router;
    /// use neffos::{Events, Server};
    ///
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// let server = Server::builder().namespace("default", Events::new()).build()?;
    /// let app = Router::new().route("/ws", server.axum());
    /// let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
    /// let app = app.into_make_service_with_connect_info::<SocketAddr>();
    /// axum::serve(listener, app).with_graceful_shutdown(async move { server.shutdown().await }).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn axum<S: Clone>(&self) -> MethodRouter<S> {
        any_service(self.service())
    }
}
