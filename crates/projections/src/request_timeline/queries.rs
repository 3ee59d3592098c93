//! What happened to one request.

use domain::ids::RequestId;

use super::{Entry, RequestTimeline};
use crate::{Fresh, ReadError, ReadModels};

/// The entries of one request, in order.
pub type Timeline = Vec<Entry>;

/// Every event of the request up to now; `None` where there is no such request.
pub async fn of(models: &ReadModels, request: RequestId) -> Result<Option<Fresh<Timeline>>, ReadError> {
    let fresh = models.scope::<RequestTimeline>(&request.stream()).await?;
    Ok(fresh.map(|fresh| fresh.map(crate::Rows::into_vec)))
}
