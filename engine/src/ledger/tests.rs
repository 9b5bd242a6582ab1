//! Tests of the ledger over a store, with rules of test kinds.

use std::{convert::Infallible, sync::Arc};

use almanac_models::Timestamp;
use serde_json::json;

use super::{
    Calibration, Difference, Direction, KindRules, Ledger, LedgerError, Measured, NOT_MEASURED, Promise, Proposals,
    Verdicts,
};
use crate::store::{
    Store, StoreOptions,
    rows::{Effect, Kind, Patch, RecommendationFilter, RecommendationRow, State},
};

const HOUR: i64 = 3_600_000;

/// Rules of test kinds: `hit_ratio` is better when higher, `scaling` is always the same decision, `rightsizing` has a
/// tolerance.
#[derive(Debug)]
struct Rules;

impl KindRules for Rules {
    fn direction(&self, _: Kind, metric: &str) -> Option<Direction> {
        match metric {
            "hit_ratio" => Some(Direction::Higher),
            "request_cost" | "short" => Some(Direction::Lower),
            _ => None,
        }
    }

    fn difference(&self, new: &RecommendationRow, old: &RecommendationRow) -> Difference {
        let request = |row: &RecommendationRow| row.proposed.get("request").and_then(serde_json::Value::as_f64);
        match request(new).zip(request(old)) {
            _ if new.kind.as_str() == "scaling" || new.proposed == old.proposed => Difference::None,
            Some((new, old)) if (new - old).abs() > 0.1 * old => Difference::Moved,
            Some(_) => Difference::Negligible,
            None => Difference::Distinct,
        }
    }

    fn notable(&self, row: &RecommendationRow) -> serde_json::Value {
        row.proposed.clone()
    }

    fn basis(&self, row: &RecommendationRow) -> serde_json::Value {
        row.current.clone()
    }
}

fn at(hours: i64) -> Timestamp {
    Timestamp::from_millis(1_767_225_600_000 + hours * HOUR)
}

/// Returns a proposal of a time-to-live that predicts a hit ratio of `value` ± 0.01.
fn ttl(seconds: u64, value: f64, hours: i64) -> RecommendationRow {
    RecommendationRow {
        id: "any".into(),
        kind: Kind::from_static("ttl"),
        target: "user profile".into(),
        current: json!({"ttl_seconds": 3600}),
        proposed: json!({"ttl_seconds": seconds}),
        valid_from: at(hours),
        valid_until: Some(at(hours + 48)),
        effect: Effect {
            metric: "hit_ratio".into(),
            unit: "1".into(),
            value,
            lower: value - 0.01,
            upper: value + 0.01,
            level: 0.8,
        },
        confidence: 0.9,
        reason: "because".into(),
        evidence: json!({"hours": hours}),
        patch: Patch { format: "text".into(), body: String::new() },
        state: State::Proposed,
        created_at: at(hours),
        updated_at: at(hours),
        evidence_at: at(hours),
        replaces: None,
    }
}

/// Returns a successful measurement.
fn measured_as(measured: Measured) -> Result<Option<Measured>, Infallible> {
    Ok(Some(measured))
}

fn scaling(replicas: u32, hours: i64) -> RecommendationRow {
    RecommendationRow {
        kind: Kind::from_static("scaling"),
        target: "api".into(),
        current: json!({"target_utilization": 0.7, "replicas": replicas + 1}),
        proposed: json!({"replicas": replicas}),
        effect: Effect { metric: "short".into(), ..ttl(0, 0.01, hours).effect },
        ..ttl(0, 0.01, hours)
    }
}

struct Fixture {
    ledger: Ledger,
    store: Store,
    _folder: tempfile::TempDir,
}

fn fixture() -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("ledger.duckdb"), StoreOptions::default()).unwrap();
    Fixture { ledger: Ledger::new(store.clone(), Arc::new(Rules)).unwrap(), store, _folder: folder }
}

