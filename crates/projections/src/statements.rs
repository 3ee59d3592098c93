//! Every statement of this crate with its names filled in, for the test that has both databases prepare them.

use db::{Statement, Value};
use domain::{
    declaration::Priority,
    ids::{PersonId, RequestId},
    number::Number,
    promise::Milestone,
    time::Instant,
    words::Code,
};
use uuid::Uuid;

use crate::{
    Generation, Page, Projection, ReadError, ReadModels, Row,
    deadline_queue::{self, DeadlineQueue, Owed},
    generation,
    person_history::{self, PersonHistory, PersonLink, PersonMatter},
    planning_base::{self, Planned, PlanningBase},
    public_requests::{self, PublicRequest, PublicRequests},
    read_models::{Columns, fill},
    request_timeline::{Entry, RequestTimeline},
    statistics::{self, DailyCell, Delay, PromiseCount, PromiseFact, RequestFact, Selection, Statistics, Volume},
    tables,
};

impl ReadModels {
    #[doc(hidden)]
    pub async fn statements(&self) -> Result<Vec<Statement>, ReadError> {
        let nobody = PersonId(Uuid::nil());
        let figures = Selection::default();
        let (group, of) = (person_history::queries::group_statement, person_history::queries::of_statement);
        let public = public_requests::queries::list_statement(&public_requests::Filter::default(), &Page::default());
        let planning = planning_base::queries::list_statement(&planning_base::Filter::default(), &Page::default());
        let volume = statistics::queries::volume_statement(&figures, None, None);
        let promises = statistics::queries::promises_statement(&figures, None, None);
        let mut all = vec![
            generation::all_statement(),
            self.named::<PublicRequests, PublicRequest>(public).await?,
            self.named::<PersonHistory, (String,)>(group(nobody)).await?,
            self.named::<PersonHistory, PersonMatter>(of(&[nobody], &Page::default())).await?,
            self.named::<PlanningBase, Planned>(planning).await?,
            self.named::<Statistics, Volume>(volume).await?,
            self.named::<Statistics, PromiseCount>(promises).await?,
            self.named::<Statistics, (i64,)>(statistics::queries::backlog_statement(&figures)).await?,
            self.named::<Statistics, DailyCell>(statistics::queries::cells_statement(&figures, 0, 0)).await?,
        ];
        for (filter, page) in queues() {
            let queue = deadline_queue::queries::list_statement(&filter, &page);
            all.push(self.named::<DeadlineQueue, Owed>(queue).await?);
        }
        for to in [Delay::FirstAnswer, Delay::Closing] {
            all.push(self.named::<Statistics, (i64,)>(statistics::queries::count_statement(&figures, to)).await?);
            all.push(self.named::<Statistics, (i64,)>(statistics::queries::rank_statement(&figures, to, 0)).await?);
        }
        all.extend(self.rows::<PublicRequests, PublicRequest>().await?);
        all.push(self.measured_one(&Number::of(RequestId(Uuid::nil()))).await?.0);
        all.extend(self.rows::<PersonHistory, PersonMatter>().await?);
        all.extend(self.rows::<PersonHistory, PersonLink>().await?);
        all.extend(self.rows::<RequestTimeline, Entry>().await?);
        all.extend(self.rows::<DeadlineQueue, Owed>().await?);
        all.extend(self.rows::<Statistics, RequestFact>().await?);
        all.extend(self.rows::<Statistics, PromiseFact>().await?);
        all.extend(self.rows::<PlanningBase, Planned>().await?);
        Ok(all)
    }

    /// What is asked first for one public request, with words of SQL for its parameters: for a bench that asks the
    /// database alone.
    #[doc(hidden)]
    pub async fn measured_one(&self, number: &Number) -> Result<(Statement, Vec<String>), ReadError> {
        let generation = self.current::<PublicRequests>().await?;
        let statement =
            tables::with_checkpoint::<PublicRequest>(&generation, public_requests::queries::NUMBER, number.as_str());
        let Generation { name, version, generation, .. } = generation;
        let words = vec![format!("'{name}'"), version.to_string(), generation.to_string(), format!("'{number}'")];
        Ok((statement, words))
    }

    async fn named<P: Projection, R: Columns>(&self, statement: Statement) -> Result<Statement, ReadError> {
        Ok(fill::<P, R>(statement, &self.current::<P>().await?))
    }

    async fn rows<P: Projection, R: Row>(&self) -> Result<Vec<Statement>, ReadError> {
        let generation = self.current::<P>().await?;
        Ok(vec![
            tables::of_scopes::<R>(&generation, Value::Json(None)),
            tables::with_checkpoint::<R>(&generation, tables::scope_column::<R>(), ""),
            tables::every::<R>(&generation),
        ])
    }
}

/// Every condition of the queue, alone and together, first page and later one.
fn queues() -> impl Iterator<Item = (deadline_queue::Filter, Page<deadline_queue::Cursor>)> {
    use deadline_queue::{Cursor, Filter, Window};
    let (now, request) = (Instant::UNIX_EPOCH, RequestId(Uuid::nil()));
    let code = || Code::try_from("some".to_owned()).ok();
    let windows = [Window::Open, Window::Soon { now, until: now }, Window::Overdue { now }, Window::Paused];
    let all = Filter {
        window: Window::Paused,
        unit: code(),
        product: code(),
        standard: code(),
        milestone: Some(Milestone::Answer),
        priority: Some(Priority::Urgent),
        area: code(),
    };
    let filters = windows.map(|window| Filter { window, ..Filter::default() }).into_iter().chain([
        Filter { unit: code(), ..Filter::default() },
        Filter { product: code(), ..Filter::default() },
        all,
    ]);
    filters.flat_map(move |filter| {
        let later = code().map(|standard| Page::after(Cursor { due_at: now, request, standard, ordinal: 0 }, 1));
        [Some(Page::default()), later].into_iter().flatten().map(move |page| (filter.clone(), page))
    })
}
