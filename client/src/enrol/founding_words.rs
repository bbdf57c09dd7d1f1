//! Genesis in words, for whoever founds a deployment to compare with what was meant.

use adit_proto::key::PublicKey;
use adit_proto::wire::roster::Genesis;
use ssh_key::HashAlg;

use super::EnrolError;
use crate::exit::Failure;

/// One line for each thing that can never be changed without the recovery key.
pub(super) fn of(genesis: &Genesis) -> Result<Vec<String>, EnrolError> {
    let print = |spki: &[u8]| {
        PublicKey::from_spki(spki)
            .map(|key| key.fingerprint().to_string())
            .map_err(|_| EnrolError::Protocol("a key that is none"))
    };
    let recovery = ssh_key::PublicKey::from_openssh(&genesis.recovery_key)
        .map_err(|error| Failure::new(format!("the recovery key cannot be read: {error}")))?;
    let admin = genesis.admin.as_ref().map_or("", |it| it.name.as_str());
    let device = genesis.device.as_ref();
    let (name, key) = device.map_or(("", &[][..]), |it| (it.name.as_str(), &it.key));
    Ok(vec![
        format!("RP ID            {} (never changes)", genesis.rp_id),
        format!("origins          {}", genesis.origins.join(", ")),
        format!("gateways' key    {}", print(&genesis.gateways_key)?),
        format!("its successor    {}", print(&genesis.gateways_next_key)?),
        format!("recovery key     {}", recovery.fingerprint(HashAlg::Sha256)),
        format!("first admin      {admin}"),
        format!("device           {name}, {}", print(key)?),
    ])
}
