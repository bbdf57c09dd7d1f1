//! `adit whoami`: who you are to the gateway.

use serde_json::json;

use super::output;
use crate::cli::Global;
use crate::exit::Failure;

/// Shows it; a sign-in is not needed.
///
/// # Errors
/// What the gateway said.
pub async fn run(global: &Global) -> Result<(), Failure> {
    let call = json!({"method": "GET", "path": "/v1/whoami"});
    let who = global.ask("api", call).await?;
    if global.json {
        return output::print_json(&who);
    }
    let at = |pointer: &str| output::cell(who.pointer(pointer));
    let signed_in = match who.get("sign_in") {
        Some(serde_json::Value::Object(_)) => "signed in",
        _ => "not signed in",
    };
    output::print(&format!(
        "{} on {} (tier {}), {signed_in}; groups: {}",
        at("/user/name"),
        at("/device/name"),
        at("/device/tier"),
        at("/user/groups"),
    ))
}
