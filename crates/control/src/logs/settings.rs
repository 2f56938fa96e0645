//! `/api/log_settings`: whether prompts and answers are kept with the log, and for how long. They
//! are not, unless an owner of the organization says so.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use domain::id::OrganizationId;
use serde::Serialize;
use serde_json::{Map, json};
use store::Tx;
use store::audit::{Event, Kind};
use store::prompts::{self, MOST_DAYS, Setting};
use utoipa::ToSchema;

use crate::Control;
use crate::authenticate::Admin;
use crate::body::Fields;
use crate::change::Done;
use crate::respond::{Outcome, Refusal, answer};

/// What is kept with the log.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LogSettings {
    #[schema(value_type = String, example = "log_settings")]
    object: &'static str,
    /// Whether the beginnings of prompts and answers are kept, up to 64 KiB of each, sealed.
    #[schema(example = false)]
    keep_prompts: bool,
    /// For how many days.
    #[schema(example = 30)]
    prompt_days: i64,
    /// For how many days refused requests are: the operator's decision.
    #[schema(example = 30)]
    refusal_days: u64,
}

/// What is to change of what is kept; what is absent stays.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes a body that is read field by field")]
pub(crate) struct LogSettingsChanges {
    /// Acts on the next request, and within two seconds on other servers.
    keep_prompts: Option<bool>,
    #[schema(minimum = 1, maximum = 30)]
    prompt_days: Option<i64>,
    /// Whether what was kept until now goes at once. If absent: no, and it goes when its days are
    /// over.
    erase_prompts: Option<bool>,
}

impl LogSettings {
    fn of(control: &Control, setting: Setting) -> Self {
        LogSettings {
            object: "log_settings",
            keep_prompts: setting.is_enabled,
            prompt_days: setting.days,
            refusal_days: control.refusal_days,
        }
    }
}

/// Retrieve what is kept with the log.
#[utoipa::path(
    get, path = "/api/log_settings", tag = "Logs", operation_id = "retrieve_log_settings",
    responses((status = 200, body = LogSettings)), security(("admin_key" = []))
)]
pub(crate) async fn retrieve(State(control): State<Control>, Admin(admin): Admin) -> Response {
    let read = control
        .store
        .read(move |tx| -> Outcome<_> { Ok(prompts::setting(tx, &admin.organization)?) });
    let setting = read.await;
    answer(
        &control,
        setting.map(|it| Json(LogSettings::of(&control, it))),
    )
}

/// Decide whether prompts and answers are kept with the log, and for how long.
#[utoipa::path(
    post, path = "/api/log_settings", tag = "Logs", operation_id = "update_log_settings",
    request_body = LogSettingsChanges,
    responses((status = 200, body = LogSettings)), security(("admin_key" = []))
)]
pub(crate) async fn update(
    State(control): State<Control>,
    Admin(admin): Admin,
    fields: Fields,
) -> Response {
    let outcome = async {
        let keep = fields.flag("keep_prompts")?;
        if keep == Some(true) && control.webhooks.sealing.is_none() {
            let message = "Prompts are kept sealed, and this server was not given the installation's secret key. Ask the operator for it.";
            return Err(Refusal::Unsupported {
                param: "keep_prompts",
                message,
            });
        }
        let days = fields.integer("prompt_days", 1..=MOST_DAYS)?;
        let erase = fields.flag("erase_prompts")?.unwrap_or(false);
        let wanted = Wanted { keep, days, erase };
        let change = control.change(admin, move |tx, organization, now| {
            let (setting, changes) = wanted.apply(tx, organization)?;
            if changes.is_empty() {
                return Ok(Done::nothing(setting));
            }
            prompts::set(tx, organization, setting, erase, now)?;
            let event = Event::new(Kind::LogSettingsUpdated, organization);
            Ok(Done::new(event.changes(changes.into()), setting))
        });
        let setting = change.await?;
        if erase {
            control.forget_prompts().await?;
        }
        Ok(Json(LogSettings::of(&control, setting)))
    };
    answer(&control, outcome.await)
}

/// What is to change.
struct Wanted {
    keep: Option<bool>,
    days: Option<i64>,
    erase: bool,
}

impl Wanted {
    /// The setting as it is to be, and what of it is new.
    fn apply(
        self,
        tx: &mut Tx<'_>,
        organization: &OrganizationId,
    ) -> Outcome<(Setting, Map<String, serde_json::Value>)> {
        let before = prompts::setting(tx, organization)?;
        let setting = Setting {
            is_enabled: self.keep.unwrap_or(before.is_enabled),
            days: self.days.unwrap_or(before.days),
        };
        let mut changes = Map::new();
        if setting.is_enabled != before.is_enabled {
            changes.insert("keep_prompts".into(), json!(setting.is_enabled));
        }
        if setting.days != before.days {
            changes.insert("prompt_days".into(), json!(setting.days));
        }
        if self.erase {
            changes.insert("erase_prompts".into(), json!(true));
        }
        Ok((setting, changes))
    }
}
