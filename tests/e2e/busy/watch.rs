//! `kubectl get --watch` while objects are made at the API server all the time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use adit_harness::cluster::Cluster;
use adit_harness::kubectl::Kubectl;
use adit_harness::process::{Finished, Process};
use adit_harness::scratch::scratch;
use adit_harness::stack::BOUND;
use anyhow::{Context, Result, anyhow, ensure};

/// Objects that one `kubectl create` makes.
const AT_ONCE: usize = 5;

/// A watch, and who makes events for it.
pub(crate) struct BusyWatch {
    process: Process,
    maker: Maker,
}

/// Makes objects on a thread of its own, until it is dropped.
struct Maker {
    made: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl BusyWatch {
    /// Watches a new namespace by `kubectl`.
    pub(crate) fn start(kubectl: &Kubectl) -> Result<Self> {
        let admin = Cluster::shared()?.kubectl()?;
        let namespace = format!("busy-{}", scratch()?.number());
        admin.ok(&["create", "namespace", &namespace])?;
        let mut process = kubectl
            .launch(&["get", "configmaps", "--watch", "--output=name"])
            .args(["--namespace", &namespace])
            .spawn()?;
        process.until_line("kube-root-ca.crt", BOUND)?;
        let maker = Maker::start(admin, namespace);
        let mut watch = Self { process, maker };
        watch.goes_on(BOUND)?;
        Ok(watch)
    }

    /// Waits until an event arrives that is made from now on.
    pub(crate) fn goes_on(&mut self, bound: Duration) -> Result<()> {
        let next = name(self.maker.made.load(Ordering::Acquire) + AT_ONCE);
        let line = format!("configmap/{next}");
        self.process.until_line(&line, bound).map(|_| ())
    }

    /// Ends it, and compares what it printed with what was made: all of it, once, in order.
    pub(crate) fn whole(mut self) -> Result<()> {
        let made = self.maker.quiet()?;
        let last = format!("configmap/{}", name(made - 1));
        self.process.until_line(&last, BOUND)?;
        let printed = self.process.stdout();
        let seen: Vec<_> = printed
            .lines()
            .filter_map(|line| line.strip_prefix("configmap/event-"))
            .collect();
        let expected: Vec<_> = (0..made).map(|number| format!("{number:06}")).collect();
        ensure!(seen == expected, "of {made} events the watch saw {seen:?}");
        Ok(())
    }

    /// Waits until it ends by itself.
    pub(crate) fn ended(self, bound: Duration) -> Result<Finished> {
        self.process.finish(bound)
    }
}

impl Maker {
    fn start(admin: Kubectl, namespace: String) -> Self {
        let (made, stop) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
        let thread = std::thread::spawn({
            let (made, stop) = (made.clone(), stop.clone());
            move || make(&admin, &namespace, &made, &stop)
        });
        let thread = Some(thread);
        Self { made, stop, thread }
    }

    /// Makes no more, and says how many there are.
    fn quiet(&mut self) -> Result<usize> {
        self.stop.store(true, Ordering::Release);
        let thread = self.thread.take().context("stopped twice")?;
        thread.join().map_err(|_| anyhow!("the maker panicked"))??;
        Ok(self.made.load(Ordering::Acquire))
    }
}

impl Drop for Maker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
    }
}

fn make(admin: &Kubectl, namespace: &str, made: &AtomicUsize, stop: &AtomicBool) -> Result<()> {
    while !stop.load(Ordering::Acquire) {
        let from = made.load(Ordering::Acquire);
        let objects: Vec<_> = (from..from + AT_ONCE)
            .map(|number| {
                let name = name(number);
                format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}}}}}")
            })
            .collect();
        let create = ["create", "--namespace", namespace, "--filename=-"];
        let objects = objects.join("\n---\n");
        admin.launch(&create).input(objects).run()?.ok()?;
        made.store(from + AT_ONCE, Ordering::Release);
    }
    Ok(())
}

fn name(number: usize) -> String {
    format!("event-{number:06}")
}
