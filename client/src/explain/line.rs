//! A command line of kubectl, as far as it says where its requests go.
//!
//! What leads kubectl past the agent would be carried out instead of explained, and is refused.

use std::ffi::{OsStr, OsString};

use crate::exit::{Exit, Failure};

/// Options that lead kubectl elsewhere, or take the explanation's token off its requests.
const ELSEWHERE: [&str; 4] = ["kubeconfig", "kuberc", "server", "token"];
/// Of the letters for options of kubectl those that take a value, which is the rest of the word.
const WITH_VALUE: [char; 6] = ['c', 'k', 'l', 'n', 'o', 'v'];
/// The letter for `--server`.
const SERVER: char = 's';
/// Options without a value that may stand before `--`.
const BEFORE_THE_END: [&str; 11] = [
    "-i",
    "-t",
    "-it",
    "-ti",
    "-q",
    "--stdin",
    "--tty",
    "--quiet",
    "--command",
    "--rm",
    "--attach",
];

/// A line that may be explained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The words after `kubectl`.
    pub args: Vec<OsString>,
    /// The context that it names.
    pub context: Option<String>,
}

impl Line {
    /// Reads a line whose first word is `kubectl`.
    ///
    /// # Errors
    /// A failure of the command line: another program, or an option that leads past the agent.
    pub fn read(words: &[OsString]) -> Result<Self, Failure> {
        let usage = |message: String| Failure::new(message).exiting(Exit::Usage);
        let args = match words {
            [program, args @ ..] if program == "kubectl" => args,
            _ => {
                let message = "only kubectl can be explained";
                let failure = usage(message.to_owned());
                return Err(failure.repaired_by("write `adit explain kubectl …`"));
            }
        };
        let mut context = None;
        let mut before = OsStr::new("");
        let mut words = args.iter();
        while let Some(word) = words.next() {
            let text = word.to_string_lossy();
            if text == "--" && is_the_end_after(before) {
                break;
            }
            if let Some(option) = leads_elsewhere(&text) {
                let message = format!("{text:?} cannot be explained: {option} leads past Adit");
                let repair =
                    "name a context with --context, or a cluster with `adit explain --cluster`";
                return Err(usage(message).repaired_by(repair));
            }
            match text.strip_prefix("--context") {
                Some("") => {
                    let value = words.next().ok_or_else(|| {
                        usage("--context has no value: name a context of the kubeconfig".to_owned())
                    })?;
                    context = Some(value.to_string_lossy().into_owned());
                }
                Some(rest) if rest.starts_with('=') => {
                    context = rest.strip_prefix('=').map(str::to_owned);
                }
                _ => {}
            }
            before = word;
        }
        Ok(Self {
            args: args.to_vec(),
            context,
        })
    }
}

/// Whether a `--` behind this word ends the options: it may be an option's value.
fn is_the_end_after(word: &OsStr) -> bool {
    let word = word.to_string_lossy();
    !word.starts_with('-') || word.contains('=') || BEFORE_THE_END.contains(&&*word)
}

/// The option in `word` that leads elsewhere, as kubectl spells it.
fn leads_elsewhere(word: &str) -> Option<String> {
    if let Some(long) = word.strip_prefix("--") {
        let (name, _) = long.split_once('=').unwrap_or((long, ""));
        return ELSEWHERE.contains(&name).then(|| format!("--{name}"));
    }
    let letters = word.strip_prefix('-')?;
    letters
        .chars()
        .take_while(|letter| !WITH_VALUE.contains(letter) && *letter != '=')
        .any(|letter| letter == SERVER)
        .then(|| format!("-{SERVER}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Line, Failure> {
        let words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        Line::read(&words)
    }

    #[test]
    fn the_context_is_the_one_that_kubectl_would_take() {
        let context = |line: &str| read(line).unwrap().context;
        assert_eq!(context("kubectl get pods").as_deref(), None);
        for line in [
            "kubectl --context a get pods",
            "kubectl get pods --context=a",
            "kubectl --context b get --context a pods",
            "kubectl --context a exec pod -- ls --context=b",
        ] {
            assert_eq!(context(line).as_deref(), Some("a"), "{line}");
        }
        let whole = read("kubectl -n x exec -it pod -- sh -s").unwrap();
        assert_eq!(whole.args.len(), 8);
    }

    #[test]
    fn what_leads_past_the_agent_is_refused_and_named() {
        for line in [
            "kubectl --kubeconfig other delete pod x",
            "kubectl delete pod x --kubeconfig=other",
            "kubectl delete pod x --server https://elsewhere",
            "kubectl delete pod x -s https://elsewhere",
            "kubectl delete pod x -shttps://elsewhere",
            "kubectl delete pod x -s=https://elsewhere",
            "kubectl get pods -As https://elsewhere",
            "kubectl logs -fs https://elsewhere pod",
            "kubectl delete pod x --token abc",
            "kubectl --kuberc file delete pod x",
            // pflag takes the `--` as the selector, and reads on.
            "kubectl delete pods -l -- -s https://elsewhere",
            "kubectl delete pods --selector -- --server=https://elsewhere",
        ] {
            let failure = read(line).expect_err(line);
            assert_eq!(failure.exit, Exit::Usage, "{line}");
            assert!(failure.message.contains("leads past Adit"), "{failure}");
        }
        for line in [
            "kubectl get pods -ojson -nkube-system -lapp=shop",
            "kubectl get pods --selector=app=s -o=jsonpath={.status}",
            "kubectl exec -it pod -- ls -s --server=x --kubeconfig y",
            "kubectl exec pod -it -- sh -s",
            "kubectl run x --image=busybox -- sh -s",
            "kubectl get pods -v9",
        ] {
            assert!(read(line).is_ok(), "{line}");
        }
    }

    #[test]
    fn another_program_is_not_explained() {
        for line in ["helm install x", "/usr/bin/kubectl get pods", ""] {
            let failure = read(line).unwrap_err();
            assert_eq!(failure.exit, Exit::Usage);
            assert!(
                failure.to_string().contains("adit explain kubectl"),
                "{failure}"
            );
        }
        assert!(read("kubectl get pods --context").is_err());
    }
}
