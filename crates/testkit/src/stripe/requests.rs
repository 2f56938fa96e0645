//! The requests that the double takes: those that Farebox sends, and no others.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::books::{Books, Refusal, text};
use super::{SECRET_KEY, cards};
use crate::form;
use crate::upstream::{Reply, UpstreamRequest};

/// The fields of a request.
struct Fields(HashMap<String, String>);

pub(super) fn answer(books: &mut Books, request: &UpstreamRequest) -> Reply {
    if request.bearer() != Some(SECRET_KEY) {
        let message = json!({"type": "invalid_request_error", "message": "Invalid API Key"});
        return Reply::json(401, &json!({"error": message}));
    }
    let (status, body) = match &*request.method {
        "GET" => said(get(books, request)),
        _ => once(books, request),
    };
    Reply::json(status, &body)
}

/// Does what is asked for, unless it was done: then it says again what it said.
fn once(books: &mut Books, request: &UpstreamRequest) -> (u16, Value) {
    let body = String::from_utf8_lossy(&request.body);
    let asked = format!("{} {body}", request.path);
    let Some(key) = request.header("idempotency-key") else {
        return said(Err(Refusal::invalid("", "Farebox always sends a key.")));
    };
    if let Some((before, status, answer)) = books.answered.get(key) {
        if *before == asked {
            return (*status, answer.clone());
        }
        let error = json!({
            "type": "idempotency_error",
            "message": format!("Keys for idempotent requests can only be used with the same \
                parameters they were first used with: {before}, and now {asked}"),
        });
        return (400, json!({"error": error}));
    }
    let (status, answer) = said(post(books, &request.path, &Fields(form::parse(&body))));
    // What made no sense was not begun, and may be sent again.
    if status != 400 {
        let kept = (asked, status, answer.clone());
        books.answered.insert(key.to_owned(), kept);
    }
    (status, answer)
}

fn said(outcome: Result<Value, Refusal>) -> (u16, Value) {
    match outcome {
        Ok(object) => (200, object),
        Err(Refusal(status, error)) => (status, json!({"error": error})),
    }
}

fn get(books: &mut Books, request: &UpstreamRequest) -> Result<Value, Refusal> {
    let query = Fields(form::parse(&request.query));
    let parts: Vec<&str> = request.path.split('/').skip(2).collect();
    match parts[..] {
        ["balance_transactions"] => balance_transactions(books, &query),
        ["customers", customer, "payment_methods"] => {
            let methods = books.of_kind("payment_method").into_iter();
            let mut of_customer: Vec<Value> = methods
                .filter(|method| method["customer"] == customer)
                .collect();
            of_customer.reverse();
            Ok(list(&of_customer, false))
        }
        [kind @ ("refunds" | "disputes")] => {
            let intent = query.needed("payment_intent")?;
            let objects = books.of_kind(&kind[..kind.len() - 1]).into_iter();
            let mut of_intent: Vec<Value> = objects
                .filter(|object| object["payment_intent"] == intent)
                .collect();
            of_intent.reverse();
            Ok(list(&of_intent, false))
        }
        ["checkout", "sessions", id] => one(books, "checkout.session", id),
        ["payment_intents", id] => one(books, "payment_intent", id),
        ["setup_intents", id] => one(books, "setup_intent", id),
        ["payment_methods", id] => one(books, "payment_method", id),
        ["charges", id] => one(books, "charge", id),
        ["refunds", id] => one(books, "refund", id),
        ["disputes", id] => one(books, "dispute", id),
        _ => Err(Refusal::invalid("", "Unrecognized request URL")),
    }
}

fn one(books: &Books, kind: &str, id: &str) -> Result<Value, Refusal> {
    let object = books.find(id).filter(|object| object["object"] == kind);
    object.ok_or_else(|| Refusal::invalid("resource_missing", &format!("No such {kind}: '{id}'")))
}

