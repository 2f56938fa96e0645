//! Everything that runs during the benchmark, and the processor time that each part has used.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use super::Settings;
use super::child::Child;
use super::farebox::Farebox;
use crate::load::{Prompt, Target};
use crate::procfs;

/// Who answers the load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Server {
    /// The upstream itself.
    Direct,
    Relay,
    Farebox,
}

impl Server {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Relay => "relay",
            Self::Farebox => "farebox",
        }
    }
}

/// The three servers.
pub(super) struct Stage {
    upstream: (Child, SocketAddr),
    relay: (Child, SocketAddr),
    pub(super) farebox: Farebox,
}

impl Stage {
    pub(super) async fn start(
        settings: &Settings,
        binary: &Path,
        folder: &Path,
    ) -> Result<Self, String> {
        let (chunks, interval) = (
            settings.chunks.to_string(),
            settings.interval_ms.to_string(),
        );
        let upstream = ["upstream", "--chunks", &chunks, "--interval-ms", &interval];
        let upstream = Child::start_own(&upstream.map(str::to_owned))?;
        let address = upstream.1.to_string();
        let relay = Child::start_own(&["relay", "--upstream", &address].map(str::to_owned))?;
        let database = settings.database.as_deref();
        let farebox = Farebox::start(binary, folder, database, upstream.1).await?;
        Ok(Self {
            upstream,
            relay,
            farebox,
        })
    }

    /// Chat requests to a server.
    pub(super) fn target(&self, server: Server, stream: bool) -> Result<Target, String> {
        let (address, key) = match server {
            Server::Direct => (self.upstream.1, ""),
            Server::Relay => (self.relay.1, ""),
            Server::Farebox => (self.farebox.address, self.farebox.key.as_str()),
        };
        let url = format!("http://{address}/v1/chat/completions");
        Target::chat(
            &url,
            key,
            &Prompt {
                stream,
                ..Prompt::default()
            },
        )
    }

    /// The process of a gateway; the upstream's if there is none in between.
    pub(super) fn pid(&self, server: Server) -> u32 {
        match server {
            Server::Direct => self.upstream.0.pid(),
            Server::Relay => self.relay.0.pid(),
            Server::Farebox => self.farebox.child.pid(),
        }
    }

    /// Processor time that each part has used so far.
    pub(super) fn clock(&self, server: Server) -> Clock {
        Clock {
            load: procfs::cpu_time(std::process::id()),
            upstream: procfs::cpu_time(self.pid(Server::Direct)),
            gateway: procfs::cpu_time(self.pid(server)),
            machine: procfs::machine_cpu_time(),
        }
    }
}

/// Processor time used: up to a moment, or between two.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Clock {
    pub(super) load: Duration,
    pub(super) upstream: Duration,
    pub(super) gateway: Duration,
    pub(super) machine: Duration,
}

impl Clock {
    pub(super) fn since(self, before: Self) -> Self {
        Self {
            load: self.load.saturating_sub(before.load),
            upstream: self.upstream.saturating_sub(before.upstream),
            gateway: self.gateway.saturating_sub(before.gateway),
            machine: self.machine.saturating_sub(before.machine),
        }
    }

    /// Shares of all processors over `wall`, in percent: load, upstream, gateway, others, idle.
    pub(super) fn shares(self, wall: Duration) -> BTreeMap<&'static str, f64> {
        let all = wall.as_secs_f64() * procfs::processors() as f64;
        let percent = |time: Duration| time.as_secs_f64() / all * 100.0;
        let ours = self.load + self.upstream + self.gateway;
        BTreeMap::from([
            ("load", percent(self.load)),
            ("upstream", percent(self.upstream)),
            ("gateway", percent(self.gateway)),
            ("others", percent(self.machine.saturating_sub(ours))),
            ("idle", (100.0 - percent(self.machine)).max(0.0)),
        ])
    }
}
