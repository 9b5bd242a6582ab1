//! Rows of signals, forecasts, anomalies, recommendations, events and incidents.

use almanac_engine::store::rows::*;
use almanac_models::Timestamp;
use serde_json::json;

use crate::support::Fresh;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn signal(name: &str, status: SignalStatus) -> SignalRow {
    SignalRow {
        signal: name.into(),
        expr: "rate(x[5m])".into(),
        origin: SignalOrigin::Default,
        step_ms: 15_000,
        status,
        reason: Some("too short".into()),
        seasons_ms: vec![86_400_000, 604_800_000],
        model: None,
        fitted_at: Some(at(7)),
        points: 3,
        mase: None,
        coverage_80: Some(0.81),
        coverage_95: None,
    }
}

#[test]
fn signals_are_replaced_by_name() {
    let fresh = Fresh::new();
    let (b, a) = (signal("b", SignalStatus::Learning), signal("a", SignalStatus::Ready));
    fresh.store.put_signals(&[b.clone(), a.clone()]).unwrap();
    assert_eq!(fresh.store.signals(&SignalFilter::default()).unwrap(), [a.clone(), b]);
    let b = SignalRow {
        status: SignalStatus::Failed,
        seasons_ms: vec![],
        reason: None,
        ..signal("b", SignalStatus::Failed)
    };
    fresh.store.put_signals(std::slice::from_ref(&b)).unwrap();
    let fresh = fresh.reopened();
    assert_eq!(fresh.store.signals(&SignalFilter::default()).unwrap(), [a, b.clone()]);
    let failed = SignalFilter { status: Some(SignalStatus::Failed), ..SignalFilter::default() };
    assert_eq!(fresh.store.signals(&failed).unwrap(), [b]);
    let none = SignalFilter { signals: vec!["'; DROP TABLE store.signals; --".into()], status: None };
    assert_eq!(fresh.store.signals(&none).unwrap(), []);
    fresh.store.put_signals(&[]).unwrap();
}

fn forecast(made_at: i64, timestamp: i64, yhat: f64) -> ForecastRow {
    ForecastRow {
        signal: "s".into(),
        made_at: at(made_at),
        timestamp: at(timestamp),
        yhat,
        yhat_lower_80: yhat - 1.0,
        yhat_upper_80: yhat + 1.0,
        yhat_lower_95: yhat - 2.0,
        yhat_upper_95: yhat + 2.0,
        model: "mstl".into(),
    }
}

#[test]
fn a_forecast_replaces_those_made_at_its_time_or_later() {
    let fresh = Fresh::new();
    let all = |filter: RowFilter| fresh.store.forecasts(&filter).unwrap();
    fresh.store.put_forecasts(&[forecast(10, 20, 1.0), forecast(10, 30, 2.0)]).unwrap();
    fresh.store.put_forecasts(&[forecast(15, 20, 3.0), forecast(15, 30, 4.0), forecast(15, 40, 5.0)]).unwrap();
    fresh.store.put_forecasts(&[forecast(15, 20, 6.0)]).unwrap();
    assert_eq!(all(RowFilter::default()), [forecast(10, 20, 1.0), forecast(15, 20, 6.0), forecast(10, 30, 2.0)]);
    let latest = RowFilter { latest: true, ..RowFilter::default() };
    assert_eq!(all(latest.clone()), [forecast(15, 20, 6.0), forecast(10, 30, 2.0)]);
    assert_eq!(all(RowFilter { made_until: Some(at(14)), ..latest }), [forecast(10, 20, 1.0), forecast(10, 30, 2.0)]);
    assert_eq!(all(RowFilter { end: Some(at(20)), limit: Some(1), ..RowFilter::default() }), [forecast(15, 20, 6.0)]);
    assert_eq!(all(RowFilter { signals: vec!["other".into()], ..RowFilter::default() }), []);
}

#[test]
fn scores_are_replaced_by_signal_and_instant() {
    let fresh = Fresh::new();
    let score = |signal: &str, timestamp: i64, score: f64| AnomalyRow {
        signal: signal.into(),
        timestamp: at(timestamp),
        value: 1.0,
        yhat: 1.5,
        yhat_lower: 1.0,
        yhat_upper: 2.0,
        score,
        kind: AnomalyKind::Drift,
    };
    fresh.store.put_anomalies(&[score("a", 1, 0.5), score("a", 2, 0.5), score("b", 1, 3.0)]).unwrap();
    fresh.store.put_anomalies(&[score("a", 2, 1.5), score("a", 2, 2.5)]).unwrap();
    let all = |filter: RowFilter| fresh.store.anomalies(&filter).unwrap();
    assert_eq!(all(RowFilter::default()), [score("a", 1, 0.5), score("a", 2, 2.5), score("b", 1, 3.0)]);
    assert_eq!(
        all(RowFilter { min_score: Some(1.0), start: Some(at(2)), ..RowFilter::default() }),
        [score("a", 2, 2.5)]
    );
}

