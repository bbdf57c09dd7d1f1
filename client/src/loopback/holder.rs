//! Who holds a port, read from /proc, for a message that helps.

use std::fmt::Write;
use std::fs;
use std::path::Path;

/// Says which process listens on 127.0.0.1 or all addresses at `port`; `None` where that cannot be seen.
#[must_use]
pub(super) fn of_port(port: u16) -> Option<String> {
    let inode = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .find_map(|table| inode_of(&fs::read_to_string(table).ok()?, port))?;
    let socket = format!("socket:[{inode}]");
    for entry in fs::read_dir("/proc").ok()?.filter_map(Result::ok) {
        let process = entry.path();
        let number = entry.file_name().to_string_lossy().parse::<u32>();
        if number.is_ok() && holds(&process, &socket) {
            return Some(describe(&process));
        }
    }
    Some("a process of another user".to_owned())
}

/// The inode of the socket that listens at `port` in a table of `proc_net_tcp(5)`.
fn inode_of(table: &str, port: u16) -> Option<String> {
    const LISTEN: &str = "0A";
    let mut suffix = String::new();
    write!(suffix, ":{port:04X}").ok()?;
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let (local, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
        (local.ends_with(&suffix) && *state == LISTEN).then(|| (*inode).to_owned())
    })
}

fn holds(process: &Path, socket: &str) -> bool {
    let Ok(open) = fs::read_dir(process.join("fd")) else {
        return false;
    };
    open.filter_map(Result::ok)
        .filter_map(|entry| fs::read_link(entry.path()).ok())
        .any(|target| target.as_os_str() == socket)
}

fn describe(process: &Path) -> String {
    let name = fs::read_to_string(process.join("comm")).unwrap_or_default();
    let number = process.file_name().unwrap_or_default().to_string_lossy();
    format!("{} (process {number})", name.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn a_port_of_this_process_is_named() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let holder = of_port(listener.local_addr().unwrap().port()).unwrap();
        assert!(
            holder.contains(&format!("process {}", std::process::id())),
            "{holder}"
        );
    }
}
