//! `adit open NAME`: a web application of a cluster in the person's browser.

use clap::Args;
use serde_json::{Value, json};

use super::output;
use super::service::ServiceName;
use crate::agent::client::on_stderr;
use crate::agent::protocol::OpenCall;
use crate::browser::Caller;
use crate::cli::Global;
use crate::exit::Failure;

/// What to open.
#[derive(Debug, Args)]
pub struct OpenArgs {
    /// The application, CLUSTER/NAME or NAME alone where it is the only one
    #[arg(value_name = "[CLUSTER/]NAME")]
    service: ServiceName,
    /// Choose another port for all applications first; what they keep in the browser stays behind
    #[arg(long)]
    move_port: bool,
}

impl OpenArgs {
    /// Opens it, and prints its address once the browser has come. Whoever types it wants a browser, with a terminal or
    /// without.
    ///
    /// # Errors
    /// What the gateway said, or that no browser came.
    pub async fn run(self, global: &Global) -> Result<(), Failure> {
        let target = self.service.find_application(global).await?.to_string();
        let caller = Caller::this_process(true);
        if let Some(hint) = hint(std::env::consts::OS, &caller) {
            on_stderr(hint);
        }
        let call = json!(OpenCall {
            target,
            move_port: self.move_port,
            caller,
        });
        let opened = global.ask("open", call).await?;
        if global.json {
            return output::print_json(&opened);
        }
        output::print(
            opened
                .get("address")
                .and_then(Value::as_str)
                .unwrap_or_default(),
        )
    }
}

/// What to say where the browser may be one that does not find names under `localhost`.
fn hint(os: &str, caller: &Caller) -> Option<&'static str> {
    let other = caller
        .variable("BROWSER")
        .is_some_and(|named| !named.to_ascii_lowercase().contains("safari"));
    (os == "macos" && !other).then_some(
        "Safari does not find names under localhost: if it is what opens, set BROWSER to Chrome, Edge or Firefox, \
         or use `adit forward` where the connector lists the application as a TCP service too.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_where_safari_may_open_another_browser_is_named() {
        let caller = |browser: &str| Caller {
            interactive: true,
            environment: [("BROWSER".to_owned(), browser.to_owned())].into(),
        };
        assert!(hint("macos", &caller("")).is_some());
        assert!(hint("macos", &caller("/Applications/Safari.app")).is_some());
        assert!(hint("macos", &caller("firefox")).is_none());
        assert!(hint("linux", &caller("")).is_none());
    }
}