fn recommendation(id: &str, state: State, created: i64) -> RecommendationRow {
    RecommendationRow {
        id: id.into(),
        kind: Kind::from_static("ttl"),
        target: "user_profile".into(),
        current: json!({"ttl_seconds": 3600}),
        proposed: json!({"ttl_seconds": 600.5}),
        valid_from: at(created),
        valid_until: Some(at(created + 100)),
        effect: Effect {
            metric: "stale_share".into(),
            unit: "1".into(),
            value: 0.1,
            lower: 0.0,
            upper: 0.2,
            level: 0.8,
        },
        confidence: 0.9,
        reason: "it's stale".into(),
        evidence: json!({"days": [1, 2], "share": null}),
        patch: Patch { format: "text".into(), body: "a\nb".into() },
        state,
        created_at: at(created),
        updated_at: at(created + 1),
        evidence_at: at(created + 1),
        replaces: None,
    }
}

fn outcome(at_ms: i64, to_state: State) -> OutcomeRow {
    OutcomeRow {
        recommendation: "r1".into(),
        at: at(at_ms),
        from_state: (at_ms > 0).then_some(State::Proposed),
        to_state,
        actor: "ann".into(),
        note: None,
        predicted: Some(1.0),
        predicted_lower: None,
        predicted_upper: Some(2.0),
        realised: None,
        realised_lower: None,
        realised_upper: None,
    }
}

#[test]
fn the_ledger_keeps_recommendations_and_outcomes() {
    let fresh = Fresh::new();
    let (old, new) = (recommendation("r1", State::Proposed, 5), recommendation("r2", State::Proposed, 50));
    fresh.store.put_recommendations(&[old.clone(), new.clone()]).unwrap();
    let accepted = RecommendationRow { state: State::Accepted, updated_at: at(60), ..old };
    let outcomes = [outcome(0, State::Proposed), outcome(60, State::Accepted)];
    fresh.store.put_ledger(std::slice::from_ref(&accepted), &outcomes).unwrap();
    fresh.store.put_outcomes(&outcomes).unwrap();
    let fresh = fresh.reopened();
    let list = |filter: RecommendationFilter| fresh.store.recommendations(&filter).unwrap();
    assert_eq!(list(RecommendationFilter::default()), [new.clone(), accepted.clone()]);
    assert_eq!(
        list(RecommendationFilter { states: vec![State::Accepted, State::Expired], ..Default::default() }),
        std::slice::from_ref(&accepted)
    );
    assert_eq!(
        list(RecommendationFilter { valid_at: Some(at(40)), ..Default::default() }),
        std::slice::from_ref(&accepted)
    );
    assert_eq!(list(RecommendationFilter { updated_since: Some(at(55)), ..Default::default() }), [accepted]);
    assert_eq!(list(RecommendationFilter { kinds: vec![Kind::from_static("scaling")], ..Default::default() }), []);
    assert_eq!(list(RecommendationFilter { limit: Some(1), ..Default::default() }), [new]);
    assert_eq!(fresh.store.outcomes(&OutcomeFilter::default()).unwrap(), outcomes);
    let to =
        OutcomeFilter { to_state: Some(State::Accepted), recommendations: vec!["r1".into()], ..Default::default() };
    assert_eq!(fresh.store.outcomes(&to).unwrap(), outcomes[1..]);
}

