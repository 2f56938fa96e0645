//! The only place of the control plane that turns a refusal into a status and a body.

use axum::response::{IntoResponse, Response};
use domain::access::AccessRefusal;
use domain::permission::{Permission, Permissions};
use domain::rotation::MOST_RETIRED;
use domain::sealed::NotOpened;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{HeaderName, StatusCode};
use store::StoreError;
use wire::error::{ErrorBody, missing_scopes};

use crate::Control;
use crate::credit::redemptions::CodeRefusal;
use crate::payments::refusal::PaymentRefusal;
use crate::people::refusal::PeopleRefusal;

/// Every error code that the control plane itself answers with. docs/errors.md explains each.
pub const CODES: &[&str] = &[
    "account_locked",
    "billing_not_active",
    "code_expired",
    "cross_origin",
    "enrolment_expired",
    "idempotency_key_reused",
    "internal_error",
    "invalid_api_key",
    "invalid_signature",
    "invalid_type",
    "invalid_value",
    "last_operator",
    "ip_not_authorized",
    "last_owner",
    "last_sign_in_method",
    "link_expired",
    "mismatched_organization",
    "missing_required_parameter",
    "missing_scope",
    "no_more_codes",
    "no_second_factor",
    "not_found",
    "not_signed_in",
    "not_supported",
    "not_your_key",
    "operator_required",
    "other_address",
    "passkey_refused",
    "passkeys_unavailable",
    "payment_not_paid",
    "payment_over",
    "payment_provider_unavailable",
    "payment_refused",
    "payments_unavailable",
    "price_stands",
    "project_archived",
    "proof_required",
    "reconciliation_running",
    "receipt_not_ready",
    "redeem_code_expired",
    "redeem_code_unknown",
    "redeem_code_used_here",
    "redeem_code_used_up",
    "secret_key_missing",
    "sign_in_busy",
    "sign_in_expired",
    "signers_unavailable",
    "signup_closed",
    "signup_expired",
    "signup_order",
    "sso_unavailable",
    "store_unavailable",
    "too_many_attempts",
    "too_many_limits",
    "too_many_passkeys",
    "too_many_secrets",
    "unsupported_parameter",
    "verification_running",
    "wrong_code",
    "wrong_credentials",
    "wrong_factor",
];

/// No body of the Administration API may be larger.
pub(crate) const BODY_BYTES: usize = 1024 * 1024;

