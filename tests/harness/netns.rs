//! Network namespaces with typed operations.

mod network;
mod sockets;

pub use network::{Host, Network};
pub use sockets::Socket;

use std::fs::{self, File};
use std::net::SocketAddrV4;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Context, Result, anyhow};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::process::{Finished, Launch};
use crate::scratch::scratch;

/// A network namespace of this test process. Dropping it removes its name; it ends with the last process in it.
#[derive(Debug)]
pub struct Netns {
    name: String,
    path: PathBuf,
}

impl Netns {
    /// Makes a namespace with a working loopback device and nothing else.
    ///
    /// # Errors
    /// When the kernel refuses, as it does to who is not root.
    pub fn create(role: &str) -> Result<Self> {
        let scratch = scratch()?;
        let name = format!("adit-{}-{}-{role}", scratch.owner(), scratch.number());
        ip(["netns", "add", &name])?;
        let path = Path::new("/run/netns").join(&name);
        let made = Self { name, path };
        made.ip(["link", "set", "lo", "up"])?;
        Ok(made)
    }

    /// The name, as `ip netns` takes it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file that the namespace is bound to.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A launch of `program` in this namespace.
    pub fn launch(&self, program: impl Into<PathBuf>) -> Launch {
        Launch::new(program).in_netns(&self.path)
    }

    /// Runs a command in this namespace to its end.
    ///
    /// # Errors
    /// When it cannot be started or does not end.
    pub fn run<'a>(
        &self,
        program: &str,
        args: impl IntoIterator<Item = &'a str>,
    ) -> Result<Finished> {
        self.launch(program).args(args).run()
    }

    /// Runs `ip` on this namespace.
    ///
    /// # Errors
    /// When it refuses.
    pub fn ip<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Result<String> {
        Launch::new("ip")
            .args(["-n", &self.name])
            .args(args)
            .run()?
            .ok()
    }

    /// Runs `iptables` in this namespace.
    ///
    /// # Errors
    /// When it refuses.
    pub fn iptables<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Result<String> {
        self.run("iptables", ["-w"].into_iter().chain(args))?.ok()
    }

    /// Calls `work` on a thread inside this namespace and returns what it returns. Sockets that it makes stay inside
    /// for ever and may be used from any thread afterwards.
    ///
    /// # Errors
    /// When the thread cannot enter, or `work` panics.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        let inside = || -> Result<T> {
            move_in(&self.path)?;
            Ok(work())
        };
        thread::scope(|scope| scope.spawn(inside).join())
            .map_err(|_| anyhow!("work in {} panicked", self.name))?
    }

    /// Makes a runtime all of whose threads are inside this namespace, for clients such as a WebDriver's.
    /// What is passed to `block_on` runs on the caller's thread, outside: spawn on it instead.
    ///
    /// # Errors
    /// When the runtime cannot be made.
    pub fn runtime(&self) -> Result<tokio::runtime::Runtime> {
        let path = self.path.clone();
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .on_thread_start(move || {
                // A thread that stayed outside would reach nothing, and the test that uses it fails.
                if let Err(error) = move_in(&path) {
                    eprintln!("{error:#}");
                }
            })
            .build()
            .context("make a runtime")
    }

    /// Sets a kernel parameter of this namespace, for example `net/ipv4/ip_forward`.
    ///
    /// # Errors
    /// When there is no such parameter.
    pub fn set_parameter(&self, parameter: &str, value: &str) -> Result<()> {
        let path = Path::new("/proc/sys").join(parameter);
        self.enter(|| fs::write(&path, value))?
            .with_context(|| format!("set {parameter}"))
    }

    /// Lists the sockets that `ss -lntu` shows: listening TCP and unconnected UDP.
    ///
    /// # Errors
    /// When `ss` fails or prints what is not understood.
    pub fn open_sockets(&self) -> Result<Vec<Socket>> {
        sockets::parse(&self.run("ss", ["-H", "-l", "-n", "-t", "-u"])?.ok()?)
    }

    /// From now on drops every inbound packet that belongs to no flow which began here. Loopback stays.
    ///
    /// # Errors
    /// When `iptables` refuses.
    pub fn drop_unsolicited(&self) -> Result<()> {
        self.iptables(["-A", "INPUT", "-i", "lo", "-j", "ACCEPT"])?;
        self.iptables("-A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT".split(' '))?;
        self.iptables(["-A", "INPUT", "-j", "DROP"])?;
        Ok(())
    }

    /// From now on what connects to 127.0.0.1:`port` in here reaches `to`, without any process that listens here.
    ///
    /// # Errors
    /// When `iptables` refuses.
    pub fn forward_loopback(&self, port: u16, to: SocketAddrV4) -> Result<()> {
        // The kernel would otherwise throw away packets from 127.0.0.1 that leave the machine, and their answers.
        self.set_parameter("net/ipv4/conf/all/route_localnet", "1")?;
        let there = to.ip().to_string();
        for protocol in ["tcp", "udp"] {
            let rule = format!(
                "-t nat -A OUTPUT -d 127.0.0.1 -p {protocol} --dport {port} -j DNAT --to-destination {to}"
            );
            self.iptables(rule.split(' '))?;
        }
        self.iptables(
            format!("-t nat -A POSTROUTING -s 127.0.0.1 -d {there} -j MASQUERADE").split(' '),
        )?;
        Ok(())
    }

    /// Joins this namespace and `other` by a pair of devices with the given names and addresses (`10.0.0.1/24`).
    ///
    /// # Errors
    /// When `ip` refuses.
    pub fn connect(&self, here: (&str, &str), other: &Netns, there: (&str, &str)) -> Result<()> {
        let pair = [
            "link",
            "add",
            here.0,
            "type",
            "veth",
            "peer",
            "name",
            there.0,
            "netns",
            other.name(),
        ];
        self.ip(pair)?;
        for (netns, (device, address)) in [(self, here), (other, there)] {
            netns.ip(["address", "add", address, "dev", device])?;
            netns.ip(["link", "set", device, "up"])?;
        }
        Ok(())
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        // The sweep of the next run repeats what fails here.
        let _ = ip(["netns", "del", &self.name]);
    }
}

