//! What a newcomer types and touches, who has nothing but an invitation and kubectl.

use std::time::Duration;

use adit_harness::browser::{Desk, Seen};
use adit_harness::cluster::Cluster;
use adit_harness::netns::Network;
use adit_harness::process::Launch;
use adit_harness::stack::{BOUND, ENGINEERS_VIEW, Engineer, GatewayOptions, Stack};
use adit_harness::terminal::Terminal;
use adit_harness::wait;
use anyhow::{Result, ensure};
use tokio::time::Instant;

/// Life of a sign-in here: long enough for a busy machine to get through the first day.
const LIFE: Duration = Duration::from_mins(1);

/// A pod that no node runs.
const POD: &str = "{apiVersion: v1, kind: Pod, metadata: {name: seen-on-the-first-day}, spec: {nodeSelector: \
    {kept: pending}, containers: [{name: main, image: localhost/none, imagePullPolicy: Never}]}}";

/// A person at a terminal and a browser; each command and each touch counts.
struct Newcomer {
    desk: Desk,
    commands: usize,
    touches: Vec<Seen>,
}

impl Newcomer {
    /// Types a command, pastes what it asks for, and answers the pages that it opens until it has shown `text` and ended.
    fn types(&mut self, command: &Launch, pasted: Option<(&str, &str)>, text: &str) -> Result<()> {
        self.commands += 1;
        let mut terminal = Terminal::start(command)?;
        let work = || {
            if let Some((question, answer)) = pasted {
                terminal.until(question, BOUND)?;
                terminal.type_in(&format!("{answer}\n"))?;
            }
            terminal.until(text, 2 * BOUND)?;
            let code = terminal.finish(BOUND)?;
            ensure!(code == 0, "exit code {code}");
            Ok(())
        };
        let ((), seen) = self.desk.attend(BOUND, work)?;
        self.touches.extend(seen);
        Ok(())
    }

    /// How many commands and touches there were since this was asked last.
    fn counted(&mut self) -> (usize, usize) {
        let counted = (self.commands, self.touches.len());
        (self.commands, self.touches) = (0, Vec::new());
        counted
    }

    /// How often the passkey was used in all.
    fn used(&self) -> Result<u64> {
        let held = self.desk.browser().credentials(self.desk.authenticator())?;
        Ok(held.iter().filter_map(|it| it["signCount"].as_u64()).sum())
    }
}

#[test]
fn the_first_day_takes_two_commands_and_two_touches_and_the_next_morning_one_of_each() {
    let options = GatewayOptions {
        extra: format!("[lives]\nsign_in_s = {}\n", LIFE.as_secs()),
        ..GatewayOptions::default()
    };
    let stack = Stack::on(Network::new().unwrap(), &options, ENGINEERS_VIEW, Ok).unwrap();
    Cluster::shared()
        .unwrap()
        .kubectl()
        .unwrap()
        .apply(POD)
        .unwrap();
    let invitation = stack
        .admin
        .invite("ben@example.org", &["engineers"])
        .unwrap();
    let desk = Desk::start_in(stack.network.client().netns()).unwrap();
    let ben = Engineer::new("ben", stack.network.client())
        .unwrap()
        .with_browser(desk.program());
    let mut newcomer = Newcomer {
        desk,
        commands: 0,
        touches: Vec::new(),
    };
    let enrol = ben
        .adit(&["enrol"])
        .env("KUBECONFIG", ben.folder().join("kubeconfig"));
    let get_pods = ben.kubectl_as_written().unwrap().launch(&["get", "pods"]);

    let begun = Instant::now();
    let paste = Some(("Paste the invitation: ", invitation.as_str()));
    newcomer.types(&enrol, paste, "added adit-prod").unwrap();
    newcomer
        .types(&get_pods, None, "seen-on-the-first-day")
        .unwrap();
    assert_eq!(newcomer.counted(), (2, 2));
    let used = newcomer.used().unwrap();

    // In the night the sign-in ends, and so does the agent.
    assert!(begun.elapsed() < LIFE, "the first sign-in still holds");
    ben.ok(&["agent", "stop"]).unwrap();
    wait::last(LIFE.saturating_sub(begun.elapsed()) + Duration::from_secs(5));
    newcomer
        .types(&get_pods, None, "seen-on-the-first-day")
        .unwrap();
    assert_eq!(newcomer.counted(), (1, 1));
    assert_eq!(newcomer.used().unwrap(), used + 1);
}
