//! A URL without its secrets. Pure.

use std::borrow::Cow;

use url::Url;

/// Shows the host of a URL, without any part that may be a secret. For errors, logs and `Debug`.
///
/// It shows the scheme if it is a known one, host and port, and a path of short plain names. A user, a password, a
/// query or a fragment is replaced by `…`. A part that may belong to a secret is not shown at all, for example the text
/// after an unescaped `/` or `?` in a password.
///
/// # Examples
///
/// ```
/// use neffos::net::redact;
///
/// assert_eq!(redact("wss://ada:secret@chat.example/ws?token=secret"), "wss://…@chat.example/ws?…");
/// assert_eq!(redact("redis://:sec/ret@broker"), "redis://…");
/// ```
#[must_use]
pub fn redact(url: &str) -> String {
    let (scheme, rest) = match url.trim().split_once("://") {
        Some((scheme, rest)) if is_known(scheme) => (scheme, rest),
        Some(_) => return HIDDEN.to_owned(),
        None => ("", url.trim()),
    };
    let scheme = if scheme.is_empty() { Cow::Borrowed("") } else { format!("{scheme}://").into() };
    let place = place(rest);
    format!("{scheme}{}", place.as_deref().unwrap_or(HIDDEN))
}

/// Shows the text after the scheme. Returns `None` if its secret parts cannot be distinguished.
fn place(rest: &str) -> Option<String> {
    let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    // An `@` after the host, or a second one, may belong to a password.
    if tail.contains(['@', '\\']) {
        return None;
    }
    let (login, hosts) = match authority.split_once('@') {
        Some((_, hosts)) if hosts.contains('@') => return None,
        Some((_, hosts)) => ("…@", hosts),
        None => ("", authority),
    };
    let hosts = hosts.split(',').map(host).collect::<Option<Vec<_>>>()?.join(",");
    Some(format!("{login}{hosts}{}", shown_tail(tail)))
}

/// Shows `host` or `host:port`.
fn host(text: &str) -> Option<String> {
    let text = text.trim();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    let url = Url::parse(&format!("http://{text}/")).ok().filter(|_| text.len() <= MAX_HOST)?;
    match text.bytes().all(is_plain) {
        true => Some(text.to_owned()),
        // A name in another script is shown in the form that is dialled.
        false => Some(url[url::Position::BeforeHost..url::Position::AfterPort].to_owned()),
    }
}

/// Shows the path, if it consists of short plain names, and marks a query or a fragment.
fn shown_tail(tail: &str) -> String {
    let (rest, fragment) = tail.split_once('#').map_or((tail, ""), |(rest, _)| (rest, "#…"));
    let (path, query) = rest.split_once('?').map_or((rest, ""), |(path, _)| (path, "?…"));
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let is_name = |segment: &str| segment.len() <= MAX_NAME && segment.bytes().all(is_plain);
    let path = if path.len() <= MAX_PATH && path.split('/').all(is_name) { path } else { "/…" };
    format!("{path}{query}{fragment}")
}

fn is_known(scheme: &str) -> bool {
    SCHEMES.iter().any(|known| scheme.eq_ignore_ascii_case(known))
}

