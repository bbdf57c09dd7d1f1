//! `adit connect NAME`: a service in a cluster on stdin and stdout, as OpenSSH's ProxyCommand and others want it.

use clap::Args;
use tokio::io::{AsyncWriteExt, copy, split, stdin, stdout};

use super::has_terminal;
use super::service::ServiceName;
use crate::agent::client::{current, on_stderr};
use crate::agent::pieces::copy_pieces;
use crate::agent::protocol::StreamCall;
use crate::browser::Caller;
use crate::cli::Global;
use crate::exit::Failure;

/// What to connect to.
#[derive(Debug, Args)]
pub struct ConnectArgs {
    /// The service, CLUSTER/NAME or NAME alone where it is the only one
    #[arg(value_name = "[CLUSTER/]NAME")]
    service: ServiceName,
}

impl ConnectArgs {
    /// Carries stdin to the service and what it sends to stdout, until it has ended.
    ///
    /// # Errors
    /// What the gateway or the connector said, or that the stream was cut off.
    pub async fn run(self, global: &Global) -> Result<(), Failure> {
        let target = self.service.find(global).await?.to_string();
        let caller = Caller::this_process(has_terminal());
        let agent = current(&global.paths()?).await?;
        let call = StreamCall { target, caller };
        let profile = global.chosen_profile()?;
        let stream = agent.stream(&profile, &call, on_stderr).await?;
        let (mut from, mut to) = split(stream);
        let up = async {
            // What the service sends goes on when stdin has ended; when the service is gone, that is told by the other way.
            if copy(&mut stdin(), &mut to).await.is_ok() {
                let _ = to.shutdown().await;
            }
            std::future::pending::<()>().await;
        };
        let mut out = stdout();
        tokio::select! {
            ended = copy_pieces(&mut from, &mut out) => ended,
            () = up => Ok(()),
        }
    }
}