const INVALID: &str = "invalid_request_error";
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Why a request to the Administration API was not answered.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// No key came with the request.
    NoKey,
    /// The key is not one of ours, mistyped, revoked or expired; shown masked.
    BadKey { masked: String },
    /// The key is known and may not do this.
    Access(AccessRefusal),
    /// The caller would give somebody permissions that they do not have themselves.
    NotToGive(Permissions),
    /// An operator suspended the organization, and it would be changed.
    Suspended,
    /// The caller's own key for this call was used for another one.
    KeyReused,
    /// Only who runs this installation may do this, and the caller does not.
    NotOperator,
    /// Nobody said who may call this route: a bug, which opens it to nobody.
    NoRule,
    /// OpenAI has this, and Farebox cannot.
    NotHere { message: &'static str },
    /// There is nothing at this address.
    NoRoute { method: String, path: String },
    /// The body is not a JSON object.
    NotJson,
    /// The body says that it is something else than JSON.
    ContentType(String),
    /// The body is compressed.
    ContentEncoding(String),
    /// The body is larger than [`BODY_BYTES`].
    TooLarge,
    /// The body did not arrive whole.
    CutOff,
    /// A parameter is missing.
    Missing { param: String },
    /// A parameter is of the wrong type.
    WrongType { param: String, message: String },
    /// A parameter is not what it should be.
    Invalid { param: String, message: String },
    /// A parameter would change the answer, and cannot be honoured.
    Unsupported {
        param: &'static str,
        message: &'static str,
    },
    /// There is no such thing, or not in this organization.
    NotFound { what: &'static str, id: String },
    /// There is no such thing in the whole installation.
    Nowhere { what: &'static str, id: String },
    /// A redeem code gives nothing.
    RedeemCode(CodeRefusal),
    /// The request has no receipt yet.
    StillRunning { id: String },
    /// There could be such a limit, and there is none.
    NoLimit { message: String },
    /// There are as many limits as there may be.
    TooManyLimits { message: String },
    /// The price is not to be withdrawn.
    PriceStands { message: &'static str },
    /// A proof of the books is running.
    Proving,
    /// The installation would be without an operator.
    LastOperator,
    /// Nobody signed the report who may.
    BadSignature,
    /// This server has nothing to seal secrets with.
    NoSecretKey,
    /// Who may sign cannot be found out at this moment.
    SignersUnavailable,
    /// The organization would be without an owner.
    LastOwner,
    /// The key is somebody else's, whose new secret is nobody else's business.
    NotYourKey,
    /// As many earlier secrets of the key work as may.
    TooManySecrets,
    /// The project is archived, or cannot be.
    Archived { message: &'static str },
    /// A person may not do this, or not now.
    People(PeopleRefusal),
    /// Nothing is paid, saved or given back.
    Payment(PaymentRefusal),
    /// The database.
    Store(StoreError),
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Refusal::Store(error)
    }
}

/// An answer, or why there is none.
pub(crate) type Outcome<T> = Result<T, Refusal>;

/// Answers `outcome`, stamped as every answer is.
pub(crate) fn answer<T: IntoResponse>(control: &Control, outcome: Outcome<T>) -> Response {
    let id = domain::id::RequestId::random(control.now(), control.entropy).to_string();
    let mut response = match outcome {
        Ok(body) => body.into_response(),
        Err(refusal) => refuse(&refusal, &control.public_url, &id),
    };
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, id);
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("openai-version", HeaderValue::from_static("2020-10-01"));
    headers.insert(
        "x-content-type-options",
        HeaderValue::from_static("nosniff"),
    );
    response
}

fn refuse(refusal: &Refusal, url: &str, request_id: &str) -> Response {
    let (status, error) = decide(refusal, url);
    match refusal {
        Refusal::Store(error) if !matches!(error, StoreError::Conflict(_)) => {
            tracing::error!(request_id, %error, "request failed");
        }
        Refusal::NoRule => tracing::error!(request_id, "the table of access lacks this route"),
        _ => {
            let (status, code) = (status.as_u16(), error.code.as_deref());
            tracing::debug!(request_id, status, code, "request refused");
        }
    }
    let body = [(CONTENT_TYPE, "application/json")];
    let mut response = (status, body, error.to_json()).into_response();
    if let Refusal::People(PeopleRefusal::TooMany { wait_s }) = refusal {
        response.headers_mut().insert(RETRY_AFTER, (*wait_s).into());
    }
    response
}

fn decide(refusal: &Refusal, url: &str) -> (StatusCode, ErrorBody) {
    let unauthorized = |code: Option<&'static str>, message: String| {
        error(StatusCode::UNAUTHORIZED, code, None, message)
    };
    let bad = |code, param, message| error(StatusCode::BAD_REQUEST, code, param, message);
    match refusal {
        Refusal::NoKey => unauthorized(None, no_key_message(url)),
        Refusal::BadKey { masked } => unauthorized(
            Some("invalid_api_key"),
            format!(
                "Incorrect API key provided: {masked}. You can find your admin keys at {url}/settings."
            ),
        ),
        Refusal::Access(refusal) => access(refusal, url),
        Refusal::NoRoute { method, path } => {
            let message = format!("Invalid URL ({method} {path})");
            error(StatusCode::NOT_FOUND, None, None, message)
        }
        Refusal::Missing { param } => bad(
            Some("missing_required_parameter"),
            Some(param.clone()),
            format!("Missing required parameter: '{param}'."),
        ),
        Refusal::WrongType { param, message } => {
            bad(Some("invalid_type"), Some(param.clone()), message.clone())
        }
        Refusal::Invalid { param, message } => {
            bad(Some("invalid_value"), Some(param.clone()), message.clone())
        }
        Refusal::Unsupported { param, message } => bad(
            Some("unsupported_parameter"),
            Some((*param).into()),
            (*message).into(),
        ),
        Refusal::NotFound { .. }
        | Refusal::Nowhere { .. }
        | Refusal::StillRunning { .. }
        | Refusal::NoLimit { .. } => absent(refusal),
        Refusal::RedeemCode(refusal) => redeem_code(*refusal),
        Refusal::TooManyLimits { message } => bad(Some("too_many_limits"), None, message.clone()),
        Refusal::NotHere { message } => bad(Some("not_supported"), None, (*message).into()),
        Refusal::PriceStands { message } => bad(Some("price_stands"), None, (*message).into()),
        Refusal::BadSignature => unauthorized(
            Some("invalid_signature"),
            "This is not signed by anybody who is believed here, or was signed too long ago."
                .into(),
        ),
        Refusal::SignersUnavailable => signers_unavailable(),
        Refusal::LastOwner => last_owner(),
        Refusal::NoSecretKey => no_secret_key(),
        Refusal::NotYourKey | Refusal::TooManySecrets => rotation(refusal),
        Refusal::Archived { message } => bad(Some("project_archived"), None, (*message).into()),
        Refusal::People(refusal) => people(*refusal),
        Refusal::Payment(refusal) => payment(refusal),
        Refusal::Store(failure) => store(failure),
        Refusal::NoRule => internal(),
        Refusal::NotToGive(missing) => {
            let names = missing.iter().map(Permission::in_refusals);
            let names = names.collect::<Vec<_>>().join(", ");
            forbidden(missing_scopes(&names))
        }
        Refusal::NotOperator
        | Refusal::Suspended
        | Refusal::KeyReused
        | Refusal::Proving
        | Refusal::LastOperator => of_operators(refusal),
        _ => body(refusal),
    }
}

fn redeem_code(refusal: CodeRefusal) -> (StatusCode, ErrorBody) {
    let (code, message) = refusal.told();
    let param = Some("code".to_owned());
    error(StatusCode::BAD_REQUEST, Some(code), param, message.into())
}

/// What is not there.
fn absent(refusal: &Refusal) -> (StatusCode, ErrorBody) {
    not_found(match refusal {
        Refusal::NotFound { what, id } => {
            format!("There is no {what} '{id}' in this organization.")
        }
        Refusal::Nowhere { what, id } => {
            format!("There is no {what} '{id}' in this installation.")
        }
        Refusal::NoLimit { message } => message.clone(),
        Refusal::StillRunning { id } => {
            let message = format!(
                "The request '{id}' is still being answered. Its receipt is there as soon as it is settled."
            );
            return error(
                StatusCode::NOT_FOUND,
                Some("receipt_not_ready"),
                None,
                message,
            );
        }
        _ => return internal(),
    })
}

/// What operators decide, and what they are told.
fn of_operators(refusal: &Refusal) -> (StatusCode, ErrorBody) {
    let (status, code, message) = match refusal {
        Refusal::NotOperator => (
            StatusCode::FORBIDDEN,
            "operator_required",
            "Only who runs this installation may do this. Sign in as one of its operators.",
        ),
        Refusal::Suspended => (
            StatusCode::FORBIDDEN,
            "billing_not_active",
            "Your account is not active, please check your billing details on our website. The operator of this installation has suspended it: it can be looked at, and not changed. Ask them.",
        ),
        Refusal::KeyReused => (
            StatusCode::CONFLICT,
            "idempotency_key_reused",
            "This key came before with another amount, or for another kind of change. Send a new key.",
        ),
        Refusal::Proving => (
            StatusCode::CONFLICT,
            "verification_running",
            "A proof of the books is running. Wait for its end, and begin another one then.",
        ),
        _ => (
            StatusCode::BAD_REQUEST,
            "last_operator",
            "An installation keeps an operator who can sign in, and this is the last one. Make somebody else an operator first.",
        ),
    };
    let param = matches!(refusal, Refusal::KeyReused).then(|| "key".to_owned());
    error(status, Some(code), param, message.into())
}

fn no_secret_key() -> (StatusCode, ErrorBody) {
    error(
        StatusCode::SERVICE_UNAVAILABLE,
        Some("secret_key_missing"),
        None,
        "This server does not have the secret key that secrets are kept with. Ask whoever runs it: its log says what to do.".into(),
    )
}

fn last_owner() -> (StatusCode, ErrorBody) {
    error(
        StatusCode::BAD_REQUEST,
        Some("last_owner"),
        None,
        "An organization keeps an owner, and this is the last one. Make somebody else an owner first.".into(),
    )
}

fn rotation(refusal: &Refusal) -> (StatusCode, ErrorBody) {
    match refusal {
        Refusal::NotYourKey => error(
            StatusCode::FORBIDDEN,
            Some("not_your_key"),
            None,
            "Only its owner rotates a key: whoever does sees the new secret. Ask them, or revoke the key.".into(),
        ),
        _ => error(
            StatusCode::BAD_REQUEST,
            Some("too_many_secrets"),
            None,
            format!(
                "{MOST_RETIRED} earlier secrets of this key still work. Wait until one of them ends, or rotate with 'grace_seconds' 0, which ends them all."
            ),
        ),
    }
}

fn body(refusal: &Refusal) -> (StatusCode, ErrorBody) {
    let (status, message) = match refusal {
        Refusal::ContentType(sent) => (
            StatusCode::BAD_REQUEST,
            format!(
                "Invalid Content-Type header ({sent}), expected application/json. (HINT: If you're using curl, you can pass -H 'Content-Type: application/json')"
            ),
        ),
        Refusal::ContentEncoding(sent) => (
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            format!(
                "Unsupported Content-Encoding header ({sent}). Send the body as plain JSON in UTF-8."
            ),
        ),
        Refusal::TooLarge => (
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("The request body is too large: at most {BODY_BYTES} bytes are accepted."),
        ),
        Refusal::CutOff => (
            StatusCode::BAD_REQUEST,
            "The request body did not arrive whole. Send it again.".into(),
        ),
        _ => (
            StatusCode::BAD_REQUEST,
            "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP library correctly. The API expects a JSON object.)".into(),
        ),
    };
    error(status, None, None, message)
}

fn store(failure: &StoreError) -> (StatusCode, ErrorBody) {
    match failure {
        StoreError::Unavailable(_) | StoreError::Full(_) => server(
            StatusCode::SERVICE_UNAVAILABLE,
            "store_unavailable",
            "The database is not available. Please try again shortly.",
        ),
        // Another request was first. The official SDKs repeat this one, and it then sees what is.
        StoreError::Conflict(_) => error(
            StatusCode::CONFLICT,
            None,
            None,
            "Another request changed this at the same time. Please try again.".into(),
        ),
        StoreError::Sealed(NotOpened::OtherKey) => no_secret_key(),
        _ => internal(),
    }
}

fn signers_unavailable() -> (StatusCode, ErrorBody) {
    server(
        StatusCode::SERVICE_UNAVAILABLE,
        "signers_unavailable",
        "Whose reports are to be believed cannot be found out at this moment. Please send this one again.",
    )
}

fn internal() -> (StatusCode, ErrorBody) {
    server(
        StatusCode::INTERNAL_SERVER_ERROR,
        "internal_error",
        "The server had an error while processing your request. Sorry about that! The operator finds it in the log by the request id.",
    )
}

#[expect(
    clippy::too_many_lines,
    reason = "a table: each refusal and its answer"
)]
fn people(refusal: PeopleRefusal) -> (StatusCode, ErrorBody) {
    use PeopleRefusal as It;
    use StatusCode as Status;
    let (status, code, message) = match refusal {
        It::NotSignedIn => (
            Status::UNAUTHORIZED,
            "not_signed_in",
            "You are not signed in, or your session is over. Sign in again.",
        ),
        It::CrossOrigin => (
            Status::FORBIDDEN,
            "cross_origin",
            "This request was sent by a page of another site. If this is your own console, set `public_url` to its address.",
        ),
        It::WrongCredentials => (
            Status::UNAUTHORIZED,
            "wrong_credentials",
            "The email address or the password is wrong.",
        ),
        It::Locked => (
            Status::FORBIDDEN,
            "account_locked",
            "The operator of this installation has locked this account. Ask them.",
        ),
        It::TooMany { .. } => (
            Status::TOO_MANY_REQUESTS,
            "too_many_attempts",
            "This was tried too often. Wait as long as the Retry-After header says, and try again.",
        ),
        It::Busy => {
            return server(
                Status::SERVICE_UNAVAILABLE,
                "sign_in_busy",
                "Too many people are signing in at this moment. Please try again shortly.",
            );
        }
        It::ProofRequired => (
            Status::FORBIDDEN,
            "proof_required",
            "You signed in a while ago. Prove who you are: send your password as `current_password`, or call POST /api/sessions/current/proof.",
        ),
        It::SignInOver => (
            Status::UNAUTHORIZED,
            "sign_in_expired",
            "This sign-in is over, or was tried too often. Begin again with your password.",
        ),
        It::WrongFactor => (
            Status::BAD_REQUEST,
            "wrong_factor",
            "The code is wrong, too old, or was used. Try the next one.",
        ),
        It::EnrolmentOver => (
            Status::BAD_REQUEST,
            "enrolment_expired",
            "No authenticator app waits to be added, or not any more. Begin again.",
        ),
        It::NoPasskeysHere => (
            Status::BAD_REQUEST,
            "passkeys_unavailable",
            "Passkeys are made for a name, and this Farebox is known by a number. Set `public_url` to an address with a name, such as https://ai.example.com or http://localhost:8080.",
        ),
        It::TooManyPasskeys => (
            Status::BAD_REQUEST,
            "too_many_passkeys",
            "You have as many passkeys as you may. Remove one first.",
        ),
        It::Passkey(problem) => {
            let message = format!("This passkey was not accepted: {problem}.");
            return error(Status::BAD_REQUEST, Some("passkey_refused"), None, message);
        }
        It::NoFactor => (
            Status::NOT_FOUND,
            "no_second_factor",
            "Your account has no such second factor.",
        ),
        It::WrongCode => (
            Status::BAD_REQUEST,
            "wrong_code",
            "This is not the code that was sent. Look at the latest message.",
        ),
        It::CodeOver => (
            Status::BAD_REQUEST,
            "code_expired",
            "The code is too old, or was tried too often. Ask for another one.",
        ),
        It::NoMoreCodes => (
            Status::TOO_MANY_REQUESTS,
            "no_more_codes",
            "No more codes are sent for this. Begin again, and check the address or number.",
        ),
        It::SignupClosed { by_invite: true } => (
            Status::FORBIDDEN,
            "signup_closed",
            "Only people who were invited can sign up here. Ask for an invitation.",
        ),
        It::SignupClosed { by_invite: false } => (
            Status::FORBIDDEN,
            "signup_closed",
            "Nobody can sign up here.",
        ),
        It::SignupOver => (
            Status::NOT_FOUND,
            "signup_expired",
            "There is no such sign-up, or it is over. Sign up again.",
        ),
        It::SignupOrder => (
            Status::BAD_REQUEST,
            "signup_order",
            "This sign-up waits for something else: prove the address first, then give a phone number, then prove that.",
        ),
        It::BadLink => (
            Status::BAD_REQUEST,
            "link_expired",
            "This link does not work any more. Ask for another one.",
        ),
        It::ProviderDown => {
            return server(
                Status::BAD_GATEWAY,
                "sso_unavailable",
                "The provider cannot be reached, or does not work. Please try again shortly.",
            );
        }
        It::LastWay => (
            Status::BAD_REQUEST,
            "last_sign_in_method",
            "There is no other way to sign in to your account. Choose a password first.",
        ),
        It::OtherAddress => (
            Status::FORBIDDEN,
            "other_address",
            "This invite was sent to another email address than that of your account. Sign in with the account that has it, or ask for an invite to your address.",
        ),
    };
    error(status, Some(code), None, message.into())
}

