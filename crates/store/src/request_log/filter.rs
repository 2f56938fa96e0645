//! Which requests of the log are wanted, and which somebody may see.

use domain::hold::Flags;
use domain::id::{KeyId, ProjectId, RequestId, UserId};
use domain::money::Nusd;
use domain::time::AtUs;

use super::{CLIENT_LEFT, Source};
use crate::Value;

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was answered.
    Ok,
    /// It was refused: nothing was asked of an upstream.
    Refused,
    /// The upstream failed, or the process that served it.
    Failed,
    /// The client left before the end.
    Cancelled,
}

/// Which requests somebody may see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sight {
    /// All of the organization.
    All,
    /// All of some projects, and those made with keys of one's own.
    Some(Vec<ProjectId>, Option<UserId>),
}

/// Which requests are wanted: those that are all of this.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Ended at this instant or later.
    pub from: Option<AtUs>,
    /// Ended before this instant.
    pub to: Option<AtUs>,
    /// Ended like this.
    pub outcome: Option<Outcome>,
    /// Answered with this status.
    pub status: Option<i64>,
    /// Answered with this error code.
    pub error_code: Option<String>,
    /// For this model.
    pub model: Option<String>,
    /// Made for this project.
    pub project: Option<ProjectId>,
    /// Made with this key.
    pub key: Option<KeyId>,
    /// Made with a key of this person.
    pub user: Option<UserId>,
    /// To this endpoint.
    pub endpoint: Option<String>,
    /// Sent to this upstream.
    pub upstream: Option<String>,
    /// Cost at least this.
    pub min_cost: Option<Nusd>,
    /// Took at least so many microseconds.
    pub min_duration_us: Option<i64>,
    /// This one.
    pub request: Option<RequestId>,
}

impl Outcome {
    /// Every one.
    pub const ALL: [Outcome; 4] = [
        Outcome::Ok,
        Outcome::Refused,
        Outcome::Failed,
        Outcome::Cancelled,
    ];

    /// Its word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Ok => "ok",
            Outcome::Refused => "refused",
            Outcome::Failed => "failed",
            Outcome::Cancelled => "cancelled",
        }
    }

    /// The outcome of this word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == word)
    }

    /// That of a request that was charged.
    pub(super) fn of(flags: Flags) -> Self {
        match flags {
            Flags {
                disconnected: true, ..
            } => Outcome::Cancelled,
            Flags {
                broken_off: true, ..
            }
            | Flags { orphan: true, .. } => Outcome::Failed,
            _ => Outcome::Ok,
        }
    }

    /// The condition that a request that was charged ended like this; none if none can have.
    fn of_charged(self) -> Option<String> {
        let left = Flags {
            disconnected: true,
            ..Flags::default()
        };
        let failed = Flags {
            broken_off: true,
            orphan: true,
            ..Flags::default()
        };
        let (left, failed) = (left.to_bits(), failed.to_bits());
        Some(match self {
            Outcome::Cancelled => format!("(r.flags & {left}) <> 0"),
            Outcome::Failed => format!("(r.flags & {left}) = 0 AND (r.flags & {failed}) <> 0"),
            Outcome::Ok => format!("(r.flags & {}) = 0", left | failed),
            Outcome::Refused => return None,
        })
    }
}

impl Filter {
    /// Whether many requests may have to be looked at to find a few.
    pub(super) fn is_selective(&self) -> bool {
        let anything = Filter {
            from: self.from,
            to: self.to,
            ..Filter::default()
        };
        self.request.is_none() && *self != anything
    }

    /// The condition on when, which begins with AND.
    pub(super) fn span(&self, params: &mut Vec<Value>) -> String {
        let mut conditions = String::new();
        for (bound, comparison) in [(self.from, ">="), (self.to, "<")] {
            if let Some(AtUs(bound)) = bound {
                params.push(bound.into());
                conditions += &format!(" AND r.ended_at_us {comparison} ${}", params.len());
            }
        }
        conditions
    }

