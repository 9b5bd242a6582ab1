//! A store whose recommendation was applied a day ago: a service on it measures the effect, and finds the promise kept.

use std::{fs, path::Path, sync::Arc, time::Duration};

use almanac_datasets::simulator::{SimulatorOptions, cache_models, simulate};
use almanac_engine::{
    advise::{
        Registry, Sources, advise_on,
        ttl::{CacheSpec, Ttl},
    },
    ledger::Ledger,
    store::{
        Store, StoreOptions,
        rows::{CacheEvent, EventBatch, RecommendationFilter},
    },
};
use almanac_models::Timestamp;

const DAY_MS: i64 = 24 * 3_600_000;

/// Writes store and configuration to a folder, and returns the recommendation's id.
pub(super) fn applied_a_day_ago(folder: &Path) -> String {
    let options = SimulatorOptions { weeks: 1, incidents: false, cache_hours: 48.0, ..SimulatorOptions::default() };
    let run = simulate(&options).unwrap();
    let model = &cache_models()[0];
    let now = Timestamp::from_millis(chrono::Utc::now().timestamp_millis());
    let (applied, shift) = (now.plus_millis(-DAY_MS), now.millis() - 2 * DAY_MS - run.timestamps[0]);
    let events: Vec<CacheEvent> = run
        .cache_events
        .into_iter()
        .filter(|event| event.cache == model.cache)
        .map(|event| CacheEvent { timestamp: event.timestamp.plus_millis(shift), ..event })
        .collect();
    let (before, after): (Vec<_>, Vec<_>) = events.into_iter().partition(|event| event.timestamp < applied);

    let store = Store::open(&folder.join("almanac.duckdb"), StoreOptions::default()).unwrap();
    let put = |cache| store.put_events(EventBatch { cache, ..EventBatch::default() }).unwrap();
    put(before);
    // Half of the present stale share is allowed, so that the present time-to-live is too long.
    let limit = model.at_ttl(model.ttl_seconds).stale_share / 2.0;
    let present = Duration::from_secs_f64(model.ttl_seconds);
    let spec = CacheSpec {
        ttl_ms: i64::try_from(present.as_millis()).ok(),
        stale_share_max: limit,
        can_invalidate: false,
        ..CacheSpec::new(model.cache.clone())
    };
    let ledger = Ledger::new(store.clone(), Arc::new(Registry::default())).unwrap();
    let verdicts = advise_on::<Ttl>(&Sources { store: &store }, &spec, applied);
    let rows = verdicts.iter().filter_map(|verdict| verdict.recommendation().cloned()).collect();
    ledger.propose(rows, applied).unwrap();
    let id = ledger.list(&RecommendationFilter::default()).unwrap()[0].id.clone();
    ledger.accept(&id, "a deployment", Some("agreed"), applied).unwrap();
    ledger.applied(&id, "a deployment", None, applied).unwrap();
    put(after);
    store.close().unwrap();

    let toml = format!(
        "[[cache]]\nname = {:?}\nttl = \"{}ms\"\nstale_share_max = {limit}\ncan_invalidate = false\n",
        model.cache,
        present.as_millis()
    );
    fs::write(folder.join("almanac.toml"), toml).unwrap();
    id
}