impl Fixture {
    fn all(&self) -> Vec<RecommendationRow> {
        self.ledger.list(&RecommendationFilter::default()).unwrap()
    }

    fn states(&self) -> Vec<(String, State)> {
        let mut states: Vec<_> = self.all().into_iter().map(|row| (row.id, row.state)).collect();
        states.sort();
        states
    }
}

#[test]
fn ids_are_readable_and_stable() {
    let fixture = fixture();
    let proposals = fixture.ledger.propose(vec![ttl(600, 0.9, 0), scaling(3, 0)], at(0)).unwrap();
    assert_eq!(proposals, Proposals { added: 2, ..Proposals::default() });
    let expected = [("scaling-api-1".to_owned(), State::Proposed), ("ttl-user-profile-1".to_owned(), State::Proposed)];
    assert_eq!(fixture.states(), expected);
    let proposals = fixture.ledger.propose(vec![ttl(600, 0.9, 0), scaling(7, 1)], at(1)).unwrap();
    assert_eq!(proposals, Proposals { refreshed: 2, ..Proposals::default() });
    assert_eq!(fixture.states(), expected);
    let row = fixture.ledger.get("scaling-api-1").unwrap();
    assert_eq!(row.proposed, json!({"replicas": 7}), "the newest number is stored");
    assert_eq!((row.created_at, row.updated_at), (at(0), at(1)));
    assert_eq!(
        fixture.ledger.get("ttl-user-profile-1").unwrap().updated_at,
        at(0),
        "an equal proposal changes nothing"
    );
}

#[test]
fn a_moved_need_replaces_a_proposal() {
    let request = |cores: f64, hours: i64| RecommendationRow {
        kind: Kind::from_static("rightsizing"),
        target: "api/cpu".into(),
        current: json!({"request": 4.0}),
        proposed: json!({"request": cores}),
        effect: Effect { metric: "request_cost".into(), ..ttl(0, 0.5, hours).effect },
        ..ttl(0, 0.5, hours)
    };
    let fixture = fixture();
    fixture.ledger.propose(vec![request(1.0, 0)], at(0)).unwrap();
    let proposals = fixture.ledger.propose(vec![request(1.08, 1)], at(1)).unwrap();
    assert_eq!(proposals, Proposals { refreshed: 1, ..Proposals::default() });
    assert_eq!(
        fixture.ledger.get("rightsizing-api-cpu-1").unwrap().proposed,
        json!({"request": 1.0}),
        "a small difference does not replace it"
    );
    let proposals = fixture.ledger.propose(vec![request(1.2, 2)], at(2)).unwrap();
    assert_eq!(proposals, Proposals { added: 1, replaced: 1, ..Proposals::default() });
    // A dismissed proposal is made again only if the need has moved.
    fixture.ledger.dismiss("rightsizing-api-cpu-2", "somebody", None, at(3)).unwrap();
    let proposals = fixture.ledger.propose(vec![request(1.25, 4)], at(4)).unwrap();
    assert_eq!(proposals, Proposals { suppressed: 1, ..Proposals::default() });
    let proposals = fixture.ledger.propose(vec![request(2.0, 5)], at(5)).unwrap();
    assert_eq!(proposals, Proposals { added: 1, ..Proposals::default() });
    // After a regression a negligibly different proposal is suppressed, and the rollback inherits the terms.
    let priced = |cores: f64, hours: i64| RecommendationRow {
        evidence: json!({"above_cost": 6.0, "before": 1.0, "way_back": {"format": "text", "body": ""}}),
        ..request(cores, hours)
    };
    fixture.ledger.propose(vec![priced(2.0, 6)], at(6)).unwrap();
    fixture.ledger.applied("rightsizing-api-cpu-3", "somebody", None, at(7)).unwrap();
    let worse = Measured { value: 2.0, lower: 1.9, upper: 2.1, broken: None };
    fixture.ledger.verify(|_, _| measured_as(worse.clone()), at(8)).unwrap();
    let revert = fixture.all().into_iter().find(|row| row.id == "rightsizing-api-cpu-4").unwrap();
    assert_eq!((&revert.proposed, &revert.evidence["terms"]["above_cost"]), (&json!({"request": 4.0}), &json!(6.0)));
    let after = |row: RecommendationRow| RecommendationRow { current: json!({"request": 2.0}), ..row };
    let proposals = fixture.ledger.propose(vec![after(priced(2.01, 9))], at(9)).unwrap();
    assert_eq!(proposals, Proposals { suppressed: 1, ..Proposals::default() });
    // With the same predicted cost as the rollback; only the moved need decides.
    let grown = after(priced(6.0, 10));
    let grown = RecommendationRow { effect: revert.effect.clone(), ..grown };
    let proposals = fixture.ledger.propose(vec![grown], at(10)).unwrap();
    assert_eq!(proposals, Proposals { added: 1, replaced: 1, ..Proposals::default() }, "the need has moved");
}

