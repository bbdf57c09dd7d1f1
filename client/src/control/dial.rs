//! Dialling: name, party, connection, again and again.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use adit_proto::Reason;
use adit_proto::address::HostPort;
use adit_transport::endpoint::Liveliness;
use adit_transport::party::{Dial, DialError, Party, PartyConfig};
use adit_transport::resolve::resolve;
use adit_transport::tls::{Alpn, ServerPin};
use adit_transport::way::Attachment;
use quinn::Connection;
use ring::rand::SystemRandom;
use tokio::time::timeout;

use super::{Control, Dialler, State, line};
use crate::exit::Failure;
use crate::reset;

/// How long one round of dialling lasts before the gateway's name is looked up again.
const ROUND: Duration = Duration::from_secs(10);
/// The pause after a refusal at first, doubled each time.
const PAUSE: Duration = Duration::from_millis(500);
/// The longest pause after a refusal. Whoever asks ends it.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// Keeps the line up, for ever.
pub(super) async fn keep_up(control: &Control, dialler: &Dialler) {
    let (mut party, mut pause) = (None, PAUSE);
    loop {
        let failure = match attempt(dialler, &mut party).await {
            Ok((party, connection)) => line::hold(control, dialler, party, connection).await,
            Err(failure) => Some(failure),
        };
        let Some(failure) = failure else {
            // Lost without a word: links go on, so the next attempt begins at once.
            pause = PAUSE;
            control.state.send_replace(State::Dialling);
            continue;
        };
        tracing::info!(
            reason = failure.code,
            "The gateway is not reached: {}",
            failure.message
        );
        if let Some(reason) = failure.reason().filter(|reason| dismisses(*reason)) {
            dialler.heard.dismissed(reason);
        }
        control.state.send_replace(State::Failed(failure));
        let _ = timeout(pause, control.wanted.notified()).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// Whether a refusal is the gateway's word on this device, and not on the moment.
const fn dismisses(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::DeviceRevoked | Reason::DeviceSuspended | Reason::DeviceUnknown
    )
}

async fn attempt(
    dialler: &Dialler,
    held: &mut Option<Arc<Party>>,
) -> Result<(Arc<Party>, Connection), Failure> {
    let gateway = address_of(&dialler.profile.gateway).await?;
    let failed = |error: &dyn std::error::Error| Failure::new(error.to_string());
    let party = if let Some(party) = held {
        party.clone()
    } else {
        let config = PartyConfig {
            gateway,
            attachment: Attachment::Free,
            signer: dialler.signer.clone(),
            links_from: None,
        };
        let party = Party::new(config, &SystemRandom::new()).map_err(|error| failed(&error))?;
        held.insert(Arc::new(party)).clone()
    };
    if party.gateway() != gateway {
        party.move_to(gateway).map_err(|error| failed(&error))?;
    }
    let (key, next) = dialler.profile.gateways_keys;
    let dial = Dial {
        alpn: Alpn::Control,
        pin: ServerPin::KeyOrSuccessor(key, next),
        liveliness: Liveliness::Prompt,
        patience: Some(ROUND),
    };
    let connection = party.dial(dial).await.map_err(|error| refusal(&error))?;
    Ok((party, connection))
}

async fn address_of(gateway: &HostPort) -> Result<SocketAddr, Failure> {
    resolve(&gateway.host(), gateway.port())
        .await
        .map_err(|error| {
            let message = format!("the address of {gateway} is not found: {error}");
            Failure::of(Reason::GatewayUnreachable, message)
        })
}

fn refusal(error: &DialError) -> Failure {
    match error {
        DialError::Refused(_) => match reset::reason(error) {
            Some(reason) => Failure::of(reason, format!("the gateway refuses this device ({reason})")),
            None => Failure::of(
                Reason::GatewayUnreachable,
                "who answers at the gateway's address is not the gateway that this machine enrolled with",
            )
            .repaired_by("check the network, and ask an admin whether the gateway's key was changed"),
        },
        DialError::OutOfPatience => super::unreachable(),
        DialError::Connect(_) | DialError::Tls(_) => Failure::new(error.to_string()),
    }
}