fn post(books: &mut Books, path: &str, fields: &Fields) -> Result<Value, Refusal> {
    let parts: Vec<&str> = path.split('/').skip(2).collect();
    match parts[..] {
        ["customers"] => {
            let known_by = fields.below("metadata");
            let customer = json!({
                "name": fields.of("name"), "email": fields.of("email"), "metadata": known_by,
            });
            Ok(books.add("cus", "customer", customer))
        }
        ["checkout", "sessions"] => session(books, fields),
        ["checkout", "sessions", id, "expire"] => {
            let page = one(books, "checkout.session", id)?;
            if page["status"] != "open" {
                let message = "Only Checkout Sessions with a status of open can be expired.";
                return Err(Refusal::invalid("", message));
            }
            books.expire(id);
            Ok(books.object(id))
        }
        ["payment_methods", id, "detach"] => {
            let method = one(books, "payment_method", id)?;
            if method["customer"].is_null() {
                let message = "The payment method you provided is not attached to a customer";
                return Err(Refusal::invalid("", message));
            }
            books.object_mut(id)["customer"] = Value::Null;
            books.tell("payment_method.detached", id);
            Ok(books.object(id))
        }
        ["payment_intents"] => off_session(books, fields),
        ["payment_intents", id, "confirm"] => {
            let intent = one(books, "payment_intent", id)?;
            if intent["status"] != "requires_payment_method" {
                let code = "payment_intent_unexpected_state";
                return Err(Refusal::invalid(code, "You cannot confirm this."));
            }
            let card = fields.needed("payment_method")?;
            books.ask_owner(id, card, fields.needed("return_url")?);
            Ok(books.object(id))
        }
        ["payment_intents", id, "cancel"] => {
            let intent = one(books, "payment_intent", id)?;
            if ["succeeded", "canceled"]
                .iter()
                .any(|s| intent["status"] == *s)
            {
                let code = "payment_intent_unexpected_state";
                return Err(Refusal::invalid(code, "You cannot cancel this."));
            }
            books.object_mut(id)["status"] = json!("canceled");
            books.tell("payment_intent.canceled", id);
            Ok(books.object(id))
        }
        ["refunds"] => {
            let (intent, cents) = (fields.needed("payment_intent")?, fields.cents("amount")?);
            books.refund(intent, cents, &fields.below("metadata"))
        }
        _ => Err(Refusal::invalid("", "Unrecognized request URL")),
    }
}

fn session(books: &mut Books, fields: &Fields) -> Result<Value, Refusal> {
    let customer = fields.needed("customer")?;
    one(books, "customer", customer)?;
    for url in ["success_url", "cancel_url"] {
        fields.needed(url)?;
    }
    let open_s = fields.cents("expires_at")? - books.now_s;
    if !(1_800..=86_400).contains(&open_s) {
        let message = "The `expires_at` timestamp must be 30 minutes to 24 hours from now.";
        return Err(Refusal::invalid("", message));
    }
    let mode = fields.needed("mode")?;
    let (total, below) = match mode {
        "payment" => (Some(total(fields)?), "payment_intent_data[metadata]"),
        "setup" => (None, "setup_intent_data[metadata]"),
        _ => return Err(Refusal::invalid("", "Invalid mode")),
    };
    let currency = match mode {
        "payment" => fields.needed("line_items[0][price_data][currency]")?,
        _ => fields.needed("currency")?,
    };
    let saves = fields.of("payment_intent_data[setup_future_usage]") == Some("off_session");
    let page = json!({
        "mode": mode, "status": "open", "payment_status": "unpaid", "customer": customer,
        "amount_total": total, "currency": currency, "payment_intent": null, "setup_intent": null,
        "client_reference_id": fields.of("client_reference_id"),
        "expires_at": fields.cents("expires_at")?,
        "metadata": fields.below("metadata"), "success_url": fields.of("success_url"),
        "cancel_url": fields.of("cancel_url"),
        // Stripe shows neither; what comes of the page takes them over.
        "intent_metadata": fields.below(below), "saves_card": saves,
    });
    let id = text(&books.add("cs", "checkout.session", page), "id");
    let url = format!("https://checkout.stripe.com/c/pay/{id}");
    books.object_mut(&id)["url"] = json!(url);
    Ok(books.object(&id))
}

