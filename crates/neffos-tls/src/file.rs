//! Reads the small files that settings name.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Reads a regular file of at most 1 MiB. A device, a pipe or a larger file is an error, because the read might never
/// end.
///
/// This blocks. In a task, call it through `tokio::task::spawn_blocking`.
///
/// # Errors
/// When there is no such file, when it cannot be read, or when it is not a regular file of that size.
///
/// ```
/// let fault = neffos_tls::read_file("/dev".as_ref()).unwrap_err();
/// assert_eq!(fault.to_string(), "this is no regular file");
/// ```
pub fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST { Err(too_large()) } else { Ok(bytes) }
}

/// Checks whether [`read_file`] would read a file, without reading it.
///
/// # Examples
///
/// ```
/// assert!(neffos_tls::check_file("/etc/no such file".as_ref()).is_err());
/// ```
///
/// # Errors
/// As [`read_file`].
pub fn check_file(path: &Path) -> io::Result<()> {
    open(path).map(drop)
}

fn open(path: &Path) -> io::Result<File> {
    // Before it is opened, because opening a pipe waits for a writer.
    let about = path.metadata()?;
    match about.is_file() {
        false => Err(io::Error::other("this is no regular file")),
        true if about.len() > LARGEST => Err(too_large()),
        true => File::open(path),
    }
}

fn too_large() -> io::Error {
    io::Error::other(format!("larger than {LARGEST} bytes"))
}

const LARGEST: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_file_without_an_end_and_a_folder_are_refused() {
        for path in ["/dev/zero", "/"] {
            for fault in [read_file(Path::new(path)).unwrap_err(), check_file(Path::new(path)).unwrap_err()] {
                assert_eq!(fault.to_string(), "this is no regular file");
            }
        }
    }

    /// Files in `/proc` report a size of zero, but are not empty.
    #[cfg(target_os = "linux")]
    #[test]
    fn reading_is_bounded_at_any_file_size() {
        assert_eq!(read_file(Path::new("/proc/kallsyms")).unwrap_err().to_string(), "larger than 1048576 bytes");
    }

    #[test]
    fn a_small_file_is_read() {
        assert!(read_file(Path::new("Cargo.toml")).unwrap().starts_with(b"[package]"));
    }
}
