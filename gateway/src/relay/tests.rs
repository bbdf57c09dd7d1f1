mod floods;
mod hostile;
mod link;
mod recovery;
mod rig;
mod tap;

/// The relay's source, but for what tests it.
fn sources() -> Vec<(std::path::PathBuf, String)> {
    let source = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = vec![source.join("relay.rs")];
    for entry in std::fs::read_dir(source.join("relay")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() && path.file_name().unwrap() != "tests.rs" {
            files.push(path);
        }
    }
    assert!(files.len() >= 5, "the relay has moved: {files:?}");
    let read = |path: std::path::PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap();
        (path, text)
    };
    files.into_iter().map(read).collect()
}

#[test]
fn the_relay_depends_on_no_tls() {
    for (path, text) in sources() {
        for forbidden in [
            "rustls",
            "quinn::crypto",
            "quinn_proto::crypto",
            "adit_transport::tls",
            "adit_transport::key",
        ] {
            assert!(
                !text.contains(forbidden),
                "{forbidden} in {}",
                path.display()
            );
        }
    }
}

#[test]
fn the_path_of_a_datagram_takes_no_key() {
    let (_, text) = sources()
        .into_iter()
        .find(|(path, _)| path.ends_with("relay/socket.rs"))
        .unwrap();
    for forbidden in ["ring", "hmac", "BindKey", "key"] {
        let word = |found: &str| {
            found
                .split(|c: char| !c.is_alphanumeric())
                .any(|word| word == forbidden)
        };
        assert!(
            !text
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"))
                .any(word),
            "{forbidden}"
        );
    }
}
