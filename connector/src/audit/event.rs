//! Events as they are recorded. Nothing here carries a header, a query, a body, a key or a token.

use adit_proto::Reason;
use adit_proto::wire::audit::record::Event;
use adit_proto::wire::audit::{
    Actor, ChainStarted, Refusal, RequestExplained, RequestIntent, SessionOver,
};

use super::Options;

/// The longest text that comes from outside, in bytes: a record stays small whatever somebody sends.
const TEXT_MAX: usize = 1024;

/// This process begins to write.
#[must_use]
pub fn chain_started(options: &Options) -> Event {
    Event::ChainStarted(ChainStarted {
        writer: options.writer.clone(),
        instance: options.instance.to_vec(),
        survives_restart: options.survives_restart,
    })
}

/// Something from outside was refused.
#[must_use]
pub fn refusal(actor: Actor, subject: &str, reason: Reason, detail: &str) -> Event {
    Event::Refusal(Refusal {
        actor: Some(actor),
        subject: bounded(subject),
        reason: reason.as_str().to_owned(),
        detail: bounded(detail),
    })
}

/// What is recorded of a request before it goes upstream, or instead.
#[must_use]
pub fn request(intent: RequestIntent, carried_out: bool) -> Event {
    if carried_out {
        Event::RequestIntent(intent)
    } else {
        Event::RequestExplained(RequestExplained {
            request: Some(intent),
        })
    }
}

/// A session ended.
#[must_use]
pub fn session_over(session_id: String, reason: Reason) -> Event {
    Event::SessionOver(SessionOver {
        session_id,
        reason: reason.as_str().to_owned(),
    })
}

/// A text from outside, cut at its limit.
#[must_use]
pub fn bounded(text: &str) -> String {
    if text.len() <= TEXT_MAX {
        return text.to_owned();
    }
    text.char_indices()
        .take_while(|(at, char)| at + char.len_utf8() <= TEXT_MAX)
        .map(|(_, char)| char)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let cut = bounded(&"ä".repeat(TEXT_MAX));
        assert_eq!(cut.len(), TEXT_MAX);
        assert_eq!(bounded("short"), "short");
    }
}
