//! The server as a tower service.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower_service::Service;

use crate::server::Server;

/// The server as a tower service. It handles every request as a websocket handshake.
///
/// [`Server::service`] returns it.
#[derive(Debug, Clone)]
pub struct UpgradeService {
    server: Server,
}

impl Server {
    /// Returns the server as a tower service, for routers and servers on hyper 1.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "axum")] {
    /// # use neffos::*;
    /// # let server = Server::builder().namespace("default", Events::new()).build()?;
    /// // In axum, without this crate's feature `axum`.
    /// let app = axum::Router::<()>::new().route_service("/ws", server.service());
    /// # }
    /// # Ok::<(), neffos::Error>(())
    /// ```
    pub fn service(&self) -> UpgradeService {
        UpgradeService { server: self.clone() }
    }
}

impl<B> Service<Request<B>> for UpgradeService {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        ready(Ok(self.server.upgrade(&mut request)))
    }
}
