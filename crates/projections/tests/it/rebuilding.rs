//! New generations beside the one that serves.

use db::Dialect;
use domain::request::Status;
use projections::{Page, RebuildOutcome, State, public_requests, rebuild, seam::Ground};
use testkit::on_both_databases;

use crate::{
    harness::{caught_up, checked, models, tell, work},
    story::{in_request, request, resolved, woven},
};

on_both_databases! {
    async fn the_old_generation_serves_until_the_switch(fresh: Fresh) {
        let models = models(&fresh).await;
        let running = work(&models);
        let story = woven(50, 1);
        tell(&models, 0, &story).await;
        caught_up(&models).await;

        // Readers never miss a beat while generations come and go.
        let reader = tokio::spawn({
            let models = models.clone();
            async move {
                let (filter, page) = (public_requests::Filter::default(), Page::first(100));
                for _ in 0..200 {
                    assert_eq!(public_requests::list(&models, &filter, &page).await.unwrap().len(), 50);
                }
            }
        });
        for _ in 0..3 {
            let report = rebuild(&models, &["public_requests".to_owned()], &mut |_| {}).await.unwrap();
            assert_eq!(report.models[0].outcome, RebuildOutcome::Serving);
        }
        reader.await.unwrap();
        tell(&models, 1_000, &[in_request(request(8), resolved(200))]).await;
        caught_up(&models).await;
        let one = public_requests::one(&models, request(8)).await.unwrap().unwrap();
        assert_eq!(one.value.status, Status::Resolved);
        checked(&models).await;
        running.end().await;
    }

    async fn a_check_agrees_while_generations_are_switched(fresh: Fresh) {
        let models = models(&fresh).await;
        tell(&models, 0, &woven(50, 1)).await;
        rebuild(&models, &[], &mut |_| {}).await.unwrap();
        let switches = tokio::spawn({
            let models = models.clone();
            async move {
                for _ in 0..4 {
                    rebuild(&models, &[], &mut |_| {}).await.unwrap();
                }
            }
        });
        while !switches.is_finished() {
            checked(&models).await;
        }
        switches.await.unwrap();
        checked(&models).await;
    }

    async fn who_comes_second_fills_nothing(fresh: Fresh) {
        let models = models(&fresh).await;
        tell(&models, 0, &woven(5, 1)).await;
        for _ in 0..2 {
            Ground::fill(&models, Ground::models(&models)).await;
            let status = models.status().await.unwrap();
            assert!(status.iter().all(|model| model.generation == Some(1)), "{status:?}");
        }
    }

    async fn analysts_read_a_view_without_sealed_columns(fresh: Fresh) {
        let models = models(&fresh).await;
        tell(&models, 0, &woven(5, 1)).await;
        rebuild(&models, &[], &mut |_| {}).await.unwrap();
        let read = fresh.read(&fresh.create_log("quebec").await.unwrap()).await.unwrap();
        let open = "select cast(count(*) as bigint) from public_requests where status is not null";
        let counted: (i64,) = read.fetch_one(db::Statement::new(open, vec![])).await.unwrap();
        assert_eq!(counted, (5,));
        let sealed = db::Statement::new("select typed_description from public_requests", vec![]);
        assert!(read.fetch_all::<(String,)>(sealed).await.is_err());
    }

    async fn analysts_keep_their_views_and_get_nothing_else(fresh: Fresh) {
        if fresh.dialect() == Dialect::Sqlite {
            return; // No roles.
        }
        let models = models(&fresh).await;
        tell(&models, 0, &woven(5, 1)).await;
        rebuild(&models, &[], &mut |_| {}).await.unwrap();
        let read = fresh.read(&fresh.create_log("quebec").await.unwrap()).await.unwrap();
        let (analyst, chief) = (format!("an;alyst{}", std::process::id()), format!("chief{}", std::process::id()));
        read.script(&format!(
            "create role \"{analyst}\"; create role {chief};
             grant usage on schema read_quebec to \"{analyst}\", public;
             grant select on public_requests, daily_cells to \"{analyst}\";
             grant select on public_requests to {chief} with grant option;
             grant select on planning_base to public;",
        ))
        .await
        .unwrap();
        for _ in 0..2 {
            rebuild(&models, &[], &mut |_| {}).await.unwrap();
        }

        let readable = async |role: &str, privilege: &str| {
            let sql = "select cast(relname as text) from pg_class
                 where relnamespace = 'read_quebec'::regnamespace and relkind in ('r', 'v')
                   and has_table_privilege(cast($1 as name), oid, $2)
                 order by 1";
            let found: Vec<(String,)> =
                read.fetch_all(db::Statement::new(sql, vec![role.into(), privilege.into()])).await.unwrap();
            found.into_iter().map(|(name,)| name).collect::<Vec<_>>()
        };
        assert_eq!(readable(&analyst, "select").await, ["daily_cells", "planning_base", "public_requests"]);
        assert_eq!(readable(&chief, "select with grant option").await, ["public_requests"]);
        assert_eq!(readable(&analyst, "insert, update, delete").await, [] as [String; 0]);
        let as_analyst = async |sql: &'static str| {
            let role = format!("set local role \"{analyst}\"");
            let counted = read.write(move |tx| {
                Box::pin(async move {
                    tx.script(&role).await?;
                    tx.fetch_all::<(i64,)>(db::Statement::new(sql, vec![])).await
                })
            });
            counted.await.map(|counted| counted[0].0)
        };
        assert_eq!(as_analyst("select count(*) from public_requests").await.unwrap(), 5);
        let registry = "select count(*) from read_model";
        assert!(as_analyst(registry).await.is_err());
        assert!(as_analyst("select count(typed_description) from public_requests").await.is_err());
        let drop = format!("drop owned by \"{analyst}\", {chief}; drop role \"{analyst}\"; drop role {chief};");
        read.script(&drop).await.unwrap();
    }

    async fn an_older_version_serves_beside_the_new_one(fresh: Fresh) {
        let models = models(&fresh).await;
        tell(&models, 0, &woven(5, 1)).await;
        let read = fresh.read(&fresh.create_log("quebec").await.unwrap()).await.unwrap();
        // What an older version of this code left, with a table that this one no longer has.
        read.script(
            "insert into read_model (name, version, generation, state, epoch, position, tables)
             values ('planning_base', 0, 1, 'serving', '00000000-0000-0000-0000-000000000000', 0, 'planning_base,planning_old');
             create table planning_base_v0_g1 (request text);
             create table planning_old_v0_g1 (request text);
             create view planning_base as select request from planning_base_v0_g1;",
        )
        .await
        .unwrap();

        let report = rebuild(&models, &[], &mut |_| {}).await.unwrap();
        assert!(report.models.iter().all(|model| model.outcome == RebuildOutcome::Serving), "{report:?}");
        checked(&models).await;
        // The older process still reads its own; it goes with the switch after this one.
        let left = || async {
            let states = "select state from read_model where name = 'planning_base' and version = 0";
            let states: Vec<(String,)> = read.fetch_all(db::Statement::new(states, vec![])).await.unwrap();
            states
        };
        assert_eq!(left().await, [(word(State::Retired),)]);
        let old = db::Statement::new("select cast(count(*) as bigint) from planning_old_v0_g1", vec![]);
        assert!(read.fetch_one::<(i64,)>(old.clone()).await.is_ok());
        rebuild(&models, &["planning_base".to_owned()], &mut |_| {}).await.unwrap();
        assert_eq!(left().await, [(word(State::Dropped),)]);
        assert!(read.fetch_one::<(i64,)>(old).await.is_err());
        checked(&models).await;
    }

    async fn a_check_finds_what_was_touched(fresh: Fresh) {
        let models = models(&fresh).await;
        tell(&models, 0, &woven(10, 1)).await;
        rebuild(&models, &[], &mut |_| {}).await.unwrap();
        checked(&models).await;
        let read = fresh.read(&fresh.create_log("quebec").await.unwrap()).await.unwrap();
        read.script(
            "update request_facts_v1_g1 set transfers = 7 where request like '%01';
             delete from daily_cells_v1_g1 where day = (select min(day) from daily_cells_v1_g1);
             delete from request_timeline_v1_g1 where revision = 0 and request like '%02';",
        )
        .await
        .unwrap();
        let report = projections::check(&models, &mut |_| {}).await.unwrap();
        let differences = |name: &str| {
            let tables = report.models.iter().flat_map(|model| &model.tables);
            tables.filter(|table| table.table == name).map(|table| table.differences).sum::<i64>()
        };
        assert_eq!(differences("request_facts"), 1);
        assert_eq!(differences("request_timeline"), 1);
        assert!(differences("daily_cells") >= 1);
        assert_eq!(differences("public_requests"), 0);
        assert!(!report.agrees());
    }
}

fn word(state: State) -> String {
    serde_json::to_value(state).unwrap().as_str().unwrap().to_owned()
}
