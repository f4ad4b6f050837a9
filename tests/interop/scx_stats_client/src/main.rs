// SPDX-License-Identifier: GPL-2.0-only
//! Reads a running mus with scx's own client library and types, as scxtop does.
//! scx_stats_client [SOCKET]: prints the description and the figures; status 1 when something is not as the library has it.
mod stats;

use anyhow::{Context, Result, bail, ensure};
use scx_stats::prelude::*;
use serde_json::Value;
use stats::{CgroupStats, MusStats};
use std::collections::BTreeMap;

type Description = BTreeMap<String, StatsMeta>;

/// Takes the texts out: they are for people, and must only be there.
fn without_texts(mut description: Description) -> Result<Value> {
    for (name, meta) in &mut description {
        ensure!(
            meta.attrs.desc.take().is_some_and(|d| !d.is_empty()),
            "{name}: no desc"
        );
        for (field, described) in &mut meta.fields {
            ensure!(
                described.attrs.desc.take().is_some_and(|d| !d.is_empty()),
                "{name}.{field}: no desc"
            );
        }
    }
    Ok(serde_json::to_value(description)?)
}

fn check_description(client: &mut StatsClient) -> Result<()> {
    let raw: Value = client.request("stats_meta", vec![])?;
    let served: Description = serde_json::from_value(raw.clone()).context("stats_meta")?;
    ensure!(
        serde_json::to_value(&served)? == raw,
        "stats_meta holds what scx's types do not know: {raw}"
    );

    // The server's own walk: the top is found, and each struct is reachable from there, once.
    let mut data = StatsServerData::<(), ()>::new();
    for meta in served.values() {
        data = data.add_meta(meta.clone());
    }
    data.describe_meta(&mut std::io::stdout(), None)?;

    let expected = [MusStats::meta(), CgroupStats::meta()].map(|meta| (meta.name.clone(), meta));
    let (served, expected) = (
        without_texts(served)?,
        serde_json::to_value(BTreeMap::from(expected))?,
    );
    ensure!(
        served == expected,
        "stats_meta:\n{served:#}\nwhat scx's derive macro makes:\n{expected:#}"
    );
    Ok(())
}

fn check_refusal(
    client: &mut StatsClient,
    request: &str,
    args: Vec<(String, String)>,
) -> Result<()> {
    let Err(error) = client.request::<Value>(request, args) else {
        bail!("{request} was not refused")
    };
    let errno = error.downcast_ref::<StatsErrno>().map(|e| e.0);
    ensure!(errno == Some(libc::EINVAL), "{request}: {error:?}");
    Ok(())
}

fn main() -> Result<()> {
    let mut client = StatsClient::new();
    if let Some(path) = std::env::args().nth(1) {
        client = client.set_path(path);
    }
    let mut client = client.connect(Some(5000)).context("connect")?;
    check_description(&mut client)?;
    check_refusal(
        &mut client,
        "stats",
        vec![("target".into(), "elsewhere".into())],
    )?;
    check_refusal(&mut client, "halt", vec![])?;

    // One connection for many requests, in both forms that clients use.
    for _ in 0..100 {
        client
            .request::<MusStats>("stats", vec![])
            .context("stats")?;
    }
    let figures: MusStats = client
        .request("stats", vec![("target".into(), "top".into())])
        .context("stats, top")?;
    ensure!(figures.cgroups.contains_key("/"), "no root cgroup");
    println!("{figures:#?}");
    Ok(())
}
