//! RFC 6455 frames, pure.
