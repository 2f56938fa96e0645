//! `/api/outbox`: the messages that were kept instead of sent, for who tries Farebox out.
//!
//! They hold codes that let people in, and nobody has to log in to see them. So they are shown only
//! where everybody is at home: on an installation that answers on loopback alone, to callers from
//! loopback. Programs that pass requests on make every caller look like that; those are told apart
//! by what they add to a request. And a browser can be made to ask a loopback address under a
//! foreign name: the name asked for must be loopback's too.

use std::net::{IpAddr, SocketAddr};

use axum::body::Body;
use axum::extract::{ConnectInfo, FromRequestParts, State};
use axum::response::Response;
use domain::id::JobId;
use http::header::{FORWARDED, HOST, VIA};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderName, Uri};
use serde::Serialize;
use store::outbox::{self, Entry};
use utoipa::ToSchema;

use crate::Control;
use crate::billing_documents::file;
use crate::pagination::{List, Listed, Page};
use crate::path::Ids;
use crate::respond::{Outcome, Refusal, answer};

/// What only those add to a request who pass it on.
const PASSED_ON: [HeaderName; 6] = [
    FORWARDED,
    VIA,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-forwarded-proto"),
    HeaderName::from_static("x-real-ip"),
];

/// A caller who is at home here.
pub(crate) struct AtHome;

impl FromRequestParts<Control> for AtHome {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, control: &Control) -> Result<Self, Response> {
        match control.shows_outbox && is_at_home(parts) {
            true => Ok(AtHome),
            false => {
                let nowhere = Refusal::NoRoute {
                    method: parts.method.to_string(),
                    path: parts.uri.path().to_owned(),
                };
                Err(answer::<()>(control, Err(nowhere)))
            }
        }
    }
}

pub(crate) fn is_at_home(parts: &Parts) -> bool {
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    let from_here = peer.is_some_and(|ConnectInfo(peer)| peer.ip().to_canonical().is_loopback());
    let directly = !PASSED_ON
        .iter()
        .any(|name| parts.headers.contains_key(name));
    let mut hosts = parts.headers.get_all(HOST).iter();
    let host = hosts.next().and_then(|host| host.to_str().ok());
    let by_name = host.is_some_and(is_loopback_host) && hosts.next().is_none();
    from_here && directly && by_name
}

/// Whether `url` leads to the machine that it is followed on.
#[must_use]
pub fn is_loopback_url(url: &str) -> bool {
    let uri: Option<Uri> = url.parse().ok();
    let authority = uri.as_ref().and_then(Uri::authority);
    authority.is_some_and(|authority| is_loopback_host(authority.as_str()))
}

fn is_loopback_host(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else {
        return false;
    };
    let name = authority.host().trim_matches(['[', ']']);
    let address: Result<IpAddr, _> = name.parse();
    address.map_or(name.eq_ignore_ascii_case("localhost"), |it| {
        it.is_loopback()
    })
}

/// A message that was kept instead of sent.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OutboxMessage {
    #[schema(example = "job_aGpL5QRlAsj9SHZoV2BsJ5wk")]
    id: String,
    #[schema(example = "outbox.message")]
    object: &'static str,
    /// `mail` or `sms`.
    #[schema(example = "mail")]
    channel: &'static str,
    /// The address or number.
    #[schema(example = "ada@example.com")]
    to: String,
    /// Null for text messages.
    #[schema(example = "482913 is your Farebox code")]
    subject: Option<String>,
    /// All that it says.
    #[schema(example = "Type this code in…")]
    text: String,
    /// The same as people see it, a page that needs nothing else: to be shown where it can do
    /// nothing, such as in an iframe with an empty `sandbox`. Null for text messages.
    #[schema(example = "<!doctype html>…")]
    html: Option<String>,
    /// The files that go with it.
    attachments: Vec<OutboxAttachment>,
    /// When it would have left.
    #[schema(example = 1_799_000_000)]
    created_at: i64,
}