#[test]
fn only_a_difference_beyond_the_uncertainty_replaces() {
    let fixture = fixture();
    fixture.ledger.propose(vec![ttl(600, 0.900, 0)], at(0)).unwrap();
    let proposals = fixture.ledger.propose(vec![ttl(900, 0.905, 1)], at(1)).unwrap();
    assert_eq!(proposals, Proposals { refreshed: 1, ..Proposals::default() });
    let kept = fixture.ledger.get("ttl-user-profile-1").unwrap();
    assert_eq!(kept.proposed, json!({"ttl_seconds": 600}));
    assert_eq!(kept.evidence["also_considered"]["proposed"], json!({"ttl_seconds": 900}));
    let proposals = fixture.ledger.propose(vec![ttl(1200, 0.95, 2)], at(2)).unwrap();
    assert_eq!(proposals, Proposals { added: 1, replaced: 1, ..Proposals::default() });
    let replacing = fixture.ledger.get("ttl-user-profile-2").unwrap();
    assert_eq!(replacing.replaces.as_deref(), Some("ttl-user-profile-1"));
    assert_eq!(fixture.ledger.get("ttl-user-profile-1").unwrap().state, State::Expired);
}

#[test]
fn a_dismissed_proposal_returns_only_on_another_basis() {
    let fixture = fixture();
    fixture.ledger.propose(vec![ttl(600, 0.9, 0)], at(0)).unwrap();
    fixture.ledger.dismiss("ttl-user-profile-1", "ann", Some("not now"), at(1)).unwrap();
    let proposals = fixture.ledger.propose(vec![ttl(600, 0.9, 2)], at(2)).unwrap();
    assert_eq!(proposals, Proposals { suppressed: 1, ..Proposals::default() });
    let proposals = fixture.ledger.propose(vec![ttl(900, 0.905, 3)], at(3)).unwrap();
    assert_eq!(proposals.suppressed, 1, "almost the same proposal");
    let changed = RecommendationRow { current: json!({"ttl_seconds": 60}), ..ttl(600, 0.9, 4) };
    assert_eq!(fixture.ledger.propose(vec![changed], at(4)).unwrap().added, 1);
    fixture.ledger.dismiss("ttl-user-profile-2", "ann", None, at(5)).unwrap();
    let better = RecommendationRow { current: json!({"ttl_seconds": 60}), ..ttl(600, 0.97, 6) };
    assert_eq!(fixture.ledger.propose(vec![better], at(6)).unwrap().added, 1);
    let outcomes = fixture.ledger.outcomes("ttl-user-profile-1").unwrap();
    let last = outcomes.last().unwrap();
    assert_eq!((last.to_state, last.actor.as_str(), last.note.as_deref()), (State::Dismissed, "ann", Some("not now")));
}