    /// All conditions, each with an AND before it; none if nothing of the source fulfils them.
    pub(super) fn conditions(
        &self,
        source: Source,
        sight: &Sight,
        params: &mut Vec<Value>,
    ) -> Option<String> {
        let mut all = self.span(params);
        let equal: [(&str, Option<&str>); 6] = [
            ("r.model", self.model.as_deref()),
            ("r.project_id", self.project.as_ref().map(ProjectId::as_str)),
            ("r.key_id", self.key.as_ref().map(KeyId::as_str)),
            ("k.user_id", self.user.as_ref().map(UserId::as_str)),
            ("r.endpoint", self.endpoint.as_deref()),
            ("r.upstream_id", self.upstream.as_deref()),
        ];
        for (column, wanted) in equal {
            if let Some(wanted) = wanted {
                params.push(wanted.into());
                all += &format!(" AND {column} = ${}", params.len());
            }
        }
        if let Some(request) = self.request {
            params.push(request.to_string().into());
            all += &format!(" AND r.id = ${}", params.len());
        }
        if let Some(least_us) = self.min_duration_us {
            params.push(least_us.into());
            let started = source.started();
            all += &format!(" AND r.ended_at_us - {started} >= ${}", params.len());
        }
        let ended = match source {
            Source::Charged => self.of_charged(params),
            Source::Refused => self.of_refused(params),
        };
        Some(all + &ended? + &sight.condition(params)?)
    }

    fn of_charged(&self, params: &mut Vec<Value>) -> Option<String> {
        if self.error_code.is_some() {
            return None;
        }
        let mut all = String::new();
        let by_status = match self.status {
            None => None,
            Some(200) => Some(format!("NOT ({})", Outcome::Cancelled.of_charged()?)),
            Some(CLIENT_LEFT) => Outcome::Cancelled.of_charged(),
            Some(_) => return None,
        };
        let by_outcome = match self.outcome {
            None => None,
            Some(outcome) => Some(outcome.of_charged()?),
        };
        for condition in by_status.into_iter().chain(by_outcome) {
            all += &format!(" AND {condition}");
        }
        if let Some(least) = self.min_cost {
            params.push(least.get().into());
            all += &format!(" AND r.cost_nusd >= ${}", params.len());
        }
        Some(all)
    }

    fn of_refused(&self, params: &mut Vec<Value>) -> Option<String> {
        if self.min_cost.is_some_and(|least| least > Nusd::ZERO) {
            return None;
        }
        let mut all = String::new();
        let mut add = |column: &str, wanted: Value| {
            params.push(wanted);
            all += &format!(" AND {column} = ${}", params.len());
        };
        match self.outcome {
            Some(Outcome::Ok | Outcome::Cancelled) => return None,
            Some(outcome) => add("r.outcome", outcome.as_str().into()),
            None => {}
        }
        if let Some(status) = self.status {
            add("r.status", status.into());
        }
        if let Some(code) = &self.error_code {
            add("r.error_code", code.as_str().into());
        }
        Some(all)
    }
}

impl Sight {
    /// The condition that somebody may see a request, with an AND before it; none if they may see
    /// none.
    fn condition(&self, params: &mut Vec<Value>) -> Option<String> {
        let Sight::Some(projects, user) = self else {
            return Some(String::new());
        };
        let mut either = Vec::new();
        if !projects.is_empty() {
            let place = |project: &ProjectId| {
                params.push(project.as_str().into());
                format!("${}", params.len())
            };
            let places: Vec<String> = projects.iter().map(place).collect();
            either.push(format!("r.project_id IN ({})", places.join(", ")));
        }
        if let Some(user) = user {
            params.push(user.as_str().into());
            either.push(format!("k.user_id = ${}", params.len()));
        }
        (!either.is_empty()).then(|| format!(" AND ({})", either.join(" OR ")))
    }
}