/// What all lines of a session cost.
fn total(fields: &Fields) -> Result<i64, Refusal> {
    let mut total = 0;
    for line in (0..).map(|index| format!("line_items[{index}]")) {
        if fields.of(&format!("{line}[quantity]")) != Some("1") {
            break;
        }
        fields.needed(&format!("{line}[price_data][product_data][name]"))?;
        total += fields.cents(&format!("{line}[price_data][unit_amount]"))?;
    }
    match total {
        50.. => Ok(total),
        _ => Err(Refusal::invalid("amount_too_small", "Amount too small")),
    }
}

fn off_session(books: &mut Books, fields: &Fields) -> Result<Value, Refusal> {
    for flag in ["confirm", "off_session"] {
        if fields.of(flag) != Some("true") {
            return Err(Refusal::invalid(
                "",
                "Farebox charges at once, and off session.",
            ));
        }
    }
    let (customer, card) = (fields.needed("customer")?, fields.needed("payment_method")?);
    let method = one(books, "payment_method", card)?;
    if method["customer"] != customer {
        let message = "The customer does not have a payment method with this ID";
        return Err(Refusal::invalid("resource_missing", message));
    }
    let intent = books.add(
        "pi",
        "payment_intent",
        json!({
            "amount": fields.cents("amount")?, "amount_received": 0, "customer": customer,
            "currency": fields.needed("currency")?, "payment_method": card,
            "latest_charge": null, "last_payment_error": null, "status": "processing",
            "metadata": fields.below("metadata"), "description": fields.of("description"),
        }),
    );
    let intent = text(&intent, "id");
    let number = books.number(card).expect("a card has a number");
    match cards::off_session(&number) {
        Ok(()) => {
            books.succeed(&intent);
            Ok(books.object(&intent))
        }
        Err(decline) => Err(books.decline(&intent, card, decline)),
    }
}

/// Movements, the newest first, with what they are for.
fn balance_transactions(books: &Books, query: &Fields) -> Result<Value, Refusal> {
    let (from, to) = (query.cents("created[gte]")?, query.cents("created[lt]")?);
    let most = usize::try_from(query.cents("limit")?).unwrap_or(10);
    let mut movements = books.of_kind("balance_transaction");
    movements.retain(|movement| {
        let at = movement["created"].as_i64().expect("a time");
        (from..to).contains(&at)
    });
    movements.reverse();
    if let Some(after) = query.of("starting_after") {
        let last = movements
            .iter()
            .position(|movement| movement["id"] == after);
        movements.drain(..=last.ok_or(Refusal::invalid("resource_missing", "No such object"))?);
    }
    let has_more = movements.len() > most;
    movements.truncate(most);
    if query.of("expand[]") == Some("data.source") {
        for movement in &mut movements {
            let source = movement["source"].as_str().and_then(|id| books.find(id));
            movement["source"] = source.unwrap_or(Value::Null);
        }
    }
    Ok(list(&movements, has_more))
}

fn list(data: &[Value], has_more: bool) -> Value {
    json!({"object": "list", "data": data, "has_more": has_more})
}

impl Fields {
    fn of(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    fn needed(&self, name: &str) -> Result<&str, Refusal> {
        let missing = || {
            let message = format!("Missing required param: {name}.");
            Refusal::invalid("parameter_missing", &message)
        };
        self.of(name)
            .filter(|text| !text.is_empty())
            .ok_or_else(missing)
    }

    fn cents(&self, name: &str) -> Result<i64, Refusal> {
        let number = self.needed(name)?.parse();
        number.map_err(|_| Refusal::invalid("parameter_invalid_integer", name))
    }

    /// The fields `name[…]`, as an object.
    fn below(&self, name: &str) -> Value {
        let inner = |(field, value): (&String, &String)| {
            let key = field.strip_prefix(name)?.strip_prefix('[')?;
            let key = key.strip_suffix(']')?;
            Some((key.to_owned(), json!(value)))
        };
        Value::Object(self.0.iter().filter_map(inner).collect::<Map<_, _>>())
    }
}
