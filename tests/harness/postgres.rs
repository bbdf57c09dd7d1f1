//! A throw-away PostgreSQL on a Unix socket.

use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::process::{Launch, Process};
use crate::scratch::scratch;

/// URL of a server that is there already: `tests/run` starts one for the whole run.
pub const SERVER: &str = "ADIT_TEST_POSTGRES";

/// PostgreSQL refuses to run as root; Debian's package makes this user.
const USER: &str = "postgres";
const START_BOUND: Duration = Duration::from_mins(1);

/// A database of its own for one test, on the server of the run or on one that ends with this value.
#[derive(Debug)]
pub struct Postgres {
    url: String,
    _server: Option<Process>,
}

impl Postgres {
    /// Makes an empty database. Uses the server named by [`SERVER`], and starts one where that is not set.
    ///
    /// # Errors
    /// When PostgreSQL is not installed or does not start.
    pub fn empty() -> Result<Self> {
        let (server, socket) = match std::env::var(SERVER) {
            Ok(url) => (None, socket_of(&url)?),
            Err(_) => start().map(|(server, socket)| (Some(server), socket))?,
        };
        let name = format!("adit_{}_{}", std::process::id(), scratch()?.number());
        let create = [
            "--no-psqlrc",
            "--username=adit",
            "--dbname=postgres",
            "--command",
        ];
        let create = Launch::new(program("psql")?)
            .args(create)
            .arg(format!("CREATE DATABASE {name}"));
        create.env("PGHOST", &socket).run()?.ok()?;
        Ok(Self {
            url: format!("postgres:///{name}?host={}&user=adit", socket.display()),
            _server: server,
        })
    }

    /// The URL of the database.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}

fn socket_of(url: &str) -> Result<PathBuf> {
    let (_, query) = url.split_once('?').context("the URL has no query")?;
    let host = query.split('&').find_map(|pair| pair.strip_prefix("host="));
    Ok(host
        .with_context(|| format!("{SERVER} names no socket folder"))?
        .into())
}

fn start() -> Result<(Process, PathBuf)> {
    let folder = scratch()?.folder("postgres")?;
    let id = Launch::new("id")
        .args(["-u", USER])
        .run()?
        .ok()
        .context("PostgreSQL is not installed")?;
    chown(&folder, Some(id.trim().parse()?), None)?;
    let data = folder.join("data");
    let init = Launch::new(program("initdb")?).args([
        "--auth=trust",
        "--no-sync",
        "--username=adit",
        "--pgdata",
    ]);
    init.arg(&data).as_user(USER).run()?.ok()?;
    let mut server = Launch::new(program("postgres")?)
        .arg("-D")
        .arg(&data)
        .arg("-k")
        .arg(&folder)
        .args(["-c", "listen_addresses=", "-c", "fsync=off"])
        .as_user(USER)
        .spawn()?;
    let ready = Launch::new(program("pg_isready")?)
        .args(["--quiet", "--dbname=postgres"])
        .env("PGHOST", &folder);
    server.until("PostgreSQL answers", START_BOUND, |_| {
        Ok((ready.run()?.code == Some(0)).then_some(()))
    })?;
    Ok((server, folder))
}

/// A program of the newest version that is installed; Debian keeps the server's out of the path.
fn program(name: &str) -> Result<PathBuf> {
    let root = Path::new("/usr/lib/postgresql");
    let entries = fs::read_dir(root).context("PostgreSQL is not installed (Debian: postgresql)")?;
    let mut versions: Vec<u32> = entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    versions.sort_unstable();
    let newest = versions
        .last()
        .context("PostgreSQL is not installed (Debian: postgresql)")?;
    let path = root.join(format!("{newest}/bin/{name}"));
    ensure!(
        path.exists(),
        "{} is missing (Debian: postgresql)",
        path.display()
    );
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_database_answers_at_its_url() {
        let database = Postgres::empty().unwrap();
        let query = Launch::new("psql").arg(database.url()).args([
            "-Atc",
            "select count(*) from pg_tables where schemaname = 'public'",
        ]);
        assert_eq!(query.run().unwrap().ok().unwrap(), "0\n");
    }
}
