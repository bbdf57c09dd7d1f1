use super::super::{CheckedPolicy, PolicyError};
use super::policy;
use crate::kube_name::NameError;

fn refused(text: &str) -> PolicyError {
    CheckedPolicy::parse(text).expect_err(text)
}

#[test]
fn p1_what_is_no_policy_is_refused() {
    assert_eq!(refused(""), PolicyError::Empty);
    assert_eq!(refused("// nothing\n"), PolicyError::Empty);
    assert_eq!(refused(&" ".repeat(512 * 1024 + 1)), PolicyError::TooLong);
    for text in [
        "rules: &a [*a, *a]\n<<: *a",
        "permit(principal, action, resource)",
        "allow(principal, action, resource);",
        "permit(principal, action);",
        "permit(principal, action, resource) when { ",
        "\u{0}",
        "{\"permit\": []}",
    ] {
        assert!(
            matches!(refused(text), PolicyError::Syntax { .. }),
            "{text}"
        );
    }
    let template = "permit(principal == ?principal, action, resource);";
    assert_eq!(refused(template), PolicyError::Template);
}

#[test]
fn p1_a_syntax_error_names_its_line() {
    let text =
        "permit(principal, action, resource);\n\npermit(principal, action, resource) wen { true };";
    let PolicyError::Syntax { line, .. } = refused(text) else {
        panic!("another error")
    };
    assert_eq!(line, 3);
}

#[test]
fn p1_unknown_names_and_wrong_types_are_refused_with_line_and_rule() {
    for rule in [
        r#"permit(principal in Role::"devs", action, resource)"#,
        r#"permit(principal, action == Action::"conect", resource)"#,
        r#"permit(principal, action == Action::"assume", resource == Cluster::"prod")"#,
        "permit(principal, action, resource) when { context.device.teir > 2 }",
        "permit(principal, action, resource)\nwhen { context.device.tier > \"2\" }",
        "permit(principal, action, resource) when { principal.role == \"x\" }",
        "permit(principal, action, resource) when { context.source_address == ip(\"x\") }",
        "permit(principal, action, resource) when { resource.owner == principal }",
    ] {
        let text =
            format!("@id(\"good\") permit(principal, action, resource);\n@id(\"bad\")\n{rule};");
        let PolicyError::Invalid {
            line,
            rule: named,
            message,
        } = refused(&text)
        else {
            panic!("{rule}")
        };
        assert_eq!(named, "bad", "{rule}");
        assert!((2..=4).contains(&line), "{line}: {rule}");
        assert!(!message.contains("policy1"), "{message}");
    }
}

#[test]
fn p1_two_rules_with_one_id_are_refused() {
    let text = "@id(\"a\") permit(principal, action, resource);\n@id(\"a\") forbid(principal, action, resource);";
    assert_eq!(
        refused(text),
        PolicyError::DuplicateId {
            line: 2,
            id: "a".to_owned()
        }
    );
    for id in ["", "a\\nb", &"a".repeat(101)] {
        let text = format!("@id(\"{id}\") permit(principal, action, resource);");
        assert_eq!(refused(&text), PolicyError::Id { line: 1 }, "{id}");
    }
    let twice = "@id(\"a\") @id(\"b\") permit(principal, action, resource);";
    assert!(matches!(refused(twice), PolicyError::Syntax { .. }));
}

/// Each kind of syntax that nests, around `inner`.
fn nested(kind: &str, levels: usize, inner: &str) -> String {
    let around =
        |open: &str, close: &str| format!("{}{inner}{}", open.repeat(levels), close.repeat(levels));
    let body = match kind {
        "parentheses" => around("(", ")"),
        "sets" => around("[", "]") + " == context",
        "records" => around("{a:", "}") + " == context",
        "negations" => around("!(", ")"),
        "bare negations" => around("!", ""),
        "minus" => around("-", ""),
        "disjunctions" => inner.to_owned() + &" || 1 < 2".repeat(levels),
        "sums" => format!("{inner} == 1{}", "+1".repeat(levels)),
        "attributes" => format!("{inner}{}", ".a".repeat(levels)),
        "conditionals" => around("if context.touched then true else ", ""),
        "plain conditionals" => around("if false then true else ", ""),
        "clauses" => format!("{inner} }} {} when {{ true", "when { true }".repeat(levels)),
        other => panic!("{other}"),
    };
    format!("permit(principal, action, resource) when {{ {body} }};")
}

const KINDS: [&str; 11] = [
    "parentheses",
    "sets",
    "records",
    "negations",
    "bare negations",
    "minus",
    "disjunctions",
    "sums",
    "attributes",
    "conditionals",
    "clauses",
];

#[test]
fn p1_deep_nesting_is_refused_without_a_crash() {
    for kind in KINDS {
        for levels in [600, 10_000] {
            assert_eq!(
                refused(&nested(kind, levels, "true")),
                PolicyError::TooComplex { line: 1 },
                "{kind}"
            );
        }
    }
}

#[test]
fn p1_a_mistake_is_found_at_any_depth_that_is_read() {
    for kind in KINDS {
        for levels in (1..17).chain((17..512).step_by(99)) {
            let error = refused(&nested(kind, levels, "context.nope"));
            if matches!(error, PolicyError::TooComplex { .. }) {
                break;
            }
            let found = matches!(
                error,
                PolicyError::Invalid { .. } | PolicyError::Syntax { .. }
            );
            assert!(found, "{kind} {levels}: {error}");
        }
    }
}

