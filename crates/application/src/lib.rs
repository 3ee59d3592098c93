//! What programs ask of an organisation: load, decide, seal, append.
//!
//! An [`Organisation`] holds one log, its vault and its rules. It decides nothing itself (the domain does) and reads
//! no read model (doors do); it brings time, ids and looked-up facts to a decision, seals what is personal before it is
//! appended, opens it for who may read it, and makes every write happen once. Start reading at [`organisation`].

pub mod clock;
pub mod errors;
pub mod policies;

pub mod application;
mod declarations;
pub mod organisation;

mod asked;
pub mod execute;
pub mod operation;
mod problems;
pub mod submission;
mod submit;
mod writing;

mod details;
pub mod history;
mod keep;
pub mod people;

mod access;
pub mod sealing;

pub use application::{Application, Caller};
pub use clock::{Clock, Ids, RandomIds, SystemClock};
pub use details::Detail;
pub use errors::{ExecuteError, MergeError, OpenError, Problem, PublishError, StorageError, SubmitError};
pub use event_store::is_passing;
pub use execute::Executed;
pub use history::{History, HistoryError, Kept, Lived};
pub use operation::OperationKey;
pub use organisation::Organisation;
pub use people::{Merged, PersonQuery};
pub use policies::{Act, Role, allows};
pub use submission::{Outcome, Requester, Submission};
