//! The key with which a server proves that it understood a handshake.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

/// Returns the server's answer to the client's `Sec-WebSocket-Key`.
pub(crate) fn accept_key(key: &[u8]) -> [u8; 28] {
    let mut digest = Sha1::new();
    digest.update(key);
    digest.update(GUID);
    let mut proof = [0; 28];
    STANDARD.encode_slice(digest.finalize(), &mut proof).expect("20 bytes are 28 in base64");
    proof
}

/// Returns whether `key` is 16 bytes in base64, as a client must send it.
pub(crate) fn is_valid_key(key: &[u8]) -> bool {
    // Three bytes for each four of the key's 24 characters.
    STANDARD.decode_slice(key, &mut [0; 18]) == Ok(16)
}

/// The constant of RFC 6455, section 1.3.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_rfc_holds() {
        assert_eq!(&accept_key(b"dGhlIHNhbXBsZSBub25jZQ=="), b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn a_key_is_sixteen_bytes() {
        assert!(is_valid_key(b"dGhlIHNhbXBsZSBub25jZQ=="));
        let of_18_bytes = b"dGhlIHNhbXBsZSBub25jZSEh";
        let of_32_bytes = b"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
        for bad in [&b""[..], b"dGhlIHNhbXBsZSBub25j", b"not base64 at all!!!====", b"dGhlIHNhbXBsZSBub25jZQ"] {
            assert!(!is_valid_key(bad));
        }
        assert!(!is_valid_key(of_18_bytes) && !is_valid_key(of_32_bytes));
    }
}