fn move_in(path: &Path) -> Result<()> {
    let namespace = File::open(path).with_context(|| format!("open {}", path.display()))?;
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
        .with_context(|| format!("enter {}", path.display()))
}

fn ip<'a>(args: impl IntoIterator<Item = &'a str>) -> Result<String> {
    Launch::new("ip").args(args).run()?.ok()
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};

    use super::*;

    #[test]
    fn listening_and_unconnected_sockets_are_listed_and_connected_ones_are_not() {
        let netns = Netns::create("sockets").unwrap();
        assert_eq!(netns.open_sockets().unwrap(), []);
        let (_tcp, _unconnected, _connected) = netns
            .enter(|| {
                let connected = UdpSocket::bind("127.0.0.1:0").unwrap();
                connected.connect("127.0.0.1:9").unwrap();
                (
                    TcpListener::bind("127.0.0.1:1000").unwrap(),
                    UdpSocket::bind("127.0.0.1:2000").unwrap(),
                    connected,
                )
            })
            .unwrap();
        let mut open = netns.open_sockets().unwrap();
        open.sort_by_key(|socket| socket.local.clone());
        let open: Vec<_> = open
            .iter()
            .map(|socket| (socket.protocol.as_str(), socket.local.as_str()))
            .collect();
        assert_eq!(open, [("tcp", "127.0.0.1:1000"), ("udp", "127.0.0.1:2000")]);
    }

    #[test]
    fn tasks_of_a_runtime_are_inside() {
        let netns = Netns::create("runtime").unwrap();
        let listener = netns
            .enter(|| TcpListener::bind("127.0.0.1:3000"))
            .unwrap()
            .unwrap();
        let runtime = netns.runtime().unwrap();
        let dial = runtime.spawn(tokio::net::TcpStream::connect("127.0.0.1:3000"));
        runtime.block_on(dial).unwrap().unwrap();
        listener.accept().unwrap();
    }

    #[test]
    fn forwarded_loopback_port_reaches_the_other_namespace_and_nothing_listens() {
        let here = Netns::create("here").unwrap();
        let there = Netns::create("there").unwrap();
        here.connect(("upper", "10.1.1.1/30"), &there, ("lower", "10.1.1.2/30"))
            .unwrap();
        let listener = there
            .enter(|| TcpListener::bind("0.0.0.0:6000"))
            .unwrap()
            .unwrap();
        here.forward_loopback(6443, SocketAddrV4::new(Ipv4Addr::new(10, 1, 1, 2), 6000))
            .unwrap();
        let client = here
            .enter(|| TcpStream::connect("127.0.0.1:6443"))
            .unwrap()
            .unwrap();
        let (_served, from) = listener.accept().unwrap();
        assert_eq!(from.ip().to_string(), "10.1.1.1");
        assert_eq!(client.peer_addr().unwrap().to_string(), "127.0.0.1:6443");
        assert_eq!(here.open_sockets().unwrap(), []);
    }
}
