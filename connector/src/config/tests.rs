use super::*;

const GOOD: &str = r#"gateways = ["gw.example.org:443"]
gateways_key = "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"
genesis = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
head = { number = 3, hash = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" }
cluster = "prod"
key_file = "/etc/adit/cluster.key"

[kubernetes]
api_server = "https://10.0.0.1:6443"
ca_file = "/ca.crt"
token_file = "/token"

[ceiling]
groups = ["view"]

[[services]]
name = "db"
address = "db.default.svc:5432"
labels = { tier = "data" }
"#;

fn read(text: &str) -> Result<Config, ConfigError> {
    parse(Path::new("connector.toml"), text, std::iter::empty())
}

fn refusal(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    read(&GOOD.replace(from, to)).unwrap_err().to_string()
}

#[test]
fn a_whole_configuration_is_read() {
    let config = read(GOOD).unwrap();
    assert_eq!(config.head.number, 3);
    assert_eq!(config.ceiling.sign_in.as_secs(), 86_400);
    assert_eq!(
        config.services[0].address.to_string(),
        "db.default.svc:5432"
    );
    assert!(matches!(
        config.kubernetes,
        Some(Kubernetes::Direct {
            credentials: Credentials::Token { .. },
            ..
        })
    ));
}

#[test]
fn a_web_application_knows_itself_by_its_origin_or_else_its_address() {
    let kind = |lines: &str| {
        let text = GOOD.replace("name = \"db\"", &format!("name = \"db\"\n{lines}"));
        let config = read(&text);
        config.map(|config| config.services[0].kind.clone())
    };
    let http = |origin: &str| ServiceKind::Http {
        origin: origin.parse().unwrap(),
    };
    assert_eq!(kind("").unwrap(), ServiceKind::Tcp);
    assert_eq!(
        kind("kind = \"http\"").unwrap(),
        http("http://db.default.svc:5432")
    );
    let named = "kind = \"http\"\norigin = \"https://wiki.example.org\"";
    assert_eq!(kind(named).unwrap(), http("https://wiki.example.org"));
    for (lines, wanted) in [
        ("kind = \"udp\"", "unknown variant"),
        ("origin = \"https://wiki.example.org\"", "services.0.origin"),
        (
            "kind = \"http\"\norigin = \"wiki.example.org\"",
            "services.0.origin",
        ),
        (
            "kind = \"http\"\norigin = \"https://wiki.example.org/x\"",
            "services.0.origin",
        ),
    ] {
        let error = kind(lines).unwrap_err().to_string();
        assert!(error.contains(wanted), "{lines}: {error}");
    }
}

#[test]
fn l10_an_unknown_key_is_refused_with_its_line() {
    let text = refusal("[ceiling]", "[ceiling]\ngrups = []");
    assert!(
        text.contains("connector.toml") && text.contains("line 14"),
        "{text}"
    );
    assert!(text.contains("grups"), "{text}");
}

#[test]
fn l10_a_value_that_breaks_a_rule_is_named_with_file_line_and_key() {
    for (from, to, want) in [
        (
            "\"gw.example.org:443\"",
            "\"gw\"",
            "connector.toml:1: gateways.0: ",
        ),
        (
            "\"/etc/adit/cluster.key\"",
            "\"cluster.key\"",
            "connector.toml:6: key_file: an absolute path",
        ),
        (
            "number = 3",
            "number = 0",
            "connector.toml:4: head.number: ",
        ),
        (
            "[\"view\"]",
            "[\"view\", \"system:masters\"]",
            "connector.toml:14: ceiling.groups.1: ",
        ),
        (
            "name = \"db\"",
            "name = \"DB\"",
            "connector.toml:17: services.0.name: ",
        ),
        (
            "token_file = \"/token\"",
            "",
            "connector.toml:8: kubernetes: either",
        ),
        (
            "\"db.default.svc:5432\"",
            "\"169.254.169.254:80\"",
            "connector.toml:18: services.0.address: ",
        ),
        (
            "[ceiling]",
            "[limits]\nupstream_connections = 0\n[ceiling]",
            "connector.toml:14: limits.upstream_connections: 1 to 65536",
        ),
    ] {
        let text = refusal(from, to);
        assert!(text.starts_with(want), "{text}");
    }
}

#[test]
fn documented_defaults_are_those_of_the_program() {
    let config = read(GOOD).unwrap();
    for (key, default) in [
        ("ceiling.sign_in_max_s", config.ceiling.sign_in.as_secs()),
        ("ceiling.headless_max_s", config.ceiling.headless.as_secs()),
        ("limits.sessions", config.sessions as u64),
        ("limits.streams_per_user", config.streams_per_user as u64),
        (
            "limits.upstream_connections",
            config.upstream_connections as u64,
        ),
    ] {
        let row = format!("| `{key}` | {default} |");
        assert!(
            include_str!("../../../docs/limits.md").contains(&row),
            "{row}"
        );
    }
}

#[test]
fn k3_groups_that_no_header_may_carry_are_refused() {
    for group in ["", " view", "view ", "a,b", "a\\nb", "system:masters"] {
        let text = refusal("\"view\"", &format!("\"{group}\""));
        assert!(text.contains("ceiling.groups.0"), "{text}");
    }
}

#[test]
fn the_environment_lies_over_the_file() {
    let environment = [
        ("ADIT_CLUSTER", "other"),
        ("ADIT_KUBERNETES__TOKEN_FILE", "/elsewhere"),
        ("ADIT_CEILING__SIGN_IN_MAX_S", "60"),
        ("PATH", "/bin"),
        ("ADIT_AUTHENTICATOR", "software"),
        ("ADIT_LIVES__LEASE_S", "10"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let config = parse(Path::new("f"), GOOD, environment.into_iter()).unwrap();
    assert_eq!(config.cluster.as_str(), "other");
    assert_eq!(config.ceiling.sign_in.as_secs(), 60);
    let Some(Kubernetes::Direct {
        credentials: Credentials::Token { file },
        ..
    }) = config.kubernetes
    else {
        panic!("no token");
    };
    assert_eq!(file, Path::new("/elsewhere"));
}

#[test]
fn an_unknown_key_in_the_environment_is_refused() {
    let environment = [("ADIT_CEILING__GRUPS".to_owned(), "[]".to_owned())];
    assert!(parse(Path::new("f"), GOOD, environment.into_iter()).is_err());
}
