//! A client made with the crate `kube`. It takes kubectl's words:
//!
//! ```text
//! exec [-i|-it] POD -- COMMAND...
//! attach -it POD
//! logs -f POD
//! port-forward pod/NAME :PORT
//! get configmaps --watch -o name
//! get configmaps|configmap NAME -o name
//! create|delete configmap NAME
//! ```
//!
//! It reads `$KUBECONFIG`. Its streams are WebSockets: the crate knows no other.

mod stream;

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use futures_util::TryStreamExt;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{DeleteParams, ListParams, LogParams, PostParams, WatchEvent, WatchParams};
use kube::{Api, Client, ResourceExt};
use tokio::io::AsyncWriteExt;
use tokio_util::compat::FuturesAsyncReadCompatExt;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let ended = tokio::runtime::Runtime::new()
        .context("make a runtime")
        .and_then(|runtime| {
            let ended = runtime.block_on(run(&words));
            // A thread may still wait for standard input.
            runtime.shutdown_background();
            ended
        });
    ended.unwrap_or_else(|error| {
        eprintln!("{error:#}");
        ExitCode::FAILURE
    })
}

async fn run(words: &[&str]) -> Result<ExitCode> {
    let client = Client::try_default().await?;
    let pods: Api<Pod> = Api::default_namespaced(client.clone());
    let maps: Api<ConfigMap> = Api::default_namespaced(client);
    match words {
        ["exec", options @ ..] => return stream::exec(&pods, options).await,
        ["attach", "-it", pod] => return stream::attach(&pods, pod).await,
        ["logs", "-f", pod] => logs(&pods, pod).await?,
        ["port-forward", pod, port] => {
            let pod = pod.strip_prefix("pod/").context("pod/NAME")?;
            let port = port.strip_prefix(':').context(":PORT")?.parse()?;
            stream::port_forward(&pods, pod, port).await?;
        }
        ["get", "configmaps", "--watch", ..] => watch(&maps).await?,
        ["get", "configmaps", ..] => {
            let all = maps.list(&ListParams::default()).await?;
            all.iter().for_each(print_name);
        }
        ["get", "configmap", name, ..] => print_name(&maps.get(name).await?),
        ["create", "configmap", name] => {
            let mut map = ConfigMap::default();
            map.metadata.name = Some((*name).to_owned());
            print_name(&maps.create(&PostParams::default(), &map).await?);
        }
        ["delete", "configmap", name] => {
            maps.delete(name, &DeleteParams::default()).await?;
        }
        _ => bail!("no verb {words:?}"),
    }
    Ok(ExitCode::SUCCESS)
}

fn print_name(map: &ConfigMap) {
    println!("configmap/{}", map.name_any());
}

async fn logs(pods: &Api<Pod>, pod: &str) -> Result<()> {
    let follow = LogParams {
        follow: true,
        ..LogParams::default()
    };
    let mut lines = pods.log_stream(pod, &follow).await?.compat();
    let mut out = tokio::io::stdout();
    tokio::io::copy(&mut lines, &mut out).await?;
    Ok(out.flush().await?)
}

async fn watch(maps: &Api<ConfigMap>) -> Result<()> {
    let mut events = Box::pin(maps.watch(&WatchParams::default(), "0").await?);
    while let Some(event) = events.try_next().await? {
        match event {
            WatchEvent::Added(map) | WatchEvent::Modified(map) | WatchEvent::Deleted(map) => {
                print_name(&map);
            }
            WatchEvent::Bookmark(_) => {}
            WatchEvent::Error(status) => bail!("the watch failed: {status:?}"),
        }
    }
    bail!("the watch ended")
}
