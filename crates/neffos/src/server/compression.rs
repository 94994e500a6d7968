//! The builder's switch for compression.

use super::ServerBuilder;
use crate::websocket::Compression;

impl ServerBuilder {
    /// Compresses messages for clients that offer `permessage-deflate`, which browsers do. By default nothing is.
    ///
    /// A broadcast is compressed once, when the first receiver needs it, and only from the threshold on (512 bytes). What
    /// clients send may be compressed at any size; [`max_message`](crate::Limits::max_message) bounds what comes out of it. A
    /// connection keeps no state for this between messages; each worker thread keeps about 300 KiB for each window that
    /// clients ask for, which is one as a rule.
    ///
    /// Connections that come through [`Server::attach`](crate::Server::attach) are not compressed.
    pub fn compression(mut self, settings: Compression) -> Self {
        self.limits.compression = Some(settings);
        self
    }
}
