//! The answers that no handler writes down, because they are the same everywhere: what an answer
//! without a description says, and every refusal, each as OpenAI's error.

use serde_json::{Map, Value, json};

use super::each_operation;

const INVALID: &str = "invalid_request_error";

/// A refusal: its status, its name among the components, what it means, and an example of it.
struct Refused(u16, &'static str, &'static str, [&'static str; 3]);

/// The example is the error's type, code and message.
const REFUSALS: [Refused; 12] = [
    Refused(
        400,
        "BadRequest",
        "The request is not what it should be, or cannot be done",
        [
            INVALID,
            "missing_required_parameter",
            "Missing required parameter: 'name'.",
        ],
    ),
    Refused(
        401,
        "Unauthorized",
        "There is no key or session, or not one for this",
        [
            INVALID,
            "invalid_api_key",
            "Incorrect API key provided: sk-admin*******kQ2n.",
        ],
    ),
    Refused(
        403,
        "Forbidden",
        "The caller may not do this",
        [
            INVALID,
            "missing_scope",
            "You have insufficient permissions for this operation.",
        ],
    ),
    Refused(
        404,
        "NotFound",
        "What the request names does not exist, or not for the caller",
        [
            INVALID,
            "not_found",
            "There is no project 'proj_7YkQ2nV0bX4cR9sLwA3eTz1M' in this organization.",
        ],
    ),
    Refused(
        409,
        "Conflict",
        "Another request is in the way",
        [
            INVALID,
            "idempotency_request_in_progress",
            "The first request with this key is still running.",
        ],
    ),
    Refused(
        413,
        "TooLarge",
        "The body is too large",
        [
            INVALID,
            "request_too_large",
            "The request body is too large.",
        ],
    ),
    Refused(
        415,
        "UnsupportedEncoding",
        "The body is compressed",
        [
            INVALID,
            "unsupported_encoding",
            "Send the body as plain JSON in UTF-8.",
        ],
    ),
    Refused(
        429,
        "TooMany",
        "A limit of rate or money is reached; `code` says which",
        [
            "insufficient_quota",
            "credit_balance_exhausted",
            "You exceeded your current quota.",
        ],
    ),
    Refused(
        500,
        "ServerError",
        "The server failed; its log says why",
        [
            "server_error",
            "internal_error",
            "The server had an error while processing your request.",
        ],
    ),
    Refused(
        502,
        "BadUpstream",
        "The model's server refused this server",
        [
            "server_error",
            "upstream_misconfigured",
            "The model's server refused the request.",
        ],
    ),
    Refused(
        503,
        "Unavailable",
        "The server or the model's cannot answer just now",
        [
            "server_error",
            "store_unavailable",
            "The database is not available. Please try again shortly.",
        ],
    ),
    Refused(
        504,
        "UpstreamTimeout",
        "The model's server was silent for too long",
        [
            "server_error",
            "upstream_timeout",
            "The model did not answer in time.",
        ],
    ),
];

/// Adds what is missing to every operation, and the refusals to the components.
pub(super) fn complete(document: &mut Value) {
    each_operation(document, |path, method, operation| {
        let statuses = refusals_of(path, method, operation);
        let Some(answers) = operation
            .get_mut("responses")
            .and_then(Value::as_object_mut)
        else {
            return;
        };
        for Refused(status, name, ..) in &REFUSALS {
            if statuses.contains(status) || answers.contains_key(&status.to_string()) {
                let shared = format!("#/components/responses/{name}");
                answers.insert(status.to_string(), json!({"$ref": shared}));
            }
        }
    });
    let described = document["components"]["schemas"].clone();
    each_operation(document, |_, _, operation| describe(operation, &described));
    let components = &mut document["components"];
    components["schemas"]["Error"] = schema();
    for Refused(_, name, means, [kind, code, message]) in &REFUSALS {
        components["responses"][*name] = json!({
            "description": means,
            "content": {"application/json": {
                "schema": {"$ref": "#/components/schemas/Error"},
                "example": {"error": {
                    "message": message, "type": kind, "param": null, "code": code,
                }},
            }},
        });
    }
}

/// The envelope of every refusal.
fn schema() -> Value {
    let text = |what: &str| json!({"type": "string", "description": what});
    let maybe = |what: &str| json!({"type": ["string", "null"], "description": what});
    json!({
        "type": "object",
        "description": "Why a request was refused, in OpenAI's form.",
        "required": ["error"],
        "properties": {"error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": text("What happened, and what to do next."),
                "type": text("The kind of error."),
                "param": maybe("What of the request is wrong."),
                "code": maybe("Which error it is, for programs."),
            },
        }},
    })
}

/// The statuses that a request to this operation may be refused with.
fn refusals_of(path: &str, method: &str, operation: &Map<String, Value>) -> Vec<u16> {
    let calls_model = operation.contains_key("requestBody")
        && operation.get("security") == Some(&json!([{"key": []}]));
    let is_public = operation.get("security") == Some(&json!([]));
    let is_for_people = operation.get("security") == Some(&json!([{"session": []}]));
    let mut statuses = vec![500, 503];
    if method != "get" || has_parameter(operation, "query") {
        statuses.push(400);
    }
    if !is_public {
        statuses.extend([401, 403]);
    }
    if path.contains('{') || method != "get" || has_parameter(operation, "query") {
        statuses.push(404);
    }
    if operation.contains_key("requestBody") {
        statuses.extend([413, 415]);
    }
    if method != "get" {
        statuses.push(409);
    }
    if calls_model {
        statuses.extend([429, 502, 504]);
    }
    if (is_public || is_for_people) && method != "get" {
        // Whoever tries passwords and codes is slowed down, and pages of other sites are refused.
        statuses.extend([401, 403, 429]);
    }
    statuses
}

fn has_parameter(operation: &Map<String, Value>, place: &str) -> bool {
    let parameters = operation.get("parameters").and_then(Value::as_array);
    parameters.into_iter().flatten().any(|it| it["in"] == place)
}

/// Describes each answer that nobody described by what it holds.
fn describe(operation: &mut Map<String, Value>, schemas: &Value) {
    let answers = operation
        .get_mut("responses")
        .and_then(Value::as_object_mut);
    for answer in answers.into_iter().flatten().map(|(_, answer)| answer) {
        if answer.get("$ref").is_some() || answer.get("description").is_some_and(|it| it != "") {
            continue;
        }
        let schema = answer.pointer("/content/application~1json/schema/$ref");
        let name = schema
            .and_then(Value::as_str)
            .and_then(|it| it.rsplit('/').next());
        let described = name.and_then(|name| schemas[name]["description"].as_str());
        let first_line = described.unwrap_or("Done.").lines().next();
        answer["description"] = first_line.unwrap_or_default().trim_end_matches('.').into();
    }
}
