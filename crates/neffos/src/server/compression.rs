//! The builder's setting for compression.

use super::ServerBuilder;
use crate::websocket::Compression;

impl ServerBuilder {
    /// Compresses messages for clients that offer `permessage-deflate`, as browsers do. It is off by default.
    ///
    /// - A broadcast is compressed once, when the first receiver needs it, and only if it is not smaller than the
    ///   threshold (512 bytes).
    /// - Clients may send compressed messages of any size; [`max_message`](crate::Limits::max_message) limits the
    ///   decompressed size.
    /// - A connection keeps no compression state between messages. Each worker thread keeps about 300 KiB for each
    ///   window size that clients ask for, usually one.
    ///
    /// Connections from [`Server::attach`](crate::Server::attach) are not compressed.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # let builder = Server::builder().namespace("default", Events::new());
    /// let server = builder.compression(Compression::default()).build()?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn compression(mut self, settings: Compression) -> Self {
        self.limits.compression = Some(settings);
        self
    }
}
