//! What tests share: throw-away databases, one for each test, on both engines.
//!
//! Write a test once inside [`on_both_databases!`]; it becomes `name::on_sqlite` and `name::on_postgres`. PostgreSQL is never
//! skipped: `GUICHET_TEST_POSTGRES` names a server where databases may be created (`./test` starts one), and without it the
//! PostgreSQL half fails and says so.

mod fresh;

pub use fresh::{Fresh, run};

/// Makes `name::on_sqlite` and `name::on_postgres` of each `async fn name(fresh: Fresh) { … }`.
#[macro_export]
macro_rules! on_both_databases {
    ($($(#[$attribute:meta])* async fn $name:ident($fresh:ident: Fresh) $body:block)+) => {$(
        $(#[$attribute])*
        mod $name {
            #[allow(unused_imports, reason = "a body may need nothing from around it")]
            use super::*;

            async fn body($fresh: $crate::Fresh) $body

            #[test]
            fn on_sqlite() {
                $crate::run(::db::Dialect::Sqlite, body);
            }

            #[test]
            fn on_postgres() {
                $crate::run(::db::Dialect::Postgres, body);
            }
        }
    )+};
}