#[test]
fn a_repeated_report_changes_nothing() {
    let fixture = fixture();
    fixture.ledger.propose(vec![ttl(600, 0.9, 0)], at(0)).unwrap();
    let id = "ttl-user-profile-1";
    let first = fixture.ledger.applied(id, "poller", None, at(1)).unwrap();
    let revision = fixture.ledger.revision();
    assert_eq!((first.state, first.updated_at.millis().unsigned_abs()), (State::Applied, revision));
    let second = fixture.ledger.applied(id, "poller", None, at(2)).unwrap();
    assert_eq!((second, fixture.ledger.revision()), (first, revision));
    assert_eq!(fixture.ledger.outcomes(id).unwrap().len(), 2);
    let refused = fixture.ledger.dismiss(id, "ann", None, at(3)).unwrap_err();
    assert!(matches!(refused, LedgerError::Transition { from: State::Applied, to: State::Dismissed, .. }));
    assert_eq!(refused.to_string(), "recommendation \"ttl-user-profile-1\" is applied and cannot become dismissed");
    assert!(matches!(fixture.ledger.accept("nobody", "ann", None, at(3)), Err(LedgerError::Unknown { .. })));
}

#[test]
fn open_recommendations_expire() {
    let fixture = fixture();
    fixture.ledger.propose(vec![ttl(600, 0.9, 0), scaling(3, 0)], at(0)).unwrap();
    fixture.ledger.applied("scaling-api-1", "poller", None, at(1)).unwrap();
    let proposals = fixture.ledger.propose(vec![ttl(600, 0.9, 60)], at(60)).unwrap();
    assert_eq!(proposals, Proposals { added: 1, expired: 1, ..Proposals::default() });
    let expected = [
        ("scaling-api-1".to_owned(), State::Applied),
        ("ttl-user-profile-1".to_owned(), State::Expired),
        ("ttl-user-profile-2".to_owned(), State::Proposed),
    ];
    assert_eq!(fixture.states(), expected);
}

#[test]
fn the_prediction_of_an_applied_recommendation_stays() {
    let fixture = fixture();
    fixture.ledger.propose(vec![ttl(600, 0.9, 0), scaling(3, 0)], at(0)).unwrap();
    fixture.ledger.applied("ttl-user-profile-1", "ann", None, at(1)).unwrap();
    fixture.ledger.applied("scaling-api-1", "ann", None, at(1)).unwrap();
    let easier = RecommendationRow {
        effect: Effect { value: 0.5, lower: 0.4, upper: 0.6, ..ttl(0, 0.0, 0).effect },
        ..ttl(600, 0.9, 2)
    };
    fixture.ledger.propose(vec![easier], at(2)).unwrap();
    let nothing = fixture.ledger.verify(|_, _| Ok::<_, Infallible>(None), at(3)).unwrap();
    assert_eq!(nothing, Verdicts { pending: 2, ..Verdicts::default() });
    let measure = |row: &RecommendationRow, applied_at: Timestamp| {
        assert_eq!(applied_at, at(1));
        let value = if row.kind.as_str() == "ttl" { 0.895 } else { 0.2 };
        measured_as(Measured { value, lower: value - 0.01, upper: value + 0.01, broken: None })
    };
    let verdicts = fixture.ledger.verify(measure, at(40)).unwrap();
    assert_eq!(verdicts, Verdicts { verified: 1, regressed: 1, ..Verdicts::default() });
    let expected = [("scaling-api-1".to_owned(), State::Regressed), ("ttl-user-profile-1".to_owned(), State::Verified)];
    assert_eq!(fixture.states(), expected);
    let outcome = fixture.ledger.outcomes("ttl-user-profile-1").unwrap().pop().unwrap();
    assert_eq!((outcome.predicted, outcome.realised), (Some(0.9), Some(0.895)));
    let calibration = fixture.ledger.calibration().unwrap();
    assert_eq!(calibration, Calibration { measured: 2, inside: 1, verified: 1, regressed: 1 });
}

