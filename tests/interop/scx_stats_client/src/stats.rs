// SPDX-License-Identifier: GPL-2.0-only
//! What mus serves, written down as a scheduler in Rust would: the derive macro of scx makes the description of
//! it, which the daemon's must equal. A field that the daemon adds or renames fails until it is here too.
use scx_stats_derive::Stats;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Clone, Debug, Serialize, Deserialize, Stats)]
#[serde(deny_unknown_fields)]
#[stat(_om_prefix = "mus_cgroup_", _om_label = "cgroup")]
pub struct CgroupStats {
    #[stat(_om_skip)]
    pub id: u64,
    #[stat(_om_skip)]
    pub depth: u64,
    pub weight: u64,
    #[stat(_om_skip)]
    pub source: String,
    pub promised: f64,
    pub share: f64,
    pub lag_ms: f64,
    pub runnable: u64,
    pub cpu_ms: f64,
    pub wait_p50_ms: f64,
    pub wait_p99_ms: f64,
}

#[derive(Clone, Debug, Serialize, Deserialize, Stats)]
#[serde(deny_unknown_fields)]
#[stat(top, _om_prefix = "mus_")]
pub struct MusStats {
    #[stat(_om_skip)]
    pub mode: String,
    #[stat(_om_skip)]
    pub policy: String,
    pub interval_s: f64,
    pub cpus: u64,
    pub tasks: u64,
    pub held: u64,
    pub queued: u64,
    pub decisions_per_s: f64,
    pub runs_decided_per_s: f64,
    pub runs_standing_per_s: f64,
    pub runs_resumed_per_s: f64,
    pub runs_idle_per_s: f64,
    pub runs_held_per_s: f64,
    pub runs_fallback_per_s: f64,
    pub runs_kernel_per_s: f64,
    pub events_per_s: f64,
    pub wakes_per_s: f64,
    pub refused_per_s: f64,
    pub daemon_cpu_percent: f64,
    pub userland_percent: f64,
    pub cgroups: BTreeMap<String, CgroupStats>,
}
