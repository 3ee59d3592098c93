//! Every statement of this crate is good SQL on both databases.

use projections::{
    Generation, Row,
    deadline_queue::Owed,
    person_history::{PersonLink, PersonMatter},
    planning_base::Planned,
    public_requests::PublicRequest,
    request_timeline::Entry,
    statistics::{DailyCell, PromiseFact, RequestFact},
};
use testkit::on_both_databases;

use crate::{
    harness::{models, tell},
    story::woven,
};

on_both_databases! {
    async fn every_statement_prepares(fresh: Fresh) {
        let models = models(&fresh).await;
        tell(&models, 0, &woven(2, 1)).await;
        projections::rebuild(&models, &[], &mut |_| {}).await.unwrap();
        let read = fresh.read(&fresh.create_log("quebec").await.unwrap()).await.unwrap();
        for statement in models.statements().await.unwrap() {
            let prepared = read.prepare(&statement).await;
            assert!(prepared.is_ok(), "{prepared:?}\n{}", statement.sql(read.dialect()));
        }
    }
}

const PAGE: &str = include_str!("../../../../docs/read-models.md");

/// The page for analysts names every column that they can see.
#[test]
fn every_open_column_is_documented() {
    let shapes = [
        PublicRequest::SHAPE,
        PersonMatter::SHAPE,
        PersonLink::SHAPE,
        Entry::SHAPE,
        Owed::SHAPE,
        Planned::SHAPE,
        RequestFact::SHAPE,
        PromiseFact::SHAPE,
        DailyCell::SHAPE,
        Generation::SHAPE,
    ];
    for shape in shapes {
        assert!(PAGE.contains(&format!("`{}`", shape.table)) || PAGE.contains(&format!("## {}", shape.table)));
        for column in shape.columns.iter().filter(|column| !column.personal) {
            assert!(PAGE.contains(&format!("`{}`", column.name)), "{}.{}", shape.table, column.name);
        }
    }
}

on_both_databases! {
    async fn every_statement_of_the_page_runs(fresh: Fresh) {
        let models = models(&fresh).await;
        tell(&models, 0, &woven(8, 1)).await;
        projections::rebuild(&models, &[], &mut |_| {}).await.unwrap();
        let read = fresh.read(&fresh.create_log("quebec").await.unwrap()).await.unwrap();
        let blocks: Vec<&str> = PAGE.split("```sql").skip(1).filter_map(|rest| rest.split("```").next()).collect();
        assert!(!blocks.is_empty());
        for sql in blocks {
            let ran = read.script(sql).await;
            assert!(ran.is_ok(), "{ran:?}\n{sql}");
        }
    }
}