#[test]
fn a_repeated_batch_of_events_changes_nothing() {
    let fresh = Fresh::new();
    let event = |timestamp: i64, key: &str, op: CacheOp| CacheEvent {
        timestamp: at(timestamp),
        cache: "c".into(),
        key: key.into(),
        op,
        bytes: (op == CacheOp::Get).then_some(u64::MAX),
        miss_cost_ms: None,
    };
    let twice = event(5, "k", CacheOp::Get);
    let deploy = Deploy { at: at(3), service: "api".into(), version: None };
    let incident = Incident {
        started_at: at(2),
        ended_at: None,
        title: "t".into(),
        target: None,
        source: "s".into(),
        verdict: IncidentVerdict::Real,
    };
    let batch = EventBatch {
        cache: vec![twice.clone(), event(5, "j", CacheOp::Write), twice.clone(), event(4, "k", CacheOp::Delete)],
        deploys: vec![deploy.clone()],
        incidents: vec![incident.clone()],
    };
    let first = fresh.store.put_events(batch.clone()).unwrap();
    assert_eq!((first.written, first.unchanged), (6, 0));
    let again = fresh.store.put_events(batch.clone()).unwrap();
    assert_eq!((again.written, again.unchanged), (0, 6));
    let ended = Incident { ended_at: Some(at(9)), ..incident };
    let put = |incident: &Incident| {
        let stored =
            fresh.store.put_events(EventBatch { incidents: vec![incident.clone()], ..Default::default() }).unwrap();
        (stored.written, stored.unchanged)
    };
    assert_eq!(put(&ended), (1, 0));
    let ended = Incident { verdict: IncidentVerdict::False, ..ended };
    assert_eq!((put(&ended), put(&ended)), ((1, 0), (0, 1)));

    let fresh = fresh.reopened();
    let everything = EventFilter::default();
    let expected = [event(4, "k", CacheOp::Delete), twice.clone(), event(5, "j", CacheOp::Write), twice.clone()];
    assert_eq!(fresh.store.cache_events(&everything).unwrap(), expected);
    assert_eq!(fresh.store.cache_events(&EventFilter { limit: Some(1), ..Default::default() }).unwrap(), [twice]);
    assert_eq!(fresh.store.deploys(&everything).unwrap(), [deploy]);
    assert_eq!(fresh.store.incidents(&everything).unwrap(), std::slice::from_ref(&ended));
    let endless = Incident { ended_at: None, title: "u".into(), ..ended };
    let refused = fresh.store.put_events(EventBatch { incidents: vec![endless], ..Default::default() }).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "invalid row of incidents: incident \"u\" is false and has no end: it would hide all that follows"
    );
    let later = EventFilter { start: Some(at(10)), ..Default::default() };
    assert_eq!(fresh.store.incidents(&later).unwrap(), []);
    let bad = Incident {
        started_at: at(5),
        ended_at: Some(at(4)),
        title: "x".into(),
        target: None,
        source: "s".into(),
        verdict: IncidentVerdict::Real,
    };
    let refused = fresh.store.put_events(EventBatch { incidents: vec![bad], ..Default::default() }).unwrap_err();
    assert_eq!(refused.to_string(), "invalid row of incidents: incident \"x\" ends before it starts");
}

fn suspected(start: i64, end: i64, first: &str) -> SuspectedIncidentRow {
    SuspectedIncidentRow {
        started_at: at(start),
        ended_at: at(end),
        first_mover: first.into(),
        confidence: 0.75,
        signals: vec![first.into(), "it's, \"b\"".into()],
        peak: 3.0,
    }
}

#[test]
fn suspected_incidents_of_a_time_are_replaced_as_a_whole() {
    let fresh = Fresh::new();
    let all = |fresh: &Fresh| fresh.store.suspected_incidents(&EventFilter::default()).unwrap();
    fresh.store.put_suspected_incidents(&[suspected(10, 20, "a"), suspected(50, 60, "b")], at(0)).unwrap();
    // Incidents that started before stay, also if a part of one is found again.
    let found = [suspected(15, 20, "c"), suspected(50, 70, "a"), suspected(80, 90, "b")];
    fresh.store.put_suspected_incidents(&found, at(15)).unwrap();
    let expected = [suspected(10, 20, "a"), suspected(50, 70, "a"), suspected(80, 90, "b")];
    assert_eq!(all(&fresh), expected);
    let fresh = fresh.reopened();
    assert_eq!(all(&fresh), expected);
    let filter = EventFilter { names: vec!["a".into()], start: Some(at(65)), end: Some(at(85)), ..Default::default() };
    assert_eq!(fresh.store.suspected_incidents(&filter).unwrap(), expected[1..2]);
    fresh.store.put_suspected_incidents(&[], at(0)).unwrap();
    assert_eq!(all(&fresh), []);
}

#[test]
fn peer_outliers_that_touch_are_one() {
    let fresh = Fresh::new();
    let row = |series: &str, start: i64, end: i64, peak: f64| PeerOutlierRow {
        expr: "load".into(),
        series: series.into(),
        started_at: at(start),
        ended_at: at(end),
        peak,
        peers: 5,
    };
    fresh.store.put_peer_outliers(&[row("a", 10, 20, 4.0), row("b", 10, 20, 2.0)]).unwrap();
    fresh.store.put_peer_outliers(&[row("a", 15, 30, 3.0), row("b", 25, 40, 9.0)]).unwrap();
    let expected = [row("b", 10, 20, 2.0), row("a", 10, 30, 4.0), row("b", 25, 40, 9.0)];
    let mut found = fresh.store.peer_outliers(&EventFilter::default()).unwrap();
    found.sort_by_key(|r| (r.started_at, r.ended_at));
    assert_eq!(found, expected);
    // An outlier that overlaps two others is merged with both.
    fresh.store.put_peer_outliers(&[row("b", 18, 27, 1.5)]).unwrap();
    let filter = EventFilter { names: vec!["b".into()], ..EventFilter::default() };
    assert_eq!(fresh.store.peer_outliers(&filter).unwrap(), [row("b", 10, 40, 9.0)]);
}
