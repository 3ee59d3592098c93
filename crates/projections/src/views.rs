//! What analysts read: the current table under its plain name, without sealed columns, and who may read it.

use db::{DbError, Dialect, Statement, Tx};

use crate::{Shape, model::Model};

/// Makes the view anew: another version may have other columns, which `create or replace` refuses.
pub(crate) fn create(shape: &Shape, table: &str) -> String {
    let open: Vec<&str> = shape.columns.iter().filter(|column| !column.personal).map(|column| column.name).collect();
    format!(
        "drop view if exists {name};\ncreate view {name} as\nselect {}\nfrom {table};\n",
        open.join(", "),
        name = shape.table
    )
}

/// The statements that grant again, once the views are made anew, what is granted on them now. SQLite has no roles.
pub(crate) async fn grants(tx: &mut Tx, model: &'static dyn Model) -> Result<Vec<String>, DbError> {
    let mut grants = Vec::new();
    if tx.dialect() == Dialect::Postgres {
        for shape in model.shapes() {
            let found: Vec<(String,)> = tx.fetch_all(Statement::new(GRANTS, vec![shape.table.into()])).await?;
            grants.extend(found.into_iter().map(|(grant,)| grant));
        }
    }
    Ok(grants)
}

/// The owner needs no grant, and `public` is nobody in particular: its number is 0.
const GRANTS: &str = "
    select format(
        'grant %s on %I to %s%s',
        held.privilege_type,
        view.relname,
        case held.grantee when 0 then 'public' else format('%I', pg_get_userbyid(held.grantee)) end,
        case when held.is_grantable then ' with grant option' else '' end
      )
    from pg_class as view
    cross join lateral aclexplode(view.relacl) as held
    where view.relnamespace = current_schema()::regnamespace
      and view.relkind = 'v'
      and view.relname = cast($1 as name)
      and held.grantee <> view.relowner
    order by 1";
