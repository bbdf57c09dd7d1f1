//! Carries the messages of an enrolment between the states, the gateway and the person.

use adit_proto::wire::enrol::{
    EnrolPage, EnrolProof, EnrolRefused, EnrolStatement, frame::Message,
};
use tokio::io::{AsyncRead, AsyncWrite};

use super::channel::{Channel, plain};
use super::founding::Founding;
use super::knocking::{Contact, Knocking, Newcomer};
use super::turned::{Proven, Signed, Turned};
use super::{EnrolError, Enrolled};
use crate::exit::Failure;

/// Whoever enrols.
pub trait Person: Sync {
    /// Keeps a page open until it is dropped.
    type Page: Send;

    /// Hears a line.
    fn hear(&self, line: &str);

    /// Looks at a page of the gateway, whose origins these are.
    fn show(
        &self,
        url: &str,
        origins: &[String],
    ) -> impl Future<Output = Result<Self::Page, Failure>> + Send;

    /// Goes on in the tab that is open already, to a page of the same gateway; shows it where there is no tab.
    fn goes_on(
        &self,
        url: &str,
        origins: &[String],
    ) -> impl Future<Output = Result<Option<Self::Page>, Failure>> + Send;

    /// Reads what would be founded and says yes or no.
    fn agrees(&self, words: &[String]) -> impl Future<Output = bool> + Send;
}

/// Goes through an enrolment on a stream of a connection that `contact` describes.
///
/// # Errors
/// [`EnrolError`].
///
/// # Cancel safety
/// Until the statement was sent nothing exists, and the invitation still works.
pub async fn enrol<P: Person>(
    newcomer: Newcomer,
    contact: Contact,
    stream: (
        impl AsyncRead + Unpin + Send,
        impl AsyncWrite + Unpin + Send,
    ),
    person: &P,
) -> Result<Enrolled, EnrolError> {
    let mut channel = Channel::new(stream.0, stream.1);
    let knocking = Knocking::new(newcomer, contact)?;
    let frame = channel.write(Message::Start(knocking.message()?)).await?;
    let started = knocking.sent(frame);
    let received = channel.read().await?;
    let Message::Challenge(challenge) = received.message else {
        return Err(EnrolError::Protocol("another message than the challenge"));
    };
    let (proven, proof) = started.challenged(&received.frame, &challenge)?;
    let signed = Box::pin(sign(&mut channel, proven, proof, person)).await;
    let (signed, pages) = signed.map_err(EnrolError::with_the_invitation_unused)?;
    let enrolled = store(&mut channel, signed).await;
    drop(pages);
    enrolled
}

/// Pages that stay open until the statement is stored.
type Pages<P> = (P, Option<P>);

/// Has the person make the passkey, and signs the statement.
async fn sign<R, W, P>(
    channel: &mut Channel<R, W>,
    mut proven: Proven,
    proof: EnrolProof,
    person: &P,
) -> Result<(Signed, Pages<P::Page>), EnrolError>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
    P: Person,
{
    channel.write(Message::Proof(proof)).await?;
    let page = page(channel).await?;
    person.hear(&format!(
        "Make a passkey for {} on the page that opens. It shows the code {}.",
        proven.user_name,
        plain(&page.matching_code)
    ));
    let shown = person.show(&page.url, proven.party.origins()).await?;
    let turn = turn(channel, &mut proven).await?;
    match proven.turned(&turn)? {
        Turned::Invited(signed) => Ok((*signed, (shown, None))),
        Turned::Genesis(founding) => {
            let (signed, touching) = found(channel, *founding, person).await?;
            Ok((signed, (shown, touching)))
        }
    }
}

/// Reads the log up to the turn.
async fn turn<R, W>(
    channel: &mut Channel<R, W>,
    proven: &mut Proven,
) -> Result<adit_proto::wire::enrol::EnrolTurn, EnrolError>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    loop {
        let message = channel.read().await?.message;
        if let Message::Chain(chain) = &message {
            proven.chained(chain)?;
        } else if let Message::Turn(turn) = message {
            return Ok(turn);
        } else {
            return Err(EnrolError::Protocol("another message than the roster"));
        }
    }
}

/// Shows what is founded and has it touched.
async fn found<R, W, P>(
    channel: &mut Channel<R, W>,
    founding: Founding,
    person: &P,
) -> Result<(Signed, Option<P::Page>), EnrolError>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
    P: Person,
{
    if !person.agrees(&founding.words).await {
        let refused = EnrolRefused {
            reason: String::new(),
            detail: "the person declined".to_owned(),
        };
        // The gateway may have gone already; either way nothing is founded.
        let _ = channel.write(Message::Refused(refused)).await;
        return Err(EnrolError::Declined);
    }
    channel.write(Message::Touch(founding.message())).await?;
    let page = page(channel).await?;
    person.hear(&format!(
        "Touch your key in the same tab, if it shows these words: {}",
        founding.touch_words()
    ));
    let shown = person.goes_on(&page.url, founding.origins()).await?;
    let Message::Touched(touched) = channel.read().await?.message else {
        return Err(EnrolError::Protocol("another message than the touch"));
    };
    Ok((founding.touched(touched)?, shown))
}

async fn store<R, W>(channel: &mut Channel<R, W>, signed: Signed) -> Result<Enrolled, EnrolError>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let statement = Some(signed.statement.clone());
    channel
        .write(Message::Statement(EnrolStatement { statement }))
        .await?;
    let Message::Done(done) = channel.read().await?.message else {
        return Err(EnrolError::Protocol("another message than the end"));
    };
    signed.done(&done)
}

async fn page<R, W>(channel: &mut Channel<R, W>) -> Result<EnrolPage, EnrolError>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let Message::Page(page) = channel.read().await?.message else {
        return Err(EnrolError::Protocol("another message than the page"));
    };
    Ok(page)
}
