//! What may come next on a command line that is being typed: commands and options as they are declared, and the names of
//! clusters, services and profiles as they are now.
//!
//! It disturbs nobody: it asks an agent that runs and starts none, waits for 300 ms at most, signs nobody in, and says
//! nothing but its answer. Where it cannot know, it completes nothing.

mod line;

use std::time::Duration;

use adit_proto::target::Name;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::agent::client::AgentClient;
use crate::paths::Paths;
use crate::profile::{self, ProfileName};

pub use line::{Next, Subject, next};

/// How long a shell waits for names. Longer, and a key seems to do nothing.
const PATIENCE: Duration = Duration::from_millis(300);

/// The names of `subject` now; none if they cannot be had at once. `asked` is the profile that the line names.
///
/// # Cancel safety
/// Dropping it gives the agent's call up.
pub async fn names(paths: &Paths, asked: Option<&ProfileName>, subject: Subject) -> Vec<String> {
    if subject == Subject::Profiles {
        let profiles = profile::list(paths).unwrap_or_default();
        return profiles.iter().map(ToString::to_string).collect();
    }
    let Ok(profile) = profile::choose(paths, asked) else {
        return Vec::new();
    };
    let answer = timeout(PATIENCE, ask(paths, &profile, subject)).await;
    let answer = answer.ok().flatten().unwrap_or(Value::Null);
    let rows = answer
        .as_object()
        .and_then(|it| it.values().next()?.as_array());
    let rows = rows.into_iter().flatten();
    rows.filter_map(|row| shown(row, subject)).collect()
}

/// Without a caller the agent signs nobody in.
async fn ask(paths: &Paths, profile: &ProfileName, subject: Subject) -> Option<Value> {
    let path = match subject {
        Subject::Clusters => "/v1/clusters",
        Subject::Services => "/v1/services",
        Subject::Profiles => return None,
    };
    let mut agent = AgentClient::connect(&paths.socket()).await.ok()??;
    let call = json!({"method": "GET", "path": path});
    let answered = agent.call(profile.as_str(), "api", &call, |_| {}).await;
    answered.ok().map(|answered| answered.value)
}

/// A row as it is typed. What is no name is left out: a shell gets nothing that a gateway made up.
fn shown(row: &Value, subject: Subject) -> Option<String> {
    let name = |key: &str| row.get(key)?.as_str()?.parse::<Name>().ok();
    let own = name("name")?;
    match subject {
        Subject::Services => Some(format!("{}/{}", name("cluster")?.as_str(), own.as_str())),
        Subject::Clusters | Subject::Profiles => Some(own.as_str().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::UnixListener;

    use super::*;
    use crate::profile::tests::{paths, profile};
    use crate::testing::answering;

    fn enrolled(scratch: &tempfile::TempDir) -> Paths {
        let paths = paths(scratch.path());
        profile().save(&paths, &"one".parse().unwrap()).unwrap();
        paths
    }

    #[tokio::test]
    async fn a_service_is_completed_with_its_cluster_and_nobody_is_signed_in_for_it() {
        let scratch = tempfile::tempdir().unwrap();
        let paths = enrolled(&scratch);
        let rows = json!({"services": [
            {"cluster": "prod", "name": "db"}, {"cluster": "prod", "name": "$(rm -r ~)"}, {"name": "x"},
        ]});
        let mut agent = answering(&paths, &rows);
        assert_eq!(names(&paths, None, Subject::Services).await, ["prod/db"]);
        let asked = agent.join_next().await.unwrap().unwrap();
        assert!(
            asked.contains("/v1/one/api") && !asked.contains("caller"),
            "{asked}"
        );
    }

    #[tokio::test]
    async fn without_an_agent_nothing_is_completed_and_none_is_started() {
        let scratch = tempfile::tempdir().unwrap();
        let paths = enrolled(&scratch);
        assert!(names(&paths, None, Subject::Clusters).await.is_empty());
        assert!(!paths.start_lock().exists() && !paths.agent_log().exists());
        assert_eq!(names(&paths, None, Subject::Profiles).await, ["one"]);
        let other = "other".parse().unwrap();
        assert!(
            names(&paths, Some(&other), Subject::Clusters)
                .await
                .is_empty()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_agent_is_waited_for_briefly() {
        let scratch = tempfile::tempdir().unwrap();
        let paths = enrolled(&scratch);
        let _silent = UnixListener::bind(paths.socket()).unwrap();
        let began = tokio::time::Instant::now();
        assert!(names(&paths, None, Subject::Clusters).await.is_empty());
        assert!(began.elapsed() < PATIENCE * 2);
    }
}