#[test]
fn the_longest_rules_are_decided() {
    for (kind, levels) in [
        ("disjunctions", 150),
        ("conditionals", 200),
        ("plain conditionals", 400),
        ("clauses", 400),
        ("parentheses", 10),
    ] {
        let text = nested(kind, levels, "context.device.tier == 1");
        let decided = super::connect(&text, &super::anna());
        assert_eq!(decided, Ok(vec!["line 1".to_owned()]), "{kind}");
    }
}

#[test]
fn strings_and_comments_do_not_count_as_nesting() {
    let brackets = "([{".repeat(1_000);
    let text = format!(
        "// {brackets}\n@id(\"a\") permit(principal, action, resource) when {{ principal.id != \"\\\"{brackets}\" }};"
    );
    assert_eq!(policy(&text).rules().len(), 1);
    let many =
        "permit(principal, action, resource) when { context.device.tier > 0 && !context.touched };"
            .repeat(500);
    assert_eq!(policy(&many).rules().len(), 500);
}

#[test]
fn p2_names_of_the_api_server_are_refused_wherever_they_stand() {
    for rule in [
        r#"permit(principal, action == Action::"assume", resource == KubeGroup::"system:masters");"#,
        r#"permit(principal, action == Action::"assume", resource) when { resource == KubeGroup::"system:masters" };"#,
        r#"permit(principal, action == Action::"assume", resource) when { [KubeGroup::"system:nodes"].contains(resource) };"#,
        r#"permit(principal == User::"system:admin", action, resource);"#,
        r#"forbid(principal, action, resource == KubeGroup::"SYSTEM:masters");"#,
    ] {
        let text = format!("permit(principal, action, resource);\n@id(\"bad\") {rule}");
        let PolicyError::Name {
            line,
            rule: named,
            source,
            ..
        } = refused(&text)
        else {
            panic!("{rule}")
        };
        assert_eq!(
            (line, named.as_str(), source),
            (2, "bad", Some(NameError::System)),
            "{rule}"
        );
    }
}

#[test]
fn p2_empty_and_wild_names_are_refused() {
    for literal in [
        r#"resource == KubeGroup::"""#,
        r#"resource == KubeGroup::"*""#,
        r#"resource == KubeGroup::"system*""#,
        r#"resource == KubeGroup::"a,b""#,
        r#"resource == Cluster::"""#,
        r#"resource == Cluster::"*""#,
        r#"resource == Cluster::"Prod""#,
        r#"resource == Service::"db""#,
        r#"resource == Service::"prod/*""#,
        r#"principal == User::"""#,
        r#"principal == User::" anna""#,
        r#"principal in Group::"""#,
        r#"principal in Group::" ""#,
    ] {
        let text = format!("permit(principal, action, resource) when {{ {literal} }};");
        assert!(
            matches!(refused(&text), PolicyError::Name { line: 1, .. }),
            "{literal}"
        );
    }
}

#[test]
fn rules_are_found_on_their_lines() {
    let text = "// first\npermit(principal, action, resource);\n\n@id(\"b\")\nforbid(principal, action, resource)\n\
                when { context.touched };\npermit(principal, action, resource); permit(principal, action, resource);";
    let policy = policy(text);
    let rules: Vec<_> = policy
        .rules()
        .iter()
        .map(|rule| (rule.to_string(), rule.line()))
        .collect();
    let named = |name: &str, line| (name.to_owned(), line);
    assert_eq!(
        rules,
        [
            named("line 2", 2),
            named("b", 4),
            named("line 7", 7),
            named("line 7", 7)
        ]
    );
}

#[test]
fn many_rules_stay_in_their_order() {
    let rules: Vec<_> = (0..150)
        .map(|n| format!("@id(\"r{n}\") permit(principal, action, resource);"))
        .collect();
    let text = rules.join("\n");
    for (index, rule) in policy(&text).rules().iter().enumerate() {
        assert_eq!(
            (rule.to_string(), rule.line()),
            (format!("r{index}"), index + 1)
        );
    }
}

#[test]
fn the_groups_that_a_policy_names_are_known() {
    let text = r#"permit(principal, action == Action::"assume", resource == KubeGroup::"view");
        permit(principal, action == Action::"assume", resource) when { [KubeGroup::"edit", KubeGroup::"view"].contains(resource) };"#;
    let policy = policy(text);
    let groups: Vec<_> = policy
        .named_groups()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(groups, ["edit", "view"]);
}

#[test]
fn p1_a_rule_that_never_applies_or_deceives_is_refused() {
    for text in [
        "permit(principal, action, resource) when { false };",
        "forbid(principal, action == Action::\"assume\", resource is Cluster);",
        "permit(principal, action, resource) when { principal.id == \"\u{202e}x\" };",
        "permit(principal in Group::\"d\u{435}vs\", action, resource);",
    ] {
        assert!(
            matches!(refused(text), PolicyError::Invalid { line: 1, .. }),
            "{text}"
        );
    }
}

#[test]
fn the_digest_is_of_the_bytes_as_sent() {
    let (one, other) = (
        "permit(principal, action, resource);",
        "permit(principal, action, resource); ",
    );
    assert_ne!(policy(one).digest(), policy(other).digest());
    assert_eq!(policy(one).text(), one);
    let labelled = adit_proto::label::sha256(format!("adit/1/policy{one}").as_bytes());
    assert_eq!(policy(one).digest(), &labelled);
}