const HIDDEN: &str = "…";
const SCHEMES: [&str; 14] = [
    "ws",
    "wss",
    "http",
    "https",
    "socks5",
    "ftp",
    "nats",
    "tls",
    "redis",
    "rediss",
    "redis+cluster",
    "rediss+cluster",
    "redis+sentinel",
    "rediss+sentinel",
];
const MAX_HOST: usize = 260;
const MAX_PATH: usize = 100;
/// Shorter than any key: those of this project have at least 16 characters.
const MAX_NAME: usize = 15;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parts_without_secrets_are_shown() {
        for url in [
            "ws://127.0.0.1:8080/ws",
            "WSS://chat.example/chat/ws",
            "redis+cluster://a:7000,b:7001,[::1]:7002",
            "nats://broker:4222",
            "localhost:8080/ws",
            "http://proxy:3128/",
            "ws://h:80",
            "",
        ] {
            assert_eq!(redact(url), if url.is_empty() { HIDDEN } else { url });
        }
        assert_eq!(redact(" wss://Bücher.example/a?b "), "wss://xn--bcher-kva.example/a?…");
    }

    #[test]
    fn in_place_of_a_secret_there_are_dots() {
        for (url, shown) in [
            ("ws://me:secret@host/ws", "ws://…@host/ws"),
            ("redis://:secret@host:6379/0", "redis://…@host:6379/0"),
            ("redis://:secret?@host", "redis://…"),
            ("redis://:sec/ret@host", "redis://…"),
            ("redis://:12/34@host", "redis://…"),
            ("redis://:sec#ret@host", "redis://…"),
            ("redis://:sec@ret@host", "redis://…"),
            ("redis://:sec\\ret@host", "redis://…"),
            ("redis://ada:secret", "redis://…"),
            ("secret@host", "…@host"),
            ("secret://host", "…"),
            ("ws://host/ws?token=secret", "ws://host/ws?…"),
            ("ws://host/ws#secret", "ws://host/ws#…"),
            ("ws://host/ws/c2VjcmV0LXRva2Vu", "ws://host/…"),
            ("ws://host/ws/sec%72et", "ws://host/…"),
            ("nats://t0ken@a,b", "nats://…@a,b"),
            ("nats://sec ret", "nats://…"),
        ] {
            assert_eq!(redact(url), shown, "{url}");
        }
    }

    /// Returns arbitrary text around a recognisable secret.
    fn secret() -> impl Strategy<Value = String> {
        ("[ -~é\t]{0,8}", "[ -~é\t]{0,8}").prop_map(|(before, after)| format!("{before}s3Cr3T{after}"))
    }

    fn scheme() -> impl Strategy<Value = String> {
        let known = prop::sample::select(&SCHEMES[..]).prop_map(|scheme| format!("{scheme}://"));
        prop_oneof![4 => known, 1 => Just(String::new()), 1 => "[a-z+:/]{0,6}"]
    }

    fn is_shown(url: &str) -> bool {
        redact(url).to_lowercase().contains("s3cr3t")
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn no_part_of_a_user_or_a_password_is_shown(
            scheme in scheme(),
            user in "[ -~é]{0,6}",
            secret in secret(),
            host in "[a-z]{1,8}(:[0-9]{1,6})?(,[a-z]{1,4}){0,2}",
            tail in "[ -~é]{0,8}",
        ) {
            let as_password = format!("{scheme}{user}:{secret}@{host}{tail}");
            prop_assert!(!is_shown(&as_password), "{}", as_password);
            let as_user = format!("{scheme}{secret}@{host}{tail}");
            prop_assert!(!is_shown(&as_user), "{}", as_user);
        }

        #[test]
        fn no_part_of_a_query_or_a_fragment_is_shown(
            scheme in scheme(),
            host in "[a-z]{1,8}(:[0-9]{1,6})?",
            path in "[ -~é]{0,8}",
            sign in "[?#]",
            name in "[ -~é]{0,8}",
            secret in secret(),
        ) {
            let url = format!("{scheme}{host}/{path}{sign}{name}={secret}");
            prop_assert!(!is_shown(&url), "{}", url);
            let url = format!("{scheme}{host}{sign}{secret}");
            prop_assert!(!is_shown(&url), "{}", url);
        }

        #[test]
        fn no_long_or_odd_name_in_a_path_is_shown(host in "[a-z]{1,8}", secret in "[ -~é]{0,9}s3Cr3T[a-zA-Z0-9]{10,20}") {
            let url = format!("wss://{host}/{secret}");
            prop_assert!(!is_shown(&url), "{}", url);
        }

        #[test]
        fn any_text_is_shown_as_one_short_line(url in "\\PC*|(ws|nats|redis)://\\PC*|[\0-\u{ff}]{0,400}") {
            let shown = redact(&url);
            prop_assert!(shown.len() <= 20 + url.len() * 8 && shown.len() <= 20 * (MAX_HOST + MAX_PATH), "{}", shown);
            prop_assert!(!shown.chars().any(char::is_control), "{:?}", shown);
        }
    }
}
