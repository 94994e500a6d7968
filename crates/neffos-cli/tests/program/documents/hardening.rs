//! docs/hardening.md: each test and each setting in it exists, and each flag has the shown default.

use super::read;

const PAGE: &str = "docs/hardening.md";
const FLAGS: &str = "crates/neffos-cli/src/config/settings.rs";
const OPTIONS_JS: &str = "clients/js/neffos.d.ts";

/// The types with settings, and their sources below `crates`.
const METHODS: &[(&str, &[&str])] = &[
    (
        "ServerBuilder",
        &[
            "neffos/src/server/builder.rs",
            "neffos/src/server/doors.rs",
            "neffos/src/server/compression.rs",
            "neffos/src/server/cluster.rs",
        ],
    ),
    ("ClientBuilder", &["neffos/src/client/builder.rs"]),
    ("Limits", &["neffos/src/connection/limits.rs"]),
    ("Reconnect", &["neffos/src/client/reconnect.rs"]),
    ("Dialect", &["neffos/src/exchange/dialect.rs"]),
    ("Message", &["neffos/src/message/mod.rs"]),
    ("RedisExchange", &["neffos-redis/src/exchange.rs"]),
    ("NatsExchange", &["neffos-nats/src/exchange.rs"]),
];

/// Returns the rows of all tables, without their heads.
fn rows(page: &str) -> Vec<[&str; 4]> {
    let lines = page.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    lines.map(cells).filter(|[threat, ..]| !["threat", "---"].contains(threat)).collect()
}

/// Returns the threat, the response, the settings and the tests of a row.
fn cells(row: &str) -> [&str; 4] {
    let cells: Vec<_> = row.split(" | ").collect();
    cells.try_into().unwrap_or_else(|_| panic!("{PAGE}: not four cells: {row}"))
}

/// Returns the code spans of a text.
pub(super) fn spans(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

#[test]
fn every_test_that_the_page_about_attacks_names_exists() {
    let page = read(PAGE);
    let rows = rows(&page);
    assert!(rows.len() > 80, "{} rows", rows.len());
    for [threat, .., tests] in rows {
        let links: Vec<_> = tests.split("[`").skip(1).collect();
        assert!(!links.is_empty(), "no test for: {threat}");
        for link in links {
            let (name, rest) = link.split_once("`](../").unwrap_or_else(|| panic!("not a link: {link}"));
            let (path, _) = rest.split_once(')').unwrap();
            assert_is_test(name, path);
        }
    }
}

/// Asserts that the file at `path` has this test. `name` is `FILE::TEST`.
fn assert_is_test(name: &str, path: &str) {
    let (file, test) = name.split_once("::").unwrap_or_else(|| panic!("{name}: no file"));
    assert!(path.ends_with(&format!("/{file}")), "{name} is not in {path}");
    let text = read(path);
    let is_there = match path.ends_with(".js") {
        true => text.contains(&format!("test(\"{test}\"")),
        false => {
            let before = text.split_once(&format!("fn {test}(")).map_or("", |(before, _)| before);
            // The attributes of a function follow the last blank line.
            before.rsplit("\n\n").next().is_some_and(|attributes| attributes.contains("test"))
        }
    };
    assert!(is_there, "{path} has no test {test}");
}

#[test]
fn every_setting_that_the_page_about_attacks_names_exists_with_its_default() {
    let page = read(PAGE);
    let mut names: Vec<_> = rows(&page).into_iter().flat_map(|[_, _, settings, _]| spans(settings)).collect();
    assert!(names.len() > 100, "{} settings", names.len());
    // The list at the end shows flags with values that are not defaults.
    let (_, list) = page.split_once("## Not defended").unwrap();
    let flags = spans(list).into_iter().filter(|name| name.starts_with("--"));
    names.extend(flags.filter_map(|flag| flag.split(' ').next()));
    for name in names {
        assert!(is_setting(name), "{PAGE}: there is no setting {name}");
    }
}

fn is_setting(name: &str) -> bool {
    if let Some(flag) = name.strip_prefix("--") {
        return is_flag(flag);
    }
    if let Some(variable) = name.strip_prefix("NEFFOS_") {
        return is_flag(&variable.to_lowercase());
    }
    match name.split_once("::") {
        Some((owner, method)) => is_method(owner, method),
        None if name.contains(char::is_uppercase) => read(OPTIONS_JS).contains(&format!("\n  {name}?: ")),
        None => is_method("ServerBuilder", name) || is_method("Limits", name),
    }
}

/// Whether the program has this flag, such as `max-message`, and the default, if the name has one: `max-message 65536`.
fn is_flag(flag: &str) -> bool {
    let (name, default) = flag.split_once(' ').map_or((flag, None), |(name, default)| (name, Some(default)));
    let text = read(FLAGS);
    let Some((before, _)) = text.split_once(&format!("\n    pub(crate) {}: Option<", name.replace('-', "_"))) else {
        return false;
    };
    let docs = before.rsplit("\n\n").next().unwrap_or_default();
    // The default may be split over two lines.
    let docs: Vec<_> = docs.lines().map(|line| line.trim().trim_start_matches("///").trim()).collect();
    default.is_none_or(|value| docs.join(" ").contains(&format!("[default: {value}]")))
}

fn is_method(owner: &str, method: &str) -> bool {
    let Some((_, files)) = METHODS.iter().find(|(known, _)| *known == owner) else { return false };
    files.iter().any(|file| {
        let text = read(&format!("crates/{file}"));
        text.contains(&format!("impl {owner} {{"))
            && [format!("    pub fn {method}("), format!("    pub fn {method}<")].iter().any(|form| text.contains(form))
    })
}

#[test]
fn other_documents_lead_to_the_page_about_attacks() {
    for page in ["README.md", "SECURITY.md", "ARCHITECTURE.md"] {
        assert!(read(page).contains(PAGE), "{page}");
    }
}
