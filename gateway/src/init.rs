//! `init`, `migrate` and the first invitation.

use adit_proto::invitation::Invitation;
use adit_proto::secret::Secret;

use crate::app::StartError;
use crate::clock::Entropy;
use crate::config::Config;
use crate::state::{Keys, StateDir};
use crate::store::deployment::Entry;
use crate::store::{Store, StoreError};

/// What `init` made or found.
#[derive(Debug)]
pub struct Initialised {
    /// The deployment's keys.
    pub keys: Keys,
    /// The first invitation's text; `None` once there is a genesis.
    pub invitation: Option<Secret<String>>,
    /// The successor's file, if it has not been taken away.
    pub successor: Option<std::path::PathBuf>,
}

/// Makes keys, database and first invitation where they are missing. It may be repeated: until there is a genesis it
/// shows the same invitation again.
///
/// # Errors
/// [`StartError`].
pub async fn init(config: &Config, entropy: &Entropy) -> Result<Initialised, StartError> {
    let state = StateDir::new(&config.state_dir);
    let keys = state.init(entropy)?;
    let store = Store::open_and_migrate(&config.database).await?;
    claim(&store, &keys, config).await?;
    let invitation = if store.newest().await?.statement == 0 {
        Some(invite(&store, &state, &keys, config, entropy).await?)
    } else {
        state.forget_first_invitation()?;
        None
    };
    store.close().await;
    let successor = state.successor_here();
    Ok(Initialised {
        keys,
        invitation,
        successor,
    })
}

/// Runs the migrations that the database lacks.
///
/// # Errors
/// [`StoreError`].
pub async fn migrate(config: &Config) -> Result<(), StoreError> {
    Store::open_and_migrate(&config.database)
        .await?
        .close()
        .await;
    Ok(())
}

/// Notes whose the database is, or finds that it is somebody else's.
async fn claim(store: &Store, keys: &Keys, config: &Config) -> Result<(), StartError> {
    let own = keys.gateways.public_key().fingerprint().0;
    match store.set_deployment(Entry::GatewaysKey, &own).await {
        Err(StoreError::Conflict { .. }) => {}
        other => return Ok(other?),
    }
    if store.deployment(Entry::GatewaysKey).await? == Some(own) {
        return Ok(());
    }
    let path = config.state_dir.clone();
    Err(StartError::OtherDeployment { path })
}

/// The seed goes to a file and to the text; the database learns the public key.
async fn invite(
    store: &Store,
    state: &StateDir,
    keys: &Keys,
    config: &Config,
    entropy: &Entropy,
) -> Result<Secret<String>, StartError> {
    let seed = state.first_invitation(entropy)?;
    let gateways = keys.gateways.public_key().fingerprint();
    let invitation = Invitation::new(seed, &gateways, [0; 32], config.advertise.clone());
    let public = invitation.key().public();
    store
        .replace_deployment(Entry::FirstInvitation, public.as_bytes())
        .await?;
    Ok(invitation.text())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn config(dir: &Path) -> Config {
        let text = format!(
            "public_url = \"http://localhost:8443\"\nlisten = \"127.0.0.1:8443\"\nstate_dir = \"{}\"\n",
            dir.display()
        );
        Config::from_toml(Path::new("gateway.toml"), &text, std::iter::empty()).unwrap()
    }

    #[tokio::test]
    async fn init_repeats_the_invitation_and_stores_only_its_public_key() {
        let dir = tempfile::tempdir().unwrap();
        let (config, entropy) = (config(dir.path()), Entropy::default());
        let first = init(&config, &entropy).await.unwrap().invitation.unwrap();
        let again = init(&config, &entropy).await.unwrap();
        let text = again.invitation.unwrap();
        assert_eq!(first.expose(), text.expose());
        let invitation = Invitation::parse(text.expose()).unwrap();
        assert!(invitation.makes_genesis());
        invitation
            .names_gateways(&again.keys.gateways.public_key().fingerprint())
            .unwrap();
        let store = Store::open(&config.database).await.unwrap();
        let held = store
            .deployment::<32>(Entry::FirstInvitation)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(&held, invitation.key().public().as_bytes());
        store.close().await;
        let seed = std::fs::read(dir.path().join("first-invitation.seed")).unwrap();
        let database = std::fs::read(dir.path().join("adit.db")).unwrap();
        assert!(
            !database.windows(16).any(|window| window == seed),
            "j3: the seed is in the database"
        );
    }

    #[tokio::test]
    async fn a_database_of_another_deployment_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (config, entropy) = (config(dir.path()), Entropy::default());
        init(&config, &entropy).await.unwrap();
        for file in ["gateways.key", "gateways-next.key", "gateways-next.pub"] {
            std::fs::remove_file(dir.path().join(file)).unwrap();
        }
        let error = init(&config, &entropy).await.unwrap_err();
        assert!(
            matches!(error, StartError::OtherDeployment { .. }),
            "{error}"
        );
    }
}
