//! What is kept of a request's prompt and answer, for those who may see it.

use domain::id::RequestId;
use domain::permission::Permission;
use domain::sealed::SealingKey;
use serde::Serialize;
use store::prompts::{self, Side};
use store::request_log::Entry;
use store::{Tx, standing};
use utoipa::ToSchema;

use crate::Control;
use crate::authenticate::Caller;
use crate::respond::Outcome;

/// What is kept of a request's prompt and answer.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LogPrompt {
    /// `shown`; `none`: nothing is kept of it; `not_allowed`: the caller may not see whether
    /// anything is; `sealed`: this server cannot open what is kept.
    #[schema(value_type = String, example = "shown")]
    state: &'static str,
    /// What was asked.
    request: Option<LogText>,
    /// What was answered: of a stream its events.
    response: Option<LogText>,
}

/// One side of a request.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LogText {
    /// Its beginning, up to 64 KiB.
    #[schema(example = "{\"model\": \"gpt-4o-mini\"}")]
    text: String,
    /// How long it was, whole.
    #[schema(example = 1_024)]
    whole_bytes: u64,
    /// Whether only its beginning is kept.
    is_cut: bool,
}

impl LogPrompt {
    fn nothing(state: &'static str) -> Self {
        LogPrompt {
            state,
            request: None,
            response: None,
        }
    }

    /// What a caller may see of a request.
    pub(crate) fn read(
        tx: &mut Tx<'_>,
        (control, caller): (&Control, &Caller),
        entry: &Entry,
        request: RequestId,
    ) -> Outcome<Self> {
        if !may_see(tx, caller, entry)? {
            return Ok(LogPrompt::nothing("not_allowed"));
        }
        let kept = prompts::find(tx, &caller.organization, request, control.now())?;
        let Some(kept) = kept else {
            return Ok(LogPrompt::nothing("none"));
        };
        let open = |side: &Side, name: &str| {
            let key = control.webhooks.sealing.as_ref()?;
            opened(key, side, &prompts::place(request, name))
        };
        let response = kept.response.as_ref();
        Ok(match open(&kept.request, "request") {
            Some(asked) => LogPrompt {
                state: "shown",
                request: Some(asked),
                response: response.and_then(|side| open(side, "response")),
            },
            None => LogPrompt::nothing("sealed"),
        })
    }
}

fn may_see(tx: &mut Tx<'_>, caller: &Caller, entry: &Entry) -> Outcome<bool> {
    let permission = Permission::PromptsRead;
    if caller.standing.in_organization().contains(permission) {
        return Ok(true);
    }
    let (Some(user), Some(project)) = (caller.actor.user(), &entry.project) else {
        return Ok(false);
    };
    let projects = standing::projects_with(tx, &caller.organization, user, permission)?;
    Ok(projects.iter().any(|it| it.as_str() == project))
}

fn opened(key: &SealingKey, side: &Side, place: &str) -> Option<LogText> {
    let text = key.open(&side.sealed, place).ok()?;
    let is_cut = (text.len() as u64) < side.whole_bytes;
    Some(LogText {
        // A letter may have been cut in two.
        text: String::from_utf8_lossy(&text).into_owned(),
        whole_bytes: side.whole_bytes,
        is_cut,
    })
}
