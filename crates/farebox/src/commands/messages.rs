//! `farebox messages`: what waits to be sent and what was given up, and trying that again.

use serde_json::{Value, json};
use store::jobs::Listed;

use super::print;
use crate::cli::{Failure, ListMessages, Messages, RetryMessages};
use crate::config::Loaded;
use crate::installation;

/// Does what `messages` says.
pub(super) async fn run(loaded: &Loaded, messages: Messages) -> Result<(), Failure> {
    match messages {
        Messages::List(list) => show(loaded, &list).await,
        Messages::Retry(retry) => try_again(loaded, retry).await,
    }
}

async fn show(loaded: &Loaded, list: &ListMessages) -> Result<(), Failure> {
    let found = installation::messages(&loaded.config).await?;
    if list.json {
        let all = |listed: &[Listed]| listed.iter().map(as_json).collect::<Vec<_>>();
        let object = json!({
            "waiting_count": found.waiting_count,
            "given_up_count": found.given_up_count,
            "waiting": all(&found.waiting),
            "given_up": all(&found.given_up),
        });
        return print(&format!("{object:#}\n"));
    }
    let mut page = String::new();
    for (count, listed, what) in [
        (found.waiting_count, &found.waiting, "waiting"),
        (found.given_up_count, &found.given_up, "given up"),
    ] {
        page.push_str(&format!("{count} {what}\n"));
        page.extend(listed.iter().map(as_text));
        if count > listed.len() as u64 {
            page.push_str("  …\n");
        }
    }
    if found.given_up_count > 0 {
        page.push_str("\n`farebox messages retry ID` tries one again, `--all` all of them.\n");
    }
    print(&page)
}

async fn try_again(loaded: &Loaded, retry: RetryMessages) -> Result<(), Failure> {
    let revived = installation::retry_messages(&loaded.config, retry.ids).await?;
    print(&match revived {
        1 => "1 message is tried again.\n".to_owned(),
        many => format!("{many} messages are tried again.\n"),
    })
}

fn as_text(listed: &Listed) -> String {
    let Listed {
        id,
        to,
        template,
        tries,
        ..
    } = listed;
    let channel = listed.channel.as_str();
    let since = listed.created_at.to_utc();
    let reason = match &listed.reason {
        Some(reason) => format!("\n      {reason}"),
        None => String::new(),
    };
    format!("  {id}  {channel}  {template}  to {to}  since {since}  tries: {tries}{reason}\n")
}

fn as_json(listed: &Listed) -> Value {
    json!({
        "id": listed.id.as_str(),
        "channel": listed.channel.as_str(),
        "template": listed.template,
        "to": listed.to,
        "tries": listed.tries,
        "in_progress": listed.is_claimed,
        "reason": listed.reason,
        "created_at": listed.created_at.seconds(),
        "given_up_at": listed.ended_at.map(domain::time::AtUs::seconds),
    })
}
