//! The person's kubectl, run with a kubeconfig that leads to an explanation and nowhere else.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use tokio::process::Command;

use super::{Goal, Line};
use crate::exit::{Exit, Failure};
use crate::paths::Paths;
use crate::seat::Begun;
use crate::{private_file, random};

/// kubectl's program.
#[derive(Clone, Debug)]
pub struct Kubectl(PathBuf);

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Whether it was content.
    pub success: bool,
    /// What it said on stderr.
    pub stderr: String,
}

/// A kubeconfig that goes when this is dropped.
#[derive(Debug)]
struct Kubeconfig(PathBuf);

impl Kubectl {
    /// Finds it in the folders of `path`, as a shell would.
    ///
    /// # Errors
    /// When it is not there.
    pub fn find(path: Option<OsString>) -> Result<Self, Failure> {
        let path = path.unwrap_or_default();
        let mut folders = std::env::split_paths(&path);
        let found = folders.find_map(|folder| {
            let file = folder.join("kubectl");
            is_program(&file).then_some(file)
        });
        found.map(Self).ok_or_else(|| {
            Failure::new("there is no kubectl on the PATH")
                .exiting(Exit::Failed)
                .repaired_by("install kubectl, or add its directory to PATH")
        })
    }

    /// Runs `line` against the explanation `begun`. What it prints is not shown: answers that it did not get make it say
    /// what is not so.
    ///
    /// # Errors
    /// When it cannot be started.
    ///
    /// # Cancel safety
    /// Dropping it ends kubectl and removes its kubeconfig.
    pub async fn run(
        &self,
        line: &Line,
        goal: &Goal,
        begun: &Begun,
        paths: &Paths,
    ) -> Result<Ended, Failure> {
        let kubeconfig = Kubeconfig::write(paths, goal, begun)?;
        let child = Command::new(&self.0)
            .args(&line.args)
            .env("KUBECONFIG", &kubeconfig.0)
            // An alias could lead elsewhere; what is typed is what is explained.
            .env("KUBERC", "off")
            .env("KUBECTL_KUBERC", "false")
            // `kubectl edit` would wait for an editor that nobody sees.
            .env("KUBE_EDITOR", "false")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn();
        let failed = |error: std::io::Error| {
            Failure::new(format!("{} cannot be run: {error}", self.0.display()))
        };
        let output = child.map_err(failed)?.wait_with_output();
        let output = output.await.map_err(failed)?;
        Ok(Ended {
            success: output.status.success(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }
}

fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(file)
        .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

impl Kubeconfig {
    fn write(paths: &Paths, goal: &Goal, begun: &Begun) -> Result<Self, Failure> {
        let Begun {
            token, endpoint, ..
        } = begun;
        let name = &goal.context;
        let server = format!("https://127.0.0.1:{}/k/{}", endpoint.port, goal.cluster);
        let authority = STANDARD.encode(&endpoint.certificate_pem);
        let document = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": name,
            "clusters": [{"name": name, "cluster":
                {"server": server, "certificate-authority-data": authority}}],
            "users": [{"name": name, "user": {"token": token}}],
            "contexts": [{"name": name, "context":
                {"cluster": name, "user": name, "namespace": goal.namespace}}],
        });
        let file = format!("explain-{}.kubeconfig", random::text::<12>()?);
        let file = Self(paths.runtime().join(file));
        private_file::replace(&file.0, document.to_string().as_bytes()).map_err(Failure::new)?;
        Ok(file)
    }
}

impl Drop for Kubeconfig {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0) {
            tracing::debug!(%error, "The kubeconfig of an explanation was gone already.");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::profile::tests::paths;
    use crate::seat::Described;

    /// A program in the place of kubectl.
    fn program(scratch: &tempfile::TempDir, script: &str) -> Kubectl {
        let file = scratch.path().join("kubectl");
        std::fs::write(&file, format!("#!/bin/sh\n{script}")).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o700)).unwrap();
        Kubectl(file)
    }

    fn goal() -> Goal {
        Goal {
            profile: None,
            cluster: "prod".parse().unwrap(),
            context: "mine".to_owned(),
            namespace: Some("shop".to_owned()),
        }
    }

    fn begun() -> Begun {
        Begun {
            id: String::new(),
            token: "t0ken".to_owned(),
            endpoint: Described {
                port: 4711,
                certificate_pem: "pem".to_owned(),
            },
        }
    }

    #[test]
    fn kubectl_is_the_first_program_of_that_name_or_is_to_be_installed() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = |name: &str| {
            let folder = scratch.path().join(name);
            std::fs::create_dir(&folder).unwrap();
            folder
        };
        let (no_program, there) = (folder("one"), folder("two"));
        std::fs::write(no_program.join("kubectl"), "").unwrap();
        let path = |folders: &[&PathBuf]| std::env::join_paths(folders).ok();
        let missing = Kubectl::find(path(&[&no_program, &there])).unwrap_err();
        assert!(missing.to_string().contains("install kubectl"), "{missing}");
        assert!(Kubectl::find(None).is_err());
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::write(there.join("kubectl"), "").unwrap();
        std::fs::set_permissions(there.join("kubectl"), mode).unwrap();
        let found = Kubectl::find(path(&[&no_program, &there])).unwrap();
        assert_eq!(found.0, there.join("kubectl"));
    }

    #[tokio::test]
    async fn kubectl_gets_a_kubeconfig_of_one_context_that_is_its_alone_and_goes() {
        let scratch = tempfile::tempdir().unwrap();
        let paths = paths(scratch.path());
        let script = "echo not shown\nstat -c %a \"$KUBECONFIG\" >&2\ncat \"$KUBECONFIG\" >&2\n\
                      echo >&2\necho \"$KUBERC $1\" >&2\nexit 3";
        let line = Line {
            args: vec!["get".into()],
            context: None,
        };
        let kubectl = program(&scratch, script);
        let ended = kubectl.run(&line, &goal(), &begun(), &paths).await.unwrap();
        assert!(!ended.success);
        let said: Vec<_> = ended.stderr.lines().collect();
        let [mode, document, rest] = said[..] else {
            panic!("{said:?}");
        };
        assert_eq!((mode, rest), ("600", "off get"));
        let document: serde_json::Value = serde_json::from_str(document).unwrap();
        assert_eq!(document["current-context"], "mine");
        assert_eq!(document["contexts"][0]["context"]["namespace"], "shop");
        assert_eq!(
            document["clusters"][0]["cluster"]["server"],
            "https://127.0.0.1:4711/k/prod"
        );
        assert_eq!(document["users"][0]["user"]["token"], "t0ken");
        let mut left = std::fs::read_dir(paths.runtime()).unwrap();
        assert!(left.next().is_none(), "{left:?}");
    }
}