#[test]
fn a_regressed_recommendation_is_rolled_back_and_not_proposed_again() {
    let fixture = fixture();
    let way_back = Patch { format: "almanac/ttl+json".into(), body: "{\"ttl_seconds\":3600}".into() };
    let evidence = json!({"before": 0.93, "way_back": way_back});
    let bold = |hours: i64| RecommendationRow { evidence: evidence.clone(), ..ttl(60, 0.9, hours) };
    fixture.ledger.propose(vec![bold(0)], at(0)).unwrap();
    fixture.ledger.applied("ttl-user-profile-1", "a poller", None, at(1)).unwrap();
    let measure = |_: &RecommendationRow, _| {
        let broken = Some("5 % of its hits were stale, 1 % may be".to_owned());
        measured_as(Measured { value: 0.9, lower: 0.89, upper: 0.91, broken })
    };
    fixture.ledger.verify(measure, at(30)).unwrap();
    let rollback = fixture.ledger.get("ttl-user-profile-2").unwrap();
    assert_eq!((rollback.current, rollback.proposed), (json!({"ttl_seconds": 60}), json!({"ttl_seconds": 3600})));
    assert_eq!((rollback.replaces.as_deref(), rollback.patch), (Some("ttl-user-profile-1"), way_back));
    assert!(
        (rollback.effect.value - 0.93).abs() < 1e-12 && rollback.effect.lower < 0.93 && rollback.effect.upper > 0.93
    );
    assert!(rollback.reason.ends_with("; 5 % of its hits were stale, 1 % may be"), "{}", rollback.reason);
    let outcome = fixture.ledger.outcomes("ttl-user-profile-1").unwrap().pop().unwrap();
    assert_eq!(outcome.note.as_deref(), Some("5 % of its hits were stale, 1 % may be; roll it back"));
    // The same proposal is suppressed, and so is one that predicts no more than the rollback.
    let in_force = |row: RecommendationRow| RecommendationRow { current: json!({"ttl_seconds": 60}), ..row };
    assert_eq!(fixture.ledger.propose(vec![in_force(bold(31))], at(31)).unwrap().suppressed, 1);
    assert_eq!(fixture.ledger.propose(vec![in_force(ttl(120, 0.93, 32))], at(32)).unwrap().suppressed, 1);
    let proposals = fixture.ledger.propose(vec![in_force(ttl(1200, 0.97, 33))], at(33)).unwrap();
    assert_eq!((proposals.added, proposals.replaced), (1, 1));
    assert_eq!(fixture.ledger.get("ttl-user-profile-2").unwrap().state, State::Expired);
    // A regressed rollback does not bring the original proposal back.
    let fixture = self::fixture();
    fixture.ledger.propose(vec![bold(0)], at(0)).unwrap();
    fixture.ledger.applied("ttl-user-profile-1", "a poller", None, at(1)).unwrap();
    fixture.ledger.verify(measure, at(30)).unwrap();
    fixture.ledger.applied("ttl-user-profile-2", "a poller", None, at(31)).unwrap();
    assert_eq!(fixture.ledger.verify(measure, at(60)).unwrap().regressed, 1);
    assert_eq!(fixture.ledger.propose(vec![bold(61)], at(61)).unwrap().suppressed, 1);
    assert_eq!(fixture.all().len(), 2);
    // A worse proposal does not replace the rollback. A rollback that was carried out by hand expires.
    let fixture = self::fixture();
    fixture.ledger.propose(vec![bold(0)], at(0)).unwrap();
    fixture.ledger.applied("ttl-user-profile-1", "a poller", None, at(1)).unwrap();
    fixture.ledger.verify(measure, at(30)).unwrap();
    let worse = |hours: i64| RecommendationRow { current: json!({"ttl_seconds": 60}), ..ttl(30, 0.7, hours) };
    assert_eq!(fixture.ledger.propose(vec![worse(31)], at(31)).unwrap().suppressed, 1);
    let proposals = fixture.ledger.propose(vec![ttl(1200, 0.97, 32)], at(32)).unwrap();
    assert_eq!((proposals.added, proposals.replaced), (1, 0));
    assert_eq!(fixture.ledger.get("ttl-user-profile-2").unwrap().state, State::Expired);
    // Without a previous setting there is no rollback. Applying a second recommendation expires the first.
    let fixture = self::fixture();
    fixture.ledger.propose(vec![ttl(60, 0.9, 0)], at(0)).unwrap();
    fixture.ledger.applied("ttl-user-profile-1", "a poller", None, at(1)).unwrap();
    fixture.ledger.propose(vec![ttl(600, 0.99, 2)], at(2)).unwrap();
    fixture.ledger.applied("ttl-user-profile-2", "a poller", None, at(3)).unwrap();
    let expected =
        [("ttl-user-profile-1".to_owned(), State::Expired), ("ttl-user-profile-2".to_owned(), State::Applied)];
    assert_eq!(fixture.states(), expected);
    assert_eq!(fixture.ledger.verify(measure, at(60)).unwrap().regressed, 1);
    assert_eq!(fixture.all().len(), 2);
}

