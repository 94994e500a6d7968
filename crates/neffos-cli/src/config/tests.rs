use std::error::Error as _;

use clap::Parser;

use super::*;

#[derive(Parser)]
#[command(no_binary_name = true)]
struct Flags {
    #[command(flatten)]
    args: ServeArgs,
}

fn load_from(flags: &[&str], variables: &[(&str, &str)], file: &str) -> Result<Settings, String> {
    let flags = Flags::try_parse_from(flags).map_err(|err| err.to_string())?.args;
    let variables = variables.iter().map(|(name, value)| (name.into(), value.into()));
    load(flags, variables, |_| Ok(file.to_owned())).map_err(|failure| match failure {
        Failure::Config(text) => text,
        other => panic!("{other:?}"),
    })
}

fn with_file(file: &str) -> Result<Settings, String> {
    load_from(&["--config", "neffos.toml"], &[], file)
}

fn address(settings: &Settings) -> &str {
    settings.addr.as_ref().unwrap().as_str()
}

#[test]
fn a_flag_counts_more_than_the_environment_and_that_more_than_the_file() {
    let (flag, variable, file) = ("--addr=127.0.0.1:1", ("NEFFOS_ADDR", "127.0.0.1:2"), "addr = '127.0.0.1:3'");
    assert_eq!(address(&load_from(&["--config=f", flag], &[variable], file).unwrap()), "127.0.0.1:1");
    assert_eq!(address(&load_from(&["--config=f"], &[variable], file).unwrap()), "127.0.0.1:2");
    assert_eq!(address(&load_from(&["--config=f"], &[], file).unwrap()), "127.0.0.1:3");
    assert_eq!(address(&load_from(&[], &[], "").unwrap()), "127.0.0.1:8080");
}

#[test]
fn the_page_setting_of_the_source_with_the_highest_priority_applies() {
    let page = |flags: &[&str], variables: &[(&str, &str)], file| {
        load_from(&[&["--config=f"], flags].concat(), variables, file).unwrap().page
    };
    assert_eq!(page(&[], &[], ""), Some(true));
    assert_eq!(page(&[], &[], "page = false"), Some(false));
    assert_eq!(page(&[], &[("NEFFOS_NO_PAGE", "false")], "page = false"), Some(true));
    assert_eq!(page(&["--no-page"], &[("NEFFOS_NO_PAGE", "false")], ""), Some(false));
}

#[test]
fn the_environment_may_name_the_file() {
    let settings = load_from(&[], &[("NEFFOS_CONFIG", "f.toml")], "shards = 3").unwrap();
    assert_eq!(settings.shards.unwrap().get(), 3);
}

#[test]
fn origins_may_be_repeated_flags_or_separated_by_commas_or_a_list() {
    let two = |settings: Settings| settings.allow_origin.unwrap().len();
    assert_eq!(two(load_from(&["--allow-origin=http://a", "--allow-origin=http://b"], &[], "").unwrap()), 2);
    assert_eq!(two(load_from(&[], &[("NEFFOS_ALLOW_ORIGIN", "http://a,http://b")], "").unwrap()), 2);
    assert_eq!(two(with_file("allow_origin = ['http://a', 'http://b']").unwrap()), 2);
}

#[test]
fn an_unknown_key_of_the_file_is_named_with_its_place_and_the_known_keys() {
    let err = with_file("addr = '127.0.0.1:0'\ncolour = 1\n").unwrap_err();
    for part in ["neffos.toml", "line 2", "unknown field `colour`", "`max_message`"] {
        assert!(err.contains(part), "{part} is not in {err}");
    }
    let err = with_file("[namespaces.chat]\nevnts = {}").unwrap_err();
    assert!(err.contains("unknown field `evnts`, expected `events`"), "{err}");
    let err = with_file("[namespaces.chat.events]\nx = 'someone'").unwrap_err();
    assert!(err.contains("unknown variant `someone`, expected one of `others`"), "{err}");
    let err = with_file("no_page = true").unwrap_err();
    assert!(err.contains("unknown field `no_page`"), "{err}");
}

#[test]
fn an_unknown_variable_is_named_with_the_known_ones() {
    let err = load_from(&[], &[("NEFFOS_COLOUR", "red"), ("PATH", "/bin")], "").unwrap_err();
    assert!(err.starts_with("NEFFOS_COLOUR: there is no such variable; there are NEFFOS_CONFIG, NEFFOS_ADDR"), "{err}");
}

#[test]
fn a_bad_value_names_its_key_and_its_source() {
    let err = load_from(&["--max-message=many"], &[], "").unwrap_err();
    assert!(err.contains("--max-message") && err.contains("many"), "{err}");
    let err = load_from(&[], &[("NEFFOS_MAX_MESSAGE", "many")], "").unwrap_err();
    assert_eq!(err, "NEFFOS_MAX_MESSAGE: invalid digit found in string");
    let err = load_from(&[], &[("NEFFOS_OVERFLOW", "explode")], "").unwrap_err();
    assert_eq!(err, "NEFFOS_OVERFLOW: expected one of drop-newest, drop-oldest, disconnect");
    let err = with_file("ping_interval = 10").unwrap_err();
    assert!(err.contains("neffos.toml") && err.contains("ping_interval = 10") && err.contains("\"10s\""), "{err}");
}

