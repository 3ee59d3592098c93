//! The requests of a person and of everybody found to be the same.

use db::{Statement, Value};
use domain::{
    ids::{PersonId, RequestId},
    time::Instant,
};
use serde::{Deserialize, Serialize};

use super::{PersonHistory, PersonMatter};
use crate::{Page, ReadError, ReadModels, list_of};

/// Newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    pub opened_at: Instant,
    pub request: RequestId,
}

impl Cursor {
    pub fn of(row: &PersonMatter) -> Self {
        Self { opened_at: row.opened_at, request: row.request }
    }
}

/// The requests of the person's whole group, newest first.
pub async fn of(models: &ReadModels, person: PersonId, page: &Page<Cursor>) -> Result<Vec<PersonMatter>, ReadError> {
    let group = group_of(models, person).await?;
    models.fetch::<PersonHistory, _>(of_statement(&group, page)).await
}

pub(crate) fn of_statement(group: &[PersonId], page: &Page<Cursor>) -> Statement {
    Statement::new(
        OF,
        vec![
            list_of(Some(group)),
            page.after.map(|cursor| cursor.opened_at).into(),
            Value::Text(page.after.map(|cursor| cursor.request.stream())),
            page.limit.into(),
            page.skip.into(),
        ],
    )
}

/// The person and all that were merged with it, whichever of them is asked for.
pub async fn group_of(models: &ReadModels, person: PersonId) -> Result<Vec<PersonId>, ReadError> {
    let streams: Vec<(String,)> = models.fetch::<PersonHistory, _>(group_statement(person)).await?;
    Ok(streams.iter().filter_map(|(stream,)| PersonId::of_stream(stream)).collect())
}

pub(crate) fn group_statement(person: PersonId) -> Statement {
    Statement::new(GROUP, vec![person.stream().into()])
}

/// Links are followed both ways; `union` ends the walk where links lead in a circle.
const GROUP: &str = "
    with recursive same(person) as (
      select cast($1 as text) collate @bytewise
      union
      select case when link.person = same.person then link.into_person else link.person end
      from same
      join @person_link as link on link.person = same.person or link.into_person = same.person
    )
    select person
    from same
    order by person";

const OF: &str = "
    select @columns
    from @person_history
    where person in (select value from @each($1))
      and ($2 is null or (opened_at, request) < ($2, $3))
    order by opened_at desc, request desc
    limit $4
    offset $5";
