//! The one thing that authorization reads of a field selector: `metadata.name=NAME`.

/// The name that a field selector fixes, as `fields.ParseSelector` and `RequiresExactMatch` of apimachinery find it:
/// terms are sorted, the first term on `metadata.name` with `=` or `==` counts, and a broken selector fixes nothing.
pub(super) fn exact_name(selector: &str) -> Option<String> {
    let mut terms = terms(selector);
    terms.sort_unstable();
    let mut name = None;
    for term in terms.into_iter().filter(|term| !term.is_empty()) {
        let (field, operator, value) = operator(term)?;
        let value = unescape(value)?;
        if name.is_none() && field == "metadata.name" && operator != "!=" {
            name = Some(value);
        }
    }
    name.filter(|name| is_path_segment_name(name))
}

/// `path.IsValidPathSegmentName` of apimachinery; an empty name fixes nothing.
fn is_path_segment_name(name: &str) -> bool {
    !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '%'])
}

/// Splits at commas that no backslash precedes.
fn terms(selector: &str) -> Vec<&str> {
    let mut escaped = false;
    selector
        .split(|c| {
            let separates = c == ',' && !escaped;
            escaped = c == '\\' && !escaped;
            separates
        })
        .collect()
}

/// Splits at the first operator.
fn operator(term: &str) -> Option<(&str, &str, &str)> {
    let at = |operator: &'static str| term.find(operator).map(|index| (index, operator));
    // At one index the longer operator wins, as it is asked for first.
    let (_, operator) = [at("!="), at("=="), at("=")]
        .into_iter()
        .flatten()
        .reduce(|best, next| if next.0 < best.0 { next } else { best })?;
    let (field, value) = term.split_once(operator)?;
    Some((field, operator, value))
}

fn unescape(value: &str) -> Option<String> {
    let mut plain = String::with_capacity(value.len());
    let mut characters = value.chars();
    while let Some(c) = characters.next() {
        match c {
            '\\' => plain.push(
                characters
                    .next()
                    .filter(|c| matches!(c, '\\' | ',' | '='))?,
            ),
            ',' | '=' => return None,
            other => plain.push(other),
        }
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::exact_name;

    #[test]
    fn a_field_selector_on_the_name_fixes_it() {
        for selector in [
            "metadata.name=a",
            "metadata.name==a",
            "spec.x!=b,metadata.name=a",
            ",metadata.name=a,",
        ] {
            assert_eq!(exact_name(selector).as_deref(), Some("a"), "{selector}");
        }
    }

    #[test]
    fn the_first_of_two_names_in_sorted_order_counts() {
        assert_eq!(
            exact_name("metadata.name=b,metadata.name=a").as_deref(),
            Some("a")
        );
    }

    #[test]
    fn other_selectors_fix_no_name() {
        for selector in [
            "",
            "metadata.name!=a",
            "metadata.name",
            "metadata.name=",
            "metadata.name=a,x",
            "metadata.name=a/b",
            "metadata.name=..",
            "metadata.name=a=b",
            "metadata.name=a,x!==b",
            r"metadata.name=a\b",
            "metadata.namespace=a",
        ] {
            assert_eq!(exact_name(selector), None, "{selector}");
        }
    }

    #[test]
    fn an_escaped_comma_does_not_split() {
        assert_eq!(exact_name(r"metadata.name=a\,b").as_deref(), Some("a,b"));
    }
}