#[test]
fn a_value_of_another_type_names_its_key() {
    let err = load_from(&["--memory-budget", "-1"], &[], "").unwrap_err();
    assert!(err.contains("--memory-budget") && err.contains("-1"), "{err}");
    for (line, key) in [
        ("page = 'x'", "page"),
        ("page = 1", "page"),
        ("namespaces = 1", "namespaces"),
        ("[memory_budget]", "memory_budget"),
        ("[page]", "page"),
        ("\"page\" = 1", "page"),
    ] {
        let err = with_file(line).unwrap_err();
        assert!(err.contains("line 1") && err.contains(key), "{line}: {err}");
    }
}

#[test]
fn a_key_that_can_be_guessed_is_refused_wherever_it_comes_from() {
    let short = "fifteen-letters";
    assert!(load_from(&["--api-key", short], &[], "").unwrap_err().contains("--api-key"));
    let err = load_from(&[], &[("NEFFOS_API_KEY", short)], "").unwrap_err();
    assert_eq!(err, "NEFFOS_API_KEY: a key has 16 to 512 characters");
    for text in ["", short] {
        let err = with_file(&format!("api_key = '{text}'")).unwrap_err();
        assert!(err.contains("a key has 16 to 512 characters") && !err.contains(short), "{err}");
    }
    assert!(load_from(&["--api-key="], &[], "").is_err());
}

#[test]
fn an_empty_variable_counts_as_unset() {
    let settings =
        load_from(&[], &[("NEFFOS_API_KEY", ""), ("NEFFOS_ADDR", ""), ("NEFFOS_MAX_MESSAGE", "")], "").unwrap();
    assert!(settings.api_key.is_none());
    assert_eq!((address(&settings), settings.max_message), ("127.0.0.1:8080", Some(65_536)));
}

#[test]
fn the_variables_of_a_kubernetes_service_are_skipped() {
    let variables = [
        ("NEFFOS_SERVICE_HOST", "10.0.0.11"),
        ("NEFFOS_SERVICE_PORT", "80"),
        ("NEFFOS_SERVICE_PORT_HTTP", "80"),
        ("NEFFOS_PORT", "tcp://10.0.0.11:80"),
        ("NEFFOS_PORT_80_TCP", "tcp://10.0.0.11:80"),
        ("NEFFOS_PORT_80_TCP_PROTO", "tcp"),
        ("NEFFOS_PORT_80_TCP_PORT", "80"),
        ("NEFFOS_PORT_80_TCP_ADDR", "10.0.0.11"),
        ("NEFFOS_PORT_53_UDP_ADDR", "10.0.0.11"),
        ("NEFFOS_REDIS_SERVICE_HOST", "10.0.0.12"),
        ("NEFFOS_REDIS_PORT", "tcp://10.0.0.12:6379"),
        ("NEFFOS_REDIS_PORT_6379_TCP_ADDR", "10.0.0.12"),
    ];
    let settings = load_from(&[], &variables, "").unwrap();
    assert!(settings.redis.is_none());
    for (name, value) in [("NEFFOS_PORT", "8080"), ("NEFFOS_PORT_80", "x"), ("NEFFOS_PORT_X_TCP", "x")] {
        assert!(load_from(&[], &[(name, value)], "").unwrap_err().starts_with(name), "{name}");
    }
}

#[test]
fn a_hub_without_namespaces_is_refused() {
    assert!(with_file("[namespaces]").unwrap_err().starts_with("namespaces: "));
    assert_eq!(with_file("[namespaces.chat]").unwrap().namespaces.unwrap().len(), 1);
}

#[test]
fn the_manual_fits_a_terminal() {
    assert!(MANUAL.lines().all(|line| line.chars().count() < 79));
}

#[test]
fn a_missing_file_is_named() {
    let flags = Flags::try_parse_from(["--config=gone.toml"]).unwrap().args;
    let missing = |_: &Path| Err(io::Error::from(io::ErrorKind::NotFound));
    let failure = load(flags, [], missing).unwrap_err();
    assert!(matches!(failure, Failure::Config(text) if text.starts_with("gone.toml: ")));
}

#[test]
fn the_help_tells_every_default() {
    let command = ServeArgs::augment_args(Command::new("serve"));
    let table: toml::Table = DEFAULTS.parse().unwrap();
    for (name, value) in table.iter().filter(|(name, _)| !["namespaces", "page"].contains(&name.as_str())) {
        let flag = name.replace('_', "-");
        let argument = command.get_arguments().find(|argument| argument.get_long() == Some(&flag)).unwrap();
        let help = argument.get_help().unwrap().to_string();
        let value = value.as_str().map_or(value.to_string(), ToOwned::to_owned);
        assert!(help.contains(&format!("[default: {value}")), "{flag}: {help}");
    }
}

#[test]
fn every_flag_is_a_key_of_the_file_or_says_how_it_is_written_there() {
    let command = ServeArgs::augment_args(Command::new("serve"));
    let known = toml::from_str::<Settings>("x = 1").unwrap_err();
    assert!(known.source().is_none());
    for flag in command.get_arguments().filter_map(|argument| argument.get_long()) {
        let key = flag.replace('-', "_");
        assert!(
            known.message().contains(&format!("`{key}`")) || ["config", "no_page"].contains(&key.as_str()),
            "{key}"
        );
    }
}