fn payment(refusal: &PaymentRefusal) -> (StatusCode, ErrorBody) {
    let (status, code, param, message) = refusal.parts();
    match status.is_server_error() {
        true => server(status, code, &message),
        false => error(status, Some(code), param.map(ToOwned::to_owned), message),
    }
}

fn access(refusal: &AccessRefusal, url: &str) -> (StatusCode, ErrorBody) {
    let (code, message) = match refusal {
        AccessRefusal::MissingScope(permission) => {
            return forbidden(missing_scopes(permission.in_refusals()));
        }
        AccessRefusal::AddressNotAllowed(address) => (
            "ip_not_authorized",
            format!(
                "IP not authorized: this key may not be used from {}.",
                address.map_or_else(|| "an unknown address".into(), |it| it.to_string()),
            ),
        ),
        AccessRefusal::MismatchedOrganization => (
            "mismatched_organization",
            "OpenAI-Organization header should match organization for API key".into(),
        ),
        AccessRefusal::Expired => (
            "invalid_api_key",
            format!(
                "Incorrect API key provided: it has expired. Make a new one at {url}/settings."
            ),
        ),
        _ => (
            "invalid_api_key",
            format!(
                "Incorrect API key provided: the Administration API needs an admin key. You can find yours at {url}/settings."
            ),
        ),
    };
    error(StatusCode::UNAUTHORIZED, Some(code), None, message)
}

fn not_found(message: String) -> (StatusCode, ErrorBody) {
    error(StatusCode::NOT_FOUND, Some("not_found"), None, message)
}

fn forbidden(message: String) -> (StatusCode, ErrorBody) {
    error(StatusCode::FORBIDDEN, Some("missing_scope"), None, message)
}

fn no_key_message(url: &str) -> String {
    format!(
        "You didn't provide an API key. You need to provide your admin key in an Authorization header \
         using Bearer auth (i.e. Authorization: Bearer YOUR_KEY), or as the password field (with \
         blank username) if you're accessing the API from your browser and are prompted for a \
         username and password. You can obtain one from {url}/settings."
    )
}

fn error(
    status: StatusCode,
    code: Option<&'static str>,
    param: Option<String>,
    message: String,
) -> (StatusCode, ErrorBody) {
    (
        status,
        ErrorBody {
            message,
            kind: INVALID.into(),
            param,
            code: code.map(Into::into),
        },
    )
}

fn server(status: StatusCode, code: &'static str, message: &str) -> (StatusCode, ErrorBody) {
    let kind = "server_error".into();
    (
        status,
        ErrorBody {
            message: message.into(),
            kind,
            param: None,
            code: Some(code.into()),
        },
    )
}
