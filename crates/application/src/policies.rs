//! Who may do what: one table, deny by default. Every route names its [`Act`]; a route without one does not start.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// What an API key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Anyone, without a key.
    Public,
    /// A 311 app or portal that submits requests for citizens.
    Portal,
    /// Works requests to their end, and reads who asked.
    Agent,
    /// Reads figures; nothing personal.
    Analyst,
    /// Reads requests and figures, changes nothing; nothing personal. The log itself is verified from the command line.
    Auditor,
    /// Everything.
    Admin,
}

/// What a route does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Act {
    /// Services, their questions, the public list of requests.
    ReadPublic,
    /// Submit a request through Open311.
    SubmitPublic,
    /// Submit a request for somebody at the counter.
    Submit,
    /// One request as agents see it, its timeline, the deadline queue, the planning base.
    ReadMatters,
    /// Assign, answer, resolve and every other act on a request.
    WorkRequest,
    /// Open sealed fields: who asked, what they wrote. Recorded.
    OpenPersonal,
    /// Find persons and read what they asked before.
    ReadPersons,
    /// Merge and un-merge persons.
    MergePersons,
    /// Statistics and their exports.
    ReadStatistics,
}

impl Role {
    pub const ALL: [Self; 6] = [Self::Public, Self::Portal, Self::Agent, Self::Analyst, Self::Auditor, Self::Admin];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Portal => "portal",
            Self::Agent => "agent",
            Self::Analyst => "analyst",
            Self::Auditor => "auditor",
            Self::Admin => "admin",
        }
    }
}

impl Act {
    pub const ALL: [Self; 9] = [
        Self::ReadPublic,
        Self::SubmitPublic,
        Self::Submit,
        Self::ReadMatters,
        Self::WorkRequest,
        Self::OpenPersonal,
        Self::ReadPersons,
        Self::MergePersons,
        Self::ReadStatistics,
    ];
}

/// The table. What is not on it is denied.
pub fn allows(role: Role, act: Act) -> bool {
    use Act::{
        MergePersons, OpenPersonal, ReadMatters, ReadPersons, ReadPublic, ReadStatistics, Submit, SubmitPublic,
        WorkRequest,
    };
    match role {
        Role::Public => matches!(act, ReadPublic),
        Role::Portal => matches!(act, ReadPublic | SubmitPublic),
        Role::Agent => matches!(
            act,
            ReadPublic
                | SubmitPublic
                | Submit
                | ReadMatters
                | WorkRequest
                | OpenPersonal
                | ReadPersons
                | MergePersons
                | ReadStatistics
        ),
        Role::Analyst => matches!(act, ReadPublic | ReadStatistics),
        Role::Auditor => matches!(act, ReadPublic | ReadMatters | ReadStatistics),
        Role::Admin => matches!(
            act,
            ReadPublic
                | SubmitPublic
                | Submit
                | ReadMatters
                | WorkRequest
                | OpenPersonal
                | ReadPersons
                | MergePersons
                | ReadStatistics
        ),
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a role is public, portal, agent, analyst, auditor or admin")]
pub struct NotARole;

impl FromStr for Role {
    type Err = NotARole;

    fn from_str(text: &str) -> Result<Self, NotARole> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or(NotARole)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn personal_data_is_opened_by_agents_and_administrators_alone() {
        for role in Role::ALL {
            for act in [Act::OpenPersonal, Act::ReadPersons, Act::MergePersons] {
                assert_eq!(allows(role, act), matches!(role, Role::Agent | Role::Admin), "{role} {act:?}");
            }
        }
    }

    #[test]
    fn anyone_reads_what_is_public_and_nothing_else() {
        for act in Act::ALL {
            assert_eq!(allows(Role::Public, act), act == Act::ReadPublic, "{act:?}");
            assert!(Role::ALL.into_iter().all(|role| allows(role, Act::ReadPublic)));
        }
    }

    #[test]
    fn an_auditor_reads_and_changes_nothing() {
        for act in Act::ALL {
            let reads = matches!(act, Act::ReadPublic | Act::ReadMatters | Act::ReadStatistics);
            assert_eq!(allows(Role::Auditor, act), reads, "{act:?}");
        }
    }

    #[test]
    fn a_role_reads_its_own_name() {
        for role in Role::ALL {
            assert_eq!(role.to_string().parse(), Ok(role));
        }
        assert_eq!("Admin".parse::<Role>(), Err(NotARole));
    }
}
