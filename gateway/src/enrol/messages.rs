//! The messages of `adit-enrol/1`, declared once: what each is called and who may send it.
//!
//! In which state a client's message is taken says the type of that state; in any other it is out of turn.

use adit_proto::wire::enrol::frame::Message;

/// Who sends a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// The client. The gateway may too, where the protocol lets either end it.
    Client,
    /// The gateway only.
    Gateway,
}

/// A message of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Declared {
    /// Its field in `enrol.proto`.
    pub name: &'static str,
    /// Who sends it.
    pub from: Sender,
}

macro_rules! messages {
    ($($variant:ident = $name:literal from $from:ident;)*) => {
        /// Every message.
        pub const MESSAGES: &[Declared] = &[$(
            Declared { name: $name, from: Sender::$from },
        )*];

        /// What is declared of a message.
        #[must_use]
        pub fn declared(message: &Message) -> Declared {
            match message {
                $(Message::$variant(_) => Declared { name: $name, from: Sender::$from },)*
            }
        }
    };
}

messages! {
    Start = "start" from Client;
    Challenge = "challenge" from Gateway;
    Proof = "proof" from Client;
    Page = "page" from Gateway;
    Chain = "chain" from Gateway;
    Turn = "turn" from Gateway;
    Touch = "touch" from Client;
    Touched = "touched" from Gateway;
    Statement = "statement" from Client;
    Done = "done" from Gateway;
    Refused = "refused" from Client;
}
