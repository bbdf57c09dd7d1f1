//! Hosts joined by a router: `cluster`, `gateway`, `client`, and whatever a test adds.

use std::net::Ipv4Addr;

use anyhow::{Context, Result};

use super::Netns;

/// Second octet of all addresses in a network. Networks share them: each has a router of its own and no way out.
const PREFIX: &str = "10.77";

/// One network of a test.
#[derive(Debug)]
pub struct Network {
    router: Netns,
    cluster: Host,
    gateway: Host,
    client: Host,
    hosts: u8,
}

/// A namespace with one device, whose default route is the router.
#[derive(Debug)]
pub struct Host {
    netns: Netns,
    role: String,
    number: u8,
}

impl Host {
    /// The namespace.
    #[must_use]
    pub fn netns(&self) -> &Netns {
        &self.netns
    }

    /// The address of the host.
    #[must_use]
    pub fn address(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 77, self.number, 2)
    }

    /// The router's address on this host's link, which others see in place of a host that is masqueraded.
    #[must_use]
    pub fn router_address(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 77, self.number, 1)
    }

    fn range(&self) -> String {
        format!("{PREFIX}.{}.0/24", self.number)
    }
}

impl Network {
    /// Makes the router and the three usual hosts. All reach each other.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn new() -> Result<Self> {
        let router = Netns::create("router")?;
        router.set_parameter("net/ipv4/ip_forward", "1")?;
        let cluster = join(&router, "cluster", 1)?;
        let gateway = join(&router, "gateway", 2)?;
        let client = join(&router, "client", 3)?;
        Ok(Self {
            router,
            cluster,
            gateway,
            client,
            hosts: 3,
        })
    }

    /// Adds one more host, for example a stranger.
    ///
    /// # Errors
    /// When the kernel refuses, or the network is full.
    pub fn add(&mut self, role: &str) -> Result<Host> {
        self.hosts = self
            .hosts
            .checked_add(1)
            .context("a network has at most 255 hosts")?;
        join(&self.router, role, self.hosts)
    }

    /// The router's namespace.
    #[must_use]
    pub fn router(&self) -> &Netns {
        &self.router
    }

    /// Where the connector runs.
    #[must_use]
    pub fn cluster(&self) -> &Host {
        &self.cluster
    }

    /// Where the gateway runs.
    #[must_use]
    pub fn gateway(&self) -> &Host {
        &self.gateway
    }

    /// Where the engineer's machine is.
    #[must_use]
    pub fn client(&self) -> &Host {
        &self.client
    }

    /// Has every host and the router send one packet at a time, so that a capture shows datagrams as they would be on
    /// a wire, and not the batches that the kernel passes on here.
    ///
    /// # Errors
    /// When `ip` refuses.
    pub fn single_packets(&self) -> Result<()> {
        for host in [&self.cluster, &self.gateway, &self.client] {
            for (netns, device) in [(&host.netns, "eth0"), (&self.router, host.role.as_str())] {
                netns.ip(["link", "set", device, "gso_max_segs", "1"])?;
            }
        }
        Ok(())
    }

    /// Cuts a host's link: packets are lost without an answer.
    ///
    /// # Errors
    /// When `iptables` refuses.
    pub fn cut(&self, host: &Host) -> Result<()> {
        self.refuse(host, "-I", "")
    }

    /// Mends a link that was cut.
    ///
    /// # Errors
    /// When it was not cut.
    pub fn mend(&self, host: &Host) -> Result<()> {
        self.refuse(host, "-D", "")
    }

    /// Drops all UDP from and to a host.
    ///
    /// # Errors
    /// When `iptables` refuses.
    pub fn block_udp(&self, host: &Host) -> Result<()> {
        self.refuse(host, "-I", "-p udp ")
    }

    /// Ends [`Network::block_udp`].
    ///
    /// # Errors
    /// When UDP was not blocked.
    pub fn allow_udp(&self, host: &Host) -> Result<()> {
        self.refuse(host, "-D", "-p udp ")
    }

    fn refuse(&self, host: &Host, change: &str, what: &str) -> Result<()> {
        for direction in ["-i", "-o"] {
            let rule = format!("{change} FORWARD {direction} {} {what}-j DROP", host.role);
            self.router.iptables(rule.split(' '))?;
        }
        Ok(())
    }

    /// Hides a host behind the router's addresses, with a random port for each flow.
    ///
    /// # Errors
    /// When `iptables` refuses.
    pub fn masquerade(&self, host: &Host) -> Result<()> {
        let rule = format!(
            "-t nat -A POSTROUTING -s {} -j MASQUERADE --random-fully",
            host.range()
        );
        self.router.iptables(rule.split(' '))?;
        Ok(())
    }

    /// Makes the router forget every translation towards `host`: flows of masqueraded hosts go on under another
    /// port, as after a home router's restart.
    ///
    /// # Errors
    /// When the link cannot be switched off and on.
    pub fn rebind_towards(&self, host: &Host) -> Result<()> {
        // The kernel drops the masqueraded flows of a device that goes down.
        self.router.ip(["link", "set", &host.role, "down"])?;
        self.router.ip(["link", "set", &host.role, "up"])?;
        Ok(())
    }

    /// Drops at the router whatever arrives for a host and belongs to no flow that the host began.
    ///
    /// # Errors
    /// When `iptables` refuses.
    pub fn only_outgoing(&self, host: &Host) -> Result<()> {
        let rule = format!(
            "-A FORWARD -o {} -m conntrack ! --ctstate ESTABLISHED,RELATED -j DROP",
            host.role
        );
        self.router.iptables(rule.split(' '))?;
        Ok(())
    }
}