/// A file that goes with a message.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OutboxAttachment {
    #[schema(example = "2026-000017.pdf")]
    name: String,
    #[schema(example = "application/pdf")]
    media_type: String,
    #[schema(example = 18_000)]
    size_bytes: u64,
    /// Where it is.
    #[schema(example = "/api/outbox/job_aGpL5QRlAsj9SHZoV2BsJ5wk/attachments/2026-000017.pdf")]
    url: String,
}

impl From<Entry> for OutboxMessage {
    fn from(entry: Entry) -> Self {
        let id = entry.id.to_string();
        let files = entry.attachments.into_iter().map(|file| OutboxAttachment {
            url: format!("/api/outbox/{id}/attachments/{}", file.name),
            name: file.name,
            media_type: file.media_type,
            size_bytes: file.size_bytes,
        });
        OutboxMessage {
            attachments: files.collect(),
            html: entry.html,
            id,
            object: "outbox.message",
            channel: entry.channel.as_str(),
            to: entry.to,
            subject: entry.subject,
            text: entry.body,
            created_at: entry.at.seconds(),
        }
    }
}

impl Listed for OutboxMessage {
    fn id(&self) -> &str {
        &self.id
    }
}

/// List the messages that were kept instead of sent, newest first. Only where mails or text
/// messages go to the outbox, on a loopback installation, for callers from loopback.
#[utoipa::path(
    get, path = "/api/outbox", tag = "Outbox", operation_id = "list_outbox",
    params(Page),
    responses((status = 200, body = List<OutboxMessage>), (status = 404))
)]
pub(crate) async fn list(State(control): State<Control>, AtHome: AtHome, page: Page) -> Response {
    let list = page.list::<OutboxMessage, _>(&control, |tx, page| {
        let after = page.cursor(|id| outbox::get(tx, &JobId::new(id)))?;
        Ok(outbox::list(tx, after.as_ref(), page.rows())?)
    });
    answer(&control, list.await)
}

/// Download a file that goes with a message that was kept instead of sent.
#[utoipa::path(
    get, path = "/api/outbox/{message_id}/attachments/{file_name}", tag = "Outbox",
    operation_id = "download_outbox_attachment",
    params(
        ("message_id" = String, Path, description = "The message"),
        ("file_name" = String, Path, description = "Which", example = "2026-000017.pdf"),
    ),
    responses(
        (status = 200, content((Vec<u8> = "application/pdf"))),
        (status = 404),
    )
)]
pub(crate) async fn attachment(
    State(control): State<Control>,
    AtHome: AtHome,
    Ids([id, name]): Ids<2>,
) -> Response {
    let wanted = name.clone();
    let read = control
        .store
        .read(move |tx| -> Outcome<_> { Ok(outbox::attachment(tx, &JobId::new(&id), &wanted)?) });
    let found = read.await.and_then(|found| {
        let found = found.ok_or(Refusal::NotFound {
            what: "attachment",
            id: name,
        })?;
        let content = Body::from(found.content);
        Ok(file(content, &found.media_type, Some(&found.name)))
    });
    answer(&control, found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_known_by_every_name_it_has_and_by_no_other() {
        for (url, is_home) in [
            ("http://127.0.0.1:8080", true),
            ("http://127.1.2.3", true),
            ("http://localhost:8080/farebox", true),
            ("http://LOCALHOST", true),
            ("http://[::1]:8080", true),
            ("https://ai.example.com", false),
            ("http://127.0.0.1.example.com", false),
            ("http://localhost.example.com", false),
            ("http://10.0.0.1:8080", false),
            ("http://0.0.0.0:8080", false),
            ("", false),
        ] {
            assert_eq!(is_loopback_url(url), is_home, "{url}");
        }
        for (host, is_home) in [
            ("localhost:80", true),
            ("[::1]", true),
            ("evil.test", false),
        ] {
            assert_eq!(is_loopback_host(host), is_home, "{host}");
        }
    }
}
