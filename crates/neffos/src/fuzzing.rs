//! Properties for fuzzers that need private parts of the library, with one function for each program in
//! `fuzz/fuzz_targets`.
//!
//! Each function takes any bytes, and panics if its property does not hold. They are compiled only for fuzzers and
//! tests, and are not part of the public API.
//!
//! The functions are beside the code that they test: `fuzzing.rs` in `websocket`, `websocket/deflate`, `message`,
//! `session`, `client` and `http`, `fuzzing/` in `exchange`. Those for a whole server and a whole client are in
//! `interop/test-strangers`.

pub use crate::client::fuzzing::urls;
pub use crate::exchange::fuzzing::{channels, envelopes, go_messages, links};
pub use crate::http::fuzzing::handshakes;
pub use crate::message::fuzzing::messages;
pub use crate::session::fuzzing::protocol;
#[cfg(feature = "deflate")]
pub use crate::websocket::deflate_fuzzing::deflate;
pub use crate::websocket::fuzzing::frames;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    /// Runs `promise` over each file of `fuzz/corpus` that has a name: seeds and former findings. Files that a fuzzer
    /// adds are skipped: there are many, and their names have forty digits.
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
    fn the_fuzz_corpus_keeps_every_property() {
        keeps_its_promise("channels", super::channels);
        keeps_its_promise("envelopes", super::envelopes);
        keeps_its_promise("frames", super::frames);
        keeps_its_promise("go_messages", super::go_messages);
        keeps_its_promise("handshakes", super::handshakes);
        keeps_its_promise("links", super::links);
        keeps_its_promise("messages", super::messages);
        keeps_its_promise("protocol", super::protocol);
        keeps_its_promise("urls", super::urls);
        #[cfg(feature = "deflate")]
        keeps_its_promise("deflate", super::deflate);
    }
}