fn join(router: &Netns, role: &str, number: u8) -> Result<Host> {
    let host = Host {
        netns: Netns::create(role)?,
        role: role.to_owned(),
        number,
    };
    let (here, there) = (
        format!("{}/24", host.router_address()),
        format!("{}/24", host.address()),
    );
    router.connect((role, &here), &host.netns, ("eth0", &there))?;
    host.netns.ip([
        "route",
        "add",
        "default",
        "via",
        &host.router_address().to_string(),
    ])?;
    Ok(host)
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::net::{SocketAddr, UdpSocket};
    use std::time::Duration;

    use super::*;

    fn socket(host: &Host) -> UdpSocket {
        let socket = host
            .netns()
            .enter(|| UdpSocket::bind("0.0.0.0:0"))
            .unwrap()
            .unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(2)))
            .unwrap();
        socket
    }

    fn at(host: &Host, socket: &UdpSocket) -> SocketAddr {
        (host.address(), socket.local_addr().unwrap().port()).into()
    }

    /// Where the next datagram came from, `None` when none comes. Datagrams through veth pairs arrive in send order,
    /// so what was dropped is known as soon as a later one from an open path is here; this bound is only for that.
    fn sender(socket: &UdpSocket) -> Option<SocketAddr> {
        match socket.recv_from(&mut [0; 16]) {
            Ok((_, from)) => Some(from),
            Err(error) if error.kind() == ErrorKind::WouldBlock => None,
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn hosts_reach_each_other_until_udp_is_blocked() {
        let network = Network::new().unwrap();
        let (gateway, client) = (socket(network.gateway()), socket(network.client()));
        let (gateway_at, client_at) = (
            at(network.gateway(), &gateway),
            at(network.client(), &client),
        );
        client.send_to(b"1", gateway_at).unwrap();
        assert_eq!(sender(&gateway), Some(client_at));
        network.block_udp(network.client()).unwrap();
        client.send_to(b"2", gateway_at).unwrap();
        assert_eq!(sender(&gateway), None);
        network.allow_udp(network.client()).unwrap();
        client.send_to(b"3", gateway_at).unwrap();
        assert_eq!(sender(&gateway), Some(client_at));
    }

    #[test]
    fn cut_link_carries_nothing_until_it_is_mended() {
        let network = Network::new().unwrap();
        let (cluster, gateway) = (socket(network.cluster()), socket(network.gateway()));
        let gateway_at = at(network.gateway(), &gateway);
        network.cut(network.cluster()).unwrap();
        cluster.send_to(b"1", gateway_at).unwrap();
        assert_eq!(sender(&gateway), None);
        network.mend(network.cluster()).unwrap();
        cluster.send_to(b"2", gateway_at).unwrap();
        assert!(sender(&gateway).is_some());
    }

    #[test]
    fn masqueraded_flow_changes_its_port_when_the_router_forgets() {
        let network = Network::new().unwrap();
        let (gateway, client) = (socket(network.gateway()), socket(network.client()));
        let gateway_at = at(network.gateway(), &gateway);
        network.masquerade(network.client()).unwrap();
        client.send_to(b"1", gateway_at).unwrap();
        let first = sender(&gateway).unwrap();
        assert_eq!(first.ip(), network.gateway().router_address());
        client.send_to(b"2", gateway_at).unwrap();
        assert_eq!(sender(&gateway), Some(first));
        network.rebind_towards(network.gateway()).unwrap();
        client.send_to(b"3", gateway_at).unwrap();
        assert_ne!(sender(&gateway).unwrap(), first);
    }

    #[test]
    fn unsolicited_packets_are_dropped_and_answers_are_not() {
        for at_router in [true, false] {
            let mut network = Network::new().unwrap();
            let stranger_host = network.add("stranger").unwrap();
            let (cluster, stranger) = (socket(network.cluster()), socket(&stranger_host));
            let (cluster_at, stranger_at) = (
                at(network.cluster(), &cluster),
                at(&stranger_host, &stranger),
            );
            if at_router {
                network.only_outgoing(network.cluster()).unwrap();
            } else {
                network.cluster().netns().drop_unsolicited().unwrap();
            }
            stranger.send_to(b"1", cluster_at).unwrap();
            assert_eq!(sender(&cluster), None);
            cluster.send_to(b"2", stranger_at).unwrap();
            assert_eq!(sender(&stranger), Some(cluster_at));
            stranger.send_to(b"3", cluster_at).unwrap();
            assert_eq!(sender(&cluster), Some(stranger_at));
        }
    }
}