#[test]
fn subscribers_see_every_change_and_revisions_survive_a_restart() {
    let fixture = fixture();
    let mut subscriber = fixture.ledger.subscribe();
    assert!(!subscriber.has_changed().unwrap());
    fixture.ledger.propose(vec![ttl(600, 0.9, 0)], at(0)).unwrap();
    assert!(subscriber.has_changed().unwrap());
    assert_eq!(*subscriber.borrow_and_update(), fixture.ledger.revision());
    fixture.ledger.propose(vec![ttl(600, 0.9, 0)], at(1)).unwrap();
    assert!(!subscriber.has_changed().unwrap(), "nothing changed");
    // Changes at one time, or while the clock is behind, have distinct times in their order.
    let before = fixture.ledger.revision();
    fixture.ledger.accept("ttl-user-profile-1", "ann", None, at(0)).unwrap();
    fixture.ledger.dismiss("ttl-user-profile-1", "ann", None, at(-5)).unwrap();
    assert_eq!(fixture.ledger.revision(), before + 2);
    let reopened = Ledger::new(fixture.store.clone(), Arc::new(Rules)).unwrap();
    assert_eq!(reopened.revision(), before + 2);
    assert_eq!(reopened.list(&RecommendationFilter::default()).unwrap(), fixture.all());
}

#[test]
fn unmeasurable_recommendations_are_reported_and_not_pending() {
    let fixture = fixture();
    let unknown = RecommendationRow {
        effect: Effect { metric: "happiness".into(), ..ttl(0, 0.9, 0).effect },
        target: "other".into(),
        ..ttl(600, 0.9, 0)
    };
    fixture.ledger.propose(vec![ttl(600, 0.9, 0), unknown], at(0)).unwrap();
    for id in ["ttl-user-profile-1", "ttl-other-1"] {
        fixture.ledger.applied(id, "ann", None, at(1)).unwrap();
    }
    let measure = |row: &RecommendationRow, _: Timestamp| match row.target.as_str() {
        "other" => Ok(Some(Measured { value: 0.9, lower: 0.8, upper: 1.0, broken: None })),
        _ => Err(serde_json::from_str::<u32>("x").unwrap_err()),
    };
    let verdicts = fixture.ledger.verify(measure, at(2)).unwrap();
    assert_eq!((verdicts.pending, verdicts.verified, verdicts.unmeasurable.len()), (0, 0, 2));
    let reasons: Vec<&str> = verdicts.unmeasurable.iter().map(|(_, reason)| reason.as_str()).collect();
    assert!(reasons.contains(&"no advisor predicts the metric happiness"), "{reasons:?}");
    assert!(reasons.iter().any(|reason| reason.starts_with("expected value")), "{reasons:?}");
    assert_eq!(fixture.ledger.get("ttl-other-1").unwrap().state, State::Applied);
}

