//! What fuzzers hold the library up against, one function for each program in `fuzz/fuzz_targets`: it takes any bytes, and
//! panics when a promise is broken. Compiled for them and for tests only; no promise is made for any of it.
//!
//! The functions stand beside what they look into: `fuzzing.rs` in `websocket`, `websocket/deflate`, `message`, `client` and `http`,
//! `fuzzing/` in `exchange`.
//!
//! - `session.rs`: a whole server, which somebody tells anything; `client.rs`: a client, whose server says anything.
//! - `guest.rs`: who is at the other end; `script.rs`: bytes as what they do.

mod client;
mod guest;
mod script;
mod session;

pub use crate::client::fuzzing::urls;
pub use crate::exchange::fuzzing::{channels, envelopes, go_messages, links};
pub use crate::http::fuzzing::handshakes;
pub use crate::message::fuzzing::messages;
#[cfg(feature = "deflate")]
pub use crate::websocket::deflate_fuzzing::deflate;
pub use crate::websocket::fuzzing::frames;
pub use client::client;
pub use session::session;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    /// Every file in `fuzz/corpus` that has a name: seeds, and what was found once. Others, a fuzzer has added, and they are many.
    fn keeps_its_promise(target: &str, promise: fn(&[u8])) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
        let mut count = 0;
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.file_name().unwrap().len() == 40 {
                continue;
            }
            println!("{}", path.display());
            promise(&fs::read(path).unwrap());
            count += 1;
        }
        assert!(count > 0, "nothing in {}", folder.display());
    }

    #[test]
    fn what_fuzzers_know_keeps_every_promise() {
        keeps_its_promise("channels", super::channels);
        keeps_its_promise("client", super::client);
        keeps_its_promise("envelopes", super::envelopes);
        keeps_its_promise("frames", super::frames);
        keeps_its_promise("go_messages", super::go_messages);
        keeps_its_promise("handshakes", super::handshakes);
        keeps_its_promise("links", super::links);
        keeps_its_promise("messages", super::messages);
        keeps_its_promise("session", super::session);
        keeps_its_promise("urls", super::urls);
        #[cfg(feature = "deflate")]
        keeps_its_promise("deflate", super::deflate);
    }
}
