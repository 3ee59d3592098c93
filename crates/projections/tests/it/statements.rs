//! Every statement of this crate is good SQL on both databases.

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
