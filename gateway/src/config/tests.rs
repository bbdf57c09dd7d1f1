use super::*;

const MINIMAL: &str = "public_url = \"http://localhost:8443\"\nlisten = \"127.0.0.1:8443\"\n";

fn read(text: &str, environment: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let environment = environment
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::from_toml(Path::new("/etc/adit/gateway.toml"), text, environment)
}

fn shown(error: &ConfigError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[test]
fn a_minimal_file_has_the_documented_defaults() {
    let config = read(MINIMAL, &[]).unwrap();
    assert_eq!(config.advertise.to_string(), "localhost:8443");
    assert_eq!(config.public.rp_id(), "localhost");
    assert_eq!(config.public.origin(), "http://localhost:8443");
    assert_eq!(config.lives.sign_in, Duration::from_hours(12));
    assert_eq!(config.lives.lease, Duration::from_mins(1));
    assert_eq!(config.limits.ceremonies, 32);
    assert!(
        matches!(&config.database, Database::Sqlite(path) if path == Path::new("/var/lib/adit/adit.db"))
    );
    assert!(!config.insecure_software_authenticator);
}

#[test]
fn an_unknown_key_is_refused_with_file_line_and_key() {
    let error = read(&format!("{MINIMAL}lisen = 1\n"), &[]).unwrap_err();
    let text = shown(&error);
    for part in ["/etc/adit/gateway.toml", "line 3", "lisen"] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn the_environment_overrides_the_file() {
    let variables = [
        ("ADIT_LIVES__LEASE_S", "10"),
        ("ADIT_STATE_DIR", "/tmp/adit"),
        ("ADIT_AUTHENTICATOR", "software"),
        ("PATH", "/bin"),
    ];
    let config = read(MINIMAL, &variables).unwrap();
    assert_eq!(config.lives.lease, Duration::from_secs(10));
    assert_eq!(config.state_dir, Path::new("/tmp/adit"));
    let error = read(MINIMAL, &[("ADIT_LIVES__LEES_S", "10")]).unwrap_err();
    assert!(shown(&error).contains("ADIT_LIVES__LEES_S"), "{error}");
}

#[test]
fn an_ip_address_a_path_and_plain_http_elsewhere_are_refused() {
    for url in [
        "https://192.0.2.1",
        "https://[::1]",
        "https://gw.example.org/adit",
        "http://gw.example.org",
        "https://user@gw.example.org",
        "ftp://localhost",
        "localhost",
    ] {
        let text = format!("public_url = \"{url}\"\nlisten = \"127.0.0.1:1\"\n");
        let error = read(&text, &[]).unwrap_err();
        assert!(
            matches!(
                error,
                ConfigError::Rule {
                    key: "public_url",
                    ..
                }
            ),
            "{url}: {error}"
        );
    }
}

#[test]
fn plain_localhost_needs_a_loopback_listener_and_https_needs_a_certificate() {
    let open = "public_url = \"http://localhost:8443\"\nlisten = \"0.0.0.0:8443\"\n";
    assert!(matches!(
        read(open, &[]),
        Err(ConfigError::Rule { key: "listen", .. })
    ));
    let https = "public_url = \"https://gw.example.org\"\n";
    assert!(matches!(
        read(https, &[]),
        Err(ConfigError::Rule { key: "tls", .. })
    ));
    let with = format!("{https}[tls]\ncert_file = \"/c\"\nkey_file = \"/k\"\n");
    assert_eq!(
        read(&with, &[]).unwrap().advertise.to_string(),
        "gw.example.org:443"
    );
}

#[test]
fn a_life_out_of_bounds_is_refused_with_its_bounds() {
    let error = read(&format!("{MINIMAL}[lives]\ntouch_s = 121\n"), &[]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "lives.touch_s: must be 10 to 120 seconds"
    );
    for limit in ["ceremonies", "sessions_per_device", "sessions_per_user"] {
        let error = read(&format!("{MINIMAL}[limits]\n{limit} = 0\n"), &[]).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("limits.{limit}: must be 1 or more")
        );
    }
    let error = read(&format!("{MINIMAL}[lives]\nlease_s = 301\n"), &[]).unwrap_err();
    assert_eq!(error.to_string(), "lives.lease_s: must be 4 to 300 seconds");
}

#[test]
fn documented_defaults_are_those_of_the_program() {
    let config = read(MINIMAL, &[]).unwrap();
    let (lives, limits) = (config.lives, config.limits);
    for (key, default) in [
        ("lives.sign_in_s", lives.sign_in.as_secs()),
        (
            "lives.sign_in_idle_s",
            lives.sign_in_idle.unwrap_or_default().as_secs(),
        ),
        (
            "lives.headless_s",
            lives.headless.unwrap_or_default().as_secs(),
        ),
        ("lives.session_s", lives.session.as_secs()),
        ("lives.session_idle_s", lives.session_idle.as_secs()),
        ("lives.lease_s", lives.lease.as_secs()),
        ("lives.ceremony_s", lives.ceremony.as_secs()),
        ("lives.touch_s", lives.touch.as_secs()),
        ("lives.turn_s", lives.turn.as_secs()),
        ("limits.ceremonies", limits.ceremonies.into()),
        (
            "limits.sessions_per_device",
            limits.sessions_per_device as u64,
        ),
        ("limits.sessions_per_user", limits.sessions_per_user as u64),
    ] {
        let row = format!("| `{key}` | {default} |");
        assert!(
            include_str!("../../../docs/limits.md").contains(&row),
            "{row}"
        );
    }
}

#[test]
fn d6_a_remote_postgres_without_verified_tls_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("url");
    let text = format!(
        "{MINIMAL}database = \"postgres\"\ndatabase_url_file = \"{}\"\n",
        path.display()
    );
    for (url, good) in [
        ("postgres://adit@db.example.org/adit", false),
        ("postgres://adit@db.example.org/adit?sslmode=require", false),
        (
            "postgres://adit@db.example.org/adit?sslmode=verify-full",
            true,
        ),
        ("postgres://adit@localhost/adit", true),
    ] {
        std::fs::write(&path, url).unwrap();
        assert_eq!(read(&text, &[]).is_ok(), good, "{url}");
    }
}