#[test]
fn rows_of_older_releases_are_read() {
    let old = json!({
        "before": 3.5, "way_back": {"format": "text", "body": "x"},
        "rule": {"signal": "x"}, "rule_before": {"signal": "y"},
        "scored_from_ms": 7,
    });
    let promise = Promise::of(&RecommendationRow { evidence: old, ..ttl(60, 0.9, 0) }).unwrap();
    assert_eq!((promise.before, promise.way_back.map(|patch| patch.body).as_deref()), (Some(3.5), Some("x")));
    assert_eq!((&promise.terms["rule"]["signal"], &promise.terms["scored_from_ms"]), (&json!("x"), &json!(7)));
    assert_eq!(promise.terms_before, Some(json!({"rule": {"signal": "y"}})));
    let wrong = RecommendationRow { evidence: json!({"before": "much"}), ..ttl(60, 0.9, 0) };
    assert!(Promise::of(&wrong).is_err());
}

#[test]
fn newer_evidence_is_no_change_and_validity_is_renewed_in_steps() {
    let fixture = fixture();
    let proposal = |hours: i64, steps: i64| RecommendationRow {
        evidence: json!({"steps": steps}),
        valid_until: Some(at(hours + 10)),
        ..scaling(3, hours)
    };
    let stored = |hours: i64, steps: i64| {
        let refreshed = fixture.ledger.propose(vec![proposal(hours, steps)], at(hours)).unwrap().refreshed;
        let row = fixture.ledger.get("scaling-api-1").unwrap();
        assert_eq!(row.evidence["steps"], json!(steps));
        (refreshed, row.updated_at, row.evidence_at, row.valid_until.unwrap())
    };
    assert_eq!(stored(0, 1), (0, at(0), at(0), at(10)));
    let revision = fixture.ledger.revision();
    assert_eq!(stored(1, 2), (1, at(0), at(1), at(10)));
    assert_eq!(stored(4, 3), (1, at(0), at(4), at(10)));
    assert_eq!(fixture.ledger.revision(), revision);
    // Half of the validity is over: callers must learn that it goes on.
    assert_eq!(stored(5, 4), (1, at(5), at(5), at(15)));
    assert!(fixture.ledger.revision() > revision);
    // An earlier end holds at once.
    let row = RecommendationRow { valid_until: Some(at(7)), ..proposal(6, 5) };
    fixture.ledger.propose(vec![row], at(6)).unwrap();
    assert_eq!(fixture.ledger.get("scaling-api-1").unwrap().valid_until, Some(at(7)));
}

#[test]
fn a_measurement_on_a_copy_stays_with_the_same_proposal() {
    let f = fixture();
    let row = |seconds: u64, hours: i64| {
        let mut row = ttl(seconds, 0.9, hours);
        row.reason = format!("It is faster ({NOT_MEASURED}).");
        row.evidence["basis"] = json!("estimated");
        row
    };
    f.ledger.propose(vec![row(60, 0)], at(0)).unwrap();
    let id = f.all()[0].id.clone();
    f.ledger.measured_on_copy(&id, json!({"ratio": 0.5}), "ratio 0.5", at(1)).unwrap();
    // Newer evidence for the same proposal keeps the measurement.
    f.ledger.propose(vec![row(60, 2)], at(2)).unwrap();
    let check = |ratio: f64| {
        let kept = f.ledger.get(&id).unwrap();
        assert_eq!(kept.reason, format!("It is faster (measured on a copy: ratio {ratio})."));
        assert_eq!(kept.evidence["basis"], "measured_on_copy");
        assert_eq!(kept.evidence["copy"]["figures"]["ratio"], ratio);
    };
    check(0.5);
    // A second measurement replaces the first one.
    f.ledger.measured_on_copy(&id, json!({"ratio": 0.25}), "ratio 0.25", at(3)).unwrap();
    check(0.25);
    // Another proposal was not measured.
    f.ledger.propose(vec![row(600, 4)], at(4)).unwrap();
    let new = f.all().into_iter().find(|row| row.id != id);
    assert!(new.is_none_or(|row| row.evidence["basis"] == "estimated"));
    assert!(matches!(f.ledger.measured_on_copy("none", json!({}), "", at(5)), Err(LedgerError::Unknown { .. })));
}
