//! Every statement is one that both databases accept.

use testkit::on_both_databases;

use crate::harness::open;

on_both_databases! {
    async fn both_databases_accept_every_statement(fresh: Fresh) {
        drop(open(&fresh).await);
        let entry = fresh.create_log("quebec").await.expect("the log's entry");
        let log = fresh.log(&entry).await.expect("open the log's database");
        for statement in event_store::statements().into_iter().chain(db::append::statements()) {
            let prepared = log.prepare(&statement).await;
            assert!(prepared.is_ok(), "{}: {prepared:?}", statement.sql(fresh.dialect()));
        }
    }
}
