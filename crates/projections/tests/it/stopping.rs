//! What cannot be folded stops its own projection, loudly, and nothing else.

use db::Statement;
use event_store::NewEvent;
use projections::{Problem, RebuildOutcome, check, rebuild};
use testkit::on_both_databases;
use uuid::Uuid;

use crate::{
    harness::{PATIENCE, append, caught_up, checked, models, tell, work},
    story::{in_request, person, request, submitted, woven},
};

fn poison() -> NewEvent {
    NewEvent {
        id: Uuid::from_u128(1 << 100),
        kind: "person.beatified".to_owned(),
        schema: 1,
        payload: b"{}".to_vec(),
        meta: br#"{"actor":"usr_1"}"#.to_vec(),
    }
}

on_both_databases! {
    async fn an_unreadable_event_stops_only_those_who_read_its_category(fresh: Fresh) {
        let models = models(&fresh).await;
        let running = work(&models);
        tell(&models, 0, &woven(8, 1)).await;
        let at = append(&models, &person(1).stream(), poison()).await.last;
        tell(&models, 1_000, &[in_request(request(500), submitted(request(500), 1))]).await;

        // The others go on to the head; the history stands before the event and says so.
        caught_up(&models).await;
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let stopped = loop {
            let status = models.status().await.unwrap();
            let stopped: Vec<_> = status.into_iter().filter(|model| model.stopped.is_some()).collect();
            if !stopped.is_empty() || tokio::time::Instant::now() > deadline {
                break stopped;
            }
            models.wait_for(at + 1, std::time::Duration::from_millis(10)).await.unwrap();
        };
        assert_eq!(stopped.len(), 1, "{stopped:?}");
        assert_eq!((stopped[0].name, stopped[0].position), ("person_history", at - 1));
        let (failed_at, why) = stopped[0].stopped.clone().unwrap();
        assert_eq!(failed_at, at);
        assert!(why.contains("person.beatified"), "{why}");
        running.end().await;

        let report = check(&models, &mut |_| {}).await.unwrap();
        let wrong: Vec<_> = report.models.iter().filter(|model| !model.agrees()).collect();
        assert_eq!(wrong.len(), 1);
        assert!(matches!(wrong[0].problem, Some(Problem::Stopped { position, .. }) if position == at));
        assert!(wrong[0].tables.iter().all(|table| table.differences == 0));
    }

    async fn a_first_filling_stops_where_the_runner_would_have(fresh: Fresh) {
        let models = models(&fresh).await;
        tell(&models, 0, &woven(8, 1)).await;
        let at = append(&models, &person(1).stream(), poison()).await.last;
        let head = tell(&models, 1_000, &[in_request(request(500), submitted(request(500), 1))]).await;

        let report = rebuild(&models, &[], &mut |_| {}).await.unwrap();
        for model in report.models {
            match model.outcome {
                RebuildOutcome::Stopped(unfoldable) => assert_eq!((model.name, unfoldable.position), ("person_history", at)),
                outcome => assert!(model.name != "person_history" && outcome == RebuildOutcome::Serving, "{outcome:?}"),
            }
        }
        for model in models.status().await.unwrap() {
            let (position, stopped) = if model.name == "person_history" { (at - 1, Some(at)) } else { (head, None) };
            assert_eq!((model.position, model.stopped.map(|(at, _)| at)), (position, stopped), "{}", model.name);
        }
    }

    async fn a_version_that_cannot_fold_what_another_passed_leaves_it_in_service(fresh: Fresh) {
        let models = models(&fresh).await;
        tell(&models, 0, &woven(8, 1)).await;
        let at = append(&models, &person(1).stream(), poison()).await.last;
        let epoch = models.store().head().await.unwrap().epoch;
        let read = fresh.read(&fresh.create_log("quebec").await.unwrap()).await.unwrap();
        read.script(&format!(
            "insert into read_model (name, version, generation, state, epoch, position, tables)
             values ('person_history', 0, 1, 'serving', '{epoch}', {at}, 'person_history');
             create table person_history_v0_g1 (person text);",
        ))
        .await
        .unwrap();

        let report = rebuild(&models, &["person_history".to_owned()], &mut |_| {}).await.unwrap();
        assert_eq!(report.models.len(), 1);
        let RebuildOutcome::Failed(unfoldable) = &report.models[0].outcome else { panic!("{report:?}") };
        assert_eq!(unfoldable.position, at);
        let left = "select state from read_model where name = 'person_history' order by version";
        let left: Vec<(String,)> = read.fetch_all(Statement::new(left, vec![])).await.unwrap();
        let left: Vec<&str> = left.iter().map(|(state,)| state.as_str()).collect();
        assert_eq!(left, ["serving", "dropped"], "what was filled in vain before has made way");
    }

    async fn a_history_that_diverged_is_refused(fresh: Fresh) {
        let models = models(&fresh).await;
        let running = work(&models);
        let head = tell(&models, 0, &woven(4, 1)).await;
        caught_up(&models).await;
        checked(&models).await;
        running.end().await;
        // As if the rows had been folded from a log that was restored since.
        let read = fresh.read(&fresh.create_log("quebec").await.unwrap()).await.unwrap();
        let forge = "update read_model set position = position - 1";
        read.script(forge).await.unwrap();

        let running = work(&models);
        tell(&models, 1_000, &[in_request(request(500), submitted(request(500), 1))]).await;
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let status = models.status().await.unwrap();
            assert!(status.iter().all(|model| model.position == head - 1), "{status:?}");
            if status.iter().all(|model| model.stopped.is_some()) {
                break;
            }
            assert!(tokio::time::Instant::now() < deadline, "{status:?}");
            tokio::task::yield_now().await;
        }
        running.end().await;
        let report = check(&models, &mut |_| {}).await.unwrap();
        assert!(report.models.iter().all(|model| model.problem == Some(Problem::Diverged)), "{report:?}");
        projections::rebuild(&models, &[], &mut |_| {}).await.unwrap();
        checked(&models).await;
    }
}
